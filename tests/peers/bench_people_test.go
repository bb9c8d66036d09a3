//go:build peers

package peers

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// populate fills the account: those to go, those whom a careless look takes for unused, and those who work.
func (a *account) populate(tb testing.TB) {
	tb.Helper()
	for _, g := range []string{"developers", "readers"} {
		a.AddGroup(fakeaws.GroupSpec{Name: g, CreatedAt: a.ago(1500), Attached: []string{managed("ReadOnlyAccess")}})
	}
	for i := range a.dead {
		a.doomed[a.add(tb, fmt.Sprintf("%s.%02d", []string{"alex", "bea", "carl", "dina"}[i%4], i), a.unused(i), "").ID] = true
	}
	if a.careless {
		a.lookUnused(tb)
	}
	for i := len(a.Users()); i < a.users; i++ {
		spec := a.used(1+i%60, "ec2")
		if i%2 == 0 {
			spec.Password = &fakeaws.PasswordSpec{LastUsed: a.ago(1 + i%30), LastRotated: a.ago(200)}
			spec.MFA = []fakeaws.MFASpec{{Kind: "virtual"}}
		}
		a.add(tb, fmt.Sprintf("worker-%04d", i), spec, "works")
	}
}

// lookUnused adds those whom a careless look takes for unused.
func (a *account) lookUnused(tb testing.TB) {
	tb.Helper()
	stay := func(n int, name, why string, spec func(i int) fakeaws.UserSpec) {
		for i := range n {
			a.add(tb, fmt.Sprintf(name, i), spec(i), why)
		}
	}
	stay(30, "BedrockAPIKey-%02d", "works with a service-specific credential", func(int) fakeaws.UserSpec {
		return fakeaws.UserSpec{ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "bedrock.amazonaws.com"}}, Attached: []string{managed("PowerUserAccess")}}
	})
	stay(20, "git-mirror-%02d", "works with an SSH key", func(int) fakeaws.UserSpec {
		return fakeaws.UserSpec{SSHKeys: []fakeaws.SSHKeySpec{{}}}
	})
	stay(5, "soap-client-%02d", "works with a signing certificate", func(int) fakeaws.UserSpec {
		return fakeaws.UserSpec{Certificates: []fakeaws.CertificateSpec{{}}}
	})
	stay(10, "emergency-%02d", "is kept for an emergency, as a tag says", func(int) fakeaws.UserSpec {
		return fakeaws.UserSpec{
			Tags: []fakeaws.Tag{{Key: "break-glass", Value: "true"}}, Password: &fakeaws.PasswordSpec{LastRotated: a.ago(365)},
			MFA: []fakeaws.MFASpec{{Kind: "hardware"}}, Attached: []string{managed("AdministratorAccess")},
		}
	})
	stay(20, "joiner.%02d", "is nine days old", func(int) fakeaws.UserSpec {
		return fakeaws.UserSpec{CreatedAt: a.ago(9), Password: &fakeaws.PasswordSpec{}, Keys: []fakeaws.AccessKeySpec{{}}}
	})
	stay(20, "quarter-end-%02d", "was used 80 days ago", func(int) fakeaws.UserSpec { return a.used(80, "ec2") })
	stay(10, "ses-smtp-user.%02d", "was used 2 days ago", func(int) fakeaws.UserSpec { return a.used(2, "ses") })
	// These are deleted, and their names used again, once the report is made.
	stay(10, "returning.%02d", "left", func(int) fakeaws.UserSpec {
		return fakeaws.UserSpec{Password: &fakeaws.PasswordSpec{LastUsed: a.ago(300), LastRotated: a.ago(500)}}
	})
	// A KMS key, or a bucket, that nobody else may use.
	alone := func(name, why string, life fakeaws.Life) {
		u, err := a.Join(name, fakeaws.OldKey(), life)
		require.NoError(tb, err)
		a.kinds[u.ID] = why
	}
	for i := range 5 {
		alone(fmt.Sprintf("vault-%02d", i), "is the only one whom a KMS key's policy names", fakeaws.SoleInKeyPolicy(region))
		alone(fmt.Sprintf("archive-%02d", i), "is the only one whom a bucket's policy names", fakeaws.SoleInBucketPolicy(fmt.Sprintf("archive-%02d", i), region))
	}
}

func (a *account) add(tb testing.TB, name string, spec fakeaws.UserSpec, why string) fakeaws.NewUser {
	tb.Helper()
	spec.Name = name
	if spec.CreatedAt.IsZero() {
		spec.CreatedAt = a.ago(900)
	}
	u, err := a.AddUser(spec)
	require.NoError(tb, err)
	if why != "" {
		a.kinds[u.ID] = why
	}
	return u
}

