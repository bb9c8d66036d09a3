package sunset_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestJudge(t *testing.T) {
	add := func(c sunset.Credential) func(*sunset.Entry, *sunset.Around) {
		return func(e *sunset.Entry, _ *sunset.Around) { e.User.Credentials = append(e.User.Credentials, c) }
	}
	old := ago(900 * day)
	for _, row := range []struct {
		name  string
		alter func(*sunset.Entry, *sunset.Around)
		want  sunset.ReasonCode // empty: eligible
		early bool              // known from the bulk reads already
	}{
		{"long unused", func(*sunset.Entry, *sunset.Around) {}, "", false},
		{"no credentials at all", func(e *sunset.Entry, _ *sunset.Around) { e.User.Credentials = nil }, "", false},
		{"an old sign of use", func(e *sunset.Entry, _ *sunset.Around) {
			e.Evidence[0].Use, e.Evidence[0].Last = sunset.Used, agoPtr(91*day)
		}, "", false},

		{"a key used lately", func(e *sunset.Entry, _ *sunset.Around) { e.User.Credentials[1].LastUsed = agoPtr(89 * day) }, sunset.IsActive, true},
		{"an inactive key used lately", func(e *sunset.Entry, _ *sunset.Around) { e.User.Credentials[2].LastUsed = agoPtr(day) }, sunset.IsActive, true},
		{"a key made lately", func(e *sunset.Entry, _ *sunset.Around) { e.User.Credentials[2].Created = ago(day) }, sunset.IsActive, true},
		{"a password used lately", func(e *sunset.Entry, _ *sunset.Around) { e.User.PasswordLastUsed = agoPtr(day) }, sunset.IsActive, true},
		{"a password used lately, the login profile gone", func(e *sunset.Entry, _ *sunset.Around) {
			e.User.Credentials, e.User.PasswordLastUsed = nil, agoPtr(day)
		}, sunset.IsActive, true},
		{"used as CloudTrail says", func(e *sunset.Entry, _ *sunset.Around) {
			e.Evidence[0].Use, e.Evidence[0].Last = sunset.Used, agoPtr(day)
		}, sunset.IsActive, true},
		{"used, nobody knows when", func(e *sunset.Entry, _ *sunset.Around) { e.Evidence[0].Use = sunset.Used }, sunset.IsActive, true},
		{"too young", func(e *sunset.Entry, _ *sunset.Around) { e.User.Created = ago(29 * day) }, sunset.TooYoung, true},
		{"made in the future", func(e *sunset.Entry, _ *sunset.Around) { e.User.Created = now.Add(day) }, sunset.TooYoung, true},

		{"exempt", func(_ *sunset.Entry, a *sunset.Around) {
			a.Settings.Exemptions = []sunset.Exemption{{Path: "/ci/", Reason: "kept"}}
		}, sunset.Exempt, true},
		{"tagged keep", func(e *sunset.Entry, _ *sunset.Around) { e.User.Tags = map[string]string{sunset.TagKeep: ""} }, sunset.Exempt, true},
		{"the product's own", func(_ *sunset.Entry, a *sunset.Around) { a.Own = func(sunset.User) string { return "the caller" } }, sunset.Exempt, true},
		{"in a case", func(_ *sunset.Entry, a *sunset.Around) { a.InCase = func(id string) bool { return id == "AIDAOLDCI" } }, sunset.InCase, true},
		{"in a case of another deployment", func(e *sunset.Entry, _ *sunset.Around) {
			e.User.Tags = map[string]string{sunset.TagCase: "spring-AIDAOLDCI"}
		}, sunset.InCase, true},
		{"marked by another case than its own", func(e *sunset.Entry, a *sunset.Around) {
			e.User.Tags, a.Marks = map[string]string{sunset.TagCase: "spring-AIDAOLDCI"}, func(string) []string { return []string{"autumn-AIDAOLDCI"} }
		}, sunset.InCase, true},
		{"marked by nobody knows which case", func(e *sunset.Entry, a *sunset.Around) {
			e.User.Tags, a.Marks = map[string]string{sunset.TagCase: ""}, func(string) []string { return []string{""} }
		}, sunset.InCase, true},
		{"marked by its own case", func(e *sunset.Entry, a *sunset.Around) {
			e.User.Tags, a.Marks = map[string]string{sunset.TagCase: "autumn-AIDAOLDCI"}, func(string) []string { return []string{"autumn-AIDAOLDCI"} }
		}, "", false},
		{"quarantined, nobody knows by whom", func(e *sunset.Entry, _ *sunset.Around) { e.User.Inline = []string{sunset.DenyPolicyName} }, sunset.InCase, true},
		{"not requested", func(_ *sunset.Entry, a *sunset.Around) { a.Request.Users = []string{"other"} }, sunset.NotRequested, true},

		{"an SSH key", add(sunset.Credential{Kind: sunset.SSHKey, ID: "APKA1", Status: sunset.Active, Created: old}), sunset.IsUnknown, true},
		{"an inactive SSH key", add(sunset.Credential{Kind: sunset.SSHKey, ID: "APKA1", Status: sunset.Inactive, Created: old}), sunset.IsUnknown, true},
		{"a certificate", add(sunset.Credential{Kind: sunset.SigningCertificate, ID: "C1", Status: sunset.Active, Created: old}), sunset.IsUnknown, true},
		{"a Bedrock key", add(sunset.Credential{Kind: sunset.ServiceCredential, ID: "ACCA1", Status: sunset.Active, Created: old, Service: "bedrock.amazonaws.com"}), sunset.IsUnknown, true},
		{"a CloudWatch key without a status", add(sunset.Credential{Kind: sunset.ServiceCredential, ID: "ACCA1", Created: old, Service: "logs.amazonaws.com"}), sunset.IsUnknown, true},
		{"a credential of a kind that nobody knows", add(sunset.Credential{Kind: "passkey", Status: sunset.Active, Created: old}), sunset.IsUnknown, true},
		{"a key that sent mail", func(e *sunset.Entry, _ *sunset.Around) { e.User.Credentials[1].Service = "ses" }, sunset.IsUnknown, true},
		{"a user made for SMTP", func(e *sunset.Entry, _ *sunset.Around) { e.User.Name = "ses-smtp-user.20200101-120000" }, sunset.IsUnknown, true},
		{"SES' own group", func(e *sunset.Entry, _ *sunset.Around) { e.User.Groups = []string{"AWSSESSendingGroupDoNotRename"} }, sunset.IsUnknown, true},
		{"SES' own policy", func(e *sunset.Entry, _ *sunset.Around) { e.User.Inline = []string{"AmazonSesSendingAccess"} }, sunset.IsUnknown, true},
		{"a key made nobody knows when", func(e *sunset.Entry, _ *sunset.Around) { e.User.Credentials[2].Created = time.Time{} }, sunset.IsUnknown, true},
		{"no creation date", func(e *sunset.Entry, _ *sunset.Around) { e.User.Created = time.Time{} }, sunset.IsUnknown, true},
		{"no UserId", func(e *sunset.Entry, _ *sunset.Around) { e.User.ID = "" }, sunset.IsUnknown, true},
		{"unknown evidence", func(e *sunset.Entry, _ *sunset.Around) { e.Evidence[0].Use = sunset.Unknown }, sunset.IsUnknown, true},
		{"evidence that says nothing", func(e *sunset.Entry, _ *sunset.Around) { e.Evidence[0].Use = "" }, sunset.IsUnknown, true},

		{"its own reads not made", func(e *sunset.Entry, _ *sunset.Around) { e.Detailed = false }, sunset.IsUnknown, false},
		{"CloudTrail not asked", func(e *sunset.Entry, _ *sunset.Around) { e.TrailRead = false }, sunset.NotCrosschecked, false},
		{"ownership not asked", func(e *sunset.Entry, _ *sunset.Around) { e.OwnershipRead = false }, sunset.NotCrosschecked, false},
		{"blocked", func(e *sunset.Entry, _ *sunset.Around) { e.References = []sunset.Reference{{Weight: sunset.Blocking}} }, sunset.Blocked, false},
		{"only named", func(e *sunset.Entry, _ *sunset.Around) { e.References = []sunset.Reference{{Weight: sunset.Informing}} }, "", false},
		{"policies unread", func(_ *sunset.Entry, a *sunset.Around) { a.Gaps = []sunset.Gap{{Action: "ecr:GetRepositoryPolicy"}} }, sunset.IsUnknown, false},
		{"policies unread and accepted", func(_ *sunset.Entry, a *sunset.Around) {
			a.Gaps, a.Settings.AcceptUnread = []sunset.Gap{{Action: "ecr:GetRepositoryPolicy"}}, []string{"ecr"}
		}, "", false},
		{"another service accepted", func(_ *sunset.Entry, a *sunset.Around) {
			a.Gaps, a.Settings.AcceptUnread = []sunset.Gap{{Action: "kms:GetKeyPolicy"}}, []string{"ecr"}
		}, sunset.IsUnknown, false},
		{"a region unread", func(_ *sunset.Entry, a *sunset.Around) {
			a.Gaps, a.Settings.AcceptUnread = []sunset.Gap{{Action: "cloudtrail:LookupEvents", Region: "eu-west-1"}}, []string{"cloudtrail"}
		}, sunset.IsUnknown, false},
		{"a closed region unread", func(_ *sunset.Entry, a *sunset.Around) {
			a.Gaps = []sunset.Gap{{Action: "cloudtrail:LookupEvents", Region: "eu-west-1"}}
			a.Settings.ClosedRegions = []sunset.ClosedRegion{{Region: "eu-west-1", Reason: "denied"}}
		}, "", false},
		{"unreported, and accepted by name", func(e *sunset.Entry, a *sunset.Around) {
			e.User.Credentials = append(e.User.Credentials, sunset.Credential{Kind: sunset.SSHKey, ID: "APKA1", Status: sunset.Active, Created: old})
			e.User.Credentials[1].Service = "ses"
			a.Settings.AcceptUnknown = []string{"old-ci"}
		}, "", false},
		{"accepted, but only just made", func(e *sunset.Entry, a *sunset.Around) {
			e.User.Credentials = append(e.User.Credentials, sunset.Credential{Kind: sunset.SSHKey, ID: "APKA1", Status: sunset.Active, Created: ago(day)})
			a.Settings.AcceptUnknown = []string{"old-ci"}
		}, sunset.IsActive, true},
		{"accepted for another", func(e *sunset.Entry, a *sunset.Around) {
			e.User.Credentials[1].Service = "ses"
			a.Settings.AcceptUnknown = []string{"old"}
		}, sunset.IsUnknown, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, a := idleEntry(), sunset.Around{Now: now, Settings: settings()}
			row.alter(&e, &a)
			v := sunset.Judge(e, a)
			require.Equal(t, row.want == "", v.Eligible, "%v", v.Reasons)
			if row.want != "" {
				require.True(t, v.Has(row.want), "%v", v.Reasons)
				require.NotEmpty(t, v.Reasons[0].Text)
			}
			require.Equal(t, !row.early, sunset.LooksUnused(e, a))
		})
	}
}

