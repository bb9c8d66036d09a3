package sunset_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestDrift(t *testing.T) {
	used := ago(time.Hour)
	for _, row := range []struct {
		name   string
		change func(c *sunset.Case, live *sunset.User)
		want   []sunset.SignalKind
	}{
		{"nothing but our deny", func(*sunset.Case, *sunset.User) {}, nil},
		{"our managed deny", func(c *sunset.Case, u *sunset.User) {
			c.Quarantine.Method = sunset.ManagedDeny
			u.Inline, u.Attached = u.Inline[:1], append(u.Attached, sunset.ManagedDenyARN)
		}, nil},
		{"our deactivation", func(c *sunset.Case, u *sunset.User) {
			c.Quarantine.Method = sunset.Deactivation
			u.Credentials = u.Credentials[1:]
			u.Credentials[0].Status = sunset.Inactive
		}, nil},
		{"our tag", func(_ *sunset.Case, u *sunset.User) { u.Tags = map[string]string{sunset.TagCase: "cl1"} }, nil},
		{"a deny that is not ours", func(_ *sunset.Case, u *sunset.User) { u.Attached = append(u.Attached, sunset.ManagedDenyARN) }, []sunset.SignalKind{sunset.ArtifactDrift}},
		{"renamed", func(_ *sunset.Case, u *sunset.User) { u.Name = "new" }, []sunset.SignalKind{sunset.Renamed}},
		{"moved to another path", func(_ *sunset.Case, u *sunset.User) { u.Path = "/" }, []sunset.SignalKind{sunset.Renamed}},
		{"another user", func(_ *sunset.Case, u *sunset.User) { u.ID, u.Credentials = "AIDAOTHER", nil }, []sunset.SignalKind{sunset.OtherUserID}},
		{"another creation", func(_ *sunset.Case, u *sunset.User) { u.Created = now }, []sunset.SignalKind{sunset.OtherUserID}},
		{"tagged keep", func(_ *sunset.Case, u *sunset.User) { u.Tags = map[string]string{"IAM-Sunset-Keep": ""} }, []sunset.SignalKind{sunset.KeepTag}},
		{"a key was tried", func(_ *sunset.Case, u *sunset.User) { u.Credentials[1].LastUsed = &used }, []sunset.SignalKind{sunset.LastUsedMoved}},
		{"a key's last use can't be read", func(_ *sunset.Case, u *sunset.User) { u.Credentials[1].LastUsed = nil }, []sunset.SignalKind{sunset.NotHeard}},
		{"a use that a decision has seen", func(c *sunset.Case, u *sunset.User) {
			c.Forgiven = map[string]time.Time{"AKIAONE": used}
			u.Credentials[1].LastUsed = &used
		}, nil},
		{"a use after that", func(c *sunset.Case, u *sunset.User) {
			c.Forgiven = map[string]time.Time{"AKIAONE": used.Add(-time.Second)}
			u.Credentials[1].LastUsed = &used
		}, []sunset.SignalKind{sunset.LastUsedMoved}},
		{"the password was used", func(_ *sunset.Case, u *sunset.User) { u.PasswordLastUsed = &used }, []sunset.SignalKind{sunset.SignIn}},
		{"the password was used, as its credential says", func(_ *sunset.Case, u *sunset.User) { u.Credentials[0].LastUsed = &used }, []sunset.SignalKind{sunset.SignIn}},
		{"a forgiven sign-in", func(c *sunset.Case, u *sunset.User) {
			c.Forgiven = map[string]time.Time{"": used}
			u.PasswordLastUsed = &used
		}, nil},
		{"a key was switched on", func(_ *sunset.Case, u *sunset.User) { u.Credentials[2].Status = sunset.Active }, []sunset.SignalKind{sunset.CredentialDrift}},
		{"a key was switched off", func(_ *sunset.Case, u *sunset.User) { u.Credentials[1].Status = sunset.Inactive }, []sunset.SignalKind{sunset.CredentialDrift}},
		{"a key is gone", func(_ *sunset.Case, u *sunset.User) { u.Credentials = u.Credentials[:2] }, []sunset.SignalKind{sunset.CredentialDrift}},
		{"a new key", func(_ *sunset.Case, u *sunset.User) {
			u.Credentials = append(u.Credentials, sunset.Credential{Kind: sunset.SSHKey, ID: "APKA1", Status: sunset.Active})
		}, []sunset.SignalKind{sunset.NewCredential}},
		{"a password made anew", func(_ *sunset.Case, u *sunset.User) { u.Credentials[0].Created = used }, []sunset.SignalKind{sunset.NewCredential}},
		{"the password is back after deactivation", func(c *sunset.Case, u *sunset.User) {
			c.Quarantine.Method = sunset.Deactivation
			u.Credentials[1].Status = sunset.Inactive
		}, []sunset.SignalKind{sunset.NewCredential}},
		{"a key is back on after deactivation", func(c *sunset.Case, u *sunset.User) {
			c.Quarantine.Method = sunset.Deactivation
			u.Credentials = u.Credentials[1:]
		}, []sunset.SignalKind{sunset.CredentialDrift}},
		{"a group less", func(_ *sunset.Case, u *sunset.User) { u.Groups = u.Groups[:1] }, []sunset.SignalKind{sunset.ArtifactDrift}},
		{"a policy more", func(_ *sunset.Case, u *sunset.User) { u.Inline = append(u.Inline, "x") }, []sunset.SignalKind{sunset.ArtifactDrift}},
		{"a device less", func(_ *sunset.Case, u *sunset.User) { u.MFA = nil }, []sunset.SignalKind{sunset.ArtifactDrift}},
		{"another boundary", func(_ *sunset.Case, u *sunset.User) { u.Boundary = "arn:x" }, []sunset.SignalKind{sunset.ArtifactDrift, sunset.ArtifactDrift}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := deletable()
			row.change(&f.Case, &f.Live)
			var got []sunset.SignalKind
			for _, s := range sunset.Drift(f.Case, f.Snapshot, f.Live, now) {
				got = append(got, s.Kind)
				require.NotEmpty(t, s.Detail)
			}
			require.Equal(t, row.want, got)
		})
	}
}
