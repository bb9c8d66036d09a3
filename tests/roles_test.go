//go:build terraform

package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// neverCalled are actions that are allowed although no run here calls them, each with its reason.
var neverCalled = map[string]string{
	"logs:CreateLogStream":     "the Lambda runtime calls it",
	"logs:PutLogEvents":        "the Lambda runtime calls it",
	"xray:PutTelemetryRecords": "the Lambda runtime calls it",
	"xray:PutTraceSegments":    "the Lambda runtime calls it",
	"s3:GetBucketLocation":     "for a bucket whose region S3 leaves out of its list, as it never does where the list is asked for in pages",
}

// rolesRun is one planned deployment whose roles are tried.
type rolesRun struct {
	plan   rolePlan
	log    *callLog
	stages *stages
}

// Least privilege: whole cleanups over every route run under the roles that Terraform would make. The fake account refuses
// what a role doesn't allow, so that a missing permission shows as a wrong end; and what the roles allow beyond what was
// called is counted here.
func TestLeastPrivilege(t *testing.T) {
	r := &rolesRun{plan: planRoles(t), log: &callLog{calls: map[made]int{}}, stages: &stages{by: map[*world]*stage{}}}
	withRoles = r.plan.underRoles(r.log, r.stages)
	defer func() { withRoles = nil }()
	runs := []struct {
		name string
		run  func(*testing.T)
	}{
		{"life", r.live},
		{"member", r.inMember},
		{"protected", r.isProtected},
		{"twice", TestAllFunctionsRunTwice},
		{"plans", TestPlansThatChangeNothing},
		{"routes", TestRoutes},
		{"facts that move", TestFactsThatMoveWhileApproversAreAsked}, // one is renamed meanwhile, and found by its id
	}
	ran := 0
	for _, x := range runs {
		t.Run(x.name, func(t *testing.T) { ran++; x.run(t) })
	}
	if t.Failed() {
		return
	}
	require.NotEmpty(t, r.log.calls)
	p := newPrivileges(t, r.plan)
	for m := range r.log.calls {
		if m.failed == "AccessDenied" || m.failed == "AccessDeniedException" {
			assert.Fail(t, "denied", "%s called %s on %s and was denied", m.function, m.action, m.resource)
		}
		if !p.covers(m) {
			assert.Fail(t, "not allowed", "%s called %s on %s %s, which its role doesn't allow", m.function, m.action, m.resource, m.leadingKey)
		}
	}
	if t.Failed() {
		return
	}
	if ran < len(runs) {
		t.Skip("what is never called shows only where everything runs")
	}
	r.log.whoDidWhat(t)
	for _, line := range append(p.unused(), p.tooWide(r.log)...) {
		assert.Fail(t, "more than is needed", "%s", line)
	}
}

// privileges are what roles allow, each with whether it was called.
type privileges struct {
	grants []*privilege
}

// privilege is one action on one pattern of resources, of one function; rows by kind are privileges of their own.
type privilege struct {
	function, action, resource, kind string
	used                             bool
	// through are the functions that take the role, where it is one of a member account.
	through []string
}

func newPrivileges(t *testing.T, plan rolePlan) *privileges {
	t.Helper()
	p := &privileges{}
	documents, through := maps.Clone(plan.policies), map[string][]string{}
	for access, role := range plan.members {
		documents[memberRoles+access], through[memberRoles+access] = role.policy, role.trusted(t, plan.prefix)
	}
	for function, document := range documents {
		var policy struct {
			Statement []struct {
				Effect           string
				Action, Resource json.RawMessage
				Condition        map[string]map[string]json.RawMessage
			}
		}
		require.NoError(t, json.Unmarshal([]byte(document), &policy))
		for _, s := range policy.Statement {
			if s.Effect != "Allow" {
				continue
			}
			kinds := []string{""}
			for _, keys := range s.Condition {
				if raw, ok := keys["dynamodb:LeadingKeys"]; ok {
					kinds = texts(raw)
				}
			}
			for _, action := range texts(s.Action) {
				for _, resource := range texts(s.Resource) {
					for _, kind := range kinds {
						p.grants = append(p.grants, &privilege{function: function, action: action, resource: resource, kind: kind, through: through[function]})
					}
				}
			}
		}
	}
	// What the key of executions is used for can't be seen here: no service that keeps them has one.
	keys := map[string]string{
		"data": dataKey, "decisions": "IAM_SUNSET_DECISIONS_KEY", "links": "IAM_SUNSET_LINKS_KEY", "owners": "IAM_SUNSET_OWNERS_KEY", "sealing": "IAM_SUNSET_SEALING_KEY",
	}
	for key, actions := range plan.keyGrants {
		for action, functions := range actions {
			for _, function := range functions {
				if resource := keys[key]; resource != "" {
					p.grants = append(p.grants, &privilege{function: function, action: action, resource: resource})
				}
			}
		}
	}
	return p
}

// covers reports whether a call is allowed, and notes which privilege it took.
func (p *privileges) covers(m made) bool {
	ok := false
	for _, g := range p.grants {
		if g.function == m.function && g.action == m.action && (g.kind == "" || g.kind == m.leadingKey) && matches(g.resource, m.resource) {
			g.used, ok = true, true
		}
	}
	return ok
}

func matches(pattern, resource string) bool {
	// An ARN has slashes that * covers in policies, and path.Match's doesn't.
	flat := strings.NewReplacer("/", "|")
	ok, err := path.Match(flat.Replace(pattern), flat.Replace(resource))
	return err == nil && ok
}

// unused are the privileges that no run has taken. Those of a member account's role count as taken where a function that
// takes the role has taken the same at home.
func (p *privileges) unused() []string {
	atHome := map[[2]string]bool{}
	for _, g := range p.grants {
		if g.used {
			atHome[[2]string{g.function, g.action}] = true
		}
	}
	var out []string
	for _, g := range p.grants {
		_, excepted := neverCalled[g.action]
		if g.used || excepted || slices.ContainsFunc(g.through, func(f string) bool { return atHome[[2]string{f, g.action}] }) {
			continue
		}
		out = append(out, fmt.Sprintf("%s may %s on %s %s, and never does", g.function, g.action, g.resource, g.kind))
	}
	slices.Sort(out)
	return out
}

// tooWide are the privileges on everything whose every call was about a resource that a policy could have named.
func (p *privileges) tooWide(log *callLog) []string {
	var out []string
	for _, g := range p.grants {
		named, unnamed := "", false
		for m := range log.calls {
			if g.resource != "*" || m.function != g.function || m.action != g.action || m.via != "" {
				continue
			}
			if strings.HasSuffix(m.resource, "*") || strings.HasSuffix(m.resource, "/") { // of many, whichever
				unnamed = true
			} else {
				named = m.resource
			}
		}
		if named != "" && !unnamed {
			out = append(out, fmt.Sprintf("%s may %s on everything, and calls it on such as %s", g.function, g.action, named))
		}
	}
	slices.Sort(out)
	return out
}
