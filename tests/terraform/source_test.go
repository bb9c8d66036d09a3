//go:build terraform

package terraform

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

func TestSourcesAreFormattedAndValid(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, os.Remove(filepath.Join(w.dir, "offline.tf")))
	ok, files, err := w.tf.FormatCheck(within(t, time.Minute), tfexec.Recursive(true))
	require.NoError(t, err)
	assert.True(t, ok, "not formatted: %v", files)
	result, err := w.tf.Validate(within(t, time.Minute))
	require.NoError(t, err)
	assert.True(t, result.Valid, "%+v", result.Diagnostics)
}

// The definition can't be seen in a plan, since AWS numbers the versions that it names. Terraform's own tests can be told
// the numbers.
func TestTerraformsOwnTestsAndTheDefinition(t *testing.T) {
	w := newWorld(t)
	arns := map[string]string{}
	var told strings.Builder
	for i, f := range functions(t) {
		arns[f] = fmt.Sprintf("arn:aws:lambda:%s:%s:function:iam-sunset-%s:%d", region, account, f, i+3)
		fmt.Fprintf(&told, `
override_module {
  target = module.function[%q]
  outputs = {
    function_name = "f", alias_arn = "a", alias_invoke_arn = "i", alias = "live", qualified_arn = %q
  }
}
`, f, arns[f])
	}
	want, err := statemachine.Render(arns)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(want))
	w.write(t, "tests/definition.tftest.hcl", `mock_provider "aws" {}
`+told.String()+`
run "the_definition_names_versions" {
  command = plan

  variables {
    mail_from = "iam-sunset@example.com"
  }

  assert {
    condition     = sha256(aws_sfn_state_machine.this.definition) == "`+hex.EncodeToString(sum[:])+`"
    error_message = "it is not the shipped definition with the functions' versions"
  }
}
`)
	var out bytes.Buffer
	testErr := w.tf.Test(within(t, 8*time.Minute), &out)
	runs := map[string]string{}
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 16<<20)
	var trouble []string
	for lines.Scan() {
		var line struct {
			Type string `json:"type"`
			Run  struct {
				Path     string `json:"path"`
				Run      string `json:"run"`
				Status   string `json:"status"`
				Progress string `json:"progress"`
			} `json:"test_run"`
			Diagnostic struct {
				Summary, Detail string
			} `json:"diagnostic"`
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
		switch {
		case line.Type == "test_run" && line.Run.Status != "":
			runs[line.Run.Path+" "+line.Run.Run] = line.Run.Status
		case line.Type == "diagnostic":
			trouble = append(trouble, line.Diagnostic.Summary+": "+line.Diagnostic.Detail)
		}
	}
	require.NoError(t, lines.Err())
	require.NoError(t, testErr, strings.Join(trouble, "\n"))
	assert.Equal(t, "pass", runs["tests/definition.tftest.hcl the_definition_names_versions"])
	assert.Greater(t, len(runs), 30)
	for run, status := range runs {
		assert.Equal(t, "pass", status, run)
	}
}

