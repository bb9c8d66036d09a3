package fakeaws_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

const memberTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},
	"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"sunset-1"}}}]}`

// Whoever may assume a role of another account acts there, on the same endpoint, by the role's rights and for its time.
func TestRolesOfALinkedAccount(t *testing.T) {
	home := fakeaws.New(fakeaws.Config{Seed: 1})
	member := fakeaws.New(fakeaws.Config{Seed: 2, AccountID: "444455556666"})
	home.Link(member)
	role := member.AddRole(fakeaws.RoleSpec{Name: "reader", Path: "/sunset/", Trust: memberTrust, Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}})
	_, err := member.AddUser(fakeaws.UserSpec{Name: "theirs"})
	require.NoError(t, err)
	_, err = home.AddUser(fakeaws.UserSpec{Name: "ours"})
	require.NoError(t, err)
	server, err := home.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	cfg := server.Config("eu-west-1")
	client := sts.NewFromConfig(cfg)
	assume := func(role, external string) (*sts.AssumeRoleOutput, error) {
		in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("iam-sunset")}
		if external != "" {
			in.ExternalId = &external
		}
		return client.AssumeRole(t.Context(), in)
	}

	for name, row := range map[string][2]string{
		"no external id":      {role, ""},
		"another external id": {role, "sunset-2"},
		"another role":        {role + "2", "sunset-1"},
		"an unknown account":  {"arn:aws:iam::777788889999:role/sunset/reader", "sunset-1"},
	} {
		_, err := assume(row[0], row[1])
		require.Equal(t, "AccessDenied", awsfault.Code(err), name)
		require.ErrorContains(t, err, "is not authorized to perform: sts:AssumeRole on resource: "+row[0], name)
	}
	_, err = assume(role, "x")
	require.Equal(t, "ValidationError", awsfault.Code(err))
	_, err = client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: &role, RoleSessionName: aws.String("iam-sunset"), ExternalId: aws.String("sunset-1"), DurationSeconds: aws.Int32(7200),
	})
	require.ErrorContains(t, err, "role chaining")

	out, err := assume(role, "sunset-1")
	require.NoError(t, err)
	c := out.Credentials
	there := server.ConfigForSession(fakeaws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}, "eu-west-1")
	who, err := sts.NewFromConfig(there).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, "444455556666 arn:aws:sts::444455556666:assumed-role/reader/iam-sunset", *who.Account+" "+*who.Arn)
	users, err := iam.NewFromConfig(there).ListUsers(t.Context(), &iam.ListUsersInput{})
	require.NoError(t, err)
	require.Len(t, users.Users, 1)
	require.Equal(t, "theirs", *users.Users[0].UserName)
	_, err = iam.NewFromConfig(there).DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("theirs")})
	require.Equal(t, "AccessDenied", awsfault.Code(err))

	users, err = iam.NewFromConfig(cfg).ListUsers(t.Context(), &iam.ListUsersInput{})
	require.NoError(t, err)
	require.Equal(t, "ours", *users.Users[0].UserName)
	last := member.Calls()[len(member.Calls())-1]
	require.Equal(t, "DeleteUser arn:aws:sts::444455556666:assumed-role/reader/iam-sunset", last.Action+" "+last.CallerARN)
}

// A caller's own policy may ask for the external id as well as the role's trust does.
func TestACallersOwnPolicyAsksForTheExternalID(t *testing.T) {
	home := fakeaws.New(fakeaws.Config{Seed: 1})
	member := fakeaws.New(fakeaws.Config{Seed: 2, AccountID: "444455556666"})
	home.Link(member)
	role := member.AddRole(fakeaws.RoleSpec{Name: "reader", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}`})
	home.AddRole(fakeaws.RoleSpec{Name: "function", Inline: map[string]string{
		"assume": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"` + role + `","Condition":{"StringEquals":{"sts:ExternalId":["sunset-1"]}}}]}`,
	}})
	server, err := home.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	cfg := server.Config("eu-west-1")
	session := home.RoleSession("function", "one")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(session.AccessKeyID, session.SecretAccessKey, session.SessionToken)
	for external, allowed := range map[string]bool{"sunset-1": true, "sunset-2": false} {
		_, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("iam-sunset"), ExternalId: &external})
		if allowed {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, "AccessDenied", awsfault.Code(err))
		require.ErrorContains(t, err, "no identity-based policy allows the sts:AssumeRole action")
	}
}
