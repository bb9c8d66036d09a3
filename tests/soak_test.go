package tests

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Whatever somebody does to or with a quarantined user disturbs its soak: it is not offered for deletion.
func TestWhatDisturbsASoak(t *testing.T) {
	admin := func(action string, params ...string) func(*fakeaws.Actor, fakeaws.NewUser) {
		return func(p *fakeaws.Actor, u fakeaws.NewUser) {
			v := url.Values{"UserName": {u.Name}}
			for i := 0; i < len(params); i += 2 {
				v.Set(params[i], strings.ReplaceAll(params[i+1], "KEY", u.Keys[1].AccessKeyID))
			}
			if code := p.AsAdministrator(action, v); code != "" {
				panic(action + ": " + code)
			}
		}
	}
	for _, r := range []struct {
		name string
		do   func(*fakeaws.Actor, fakeaws.NewUser)
		kind sunset.SignalKind
	}{
		{"renamed", admin("UpdateUser", "NewUserName", "new-batch"), sunset.Renamed},
		{"a key switched on", admin("UpdateAccessKey", "AccessKeyId", "KEY", "Status", "Active"), sunset.CredentialDrift},
		{"a key deleted", admin("DeleteAccessKey", "AccessKeyId", "KEY"), sunset.CredentialDrift},
		{"a new credential", admin("CreateServiceSpecificCredential", "ServiceName", "codecommit.amazonaws.com"), sunset.NewCredential},
		{"a new group", admin("AddUserToGroup", "GroupName", "admins"), sunset.ArtifactDrift},
		{"signed in", func(p *fakeaws.Actor, u fakeaws.NewUser) { p.SignIn(u.Name, "us-east-1") }, sunset.SignIn},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w, user := one(t)
			w.account.AddGroup(fakeaws.GroupSpec{Name: "admins"})
			w.account.At(turn().Add(6*day), func(p *fakeaws.Actor) { r.do(p, user) })
			var asked sunset.ApprovalRequest
			w.people[approver] = func(q sunset.ApprovalRequest) sunset.Choice {
				asked = q
				return deleteOrKeep(q)
			}
			w.clean(sunset.Request{})
			w.finish()
			c := w.caseOf(user.ID)
			require.Equal(t, sunset.Restored, c.Outcome, w.dump(c))
			require.True(t, asked.Disturbed)
			var kinds []sunset.SignalKind
			for _, s := range asked.Facts.Signals {
				kinds = append(kinds, s.Kind)
			}
			require.Contains(t, kinds, r.kind)
			for _, u := range w.account.Users() {
				if u.ID == user.ID {
					require.NotContains(t, u.Inline, sunset.DenyPolicyName)
					require.NotContains(t, u.Tags, sunset.TagCase)
				}
			}
			w.proven()
		})
	}
}

// Each kind of device goes in its own way, and a virtual one of the user's name that nobody has goes as well.
func TestDevicesAndBoundariesGoWithTheUser(t *testing.T) {
	t.Parallel()
	var users []fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		users = append(users, join(t, a, "old-token", fakeaws.OldKey(), fakeaws.HardwareMFA()),
			join(t, a, "old-fido", fakeaws.OldKey(), fakeaws.FIDOKey()),
			join(t, a, "old-spare", fakeaws.OldKey(), fakeaws.LeftoverMFA()))
		made, err := a.AddUser(fakeaws.UserSpec{
			Name: "old-bound", CreatedAt: begin().Add(-900 * day), Boundary: "arn:aws:iam::aws:policy/PowerUserAccess",
			Keys: []fakeaws.AccessKeySpec{{CreatedAt: begin().Add(-900 * day)}},
		})
		require.NoError(t, err)
		users = append(users, made)
	})
	w.clean(sunset.Request{})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Deleted: len(users)}, positive(row.Outcomes))
	require.Empty(t, w.account.Users())
	require.Empty(t, w.account.VirtualMFADevices())
	for _, c := range w.account.Calls() {
		require.NotEqual(t, "DeleteUserPermissionsBoundary", c.Action, "a boundary goes with its user, not before")
		if c.Action == "DeleteVirtualMFADevice" {
			require.Contains(t, c.Params["SerialNumber"], ":mfa/old-spare")
		}
	}
	w.proven()
}
