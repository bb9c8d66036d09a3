//go:build terraform

package tests

import (
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// complete is a user with each kind of artifact, in the groups that withGroups makes.
func complete(name string, tags ...fakeaws.Tag) fakeaws.UserSpec {
	made := begin().AddDate(-2, 0, 0)
	return fakeaws.UserSpec{
		Name: name, CreatedAt: made, Tags: tags, Password: &fakeaws.PasswordSpec{LastUsed: begin().AddDate(-1, 0, 0), LastRotated: made},
		Keys:               []fakeaws.AccessKeySpec{{CreatedAt: made}, {CreatedAt: made, Status: "Inactive"}},
		MFA:                []fakeaws.MFASpec{{Kind: "virtual"}, {Kind: "u2f"}, {Kind: "hardware"}},
		SSHKeys:            []fakeaws.SSHKeySpec{{UploadedAt: made}},
		Certificates:       []fakeaws.CertificateSpec{{UploadedAt: made}},
		ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "codecommit.amazonaws.com", CreatedAt: made}},
		Groups:             []string{"devs", "ops"}, Inline: map[string]string{"uploads": allowAll3}, Attached: []string{readOnly},
	}
}

func withGroups(a *fakeaws.Account) {
	for _, g := range []string{"devs", "ops"} {
		a.AddGroup(fakeaws.GroupSpec{Name: g})
	}
}

// neighbours are resources of every kind whose policies name a user among others.
func neighbours(a *fakeaws.Account, user fakeaws.NewUser) {
	const region = "eu-west-1"
	policy := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + user.ARN + `","arn:aws:iam::123456789012:role/Administrator"]},"Action":"` +
			action + `","Resource":"*"}]}`
	}
	a.AddBucket("uploads", region, policy("s3:*"))
	a.AddTopic("alarms", region, policy("sns:Publish"))
	a.AddQueue("jobs", region, policy("sqs:SendMessage"))
	a.AddFunction("resize", region, policy("lambda:InvokeFunction"))
	a.AddSecret("database", region, policy("secretsmanager:GetSecretValue"))
	a.AddRepository("images", region, policy("ecr:GetDownloadUrlForLayer"))
	a.AddKey(fakeaws.KMSKeySpec{
		Region: region, Policy: policy("kms:*"), Description: "of everybody", Aliases: []string{"alias/uploads"},
		Grants: []fakeaws.Grant{{Name: "uploads", Grantee: user.ARN, Operations: []string{"Decrypt"}}},
	})
}

// outcomeOf is how a user's case ended so far.
func (w *world) outcomeOf(u fakeaws.NewUser) sunset.Outcome {
	w.t.Helper()
	return w.caseOf(u.ID).Outcome
}
