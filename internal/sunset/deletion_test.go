package sunset_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestNothingStandsAgainstDeletion(t *testing.T) {
	require.Empty(t, sunset.RefuseDeletion(deletable()))
}

// Each row breaks one condition of the rule, and nothing else. The first refusal says where the case goes.
func TestEachConditionRefusesDeletion(t *testing.T) {
	type facts = sunset.DeletionFacts
	for _, row := range []struct {
		name   string
		breaks func(*facts)
		then   sunset.Then
		text   string
	}{
		{"rescued", func(f *facts) { f.Case.Rescue = &sunset.Rescue{By: "eve", Reason: "payroll"} }, sunset.ThenRestore, "eve asked"},
		{"the product's own", func(f *facts) { f.Own = "it is the caller" }, sunset.ThenRestore, "caller"},
		{"exempt by name", func(f *facts) { f.Settings.Exemptions = []sunset.Exemption{{Name: "old-*", Reason: "break-glass"}} }, sunset.ThenRestore, "break-glass"},
		{"exempt by the name before it was renamed", func(f *facts) {
			f.Settings.Exemptions = []sunset.Exemption{{Name: f.Case.UserName, Reason: "break-glass"}}
			f.Live.Name = "renamed"
		}, sunset.ThenRestore, "break-glass"},
		{"exempt by a live tag", func(f *facts) {
			f.Settings.Exemptions = []sunset.Exemption{{Tag: "critical", Reason: "r"}}
			f.Live.Tags = map[string]string{"critical": ""}
		}, sunset.ThenRestore, "exempt"},
		{"tagged keep", func(f *facts) { f.Live.Tags = map[string]string{sunset.TagKeep: ""} }, sunset.ThenRecheck, sunset.TagKeep},

		{"gone", func(f *facts) { f.Found = false }, sunset.ThenStop, "no user has the id"},
		{"another user of the name", func(f *facts) { f.Live.ID = "AIDAOTHER" }, sunset.ThenStop, "AIDAOTHER"},
		{"another creation date", func(f *facts) { f.Live.Created = f.Live.Created.Add(time.Second) }, sunset.ThenStop, "was made"},
		{"no creation date anywhere", func(f *facts) { f.Live.Created, f.Snapshot.User.Created = time.Time{}, time.Time{} }, sunset.ThenStop, "was made"},
		{"no name", func(f *facts) { f.Live.Name = "" }, sunset.ThenStop, "name"},
		{"a case without a user", func(f *facts) { f.Case.UserID = "" }, sunset.ThenStop, "snapshot"},
		{"a snapshot of another user", func(f *facts) { f.Snapshot.User.ID = "AIDAOTHER" }, sunset.ThenStop, "snapshot"},
		{"a snapshot of another case", func(f *facts) { f.Snapshot.CaseID = "cl0-AIDAOLDCI" }, sunset.ThenStop, "snapshot"},
		{"a snapshot of another account", func(f *facts) { f.Snapshot.Account = "999900001111" }, sunset.ThenStop, "snapshot"},
		{"no snapshot", func(f *facts) { f.Snapshot = sunset.Snapshot{} }, sunset.ThenStop, "snapshot"},
		{"closed", func(f *facts) { f.Case.Stage = sunset.Closed }, sunset.ThenStop, "closed"},
		{"another user, and rescued", func(f *facts) {
			f.Live.ID = "AIDAOTHER"
			f.Case.Rescue = &sunset.Rescue{By: "eve"}
		}, sunset.ThenStop, "AIDAOTHER"},

		{"never disabled", func(f *facts) { f.Case.Quarantine = nil }, sunset.ThenRecheck, "never disabled"},
		{"disabled nobody knows when", func(f *facts) { f.Case.Quarantine.At = time.Time{} }, sunset.ThenRecheck, "never disabled"},
		{"never soaked", func(f *facts) { f.Case.SoakFrom = time.Time{} }, sunset.ThenRecheck, "never disabled"},
		{"no end of the soak", func(f *facts) { f.Case.SoakUntil = time.Time{} }, sunset.ThenRecheck, "never disabled"},
		{"the deny is not in place", func(f *facts) { f.DenyInPlace = false }, sunset.ThenRecheck, "not in place"},
		{"disabled too lately", func(f *facts) { f.Case.Quarantine.At = ago(14*day - time.Second) }, sunset.ThenRecheck, "not soaked"},
		{"soaking again too lately", func(f *facts) { f.Case.SoakFrom = ago(14*day - time.Second) }, sunset.ThenRecheck, "not soaked"},
		{"the soak has not ended", func(f *facts) { f.Case.SoakUntil = now.Add(time.Second) }, sunset.ThenRecheck, "not soaked"},
		{"today's soak is longer", func(f *facts) { f.Settings.Soak = sunset.Days(16) }, sunset.ThenRecheck, "not soaked"},
		{"not disabled by its records", func(f *facts) { f.Disabled = time.Time{} }, sunset.ThenRecheck, "by its records"},
		{"disabled too lately by its records", func(f *facts) { f.Disabled = ago(14*day - time.Second) }, sunset.ThenRecheck, "by its records"},
		{"a signal", func(f *facts) {
			f.Signals = []sunset.Signal{{Kind: sunset.DeniedCall, At: ago(day), Detail: "GetObject"}}
		}, sunset.ThenRecheck, "GetObject"},
		{"a source unread", func(f *facts) {
			f.Signals = []sunset.Signal{{Kind: sunset.NotHeard, Region: "eu-west-1", Detail: "denied"}}
		}, sunset.ThenRecheck, "denied"},
		{"CloudTrail read too long ago", func(f *facts) { f.Heard = ago(sunset.Settle + sunset.Reading + time.Second) }, sunset.ThenRecheck, "CloudTrail"},
		{"CloudTrail never read", func(f *facts) { f.Heard = time.Time{} }, sunset.ThenRecheck, "CloudTrail"},
		{"a policy without a living principal", func(f *facts) { f.References[0].Weight = sunset.Blocking }, sunset.ThenRecheck, "living principal"},
		{"ownership unread", func(f *facts) { f.OwnershipGaps = []sunset.Gap{{Action: "kms:GetKeyPolicy", Why: "denied"}} }, sunset.ThenRecheck, "kms:GetKeyPolicy"},

		{"no request", func(f *facts) { f.Request = sunset.ApprovalRequest{} }, sunset.ThenAsk, "no request"},
		{"an earlier request", func(f *facts) { f.Case.RequestID = "req2" }, sunset.ThenAsk, "no request"},
		{"a request on another user", func(f *facts) { f.Request.UserID = "AIDAOTHER" }, sunset.ThenAsk, "no request"},
		{"a request on another case", func(f *facts) { f.Request.CaseID = "cl0-AIDAOLDCI" }, sunset.ThenAsk, "no request"},
		{"superseded", func(f *facts) { f.Request.State = sunset.RequestSuperseded }, sunset.ThenAsk, "superseded"},
		{"expired", func(f *facts) { f.Request.State = sunset.RequestExpired }, sunset.ThenAsk, "expired"},
		{"the request's facts were changed", func(f *facts) { f.Request.Facts.Name = "x" }, sunset.ThenAsk, "digest"},
		{"the request names another starter", func(f *facts) { f.Request.Starter = "" }, sunset.ThenAsk, "starter"},
		{"the request names no subject", func(f *facts) { f.Request.UserARN = "" }, sunset.ThenAsk, "subject"},
		{"a new reference", func(f *facts) { f.References = append(f.References, sunset.Reference{Service: "sqs"}) }, sunset.ThenAsk, "moved"},
		{"a reference less", func(f *facts) { f.References = nil }, sunset.ThenAsk, "moved"},
		{"another end", func(f *facts) { f.Settings.Final = sunset.FinalRetain }, sunset.ThenAsk, "moved"},
		{"another snapshot", func(f *facts) { f.Snapshot.User.Groups = nil }, sunset.ThenAsk, "moved"},
		{"a forged decision", func(f *facts) { f.Forged = 1 }, sunset.ThenAsk, "not made by the approval page"},
		{"no decision", func(f *facts) { f.Decisions = nil }, sunset.ThenAsk, "add up"},
		{"decided on other facts", func(f *facts) { f.Decisions[0].Digest = "x" }, sunset.ThenAsk, "add up"},
		{"decided on another request", func(f *facts) { f.Decisions[0].RequestID = "req0" }, sunset.ThenAsk, "add up"},
		{"decided on another user", func(f *facts) { f.Decisions[0].UserID = "AIDAOTHER" }, sunset.ThenAsk, "add up"},
		{"decided on another case", func(f *facts) { f.Decisions[0].CaseID = "cl0-AIDAOLDCI" }, sunset.ThenAsk, "add up"},
		{"decided otherwise", func(f *facts) { f.Decisions[0].Choice = sunset.ChooseSoakAgain }, sunset.ThenAsk, "add up"},
		{"somebody keeps", func(f *facts) {
			f.Decisions = append(f.Decisions, decide(f.Request, "cleo@example.com", sunset.ChooseKeep))
		}, sunset.ThenAsk, "add up"},
		{"two are needed today", func(f *facts) { f.Settings.ApprovalsNeeded = 2 }, sunset.ThenAsk, "add up"},
		{"two were needed when asked", func(f *facts) { f.Request.Needed = 2 }, sunset.ThenAsk, "add up"},
		{"the approver is none any more", func(f *facts) { f.Settings.Approvers = f.Settings.Approvers[1:] }, sunset.ThenAsk, "not an approver"},
		{"the approver started it", func(f *facts) {
			f.Case.Starter = "ann@example.com"
			f.Request.Starter = f.Case.Starter
		}, sunset.ThenAsk, "started this cleanup"},
		{"the approver is the subject", func(f *facts) {
			f.Settings.Approvers[0].Principals = []string{f.Live.ARN}
		}, sunset.ThenAsk, "subject"},

		{"the approver started it, whoever the request claims", func(f *facts) { f.Starter = "arn:aws:iam::111122223333:user/people/ann" }, sunset.ThenAsk, "started this cleanup"},
		{"a session of the approver's role started it", func(f *facts) {
			f.Decisions[0].Approver = "bob@example.com"
			f.Starter = "arn:aws:sts::111122223333:assumed-role/Security/any"
		}, sunset.ThenAsk, "started this cleanup"},
		{"the row's starter is proven, the records' is the approver", func(f *facts) {
			f.Request.Proven, f.Starter = f.Case.Starter, "ann@example.com"
		}, sunset.ThenAsk, "started this cleanup"},
		{"nobody knows who started it", func(f *facts) { f.Starter = "" }, sunset.ThenRestore, "who started"},
		{"nobody knows who started it but the row", func(f *facts) { f.Starter, f.Request.Proven = "", f.Case.Starter }, sunset.ThenRestore, "who started"},
		{"nobody knows yet who started it", func(f *facts) { f.Starter, f.Began = "", ago(time.Hour) }, sunset.ThenWait, "who started"},
		{"nobody knows who started it, and its key is tried", func(f *facts) {
			f.Starter = ""
			f.Signals = []sunset.Signal{{Kind: sunset.DeniedCall, At: ago(day), Detail: "GetObject"}}
		}, sunset.ThenRecheck, "GetObject"},
		{"nobody knows who started it, and nobody has decided", func(f *facts) { f.Starter, f.Decisions = "", nil }, sunset.ThenRecheck, "who started"},
		{"nobody knows who started it, nor when", func(f *facts) { f.Starter, f.Began = "", time.Time{} }, sunset.ThenRestore, "who started"},

		{"paused", func(f *facts) { f.Paused = "an incident" }, sunset.ThenWait, "an incident"},
		{"outside the windows", func(f *facts) { f.Settings.Windows = []sunset.Window{{From: "12:00", To: "13:00"}} }, sunset.ThenWait, "windows"},
		{"no window ever opens", func(f *facts) { f.Settings.Windows = []sunset.Window{{From: "x", To: "y"}} }, sunset.ThenWait, "windows"},
		{"over the cap", func(f *facts) { f.Deleted = 20 }, sunset.ThenWait, "cap_percent"},
		{"nobody discovered", func(f *facts) { f.Users = 0 }, sunset.ThenWait, "cap_percent"},
		{"no lease", func(f *facts) { f.Case.Lease = nil }, sunset.ThenWait, "somebody else"},
		{"another's lease", func(f *facts) { f.Case.Lease.Holder = "you" }, sunset.ThenWait, "somebody else"},
		{"nobody's lease", func(f *facts) { f.Case.Lease.Holder, f.Holder = "", "" }, sunset.ThenWait, "somebody else"},
		{"a lease that ended", func(f *facts) { f.Case.Lease.Until = now }, sunset.ThenWait, "somebody else"},
		{"nothing was read at all", func(f *facts) { *f = facts{} }, sunset.ThenStop, "snapshot"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := deletable()
			row.breaks(&f)
			out := sunset.RefuseDeletion(f)
			require.NotEmpty(t, out, "it would have been deleted")
			require.Equal(t, row.then, out[0].Then, "%v", out)
			require.Contains(t, out[0].Text, row.text)
			if row.then == sunset.ThenWait {
				require.True(t, out[0].At.After(f.Now), "it must say when to try again")
			}
		})
	}
}

