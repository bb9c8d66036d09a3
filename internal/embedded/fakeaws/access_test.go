package fakeaws_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

const s3Only = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`

// TestWhoMayWhat judges a call of ListUsers by the caller's policies.
func TestWhoMayWhat(t *testing.T) {
	const self = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/${aws:username}"}]}`
	const prefix = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: iam:GetUser on resource: arn:aws:iam::123456789012:user/x "
	for name, c := range map[string]struct {
		spec    fakeaws.UserSpec
		refusal string
	}{
		"nothing":           {fakeaws.UserSpec{}, prefix + "because no identity-based policy allows the iam:GetUser action"},
		"inline":            {fakeaws.UserSpec{Inline: map[string]string{"a": allowAll}}, ""},
		"own name":          {fakeaws.UserSpec{Inline: map[string]string{"a": self}}, ""},
		"another service":   {fakeaws.UserSpec{Inline: map[string]string{"a": s3Only}}, prefix + "because no identity-based policy allows the iam:GetUser action"},
		"attached":          {fakeaws.UserSpec{Attached: []string{"arn:aws:iam::aws:policy/IAMReadOnlyAccess"}}, ""},
		"not action":        {fakeaws.UserSpec{Attached: []string{"arn:aws:iam::aws:policy/PowerUserAccess"}}, prefix + "because no identity-based policy allows the iam:GetUser action"},
		"group":             {fakeaws.UserSpec{Groups: []string{"admins"}}, ""},
		"deny inline wins":  {fakeaws.UserSpec{Groups: []string{"admins"}, Inline: map[string]string{"d": denyAll}}, prefix + "with an explicit deny in an identity-based policy"},
		"deny managed wins": {fakeaws.UserSpec{Groups: []string{"admins"}, Attached: []string{"arn:aws:iam::aws:policy/AWSDenyAll"}}, prefix + "with an explicit deny in an identity-based policy"},
		"boundary":          {fakeaws.UserSpec{Groups: []string{"admins"}, Boundary: "arn:aws:iam::aws:policy/AmazonS3FullAccess"}, prefix + "because no permissions boundary allows the iam:GetUser action"},
		"boundary alone":    {fakeaws.UserSpec{Boundary: "arn:aws:iam::aws:policy/AdministratorAccess"}, prefix + "because no identity-based policy allows the iam:GetUser action"},
		"mfa demanded": {fakeaws.UserSpec{Groups: []string{"admins"}, Inline: map[string]string{
			"d": `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}}`,
		}}, prefix + "with an explicit deny in an identity-based policy"},
		"other region": {fakeaws.UserSpec{Groups: []string{"admins"}, Inline: map[string]string{
			"d": `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["us-east-1"]}}}}`,
		}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newIAMWorld(t, fakeaws.Config{})
			w.AddGroup(fakeaws.GroupSpec{Name: "admins", Attached: []string{"arn:aws:iam::aws:policy/AdministratorAccess"}})
			c.spec.Name, c.spec.Keys = "x", []fakeaws.AccessKeySpec{{}}
			u := w.add(t, c.spec)
			_, err := w.as(u.Keys[0]).GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("x")})
			if c.refusal == "" {
				require.NoError(t, err)
				return
			}
			refused(t, err, "AccessDenied", c.refusal)
		})
	}
}

// Under deny-all with the key still Active, attempts are denied, heard in CloudTrail and move last-used; a key that is
// Inactive leaves nothing at all.
func TestDeniedAttemptsAreHeardAndInactiveKeysAreNot(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	w.SetDeliveryDelay(0)
	u := w.add(t, fakeaws.UserSpec{Name: "x", Keys: []fakeaws.AccessKeySpec{{}}, Inline: map[string]string{"a": allowAll, "d": denyAll}})
	used := func() time.Time {
		out, err := w.iam.GetAccessKeyLastUsed(t.Context(), &iam.GetAccessKeyLastUsedInput{AccessKeyId: &u.Keys[0].AccessKeyID})
		require.NoError(t, err)
		return aws.ToTime(out.AccessKeyLastUsed.LastUsedDate)
	}
	heard := func() (n int) {
		for _, e := range w.Events("us-east-1") {
			if e.UserIdentity.PrincipalID == u.ID {
				require.Equal(t, "AccessDenied", e.ErrorCode)
				require.Nil(t, e.RequestParameters)
				n++
			}
		}
		return n
	}
	attempt := func() error {
		_, err := w.as(u.Keys[0]).ListUsers(t.Context(), &iam.ListUsersInput{})
		return err
	}
	require.Zero(t, used())
	refused(t, attempt(), "AccessDenied", "")
	first := w.clock.Now()
	require.Equal(t, first, used())
	w.clock.pass(14 * time.Minute)
	refused(t, attempt(), "AccessDenied", "")
	require.Equal(t, first, used(), "only the first use in fifteen minutes is recorded")
	w.clock.pass(time.Minute)
	refused(t, attempt(), "AccessDenied", "")
	require.Equal(t, w.clock.Now(), used())
	require.Equal(t, 3, heard())

	last := used()
	_, err := w.iam.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String("x"), AccessKeyId: &u.Keys[0].AccessKeyID, Status: "Inactive"})
	require.NoError(t, err)
	w.clock.pass(time.Hour)
	refused(t, attempt(), "InvalidClientTokenId", "")
	requireStatus(t, attempt(), http.StatusForbidden)
	require.Equal(t, last, used())
	require.Equal(t, 3, heard())
}

