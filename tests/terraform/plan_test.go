//go:build terraform

package terraform

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

func TestPlan(t *testing.T) {
	w := newWorld(t)
	p := w.plan(t, nil)
	names := functions(t)
	lambdas := map[string]resource{}
	for _, r := range p.all(t, "aws_lambda_function") {
		lambdas[strings.TrimPrefix(r.text(t, "function_name"), "iam-sunset-")] = r
	}
	variables := func(t *testing.T, f string) map[string]any {
		t.Helper()
		v, ok := lambdas[f].block(t, "environment")["variables"].(map[string]any)
		require.True(t, ok)
		unknown, _ := lambdas[f].Unknown["environment"].([]any)
		if len(unknown) > 0 {
			later, _ := unknown[0].(map[string]any)["variables"].(map[string]any)
			for name := range later {
				v[name] = "known later"
			}
		}
		return v
	}

	t.Run("every log has an end and a key", func(t *testing.T) {
		groups := p.all(t, "aws_cloudwatch_log_group")
		require.Len(t, groups, len(names)+2)
		for _, r := range groups {
			assert.EqualValues(t, 400, r.After["retention_in_days"], r.Address)
			assert.Equal(t, true, r.Unknown["kms_key_id"], "%s has no key", r.Address)
		}
		for f, r := range lambdas {
			assert.Equal(t, "/aws/lambda/iam-sunset-"+f, r.block(t, "logging_config")["log_group"])
		}
	})

	t.Run("buckets are private, versioned and encrypted, evidence is locked", func(t *testing.T) {
		buckets := []string{"evidence", "settings"}
		require.Len(t, p.all(t, "aws_s3_bucket"), len(buckets))
		for _, b := range buckets {
			rule := p.one(t, "aws_s3_bucket_server_side_encryption_configuration."+b).block(t, "rule")
			assert.Equal(t, true, rule["bucket_key_enabled"], b)
			by := rule["apply_server_side_encryption_by_default"].([]any)[0].(map[string]any)
			assert.Equal(t, "aws:kms", by["sse_algorithm"], b)
			assert.Contains(t, p.refersTo(t, "aws_s3_bucket_server_side_encryption_configuration."+b, "rule", "apply_server_side_encryption_by_default", "kms_master_key_id"), "aws_kms_key.data")
			assert.Equal(t, "Enabled", p.one(t, "aws_s3_bucket_versioning."+b).block(t, "versioning_configuration")["status"], b)
			assert.Equal(t, "BucketOwnerEnforced", p.one(t, "aws_s3_bucket_ownership_controls."+b).block(t, "rule")["object_ownership"], b)
			for _, shut := range []string{"block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"} {
				assert.Equal(t, true, p.one(t, "aws_s3_bucket_public_access_block."+b).After[shut], b)
			}
			tls := statementOf(t, p.one(t, "aws_s3_bucket_policy."+b).text(t, "policy"), "OnlyByTLS")
			assert.Equal(t, texts{"false"}, tls.Condition["Bool"]["aws:SecureTransport"])
			assert.Len(t, tls.Resource, 2)
		}
		assert.Equal(t, true, p.one(t, "aws_s3_bucket.evidence").After["object_lock_enabled"])
		retention := p.one(t, "aws_s3_bucket_object_lock_configuration.evidence").block(t, "rule")["default_retention"].([]any)[0].(map[string]any)
		assert.Equal(t, "COMPLIANCE", retention["mode"])
		assert.EqualValues(t, 400, retention["days"])

		document := p.one(t, "aws_s3_bucket_policy.evidence").text(t, "policy")
		once := statementOf(t, document, "EachKeyOnce")
		assert.Equal(t, texts{"s3:PutObject"}, once.Action)
		assert.Equal(t, texts{"true"}, once.Condition["Null"]["s3:if-none-match"])
		gone := statementOf(t, document, "NothingGoes")
		assert.Subset(t, gone.Action, []string{"s3:DeleteObject", "s3:DeleteObjectVersion"})
		assert.Empty(t, gone.Condition)
		assert.Subset(t, statementOf(t, document, "NoWayAroundTheLock").Action, []string{"s3:BypassGovernanceRetention", "s3:PutObjectRetention"})
		for _, s := range parsed(t, document).Statement {
			assert.Equal(t, "Deny", s.Effect)
			assert.Equal(t, "*", s.Principal)
		}
	})

	t.Run("the casebook can be put back and is not lost", func(t *testing.T) {
		table := p.one(t, "aws_dynamodb_table.casebook")
		assert.Equal(t, "kind", table.After["hash_key"])
		assert.Equal(t, "key", table.After["range_key"])
		assert.Equal(t, "PAY_PER_REQUEST", table.After["billing_mode"])
		assert.Equal(t, true, table.After["deletion_protection_enabled"])
		assert.Equal(t, true, table.block(t, "point_in_time_recovery")["enabled"])
		assert.Equal(t, true, table.block(t, "server_side_encryption")["enabled"])
		assert.Contains(t, p.refersTo(t, "aws_dynamodb_table.casebook", "server_side_encryption", "kms_key_arn"), "aws_kms_key.data")
	})

	t.Run("keys are of the kinds that the functions use", func(t *testing.T) {
		for key, want := range map[string][2]string{
			"decisions": {"GENERATE_VERIFY_MAC", "HMAC_256"}, "links": {"GENERATE_VERIFY_MAC", "HMAC_256"}, "owners": {"GENERATE_VERIFY_MAC", "HMAC_256"}, "sealing": {"SIGN_VERIFY", "ECC_NIST_P256"},
		} {
			r := p.one(t, "aws_kms_key."+key)
			assert.Equal(t, want, [2]string{r.text(t, "key_usage"), r.text(t, "customer_master_key_spec")}, key)
		}
		for _, key := range []string{"data", "executions"} {
			assert.Equal(t, true, p.one(t, "aws_kms_key."+key).After["enable_key_rotation"], key)
		}
		assert.Contains(t, p.refersTo(t, "aws_sns_topic.team", "kms_master_key_id"), "aws_kms_key.data")
	})

	t.Run("functions are published, traced and told what they need", func(t *testing.T) {
		require.Len(t, lambdas, len(names))
		for _, f := range names {
			r := lambdas[f]
			assert.Equal(t, true, r.After["publish"], f)
			assert.Equal(t, "provided.al2023", r.After["runtime"], f)
			assert.Equal(t, []any{"arm64"}, r.After["architectures"], f)
			assert.Equal(t, "Active", r.block(t, "tracing_config")["mode"], f)
			assert.Equal(t, "live", p.one(t, `module.function["`+f+`"].aws_lambda_alias.this`).text(t, "name"))
			v := variables(t, f)
			for _, name := range []string{"BUCKET", "TABLE", "SETTINGS", "STATE_MACHINE"} {
				assert.NotEmpty(t, v["IAM_SUNSET_"+name], "%s %s", f, name)
			}
			assert.Equal(t, f == "approval-web" || f == "reconcile", v["IAM_SUNSET_LINKS_KEY"] != nil, f)
			assert.Equal(t, f == "reconcile", v["IAM_SUNSET_SEALING_KEY"] != nil, f)
			meetsOwners := slices.Contains([]string{"approval-web", "disable", "open-cases", "reconcile", "request-approval"}, f)
			assert.Equal(t, meetsOwners, v["IAM_SUNSET_OWNERS_KEY"] != nil, f)
			assert.Equal(t, meetsOwners, v["IAM_SUNSET_PAGES_URL"] != nil, f)
			sends := slices.Contains([]string{"disable", "log", "open-cases", "reconcile", "request-approval", "restore", "wait-soak"}, f)
			assert.Equal(t, sends, v["IAM_SUNSET_MAIL_FROM"] != nil, f)
			assert.Equal(t, f == "approval-web", v["IAM_SUNSET_RESTORE_FUNCTION"] != nil, f)
			assert.NotContains(t, v, signin.SecretVariable, f)
			_, makesOrChecks := v["IAM_SUNSET_DECISIONS_KEY"]
			assert.Equal(t, slices.Contains([]string{"approval-web", "delete-all-artifacts", "log", "reconcile", "restore", "wait-soak"}, f), makesOrChecks, f)
		}
		for f, n := range map[string]int{"approval-web": 29, "discover": 900, "wait-soak": 900} {
			assert.EqualValues(t, n, lambdas[f].After["timeout"], f)
		}
		for f, n := range map[string]int{"crosscheck-cloudtrail": 1, "reconcile": 1, "wait-soak": 10, "delete-all-artifacts": 10, "disable": -1} {
			assert.EqualValues(t, n, lambdas[f].After["reserved_concurrent_executions"], f)
		}
		for f, access := range map[string]sunset.Access{"discover": sunset.AccessRead, "disable": sunset.AccessChange, "restore": sunset.AccessChange, "delete-all-artifacts": sunset.AccessDelete} {
			assert.EqualValues(t, access, variables(t, f)["IAM_SUNSET_ACCESS"], f)
		}
	})

	t.Run("the machine keeps versions, its own key and no data in its log", func(t *testing.T) {
		m := p.one(t, "aws_sfn_state_machine.this")
		assert.Equal(t, "STANDARD", m.After["type"])
		assert.Equal(t, true, m.After["publish"])
		log := m.block(t, "logging_configuration")
		assert.Equal(t, false, log["include_execution_data"])
		assert.Equal(t, "ERROR", log["level"])
		assert.Equal(t, true, m.block(t, "tracing_configuration")["enabled"])
		assert.Equal(t, "CUSTOMER_MANAGED_KMS_KEY", m.block(t, "encryption_configuration")["type"])
		assert.Contains(t, p.refersTo(t, "aws_sfn_state_machine.this", "encryption_configuration", "kms_key_id"), "aws_kms_key.executions")
		assert.Equal(t, "live", p.one(t, "aws_sfn_alias.live").text(t, "name"))
	})

	t.Run("pages are served by their routes alone and logged without a link", func(t *testing.T) {
		auth := map[string]string{}
		for _, r := range p.all(t, "aws_apigatewayv2_route") {
			auth[r.text(t, "route_key")] = r.text(t, "authorization_type")
		}
		assert.Equal(t, map[string]string{
			"GET /a/{link}": "NONE", "GET /a/{link}/{request}": "NONE", "POST /a/{link}/{request}": "NONE", "GET /style.css": "NONE",
			"GET /a/{link}/{request}/receipt": "NONE", "GET /a/{link}/{request}/receipt.txt": "NONE", "GET /o/{owner}": "NONE", "POST /o/{owner}": "NONE",
			"GET /sign-in/callback": "NONE", "GET /sign-in/out": "NONE", "POST /sign-in/out": "NONE",
			"ANY /v1/{proxy+}": "AWS_IAM",
		}, auth)
		stage := p.one(t, "aws_apigatewayv2_stage.pages")
		var format map[string]string
		require.NoError(t, json.Unmarshal([]byte(stage.block(t, "access_log_settings")["format"].(string)), &format))
		// Everything that API Gateway can write and that holds no part of the address.
		harmless := []string{
			"$context.requestId", "$context.requestTime", "$context.routeKey", "$context.status", "$context.identity.sourceIp", "$context.responseLatency",
			"$context.integrationLatency", "$context.integrationStatus",
		}
		require.NotEmpty(t, format)
		for name, value := range format {
			assert.Contains(t, harmless, value, name)
		}
		throttle := stage.block(t, "default_route_settings")
		assert.EqualValues(t, 10, throttle["throttling_rate_limit"])
		assert.EqualValues(t, 20, throttle["throttling_burst_limit"])
		assert.Equal(t, "2.0", p.one(t, "aws_apigatewayv2_integration.pages").text(t, "payload_format_version"))
	})

	t.Run("each figure has an alarm that says what to do", func(t *testing.T) {
		var figures []string
		for _, r := range p.all(t, "aws_cloudwatch_metric_alarm") {
			assert.Contains(t, r.text(t, "alarm_description"), "docs/operations.md#"+strings.TrimPrefix(r.text(t, "alarm_name"), "iam-sunset-"))
			assert.Equal(t, []any{"arn:aws:sns:" + region + ":" + account + ":iam-sunset-team"}, r.After["alarm_actions"], r.Address)
			if r.After["namespace"] != deployed.MetricNamespace {
				assert.Equal(t, map[string]any{"FunctionName": "iam-sunset-reconcile"}, r.After["dimensions"], r.Address)
				continue
			}
			figures = append(figures, r.text(t, "metric_name"))
			assert.Equal(t, map[string]any{"Deployment": "iam-sunset"}, r.After["dimensions"], r.Address)
			missing := "notBreaching"
			if r.After["metric_name"] == workflow.ReconcileRuns {
				missing = "breaching"
			}
			assert.Equal(t, missing, r.After["treat_missing_data"], r.Address)
		}
		assert.ElementsMatch(t, workflow.MetricNames(), figures)
	})

	t.Run("ends that no state hears of reach evidence and team", func(t *testing.T) {
		var pattern struct {
			Source []string `json:"source"`
			Detail struct {
				Status        []string `json:"status"`
				StateMachines []any    `json:"stateMachineArn"`
			} `json:"detail"`
		}
		require.NoError(t, json.Unmarshal([]byte(p.one(t, "aws_cloudwatch_event_rule.failed").text(t, "event_pattern")), &pattern))
		assert.Equal(t, []string{"aws.states"}, pattern.Source)
		assert.Equal(t, []string{"ABORTED", "FAILED", "TIMED_OUT"}, pattern.Detail.Status)
		machine := "arn:aws:states:" + region + ":" + account + ":stateMachine:iam-sunset"
		assert.Equal(t, []any{machine, map[string]any{"prefix": machine + ":"}}, pattern.Detail.StateMachines, "another deployment's must not match")
		assert.Contains(t, p.refersTo(t, "aws_cloudwatch_event_target.failed_evidence", "arn"), `module.function["reconcile"].alias_arn`)
		assert.Contains(t, p.refersTo(t, "aws_cloudwatch_event_target.failed_team", "arn"), "aws_sns_topic.team.arn")
		assert.Nil(t, p.one(t, "aws_cloudwatch_event_target.failed_evidence").After["input"])
		// EventBridge says for no topic on whose behalf it publishes, so that a condition on it would lose every message.
		assert.Empty(t, statementOf(t, p.one(t, "aws_sns_topic_policy.team").text(t, "policy"), "FailedExecutions").Condition)
		through := statementOf(t, p.one(t, "aws_kms_key.data").text(t, "policy"), "FailedExecutions")
		assert.Equal(t, map[string]map[string]texts{"StringEquals": {"kms:EncryptionContext:aws:sns:topicArn": {"arn:aws:sns:" + region + ":" + account + ":iam-sunset-team"}}}, through.Condition)
	})

	t.Run("settings are what the functions read", func(t *testing.T) {
		s, err := sunset.ParseSettings([]byte(p.one(t, "aws_s3_object.settings").text(t, "content")))
		require.NoError(t, err)
		assert.Equal(t, sunset.DefaultSettings().Soak, s.Soak)
		assert.Empty(t, s.Approvers)
		assert.Nil(t, s.SignIn)
	})

	t.Run("the deployment's document is what the command reads", func(t *testing.T) {
		var fields []string
		for i := range reflect.TypeFor[deployed.Deployment]().NumField() {
			name, _, _ := strings.Cut(reflect.TypeFor[deployed.Deployment]().Field(i).Tag.Get("json"), ",")
			if name != "endpoint_url" { // a deployment on AWS has none
				fields = append(fields, name)
			}
		}
		output := p.OutputChanges["deployment"]
		require.NotNil(t, output)
		var given []string
		for _, half := range []any{output.After, output.AfterUnknown} {
			document, ok := half.(map[string]any)
			require.True(t, ok)
			for name, v := range document {
				if v != false {
					given = append(given, name)
				}
			}
		}
		slices.Sort(given)
		assert.ElementsMatch(t, fields, slices.Compact(given))
		assert.EqualValues(t, 1, output.After.(map[string]any)["version"])
	})
}

// statementOf finds a statement by its Sid.
func statementOf(t *testing.T, document, sid string) statement {
	t.Helper()
	p := parsed(t, document)
	i := slices.IndexFunc(p.Statement, func(s statement) bool { return s.Sid == sid })
	require.GreaterOrEqual(t, i, 0, fmt.Sprintf("%s is not in %s", sid, document))
	return p.Statement[i]
}
