//go:build terraform

package tests

import (
	"encoding/json"
	"fmt"
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
}

// Least privilege: whole cleanups over every route run under the roles that Terraform would make. The fake account refuses
// what a role doesn't allow, so that a missing permission shows as a wrong end; and what the roles allow beyond what was
// called is counted here.
func TestLeastPrivilege(t *testing.T) {
	plan := planRoles(t)
	log := &callLog{calls: map[made]int{}}
	withRoles = plan.underRoles(log)
	defer func() { withRoles = nil }()
	for name, run := range map[string]func(*testing.T){
		"routes": TestRoutes, "plans": TestPlansThatChangeNothing, "disturbed": TestWhatDisturbsASoak, "devices": TestDevicesAndBoundariesGoWithTheUser,
		"restored": TestRestoreGivesEachItemItsOwnStatus, "several": TestSeveralApprovers, "redriven": TestAFailedCaseIsRedriven, "unsent": TestTheMessengerFails,
	} {
		t.Run(name, run)
	}
	if t.Failed() {
		return
	}
	require.NotEmpty(t, log.calls)
	p := newPrivileges(t, plan)
	for m := range log.calls {
		if m.failed == "AccessDenied" || m.failed == "AccessDeniedException" {
			assert.Fail(t, "denied", "%s called %s on %s and was denied", m.function, m.action, m.resource)
		}
		if !p.covers(m) {
			assert.Fail(t, "not allowed", "%s called %s on %s %s, which its role doesn't allow", m.function, m.action, m.resource, m.leadingKey)
		}
	}
	for _, line := range p.unused() {
		assert.Fail(t, "never called", "%s", line)
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
}

func newPrivileges(t *testing.T, plan rolePlan) *privileges {
	t.Helper()
	p := &privileges{}
	for function, document := range plan.policies {
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
					kinds = listed(raw)
				}
			}
			for _, action := range listed(s.Action) {
				for _, resource := range listed(s.Resource) {
					for _, kind := range kinds {
						p.grants = append(p.grants, &privilege{function: function, action: action, resource: resource, kind: kind})
					}
				}
			}
		}
	}
	variables := map[string]string{"decisions": "IAM_SUNSET_DECISIONS_KEY", "links": "IAM_SUNSET_LINKS_KEY", "sealing": "IAM_SUNSET_SEALING_KEY"}
	for key, actions := range plan.keyGrants {
		for action, functions := range actions {
			for _, function := range functions {
				if variable := variables[key]; variable != "" {
					p.grants = append(p.grants, &privilege{function: function, action: action, resource: variable})
				}
			}
		}
	}
	return p
}

// covers reports whether a call is allowed, and notes which privilege it took.
func (p *privileges) covers(m made) bool {
	if m.via != "" {
		return true // the data key's own policy lets every function through S3, DynamoDB and SNS alone
	}
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

func (p *privileges) unused() []string {
	var out []string
	for _, g := range p.grants {
		if _, excepted := neverCalled[g.action]; !g.used && !excepted {
			out = append(out, fmt.Sprintf("%s may %s on %s %s, and never does", g.function, g.action, g.resource, g.kind))
		}
	}
	slices.Sort(out)
	return out
}