func TestPlanRefusal(t *testing.T) {
	for _, row := range []struct {
		eligible, all, percent int
		refused                bool
	}{{0, 0, 20, false}, {0, 10, 20, false}, {2, 10, 20, false}, {3, 10, 20, true}, {1, 4, 20, true}, {10, 10, 100, false}, {1, 100, 0, true}} {
		p := sunset.Plan{Settings: sunset.Settings{CapPercent: row.percent}}
		for i := range row.all {
			p.Entries = append(p.Entries, sunset.Entry{Verdict: sunset.Verdict{Eligible: i < row.eligible}})
		}
		if row.refused {
			require.Contains(t, p.Refusal(), "cap_percent", "%+v", row)
		} else {
			require.Empty(t, p.Refusal(), "%+v", row)
		}
	}
}

func TestClassify(t *testing.T) {
	for _, row := range []struct {
		u     sunset.User
		agent string
		want  sunset.Class
	}{
		{sunset.User{Name: "x", Tags: map[string]string{"Purpose": "CI runner"}}, "", sunset.CI},
		{sunset.User{Name: "github-x", Tags: map[string]string{"vendor": "acme"}}, "", sunset.ThirdParty},
		{sunset.User{Name: "x", Path: "/people/"}, "", sunset.Human},
		{sunset.User{Name: "SVC-mail"}, "", sunset.Programmatic},
		{sunset.User{Name: "ann@example.com"}, "", sunset.Human},
		{sunset.User{Name: "x"}, "Mozilla/5.0", sunset.Human},
		{sunset.User{Name: "x", Credentials: []sunset.Credential{{Kind: sunset.AccessKey}}}, "", sunset.Programmatic},
		{sunset.User{Name: "x"}, "", sunset.Unexplained},
	} {
		class, rule := sunset.Classify(row.u, &sunset.Activity{Agent: row.agent})
		require.Equal(t, row.want, class, row.u.Name)
		require.Equal(t, class == sunset.Unexplained, rule == "")
	}
	class, rule := sunset.Classify(sunset.User{Name: "x"}, &sunset.Activity{Service: "codedeploy.amazonaws.com"})
	require.Equal(t, sunset.CI, class)
	require.Equal(t, "calls codedeploy*", rule)
	class, _ = sunset.Classify(sunset.User{Name: "x", Credentials: []sunset.Credential{{Kind: sunset.Password}, {Kind: sunset.AccessKey, Service: "ses"}}}, nil)
	require.Equal(t, sunset.Programmatic, class)
}

