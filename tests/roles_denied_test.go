//go:build terraform

package tests

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// isProtected has settings forget what Terraform would exempt, so that roles alone stand between users and a cleanup.
// Two are protected before their turn comes, one in its soak, one in the middle of its deletion. Their cases fail, with the deny named in the reason;
// nothing of the first two is changed, nothing but their quarantine of the others.
func (r *rolesRun) isProtected(t *testing.T) {
	users := map[string]fakeaws.NewUser{}
	before := map[string]fakeaws.UserState{}
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		users["by-path"] = join(t, a, "by-path", fakeaws.Dead(), fakeaws.InPath(protectedPath))
		users["by-tag"] = join(t, a, "by-tag", fakeaws.Dead(), fakeaws.Tagged(protectedTag, "yes"))
		users["path-later"] = join(t, a, "path-later", fakeaws.Dead())
		users["tag-later"] = join(t, a, "tag-later", fakeaws.Dead(), fakeaws.TaggedLater(turn().Add(day), protectedTag, "yes"))
		join(t, a, "daily", fakeaws.Active())
	})
	r.stages.of(w).apart = true
	for name := range users {
		before[name], _ = w.account.User(name)
	}
	w.set(func(s *sunset.Settings) { s.Soak = sunset.Days(3) })
	w.people[approver] = always(sunset.ChooseDelete)
	moved := false
	w.wire = func(action, user string) {
		if user == "path-later" && action == "DeleteLoginProfile" && !moved { // heard earlier, it would be no deletion at all
			moved = true
			w.account.At(w.clock.Now(), func(p *fakeaws.Actor) {
				assert.Empty(t, p.AsAdministrator("UpdateUser", map[string][]string{"UserName": {user}, "NewPath": {protectedPath}}))
			})
		}
	}
	w.clean(sunset.Request{})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 1, sunset.Failed: 4}, positive(row.Outcomes))
	for name, u := range users {
		c := w.caseOf(u.ID)
		require.Contains(t, c.Reason, "explicit deny", name)
		now, there := w.account.User(name)
		require.True(t, there, name)
		want := before[name]
		switch name {
		case "by-path", "by-tag":
			require.False(t, w.recorded(c, "disabled"), name)
		default:
			require.True(t, w.recorded(c, "deleting"), w.dump(c))
			require.JSONEq(t, sunset.DenyDocument, now.Inline[sunset.DenyPolicyName], name)
			delete(now.Inline, sunset.DenyPolicyName)
			require.Equal(t, c.ID, now.Tags[sunset.TagCase], name)
			delete(now.Tags, sunset.TagCase)
			want.Path, want.ARN = now.Path, now.ARN
			want.Tags[protectedTag] = now.Tags[protectedTag]
			if name == "path-later" {
				delete(want.Tags, protectedTag)
			}
		}
		require.Equal(t, timeless(want), timeless(now), name)
	}
	w.proven()
	r.ownStays(t, w)
}

// ownStays has each function, with its own credentials, try to change the product's own roles and those of its
// principals: the deny names them, whatever else may be allowed one day.
func (r *rolesRun) ownStays(t *testing.T, w *world) {
	t.Helper()
	_, err := w.account.AddUser(fakeaws.UserSpec{Name: "deployer", Path: "/pipelines/", Keys: []fakeaws.AccessKeySpec{{}}})
	require.NoError(t, err)
	for _, f := range functionNames(t) {
		cfg, ok := r.stages.of(w).as[f]
		require.True(t, ok, f)
		client := iam.NewFromConfig(cfg)
		own := aws.String(r.plan.prefix + "disable")
		for what, call := range map[string]func() error{
			"a role's trust": func() error {
				_, err := client.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: own, PolicyDocument: aws.String(`{}`)})
				return err
			},
			"a role": func() error {
				_, err := client.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: own})
				return err
			},
			"its deployer": func() error {
				_, err := client.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("deployer")})
				return err
			},
			"its deployer's tags": func() error {
				_, err := client.TagUser(t.Context(), &iam.TagUserInput{UserName: aws.String("deployer"), Tags: []types.Tag{{Key: aws.String(sunset.TagCase), Value: aws.String("x")}}})
				return err
			},
		} {
			err := call()
			require.True(t, awsfault.IsDenied(err), "%s may change %s: %v", f, what, err)
			assert.ErrorContains(t, err, "explicit deny", "%s, %s", f, what)
		}
	}
}