// Two approvers, one of whom started the cleanup: the other's word is enough where one is needed, and not where two are.
func TestTheStartersWordIsLeftOut(t *testing.T) {
	f := deletable()
	f.Starter = "arn:aws:iam::111122223333:user/people/ann"
	f.Decisions = append(f.Decisions, decide(f.Request, "cleo@example.com", sunset.ChooseDelete))
	require.Empty(t, sunset.RefuseDeletion(f))
	f.Settings.ApprovalsNeeded = 2
	require.Contains(t, sunset.RefuseDeletion(f)[0].Text, "ann@example.com started this cleanup")
	f.Starter = f.Case.Starter
	require.Empty(t, sunset.RefuseDeletion(f), "somebody else started it")
}

func TestDeletionAtTheVeryEdge(t *testing.T) {
	f := deletable()
	f.Case.Quarantine.At, f.Case.SoakFrom, f.Case.SoakUntil = ago(14*day), ago(14*day), now
	f.Heard = ago(sunset.Settle + sunset.Reading)
	f.Deleted = 19
	f.Settings.Windows = []sunset.Window{{From: "10:00", To: "10:01"}}
	f.OwnershipGaps = []sunset.Gap{{Action: "ecr:GetRepositoryPolicy"}}
	f.Settings.AcceptUnread = []string{"ecr"}
	require.Empty(t, sunset.RefuseDeletion(f))
}
