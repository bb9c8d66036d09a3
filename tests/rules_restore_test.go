package tests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	readOnly  = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	billing   = "arn:aws:iam::aws:policy/job-function/Billing"
	allowAll3 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
)

// everything is a user with each kind of artifact, in each status.
func everything(a *fakeaws.Account) (fakeaws.NewUser, error) { return everythingOf(a, victim) }

func everythingOf(a *fakeaws.Account, name string) (fakeaws.NewUser, error) {
	for _, g := range []string{"devs", "ops", "auditors"} {
		a.AddGroup(fakeaws.GroupSpec{Name: g})
	}
	made := begin().AddDate(-2, 0, 0)
	return a.AddUser(fakeaws.UserSpec{
		Name: name, Path: "/ci/", CreatedAt: made, Tags: []fakeaws.Tag{{Key: "owner", Value: "ada@example.com"}},
		Password: &fakeaws.PasswordSpec{LastUsed: begin().AddDate(-1, 0, 0), LastRotated: made},
		Keys: []fakeaws.AccessKeySpec{
			{CreatedAt: made, LastUsed: fakeaws.LastUsed{At: begin().AddDate(-1, 0, 0), Service: "s3", Region: "eu-west-1"}},
			{CreatedAt: made, Status: "Inactive"},
		},
		MFA:                []fakeaws.MFASpec{{Kind: "virtual"}, {Kind: "u2f"}, {Kind: "hardware"}},
		SSHKeys:            []fakeaws.SSHKeySpec{{UploadedAt: made}, {UploadedAt: made, Status: "Inactive"}},
		Certificates:       []fakeaws.CertificateSpec{{UploadedAt: made}, {UploadedAt: made, Status: "Inactive"}},
		ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "codecommit.amazonaws.com", CreatedAt: made}, {ServiceName: "bedrock.amazonaws.com", Status: "Inactive", CreatedAt: made}},
		Groups:             []string{"devs", "ops"},
		Inline:             map[string]string{"uploads+more": allowAll3},
		Attached:           []string{readOnly},
		Boundary:           a.AddPolicy("edge", allowAll3),
	})
}

func keeping(t *testing.T, how sunset.DisableHow) *breaker {
	b := newBreakerOf(t, everything)
	b.settings.Disable, b.settings.AcceptUnknown = how, []string{victim}
	b.people[approver] = always(sunset.ChooseKeep)
	return b
}

// What was changed and decided to be kept is as it was, item by item; only a password that deactivation removed is not.
func TestRestoreGivesEachItemItsOwnStatus(t *testing.T) {
	for _, how := range []sunset.DisableHow{sunset.ByQuarantine, sunset.ByDeactivation} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			b := keeping(t, how)
			c := b.settle()
			require.Equal(t, sunset.Restored, c.Outcome, b.dump(c))
			now := b.untouchedBut("DeleteLoginProfile")
			want := b.before
			want.HasPassword = how == sunset.ByQuarantine
			require.Equal(t, timeless(want), timeless(now))
		})
	}
}

// What people did meanwhile stays as they left it, and the record of the restore lists it.
func TestRestoreKeepsWhatPeopleDidMeanwhile(t *testing.T) {
	for _, how := range []sunset.DisableHow{sunset.ByQuarantine, sunset.ByDeactivation} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			b := keeping(t, how)
			b.at(turn().Add(day), func() {
				u := "UserName"
				b.somebody("DeleteAccessKey", u, victim, "AccessKeyId", b.user.Keys[1].AccessKeyID)
				b.somebody("CreateAccessKey", u, victim)
				b.somebody("AddUserToGroup", u, victim, "GroupName", "auditors")
				b.somebody("RemoveUserFromGroup", u, victim, "GroupName", "devs")
				b.somebody("PutUserPolicy", u, victim, "PolicyName", "emergency", "PolicyDocument", allowAll3)
				b.somebody("DeleteUserPolicy", u, victim, "PolicyName", "uploads+more")
				b.somebody("AttachUserPolicy", u, victim, "PolicyArn", billing)
				b.somebody("DetachUserPolicy", u, victim, "PolicyArn", readOnly)
				b.somebody("AttachUserPolicy", u, victim, "PolicyArn", sunset.ManagedDenyARN)
				b.somebody("TagUser", u, victim, "Tags.member.1.Key", "ticket", "Tags.member.1.Value", "4711")
				b.somebody("DeleteUserPermissionsBoundary", u, victim)
				b.somebody("DeactivateMFADevice", u, victim, "SerialNumber", b.user.MFASerials[0])
				b.somebody("UpdateServiceSpecificCredential", u, victim, "ServiceSpecificCredentialId", b.user.ServiceCredentialIDs[1], "Status", "Active")
				if how == sunset.ByQuarantine {
					b.somebody("UpdateAccessKey", u, victim, "AccessKeyId", b.user.Keys[0].AccessKeyID, "Status", "Inactive")
					b.somebody("UpdateSSHPublicKey", u, victim, "SSHPublicKeyId", b.user.SSHKeyIDs[0], "Status", "Inactive")
				}
			})
			c := b.settle()
			require.Equal(t, sunset.Restored, c.Outcome, b.dump(c))
			now, _ := b.account.User(victim)
			require.ElementsMatch(t, []string{"auditors", "ops"}, now.Groups)
			require.Equal(t, map[string]string{"emergency": allowAll3}, now.Inline)
			require.ElementsMatch(t, []string{billing, sunset.ManagedDenyARN}, now.Attached, "a deny that somebody else put on stays on")
			require.Equal(t, "4711", now.Tags["ticket"])
			require.NotContains(t, now.Tags, sunset.TagCase)
			require.Empty(t, now.Boundary)
			require.Len(t, now.MFA, 2)
			require.Equal(t, "Active", now.ServiceCredentials[1].Status)
			require.Len(t, now.Keys, 2)
			require.Equal(t, how == sunset.ByQuarantine, now.Keys[0].Status == "Inactive", "ours is switched on again, theirs is not")
			said := b.dump(c)
			for _, difference := range []string{
				b.user.Keys[1].AccessKeyID + " is gone", "it has a new access key", "group auditors was added", "group devs is gone", "inline policy emergency was added",
				"inline policy uploads+more is gone", billing + " was added", readOnly + " is gone", sunset.ManagedDenyARN + " was added", "tag ticket=4711 was added",
				"permissions boundary", b.user.MFASerials[0] + " is gone", "is Active, not Inactive",
			} {
				require.Contains(t, said, difference)
			}
		})
	}
}