func TestTheExampleHoldsTogether(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(w.dir, "examples", "complete")
	require.NoError(t, os.Remove(filepath.Join(w.dir, "offline.tf")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "offline_override.tf"), []byte(w.offline("")+w.offline(`alias = "production"`)), 0o600))
	p := planIn(t, open(t, dir), dir, map[string]any{
		"account": account, "production_role_arn": "arn:aws:iam::" + account + ":role/terraform", "production_external_id": "an-external-id",
		"packages_dir": filepath.Join(filepath.Dir(w.dir), "packages"),
	})
	t.Run("the READMEs list every input and output", func(t *testing.T) { readmesAreComplete(t, w, p) })

	s, err := sunset.ParseSettings([]byte(p.one(t, "module.iam_sunset.aws_s3_object.settings").text(t, "content")))
	require.NoError(t, err)
	require.Len(t, s.Accounts, 1)
	assert.Equal(t, 2, s.ApprovalsNeeded)

	home := p.one(t, `module.iam_sunset.aws_iam_role_policy.function["delete-all-artifacts"]`)
	there := parsed(t, p.one(t, `module.production.aws_iam_role_policy.this["delete"]`).text(t, "policy"))
	may := func(policy policy) []string {
		var actions []string
		for _, s := range policy.Statement {
			for _, a := range s.Action {
				if s.Effect == "Allow" {
					actions = append(actions, a)
				}
			}
		}
		return actions
	}
	assert.Subset(t, may(parsed(t, home.text(t, "policy"))), may(there), "the role in the other account may do more than the function at home")
	assert.Contains(t, may(there), "iam:DeleteUser")
	for access, who := range map[string][]string{
		"read":   {"check-ownership", "crosscheck-cloudtrail", "discover", "open-cases", "reconcile", "request-approval", "wait-soak"},
		"change": {"disable", "restore"},
		"delete": {"delete-all-artifacts"},
	} {
		role := p.one(t, `module.production.aws_iam_role.this["`+access+`"]`)
		assert.Equal(t, s.Accounts[0].Roles.For(sunset.Access(access)), "arn:aws:iam::"+account+":role/"+role.text(t, "name"))
		trust := parsed(t, role.text(t, "assume_role_policy")).Statement
		require.Len(t, trust, 1)
		assert.Equal(t, texts{"an-external-id"}, trust[0].Condition["StringEquals"]["sts:ExternalId"])
		var arns texts
		for _, f := range who {
			arns = append(arns, "arn:aws:iam::"+account+":role/iam-sunset-"+f)
		}
		assert.Equal(t, arns, trust[0].Condition["ArnEquals"]["aws:PrincipalArn"], access)
		policy := parsed(t, p.one(t, `module.production.aws_iam_role_policy.this["`+access+`"]`).text(t, "policy"))
		assert.Equal(t, access == "delete", len(policy.allowed("iam:DeleteUser")) > 0, access)
		assert.Equal(t, access != "read", len(policy.allowed("iam:DeleteUserPolicy")) > 0, access)
		for _, f := range who {
			assume := parsed(t, p.one(t, `module.iam_sunset.aws_iam_role_policy.function["`+f+`"]`).text(t, "policy")).allowed("sts:AssumeRole")
			require.Len(t, assume, 1, f)
			assert.Equal(t, texts{s.Accounts[0].Roles.For(sunset.Access(access))}, assume[0].Resource, f)
			assert.Equal(t, texts{"an-external-id"}, assume[0].Condition["StringEquals"]["sts:ExternalId"], f)
		}
	}
	for _, f := range []string{"log", "approval-web"} {
		assert.Empty(t, parsed(t, p.one(t, `module.iam_sunset.aws_iam_role_policy.function["`+f+`"]`).text(t, "policy")).allowed("sts:AssumeRole"), f)
	}
}

// The README's tables are written by hand, for people; that they are complete and true is for a test.
func readmesAreComplete(t *testing.T, w *world, p plan) {
	t.Helper()
	calls := p.Config.RootModule.ModuleCalls
	deployment := calls["iam_sunset"].Module
	for readme, module := range map[string]*tfjson.ConfigModule{
		"README.md":                        deployment,
		"modules/function/README.md":       deployment.ModuleCalls["function"].Module,
		"modules/permissions/README.md":    deployment.ModuleCalls["permissions"].Module,
		"modules/member-account/README.md": calls["production"].Module,
	} {
		b, err := os.ReadFile(filepath.Join(w.dir, readme))
		require.NoError(t, err)
		lines := strings.Split(string(b), "\n")
		require.NotEmpty(t, module.Variables)
		require.NotEmpty(t, module.Outputs)
		for name, v := range module.Variables {
			given := "needed"
			if v.Default != nil {
				d, err := json.Marshal(v.Default)
				require.NoError(t, err)
				given = "`" + string(d) + "`"
			} else if !required(t, filepath.Join(w.dir, filepath.Dir(readme), "variables.tf"), name) {
				given = "`null`"
			}
			assert.Contains(t, lines, fmt.Sprintf("| `%s` | %s | %s |", name, v.Description, given), readme)
		}
		for name, o := range module.Outputs {
			assert.Contains(t, lines, fmt.Sprintf("| `%s` | %s |", name, o.Description), readme)
		}
	}
}

// A plan does not tell what may not be destroyed.
func TestWhatHoldsEvidenceIsNotDestroyed(t *testing.T) {
	for file, resources := range map[string][]string{
		"evidence.tf": {`"aws_s3_bucket" "evidence"`, `"aws_s3_bucket_policy" "evidence"`},
		"casebook.tf": {`"aws_dynamodb_table" "casebook"`},
		"keys.tf":     {`"aws_kms_key" "data"`, `"aws_kms_key" "sealing"`},
	} {
		b, err := os.ReadFile(filepath.Join(root, "terraform", file))
		require.NoError(t, err)
		for _, r := range resources {
			_, from, ok := strings.Cut(string(b), "resource "+r+" {\n")
			require.True(t, ok, r)
			block, _, _ := strings.Cut(from, "\n}\n")
			assert.Contains(t, block, "prevent_destroy = true", r)
		}
	}
}

// required tells a variable without a default from one whose default is null, which the plan's JSON does not.
func required(t *testing.T, file, variable string) bool {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	_, from, ok := strings.Cut(string(b), fmt.Sprintf("variable %q {\n", variable))
	require.True(t, ok, variable)
	block, _, _ := strings.Cut(from, "\n}\n")
	return !strings.Contains(block, "\n  default ")
}
