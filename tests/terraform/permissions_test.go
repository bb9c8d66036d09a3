//go:build terraform

package terraform

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Actions for which AWS knows no resource, by its service authorization reference; and one whose resource is not told
// where it is called for all users at once.
var withoutResource = []string{
	"cloudtrail:LookupEvents", "iam:GenerateCredentialReport", "iam:GetAccountAuthorizationDetails", "iam:GetCredentialReport", "iam:ListUsers",
	"iam:ListVirtualMFADevices", "kms:ListKeys", "lambda:ListFunctions", "s3:ListAllMyBuckets", "secretsmanager:ListSecrets", "sns:ListTopics",
	"sqs:ListQueues", "states:SendTaskSuccess", "tag:GetResources", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
	"iam:ListServiceSpecificCredentials",
}

func TestPermissions(t *testing.T) {
	w := newWorld(t)
	p := w.plan(t, nil)
	policies := p.policies(t)
	names := functions(t)

	t.Run("each function has a role of its own", func(t *testing.T) {
		require.Len(t, policies, len(names))
		for _, f := range names {
			require.Contains(t, policies, f)
			role := p.one(t, `aws_iam_role.function["`+f+`"]`)
			assert.Equal(t, "iam-sunset-"+f, role.text(t, "name"))
			trust := parsed(t, role.text(t, "assume_role_policy"))
			require.Len(t, trust.Statement, 1)
			assert.Equal(t, map[string]any{"Service": "lambda.amazonaws.com"}, trust.Statement[0].Principal)
		}
	})
	assert.Contains(t, p.Config.RootModule.ModuleCalls["function"].Expressions["role_arn"].References, "aws_iam_role.function")
	t.Run("nothing is allowed by a pattern, and nothing on everything where AWS knows better", func(t *testing.T) {
		for f, policy := range policies {
			for _, s := range policy.Statement {
				if s.Effect != "Allow" {
					continue
				}
				require.Empty(t, s.NotAction, f)
				require.NotEmpty(t, s.Resource, f)
				for _, a := range s.Action {
					assert.NotContains(t, a, "*", f)
					if slices.Contains(s.Resource, "*") {
						assert.Contains(t, withoutResource, a, "%s: on everything", f)
					}
				}
			}
		}
	})
	t.Run("only delete-all-artifacts deletes, only three change", func(t *testing.T) {
		may := map[string][]string{}
		for f, policy := range policies {
			for _, s := range policy.Statement {
				for _, a := range s.Action {
					verb, ok := strings.CutPrefix(a, "iam:")
					if s.Effect == "Allow" && ok && !strings.HasPrefix(verb, "Get") && !strings.HasPrefix(verb, "List") && a != "iam:GenerateCredentialReport" {
						may[a] = append(may[a], f)
					}
				}
			}
		}
		require.Equal(t, []string{"delete-all-artifacts"}, may["iam:DeleteUser"])
		for a, who := range may {
			assert.Subset(t, []string{"delete-all-artifacts", "disable", "restore"}, who, a)
			if strings.HasPrefix(a, "iam:Delete") && a != "iam:DeleteUserPolicy" && a != "iam:DeleteLoginProfile" {
				assert.Equal(t, []string{"delete-all-artifacts"}, who, a)
			}
		}
		for f, policy := range policies {
			for _, s := range policy.allowed("iam:AttachUserPolicy") {
				assert.Equal(t, texts{"arn:aws:iam::aws:policy/AWSDenyAll"}, s.Condition["ArnEquals"]["iam:PolicyARN"], f)
			}
			for _, a := range []string{"iam:TagUser", "iam:UntagUser"} {
				for _, s := range policy.allowed(a) {
					assert.Equal(t, texts{"iam-sunset-case"}, s.Condition["ForAllValues:StringEquals"]["aws:TagKeys"], f)
				}
			}
		}
	})
	t.Run("only approval-web stores a decision, and with reconcile answers a token", func(t *testing.T) {
		for f, policy := range policies {
			for _, s := range policy.allowed("dynamodb:PutItem") {
				kinds := s.Condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
				require.NotEmpty(t, kinds, f)
				assert.Equal(t, f == "approval-web", slices.Contains(kinds, "decision"), f)
				assert.Equal(t, f == "reconcile", slices.Contains(kinds, "link"), f)
				assert.Equal(t, f == "approval-web", slices.Contains(kinds, "owner"), f)
				assert.Equal(t, slices.Contains([]string{"disable", "open-cases", "reconcile", "request-approval"}, f), slices.Contains(kinds, "ownerlink"), f)
			}
			assert.Equal(t, f == "approval-web" || f == "reconcile", len(policy.allowed("states:SendTaskSuccess")) > 0, f)
			assert.Equal(t, f == "open-cases", len(policy.allowed("states:StartExecution")) > 0, f)
			for _, s := range policy.Statement {
				for _, a := range s.Action {
					assert.False(t, s.Effect == "Allow" && strings.HasPrefix(a, "dynamodb:") && !slices.Contains([]string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"}, a), "%s: %s", f, a)
				}
			}
		}
	})
	t.Run("the pages have users given back by restore, and call no other function", func(t *testing.T) {
		for f, policy := range policies {
			allowed := policy.allowed("lambda:InvokeFunction")
			if f != "approval-web" {
				assert.Empty(t, allowed, f)
				continue
			}
			require.Len(t, allowed, 1)
			assert.Equal(t, texts{"arn:aws:lambda:" + region + ":" + account + ":function:iam-sunset-restore:live"}, allowed[0].Resource)
		}
	})
	t.Run("keys are for those alone who need them", func(t *testing.T) {
		keys := p.keyPolicies(t)
		role := func(names ...string) []string {
			var arns []string
			for _, n := range names {
				arns = append(arns, "arn:aws:iam::"+account+":role/iam-sunset-"+n)
			}
			return arns
		}
		for _, c := range []struct {
			key, action string
			who         []string
		}{
			{"decisions", "kms:GenerateMac", role("approval-web")},
			{"decisions", "kms:VerifyMac", role("delete-all-artifacts", "log", "reconcile", "restore", "wait-soak")},
			{"links", "kms:GenerateMac", role("reconcile")},
			{"links", "kms:VerifyMac", role("approval-web")},
			{"owners", "kms:GenerateMac", role("disable", "open-cases", "reconcile", "request-approval")},
			{"owners", "kms:VerifyMac", role("approval-web")},
			{"sealing", "kms:Sign", role("reconcile")},
		} {
			allowed := keys[c.key].allowed(c.action)
			require.Len(t, allowed, 1, "%s %s", c.key, c.action)
			assert.Equal(t, c.who, allowed[0].principals(t), "%s %s", c.key, c.action)
			if c.action == "kms:VerifyMac" {
				continue
			}
			// Not even the account's administrators, by any policy of theirs or by a grant.
			denied := slices.ContainsFunc(keys[c.key].Statement, func(s statement) bool {
				return s.Effect == "Deny" && s.Principal == "*" && slices.Contains(s.Action, c.action) && slices.Contains(s.Action, "kms:CreateGrant") &&
					slices.Equal(s.Condition["ArnNotEquals"]["aws:PrincipalArn"], c.who)
			})
			assert.True(t, denied, "%s %s is not denied to others", c.key, c.action)
		}
		for f, policy := range policies {
			for _, s := range policy.Statement {
				for _, a := range s.Action {
					if s.Effect == "Allow" && strings.HasPrefix(a, "kms:") {
						assert.Contains(t, []string{"kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListKeys"}, a, f)
					}
				}
			}
		}
	})
	t.Run("nobody deletes evidence or changes the product's own roles", func(t *testing.T) {
		evidence := "arn:aws:s3:::iam-sunset-evidence-" + account + "-" + region
		for f, policy := range policies {
			denies := 0
			for _, s := range policy.Statement {
				switch {
				case s.Effect == "Deny" && slices.Contains(s.Action, "s3:DeleteObject*"):
					assert.Equal(t, texts{evidence, evidence + "/*"}, s.Resource, f)
					assert.Subset(t, s.Action, []string{"s3:PutObjectRetention", "s3:BypassGovernanceRetention", "s3:PutBucket*"}, f)
					assert.Empty(t, s.Condition, f)
					denies++
				case s.Effect == "Deny" && slices.Equal(s.NotAction, texts{"iam:Generate*", "iam:Get*", "iam:List*"}):
					assert.Subset(t, s.Resource, []string{"arn:aws:iam::" + account + ":role/iam-sunset-*"}, f)
					assert.Empty(t, s.Condition, f)
					denies++
				case s.Effect == "Allow":
					for _, a := range s.Action {
						assert.False(t, strings.HasPrefix(a, "s3:Delete"), "%s: %s", f, a)
						assert.NotContains(t, a, "Role", f)
					}
				}
			}
			assert.Equal(t, 2, denies, f)
		}
	})
	t.Run("they fit a role", func(t *testing.T) {
		for _, r := range p.all(t, "aws_iam_role_policy") {
			// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
			assert.Less(t, len(r.text(t, "policy")), 10240, r.Address)
		}
	})
}

func TestProtectedAndBounded(t *testing.T) {
	w := newWorld(t)
	const boundary, deployer = "arn:aws:iam::" + account + ":policy/workloads", "arn:aws:iam::" + account + ":user/pipelines/deployer"
	p := w.plan(t, map[string]any{
		"permissions_boundary": boundary, "own_principals": []string{deployer}, "protected_paths": []string{"/break-glass/"}, "protected_tag_key": "break-glass",
		"schedule": map[string]any{"expression": "rate(30 days)"},
	})
	for _, r := range p.all(t, "aws_iam_role") {
		assert.Equal(t, boundary, r.After["permissions_boundary"], r.Address)
	}
	for f, policy := range p.policies(t) {
		var paths, tags bool
		for _, s := range policy.Statement {
			if s.Effect != "Deny" || len(s.NotAction) == 0 {
				continue
			}
			paths = paths || slices.Contains(s.Resource, "arn:aws:iam::"+account+":user/break-glass/*") && slices.Contains(s.Resource, deployer)
			tags = tags || slices.Equal(s.Condition["Null"]["aws:ResourceTag/break-glass"], texts{"false"}) &&
				slices.Equal(s.Resource, texts{"arn:aws:iam::" + account + ":user/*"})
		}
		assert.True(t, paths, "%s may change users under a protected path", f)
		assert.True(t, tags, "%s may change users with the protected tag", f)
	}
	for _, r := range p.all(t, "aws_lambda_function") {
		own := r.block(t, "environment")["variables"].(map[string]any)["IAM_SUNSET_OWN"]
		assert.Contains(t, strings.Split(own.(string), ","), deployer, r.Address)
	}
}
