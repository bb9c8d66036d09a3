//go:build terraform

package tests

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// memberRolePlan is a role that Terraform would make in a member account.
type memberRolePlan struct{ trust, policy string }

const memberRoles = "iam-sunset-member-"

func memberRole(access string) string {
	return "arn:aws:iam::" + memberID + ":role/" + memberRoles + access
}

// planMember asks Terraform for the roles of a member account, by access.
func planMember(t *testing.T) map[string]memberRolePlan {
	t.Helper()
	out := map[string]memberRolePlan{}
	for _, c := range planned(t, "modules/member-account", memberID, "deployment_account=123456789012", "external_id="+externalID).ResourceChanges {
		after, _ := c.Change.After.(map[string]any)
		access, _ := c.Index.(string)
		role := out[access]
		switch c.Type {
		case "aws_iam_role":
			require.Equal(t, memberRoles+access, after["name"])
			role.trust, _ = after["assume_role_policy"].(string)
		case "aws_iam_role_policy":
			policy, _ := after["policy"].(string)
			// A provider that stands in for AWS's may know one account alone; in the policy no other account is meant.
			role.policy = strings.ReplaceAll(policy, ":123456789012:", ":"+memberID+":")
		}
		out[access] = role
	}
	require.Len(t, out, 3)
	for access, role := range out {
		require.NotEmpty(t, role.trust, access)
		require.NotEmpty(t, role.policy, access)
	}
	return out
}

// trusted are the functions that may take a member account's role.
func (m memberRolePlan) trusted(t *testing.T, prefix string) []string {
	t.Helper()
	var trust struct {
		Statement []struct {
			Condition map[string]map[string]json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal([]byte(m.trust), &trust))
	var functions []string
	for _, s := range trust.Statement {
		for _, arn := range texts(s.Condition["ArnEquals"]["aws:PrincipalArn"]) {
			_, function, ok := strings.Cut(arn, ":role/"+prefix)
			require.True(t, ok, arn)
			functions = append(functions, function)
		}
	}
	require.NotEmpty(t, functions)
	return functions
}

// inMember is a whole cleanup of another account, by the roles that its module makes there: one user goes, one is put
// back, the deployment's own users stay as they are.
func (r *rolesRun) inMember(t *testing.T) {
	w := newSmallWorld(t, func(a *fakeaws.Account) { join(t, a, victim, fakeaws.Dead()) })
	home, _ := w.account.User(victim)
	on := r.stages.of(w)
	on.member = fakeaws.New(fakeaws.Config{Now: w.clock.Now, Seed: 8, AccountID: memberID, Regions: w.account.Regions()})
	w.account.Link(on.member)
	for access, role := range r.plan.members {
		on.member.AddRole(fakeaws.RoleSpec{Name: memberRoles + access, Trust: role.trust, Inline: map[string]string{access: role.policy}, CreatedAt: begin().AddDate(-1, 0, 0)})
	}
	withGroups(on.member)
	for _, name := range []string{"goes", "kept"} {
		_, err := on.member.AddUser(complete(name))
		require.NoError(t, err)
	}
	before, _ := on.member.User("kept")
	w.set(func(s *sunset.Settings) {
		s.Soak, s.AcceptUnknown = sunset.Days(3), []string{"goes", "kept"}
		s.Accounts = []sunset.MemberAccount{{ID: memberID, ExternalID: externalID, Roles: sunset.MemberRoles{
			Read: memberRole("read"), Change: memberRole("change"), Delete: memberRole("delete"),
		}}}
	})
	w.people[approver] = func(q sunset.ApprovalRequest) sunset.Choice {
		if q.UserName == "kept" {
			return sunset.ChooseKeep
		}
		return sunset.ChooseDelete
	}
	w.clean(sunset.Request{Account: memberID})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Deleted: 1, sunset.Restored: 1}, positive(row.Outcomes), "%s\n%s", why(w.verdict("goes")), why(w.verdict("kept")))
	_, there := on.member.User("goes")
	require.False(t, there)
	after, _ := on.member.User("kept")
	require.Equal(t, timeless(before), timeless(after))
	now, _ := w.account.User(victim)
	require.Equal(t, home, now)
	w.proven()
}
