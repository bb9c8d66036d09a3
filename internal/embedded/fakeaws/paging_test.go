package fakeaws_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// crowd adds n users u000, u001 …, each with a Bedrock key.
func crowd(t *testing.T, w *iamWorld, n int) {
	t.Helper()
	for i := range n {
		w.add(t, fakeaws.UserSpec{Name: fmt.Sprintf("u%03d", i), ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "bedrock.amazonaws.com"}}})
	}
}

func TestListsComeInPages(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	crowd(t, w, 150)
	first, err := w.iam.ListUsers(t.Context(), &iam.ListUsersInput{})
	require.NoError(t, err)
	require.Len(t, first.Users, 100, "a hundred without MaxItems")
	require.True(t, first.IsTruncated)

	_, err = w.iam.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("u000")})
	refused(t, err, "DeleteConflict", "")
	second, err := w.iam.ListUsers(t.Context(), &iam.ListUsersInput{Marker: first.Marker})
	require.NoError(t, err)
	require.Len(t, second.Users, 50)
	require.False(t, second.IsTruncated)
	require.Nil(t, second.Marker)
	require.Equal(t, "u100", *second.Users[0].UserName)

	seen := map[string]bool{}
	n := 0
	for in := (&iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true), MaxItems: aws.Int32(40)}); ; {
		page, err := w.iam.ListServiceSpecificCredentials(t.Context(), in)
		require.NoError(t, err)
		n++
		for _, c := range page.ServiceSpecificCredentials {
			seen[*c.UserName] = true
		}
		if !page.IsTruncated {
			break
		}
		in.Marker = page.Marker
	}
	require.Len(t, seen, 150)
	require.Equal(t, 4, n)

	for _, in := range []*iam.ListUsersInput{{MaxItems: aws.Int32(1001)}, {MaxItems: aws.Int32(0)}, {Marker: aws.String("made up")}} {
		_, err := w.iam.ListUsers(t.Context(), in)
		refused(t, err, "ValidationError", "")
	}
}

func TestAuthorizationDetails(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	policy := w.AddPolicy("local", allowAll)
	w.AddGroup(fakeaws.GroupSpec{Name: "g", Attached: []string{policy}, Inline: map[string]string{"gi": denyAll}})
	u := w.add(t, fakeaws.UserSpec{
		Name: "x", Path: "/p/", Groups: []string{"g"}, Attached: []string{"arn:aws:iam::aws:policy/AWSDenyAll"}, Boundary: policy,
		Inline: map[string]string{"in line": strings.ReplaceAll(denyAll, ":\"*\"", ": \"*\"")}, Tags: []fakeaws.Tag{{Key: "owner", Value: "ann & bob"}},
	})
	w.AddRole(fakeaws.RoleSpec{Name: "hop", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + u.ARN + `"},"Action":"sts:AssumeRole"}]}`})

	var users []types.UserDetail
	var groups []types.GroupDetail
	var roles []types.RoleDetail
	var policies []types.ManagedPolicyDetail
	read := func(filter ...types.EntityType) (pages int) {
		users, groups, roles, policies = nil, nil, nil, nil
		p := iam.NewGetAccountAuthorizationDetailsPaginator(w.iam, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1), Filter: filter})
		for p.HasMorePages() {
			out, err := p.NextPage(t.Context())
			require.NoError(t, err)
			pages++
			users, groups, roles, policies = append(users, out.UserDetailList...), append(groups, out.GroupDetailList...), append(roles, out.RoleDetailList...), append(policies, out.Policies...)
		}
		return pages
	}
	require.Equal(t, 7, read(), "one user, one group, two roles, two AWS policies in use, one local: a page each")
	require.Equal(t, u.ID, *users[0].UserId)
	require.Equal(t, []string{"g"}, users[0].GroupList)
	require.Equal(t, policy, *users[0].PermissionsBoundary.PermissionsBoundaryArn)
	require.Equal(t, "ann & bob", *users[0].Tags[0].Value)
	require.Equal(t, "AWSDenyAll", *users[0].AttachedManagedPolicies[0].PolicyName)
	require.NotContains(t, *users[0].UserPolicyList[0].PolicyDocument, "+", "a space is %20")
	text, err := url.QueryUnescape(*users[0].UserPolicyList[0].PolicyDocument)
	require.NoError(t, err)
	require.JSONEq(t, denyAll, text)
	require.Equal(t, "gi", *groups[0].GroupPolicyList[0].PolicyName)
	require.Len(t, roles, 2)
	require.Len(t, policies, 3)

	require.Equal(t, 1, read(types.EntityTypeUser))
	require.Empty(t, roles)
	require.Equal(t, 1, read(types.EntityTypeLocalManagedPolicy))
	require.Equal(t, int32(1), *policies[0].AttachmentCount)
	require.Equal(t, int32(1), *policies[0].PermissionsBoundaryUsageCount)
	text, err = url.QueryUnescape(*policies[0].PolicyVersionList[0].Document)
	require.NoError(t, err)
	require.JSONEq(t, allowAll, text)

	entities, err := w.iam.ListEntitiesForPolicy(t.Context(), &iam.ListEntitiesForPolicyInput{PolicyArn: &policy})
	require.NoError(t, err)
	require.Equal(t, "x", *entities.PolicyUsers[0].UserName)
	require.Equal(t, "g", *entities.PolicyGroups[0].GroupName)
	_, err = w.iam.DeletePolicy(t.Context(), &iam.DeletePolicyInput{PolicyArn: &policy})
	refused(t, err, "DeleteConflict", "Cannot delete a policy attached to entities.")
}

