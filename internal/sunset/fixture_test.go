package sunset_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// now is a Monday.
var now = time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func ago(d time.Duration) time.Time { return now.Add(-d) }

func agoPtr(d time.Duration) *time.Time { t := ago(d); return &t }

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return v
}

func settings() sunset.Settings {
	s := sunset.DefaultSettings()
	s.Approvers = []sunset.Approver{
		{Email: "ann@example.com", Principals: []string{"arn:aws:iam::111122223333:user/people/ann"}},
		{Email: "bob@example.com", Principals: []string{"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/Security"}},
		{Email: "cleo@example.com"},
	}
	return s
}

// idleUser has everything that a user can have, all of it unused for long and none of it unreported.
func idleUser() sunset.User {
	return sunset.User{
		ID: "AIDAOLDCI", Name: "old-ci", ARN: "arn:aws:iam::111122223333:user/ci/old-ci", Path: "/ci/", Created: ago(900 * day),
		Tags: map[string]string{"team": "payments"}, Groups: []string{"builders", "readers"}, Inline: []string{"own"},
		Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, Boundary: "arn:aws:iam::111122223333:policy/edge",
		Credentials: []sunset.Credential{
			{Kind: sunset.Password, Status: sunset.Active, Created: ago(900 * day)},
			{Kind: sunset.AccessKey, ID: "AKIAONE", Status: sunset.Active, Created: ago(900 * day), LastUsed: agoPtr(400 * day), Service: "s3", Region: "us-east-1"},
			{Kind: sunset.AccessKey, ID: "AKIATWO", Status: sunset.Inactive, Created: ago(800 * day)},
		},
		MFA:              []sunset.MFADevice{{Serial: "arn:aws:iam::111122223333:mfa/old-ci", Kind: sunset.VirtualMFA}},
		PasswordLastUsed: agoPtr(500 * day),
	}
}

func idleEntry() sunset.Entry {
	return sunset.Entry{
		User: idleUser(), Detailed: true, TrailRead: true, OwnershipRead: true,
		Evidence: []sunset.Evidence{{Source: "cloudtrail:LookupEvents", Region: "us-east-1", Read: now, Use: sunset.Unused}},
	}
}

// deletable are facts under which nothing stands against deletion.
func deletable() sunset.DeletionFacts {
	s := settings()
	c := sunset.Case{
		ID: "cl1-AIDAOLDCI", CleanupID: "cl1", Account: "111122223333", UserID: "AIDAOLDCI", UserName: "old-ci",
		Starter: "arn:aws:sts::111122223333:assumed-role/Starter/dora", Stage: sunset.Deleting, Changed: true,
		Claimed: ago(20 * day), Turn: ago(16 * day),
		Quarantine: &sunset.Quarantine{Method: sunset.InlineDeny, At: ago(15 * day)},
		SoakFrom:   ago(15 * day), SoakUntil: ago(1 * day), Heard: ago(2 * time.Hour),
		Round: 1, RequestID: "req1", Lease: &sunset.Lease{Holder: "me", Until: now.Add(10 * time.Minute)},
	}
	snap := sunset.Snapshot{CaseID: c.ID, Account: c.Account, Taken: ago(15 * day), User: idleUser()}
	live := idleUser()
	live.Inline = append(live.Inline, sunset.DenyPolicyName)
	refs := []sunset.Reference{{Service: "s3", Resource: "arn:aws:s3:::logs", How: "arn", Weight: sunset.Informing, Detail: "allows it to read"}}
	facts := sunset.FactsOf(snap, refs, nil, s.Final)
	r := sunset.ApprovalRequest{
		ID: "req1", CaseID: c.ID, CleanupID: c.CleanupID, UserID: c.UserID, UserName: c.UserName, UserARN: snap.User.ARN,
		Round: 1, Starter: c.Starter, Issued: ago(1 * day), Expires: now.Add(13 * day), Needed: 1,
		Facts: facts, Digest: facts.Digest(), State: sunset.RequestDecided,
	}
	return sunset.DeletionFacts{
		Now: now, Settings: s, Case: c, Snapshot: snap, Live: live, Found: true, DenyInPlace: true, Heard: c.Heard,
		References: refs, Request: r, Decisions: []sunset.Decision{decide(r, "ann@example.com", sunset.ChooseDelete)},
		Deleted: 1, Users: 100, Holder: "me", Disabled: ago(15 * day),
		Starter: c.Starter, Began: ago(20 * day),
	}
}

func decide(r sunset.ApprovalRequest, who string, choice sunset.Choice) sunset.Decision {
	return sunset.Decision{
		RequestID: r.ID, CaseID: r.CaseID, UserID: r.UserID, Digest: r.Digest,
		Approver: who, Choice: choice, Reason: "nobody knows it", At: r.Issued.Add(time.Hour), Way: "link",
	}
}
