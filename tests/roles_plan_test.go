//go:build terraform

package tests

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/stretchr/testify/require"
)

// rolePlan is what Terraform would give each function.
type rolePlan struct {
	prefix      string
	policies    map[string]string            // by function: the document
	members     map[string]memberRolePlan    // by access: the roles of a member account
	environment map[string]map[string]string // by function; what only AWS will tell is there and empty

	bucket, settingsBucket, settingsKey, table, topic, bus string
	// keyGrants are what the keys' own policies allow: by the variable that names the key, action and function.
	keyGrants map[string]map[string][]string
}

// What the deployment protects, beside its own roles.
const (
	protectedPath = "/break-glass/"
	protectedTag  = "break-glass"
	ownPrincipal  = "arn:aws:iam::123456789012:user/pipelines/deployer"
)

// planned is what Terraform would make of the module in a folder of terraform's, in an account. Nothing is made.
func planned(t *testing.T, module, account string, variables ...string) *tfjson.Plan {
	t.Helper()
	sts := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(rw, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
			`<Arn>arn:aws:iam::`+account+`:role/deployer</Arn><UserId>AROA1:deployer</UserId><Account>`+account+`</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	defer sts.Close()
	copied := t.TempDir()
	dir := filepath.Join(copied, "terraform", module)
	require.NoError(t, os.CopyFS(filepath.Join(copied, "terraform"), os.DirFS("../terraform")))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, ".terraform")))
	_ = os.Remove(filepath.Join(dir, ".terraform.lock.hcl")) // there is one only where somebody ran terraform by hand
	require.NoError(t, os.CopyFS(filepath.Join(copied, "statemachine"), os.DirFS("../statemachine")))
	for _, f := range functionNames(t) {
		require.NoError(t, os.WriteFile(filepath.Join(copied, f+".zip"), []byte(f), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "offline.tf"), fmt.Appendf(nil, `provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints { sts = %q }
}
`, sts.URL), 0o600))
	path, err := exec.LookPath("terraform")
	require.NoError(t, err)
	tf, err := tfexec.NewTerraform(dir, path)
	require.NoError(t, err)
	require.NoError(t, tf.Init(t.Context()), "terraform found no provider: where its registry can't be reached, a mirror has to be configured")
	options := []tfexec.PlanOption{tfexec.Refresh(false), tfexec.Out("plan")}
	for _, v := range variables {
		options = append(options, tfexec.Var(strings.ReplaceAll(v, "PACKAGES", copied)))
	}
	_, err = tf.Plan(t.Context(), options...)
	require.NoError(t, err)
	shown, err := tf.ShowPlanFile(t.Context(), filepath.Join(dir, "plan"))
	require.NoError(t, err)
	return shown
}

func functionNames(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("../functions")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// planRoles asks Terraform for a deployment with all that adds to what roles allow or deny.
func planRoles(t *testing.T) rolePlan {
	t.Helper()
	settings, err := json.Marshal(map[string]any{"accounts": []any{map[string]any{
		"id": memberID, "external_id": externalID, "roles": map[string]string{"read": memberRole("read"), "change": memberRole("change"), "delete": memberRole("delete")},
	}}})
	require.NoError(t, err)
	shown := planned(t, "", "123456789012", "packages_dir=PACKAGES", "mail_from=iam-sunset@example.com", "settings="+string(settings),
		`protected_paths=["`+protectedPath+`"]`, "protected_tag_key="+protectedTag, `own_principals=["`+ownPrincipal+`"]`)
	functions := functionNames(t)

	p := rolePlan{prefix: "iam-sunset-", policies: map[string]string{}, environment: map[string]map[string]string{}, keyGrants: map[string]map[string][]string{}}
	for _, c := range shown.ResourceChanges {
		after, _ := c.Change.After.(map[string]any)
		text := func(name string) string { s, _ := after[name].(string); return s }
		switch {
		case c.Type == "aws_iam_role_policy" && strings.HasPrefix(c.Address, "aws_iam_role_policy.function["):
			p.policies[c.Index.(string)] = text("policy")
		case c.Type == "aws_lambda_function":
			_, name, _ := strings.Cut(c.Address, `module.function["`)
			name, _, _ = strings.Cut(name, `"`)
			p.environment[name] = plannedEnvironment(t, after, c.Change.AfterUnknown)
		case c.Address == "aws_s3_bucket.evidence":
			p.bucket = text("bucket")
		case c.Type == "aws_s3_object":
			p.settingsBucket, p.settingsKey = text("bucket"), text("key")
		case c.Type == "aws_dynamodb_table":
			p.table = text("name")
		case c.Address == "aws_sns_topic.team":
			p.topic = text("name")
		case c.Type == "aws_cloudwatch_event_bus":
			p.bus = text("name")
		case c.Type == "aws_kms_key":
			p.grant(t, strings.TrimPrefix(c.Address, "aws_kms_key."), text("policy"))
		}
	}
	require.Len(t, p.policies, len(functions))
	require.Len(t, p.environment, len(functions))
	if p.settingsBucket == "" {
		uri := strings.TrimPrefix(p.environment["discover"]["IAM_SUNSET_SETTINGS"], "s3://")
		p.settingsBucket, p.settingsKey, _ = strings.Cut(uri, "/")
	}
	for what, name := range map[string]string{"bucket": p.bucket, "settings": p.settingsBucket, "key": p.settingsKey, "table": p.table, "topic": p.topic, "bus": p.bus} {
		require.NotEmpty(t, name, what)
	}
	p.members = planMember(t)
	return p
}

// plannedEnvironment is a function's environment; variables whose value is only known once everything is made are "".
func plannedEnvironment(t *testing.T, after map[string]any, unknown any) map[string]string {
	t.Helper()
	out := map[string]string{}
	collect := func(from any) {
		m, _ := from.(map[string]any)
		blocks, _ := m["environment"].([]any)
		for _, b := range blocks {
			block, _ := b.(map[string]any)
			variables, _ := block["variables"].(map[string]any)
			for name, v := range variables {
				s, _ := v.(string)
				if s != "" || out[name] == "" {
					out[name] = s
				}
			}
		}
	}
	collect(after)
	collect(unknown)
	require.NotEmpty(t, out)
	return out
}

// grant notes whom a key's own policy lets do what.
func (p rolePlan) grant(t *testing.T, key, document string) {
	t.Helper()
	var policy struct {
		Statement []struct {
			Effect            string
			Principal, Action json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal([]byte(document), &policy))
	for _, s := range policy.Statement {
		if s.Effect != "Allow" {
			continue
		}
		for _, arn := range texts(s.Principal) {
			_, function, ok := strings.Cut(arn, ":role/"+p.prefix)
			if !ok {
				continue
			}
			for _, action := range texts(s.Action) {
				if p.keyGrants[key] == nil {
					p.keyGrants[key] = map[string][]string{}
				}
				if !slices.Contains(p.keyGrants[key][action], function) {
					p.keyGrants[key][action] = append(p.keyGrants[key][action], function)
				}
			}
		}
	}
}

// texts is what a policy writes as one text or as several; of principals those that are AWS's.
func texts(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many
	}
	var named struct{ AWS json.RawMessage }
	if json.Unmarshal(raw, &named) == nil && named.AWS != nil {
		return texts(named.AWS)
	}
	return nil
}