// A policy that names a deleted user shows its bare id, and can't be written again as it stands.
func TestTrustOfADeletedUserShowsItsID(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	u := w.add(t, fakeaws.UserSpec{Name: "x"})
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + u.ARN + `"},"Action":"sts:AssumeRole"}]}`
	_, err := w.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("hop"), AssumeRolePolicyDocument: &trust})
	require.NoError(t, err)
	shown := func() string {
		out, err := w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("hop")})
		require.NoError(t, err)
		text, err := url.QueryUnescape(*out.Role.AssumeRolePolicyDocument)
		require.NoError(t, err)
		return text
	}
	require.Equal(t, trust, shown())
	_, err = w.iam.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("x")})
	require.NoError(t, err)
	_, err = w.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("x")})
	require.NoError(t, err)
	require.Contains(t, shown(), `"`+u.ID+`"`, "making the user again restores nothing")
	_, err = w.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("hop"), PolicyDocument: aws.String(shown())})
	refused(t, err, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"`+u.ID+`"`)
}

func TestAccessAdvisorSaysNothingUnderDenyAll(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	at := w.clock.Now().AddDate(0, -2, 0)
	u := w.add(t, fakeaws.UserSpec{
		Name: "x", CreatedAt: at.AddDate(-1, 0, 0), Attached: []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
		Keys: []fakeaws.AccessKeySpec{{LastUsed: fakeaws.LastUsed{At: at, Service: "s3", Region: "eu-west-1"}}},
	})
	read := func() []types.ServiceLastAccessed {
		job, err := w.iam.GenerateServiceLastAccessedDetails(t.Context(), &iam.GenerateServiceLastAccessedDetailsInput{Arn: &u.ARN})
		require.NoError(t, err)
		out, err := w.iam.GetServiceLastAccessedDetails(t.Context(), &iam.GetServiceLastAccessedDetailsInput{JobId: job.JobId})
		require.NoError(t, err)
		require.Equal(t, types.JobStatusTypeCompleted, out.JobStatus)
		return out.ServicesLastAccessed
	}
	services := read()
	require.Len(t, services, 1)
	require.Equal(t, "s3", *services[0].ServiceNamespace)
	require.Equal(t, at, *services[0].LastAuthenticated)
	_, err := w.iam.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("x"), PolicyName: aws.String("deny"), PolicyDocument: aws.String(denyAll)})
	require.NoError(t, err)
	require.Empty(t, read())
}