// A deletion that failed on its way, and that is not wanted any more when it is taken up again, gives back what is left.
func TestAFailedDeletionCanStillBeTurnedBack(t *testing.T) {
	t.Parallel()
	b := newBreaker(t)
	done := false
	b.atDeletion("", func() {
		done = true
		b.account.Fail(fakeaws.Fault{Service: "iam", Action: "DeleteAccessKey", Times: 1, Code: "AccessDenied", Status: 403})
	})
	b.after(&done)
	c := b.caseOf(b.user.ID)
	require.Equal(t, sunset.Failed, c.Outcome, b.dump(c))
	b.set(func(s *sunset.Settings) { s.Exemptions = []sunset.Exemption{{Name: victim, Reason: "needed"}} })
	out, err := invoke(b.world, b.machine.DeleteAllArtifacts, b.of(c))
	require.NoError(t, err)
	require.Equal(t, "restore", out.Status)
	back, err := invoke(b.world, b.machine.Restore, b.of(c))
	require.NoError(t, err)
	require.Equal(t, "restored", back.Status)
	now, there := b.account.User(victim)
	require.True(t, there)
	require.NotContains(t, now.Inline, sunset.DenyPolicyName)
	require.Len(t, now.Keys, 2)
	require.Equal(t, "Active", now.Keys[0].Status)
}

// A rescue that comes while the approvers are about to be asked is not undone by the asking.
func TestARescueIsNotOpenedAgainByItsRequest(t *testing.T) {
	b := newBreaker(t)
	b.people = nil
	rescued := false
	b.invoked = func(function string) error {
		if function == "request-approval" && !rescued {
			rescued = true
			return b.machine.Rescue(t.Context(), b.user.ID, "owner@example.com", "mine")
		}
		return nil
	}
	c := b.settle()
	require.Equal(t, sunset.Rescued, c.Outcome, b.dump(c))
	require.Empty(t, c.RequestID, "nobody is asked about a user who is back")
	require.Equal(t, timeless(b.before), timeless(b.untouched()))
}

// With the credentials of another account every user seems to be gone. No case is given up for it.
func TestAnotherAccountsCredentialsGiveNoCaseUp(t *testing.T) {
	b := newBreaker(t)
	c := b.toRequest()
	ours := b.machine.IAM
	other := newSmallWorld(t, nil)
	b.machine.IAM = other.machine.IAM
	b.row("case/"+b.user.ID, func(row map[string]any) { row["account"] = "999900001111" })
	for name, handler := range map[string]func() error{
		"delete":  func() error { _, err := invoke(b.world, b.machine.DeleteAllArtifacts, b.of(c)); return err },
		"restore": func() error { _, err := invoke(b.world, b.machine.Restore, b.of(c)); return err },
	} {
		require.Error(t, handler(), name)
		require.True(t, b.caseOf(b.user.ID).Open(), name)
	}
	b.object("cases/"+c.ID+"/entry.json", func(f map[string]any) { f["account"] = "999900001111" })
	b.row("case/"+b.user.ID, func(row map[string]any) { row["deleting_since"] = b.clock.Now() })
	_, err := invoke(b.world, b.machine.DeleteAllArtifacts, b.of(c))
	require.ErrorContains(t, err, "account", "a deletion taken up again must not take a user of another account for gone")
	require.Empty(t, b.caseOf(b.user.ID).Outcome)
	b.machine.IAM = ours
	b.untouched()
}