func (a *account) ago(days int) time.Time {
	return a.clock().Add(-time.Duration(days) * day).Truncate(time.Second)
}

// used is a machine that used its key that many days ago.
func (a *account) used(days int, service string) fakeaws.UserSpec {
	return fakeaws.UserSpec{
		Attached: []string{managed("AmazonEC2FullAccess")},
		Keys:     []fakeaws.AccessKeySpec{{CreatedAt: a.ago(600), LastUsed: fakeaws.LastUsed{At: a.ago(days), Service: service, Region: region}}},
	}
}

// unused is one of those to go, of eight kinds that have between them everything that DeleteUser wants gone.
func (a *account) unused(i int) fakeaws.UserSpec {
	old := fakeaws.AccessKeySpec{CreatedAt: a.ago(700), LastUsed: fakeaws.LastUsed{At: a.ago(398), Service: "s3", Region: region}}
	off := fakeaws.AccessKeySpec{CreatedAt: a.ago(720), Status: "Inactive"}
	password := &fakeaws.PasswordSpec{LastUsed: a.ago(412), LastRotated: a.ago(640)}
	virtual := fakeaws.MFASpec{Kind: "virtual", EnabledAt: a.ago(640)}
	const own = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	switch i % 8 {
	case 0:
		return fakeaws.UserSpec{
			Password: password, Keys: []fakeaws.AccessKeySpec{old, off}, MFA: []fakeaws.MFASpec{virtual}, Groups: []string{"developers", "readers"},
			Attached: []string{managed("AmazonS3ReadOnlyAccess")}, Inline: map[string]string{"own": own},
		}
	case 1:
		return fakeaws.UserSpec{Keys: []fakeaws.AccessKeySpec{old}, Attached: []string{managed("AmazonEC2FullAccess")}}
	case 2:
		return fakeaws.UserSpec{Password: &fakeaws.PasswordSpec{LastRotated: a.ago(540)}, MFA: []fakeaws.MFASpec{virtual}}
	case 3:
		return fakeaws.UserSpec{
			Password: password, Keys: []fakeaws.AccessKeySpec{old}, SSHKeys: []fakeaws.SSHKeySpec{{Status: "Inactive"}},
			Certificates: []fakeaws.CertificateSpec{{Status: "Inactive"}},
		}
	case 4:
		return fakeaws.UserSpec{Keys: []fakeaws.AccessKeySpec{old}, ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "codecommit.amazonaws.com", Status: "Inactive"}}}
	case 5:
		return fakeaws.UserSpec{
			Password: password, MFA: []fakeaws.MFASpec{{Kind: "hardware"}}, Boundary: managed("PowerUserAccess"),
			Tags: []fakeaws.Tag{{Key: "team", Value: "web"}, {Key: "owner", Value: "owner@example.com"}},
		}
	case 6:
		return fakeaws.UserSpec{
			Password: password, Keys: []fakeaws.AccessKeySpec{off}, MFA: []fakeaws.MFASpec{{Kind: "u2f"}, {Kind: "virtual", Unassigned: true}},
			Groups: []string{"readers"},
		}
	default:
		return fakeaws.UserSpec{
			Password: password, Keys: []fakeaws.AccessKeySpec{old, off}, MFA: []fakeaws.MFASpec{virtual},
			SSHKeys: []fakeaws.SSHKeySpec{{Status: "Inactive"}, {Status: "Inactive"}}, Certificates: []fakeaws.CertificateSpec{{Status: "Inactive"}},
			ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "codecommit.amazonaws.com", Status: "Inactive"}},
			Groups:             []string{"developers", "readers"}, Attached: []string{managed("AmazonS3ReadOnlyAccess"), managed("IAMUserChangePassword")},
			Inline: map[string]string{"own": own, "older": own}, Tags: []fakeaws.Tag{{Key: "team", Value: "data"}}, Boundary: managed("PowerUserAccess"),
		}
	}
}

// asked are those to go with credentials of whose use AWS never tells: their owners have been asked, as settings say.
func (a *account) asked() []string {
	var names []string
	for _, u := range a.Users() {
		if a.doomed[u.ID] && len(u.SSHKeys)+len(u.Certificates)+len(u.ServiceCredentials) > 0 {
			names = append(names, u.Name)
		}
	}
	return names
}

func managed(name string) string { return "arn:aws:iam::aws:policy/" + name }

// reasons puts what a contestant did wrong in words, most frequent first.
func (l left) reasons() []string {
	var out []string
	for _, why := range slices.SortedFunc(maps.Keys(l.wrong), func(a, b string) int { return l.wrong[b] - l.wrong[a] }) {
		out = append(out, fmt.Sprintf("%d: %s", l.wrong[why], why))
	}
	return out
}