func TestOwners(t *testing.T) {
	for _, row := range []struct {
		u    sunset.User
		want sunset.Owner
	}{
		{sunset.User{Tags: map[string]string{"Owner": "ann@example.com", "team": "ops"}}, sunset.Owner{Email: "ann@example.com", Name: "ann@example.com", From: "tag owner"}},
		{sunset.User{Tags: map[string]string{"team": "ops"}}, sunset.Owner{Name: "ops", From: "tag team"}},
		{sunset.User{Name: "bo@example.com"}, sunset.Owner{Email: "bo@example.com", Name: "bo@example.com", From: "user name"}},
		{sunset.User{Name: "bo", Tags: map[string]string{"owner": " "}}, sunset.Owner{}},
	} {
		require.Equal(t, row.want, sunset.OwnerOf(row.u))
	}
	const session = "arn:aws:sts::1:assumed-role/admin/cy@example.com"
	require.Equal(t, sunset.Owner{Email: "cy@example.com", Name: session, From: "created by"}, sunset.CreatorOf(session))
	require.Equal(t, sunset.Owner{Name: "arn:aws:iam::1:user/dee", From: "created by"}, sunset.CreatorOf("arn:aws:iam::1:user/dee"))
	require.Equal(t, sunset.Owner{}, sunset.CreatorOf(""))
}

func TestCodeManaged(t *testing.T) {
	for want, tags := range map[string]map[string]string{
		"CloudFormation": {"aws:cloudformation:stack-name": "x", "terraform": "true"},
		"Terraform":      {"managed-by": "Terraform"},
		"Pulumi":         {"pulumi:project": "x"},
		"CDK":            {"aws-cdk:id": "x"},
		"":               {"managed-by": "hand"},
	} {
		require.Equal(t, want, sunset.CodeManaged(tags))
	}
}