func TestWrongSecretsAndTokens(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	u := w.add(t, fakeaws.UserSpec{Name: "x", Keys: []fakeaws.AccessKeySpec{{}}})
	wrong := u.Keys[0]
	wrong.SecretAccessKey += "x"
	_, err := w.stsAs(wrong).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "SignatureDoesNotMatch", "")
	bare := w.Administrator()
	bare.SessionToken = ""
	_, err = w.stsAs(bare).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId", "")
	_, err = w.stsAs(fakeaws.Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: "s"}).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId", "")
	unsigned, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(unsigned)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}

// Sessions of a user are judged by its policies and end with it; a role's go on.
func TestSessions(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	u := w.add(t, fakeaws.UserSpec{Name: "x", Keys: []fakeaws.AccessKeySpec{{}}, Inline: map[string]string{"a": allowAll}})
	role := w.AddRole(fakeaws.RoleSpec{
		Name: "hop", Attached: []string{"arn:aws:iam::aws:policy/IAMReadOnlyAccess"},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + u.ARN + `"},"Action":"sts:AssumeRole"}]}`,
	})
	mine := w.stsAs(u.Keys[0])
	token, err := mine.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{TokenCode: aws.String("123456"), SerialNumber: aws.String("GAHT12345678")})
	require.NoError(t, err)
	require.Regexp(t, "^ASIA", *token.Credentials.AccessKeyId)
	session := fakeaws.Credentials{AccessKeyID: *token.Credentials.AccessKeyId, SecretAccessKey: *token.Credentials.SecretAccessKey, SessionToken: *token.Credentials.SessionToken}
	assumed, err := mine.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("work")})
	require.NoError(t, err)
	hop := fakeaws.Credentials{AccessKeyID: *assumed.Credentials.AccessKeyId, SecretAccessKey: *assumed.Credentials.SecretAccessKey, SessionToken: *assumed.Credentials.SessionToken}

	who := func(c fakeaws.Credentials) (string, error) {
		out, err := w.stsAs(c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", err
		}
		return *out.Arn, nil
	}
	list := func(c fakeaws.Credentials) error {
		_, err := w.as(c).ListUsers(t.Context(), &iam.ListUsersInput{})
		return err
	}
	arn, err := who(session)
	require.NoError(t, err)
	require.Equal(t, u.ARN, arn)
	arn, err = who(hop)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/hop/work", arn)
	require.NoError(t, list(session))
	require.NoError(t, list(hop))

	_, err = w.iam.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("x"), PolicyName: aws.String("deny"), PolicyDocument: aws.String(denyAll)})
	require.NoError(t, err)
	_, err = w.iam.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String("x"), AccessKeyId: &u.Keys[0].AccessKeyID, Status: "Inactive"})
	require.NoError(t, err)
	refused(t, list(session), "AccessDenied", "")
	require.NoError(t, list(hop), "a role's session goes on")
	_, err = who(session)
	require.NoError(t, err, "GetCallerIdentity can't be denied")

	_, err = w.iam.DeleteUserPolicy(t.Context(), &iam.DeleteUserPolicyInput{UserName: aws.String("x"), PolicyName: aws.String("deny")})
	require.NoError(t, err)
	require.NoError(t, list(session), "it wakes when the deny goes, whatever the key's status")
	w.clock.pass(12 * time.Hour)
	refused(t, list(session), "ExpiredToken", "")
	refused(t, list(hop), "ExpiredToken", "")
}

// TestStepsHappenAtTheirTime has people act while the clock moves.
func TestStepsHappenAtTheirTime(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	u := w.add(t, fakeaws.UserSpec{Name: "x", Keys: []fakeaws.AccessKeySpec{{}}, Password: &fakeaws.PasswordSpec{}, Inline: map[string]string{"a": allowAll}})
	start := w.clock.Now()
	var codes []string
	w.At(start.Add(3*time.Hour), func(p *fakeaws.Actor) {
		codes = append(codes, p.Do(u.Keys[0].AccessKeyID, "iam", "ListUsers", "us-east-1", nil))
	})
	w.At(start.Add(time.Hour), func(p *fakeaws.Actor) {
		codes = append(codes, p.Do(u.Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil))
		codes = append(codes, p.SignIn("x", "us-east-1"))
	})
	w.At(start.Add(2*time.Hour), func(p *fakeaws.Actor) {
		codes = append(codes, p.AsAdministrator("PutUserPolicy", url.Values{"UserName": {"x"}, "PolicyName": {"d"}, "PolicyDocument": {denyAll}}))
	})
	w.clock.pass(90 * time.Minute)
	s, _ := w.User("x")
	require.Equal(t, fakeaws.LastUsed{At: start.Add(time.Hour), Service: "ec2", Region: "eu-west-1"}, s.Keys[0].LastUsed)
	require.Equal(t, start.Add(time.Hour), s.PasswordLastUsed)
	w.clock.pass(24 * time.Hour)
	s, _ = w.User("x")
	require.Equal(t, fakeaws.LastUsed{At: start.Add(3 * time.Hour), Service: "iam", Region: "us-east-1"}, s.Keys[0].LastUsed)
	require.Equal(t, []string{"", "", "", "AccessDenied"}, codes)
	require.Empty(t, w.Calls(), "people don't come over the wire")
}
