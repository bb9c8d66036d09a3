package asl_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// TestChoiceOperators decides each rule over a document of its own: yes, no, or the error that the execution ends with.
// https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html#amazon-states-language-choice-state-rules
func TestChoiceOperators(t *testing.T) {
	const runtime = "States.Runtime"
	for _, tt := range []struct{ rule, input, want string }{
		{`"Variable": "$.a", "IsPresent": true`, `{"a": null}`, "yes"},
		{`"Variable": "$.a", "IsPresent": true`, `{}`, "no"},
		{`"Variable": "$.a", "IsPresent": false`, `{}`, "yes"},
		{`"Variable": "$.a.b[1]", "IsPresent": true`, `{"a": {"b": [1]}}`, "no"},
		{`"Variable": "$.a.b[1]", "IsPresent": true`, `{"a": {"b": [1, 2]}}`, "yes"},
		{`"Variable": "$['a b']", "IsPresent": true`, `{"a b": 1}`, "yes"},
		{`"Variable": "$.a", "IsNull": true`, `{"a": null}`, "yes"},
		{`"Variable": "$.a", "IsNull": true`, `{"a": 0}`, "no"},
		{`"Variable": "$.a", "IsNull": false`, `{"a": 0}`, "yes"},
		{`"Variable": "$.a", "IsNull": true`, `{}`, runtime},
		{`"Variable": "$.a", "IsString": true`, `{"a": ""}`, "yes"},
		{`"Variable": "$.a", "IsString": true`, `{"a": 1}`, "no"},
		{`"Variable": "$.a", "IsNumeric": true`, `{"a": 1e3}`, "yes"},
		{`"Variable": "$.a", "IsNumeric": true`, `{"a": "1"}`, "no"},
		{`"Variable": "$.a", "IsBoolean": true`, `{"a": false}`, "yes"},
		{`"Variable": "$.a", "IsBoolean": true`, `{"a": "false"}`, "no"},
		{`"Variable": "$.a", "IsTimestamp": true`, `{"a": "2026-01-05T09:00:00Z"}`, "yes"},
		{`"Variable": "$.a", "IsTimestamp": true`, `{"a": "2026-01-05T09:00:00.5+02:00"}`, "yes"},
		{`"Variable": "$.a", "IsTimestamp": true`, `{"a": "2026-01-05t09:00:00z"}`, "no"},
		{`"Variable": "$.a", "IsTimestamp": true`, `{"a": "2026-01-05"}`, "no"},
		{`"Variable": "$.a", "IsTimestamp": false`, `{"a": 5}`, "yes"},

		{`"Variable": "$.a", "StringEquals": "x"`, `{"a": "x"}`, "yes"},
		{`"Variable": "$.a", "StringEquals": "x"`, `{"a": "X"}`, "no"},
		{`"Variable": "$.a", "StringEquals": "1"`, `{"a": 1}`, "no"},
		{`"Variable": "$.a", "StringEquals": "x"`, `{}`, runtime},
		{`"Variable": "$.a", "StringEqualsPath": "$.b"`, `{"a": "x", "b": "x"}`, "yes"},
		{`"Variable": "$.a", "StringEqualsPath": "$.b"`, `{"a": "x", "b": "y"}`, "no"},
		{`"Variable": "$.a", "StringEqualsPath": "$.b"`, `{"a": 1, "b": 1}`, "no"},
		{`"Variable": "$.a", "StringEqualsPath": "$.b"`, `{"a": "x"}`, runtime},
		{`"Variable": "$.a", "StringEqualsPath": "$$.Execution.Name"`, `{"a": "one"}`, "yes"},
		{`"Variable": "$$.State.Name", "StringEquals": "Which"`, `{}`, "yes"},
		{`"Variable": "$.a", "StringMatches": "log-*.txt"`, `{"a": "log-2026.txt"}`, "yes"},
		{`"Variable": "$.a", "StringMatches": "*a*b*"`, `{"a": "xxaxxbxx"}`, "yes"},
		{`"Variable": "$.a", "StringMatches": "*a*b"`, `{"a": "ba"}`, "no"},
		{`"Variable": "$.a", "StringMatches": "log-*.txt"`, `{"a": "log-2026.txt.gz"}`, "no"},
		{`"Variable": "$.a", "StringMatches": "a\\*b"`, `{"a": "a*b"}`, "yes"},
		{`"Variable": "$.a", "StringMatches": "a\\*b"`, `{"a": "axb"}`, "no"},
		{`"Variable": "$.a", "StringMatches": "a\\\\b"`, `{"a": "a\\b"}`, "yes"},
		{`"Variable": "$.a", "StringMatches": "*"`, `{"a": ""}`, "yes"},

		{`"Variable": "$.a", "BooleanEquals": true`, `{"a": true}`, "yes"},
		{`"Variable": "$.a", "BooleanEquals": false`, `{"a": false}`, "yes"},
		{`"Variable": "$.a", "BooleanEquals": true`, `{"a": "true"}`, "no"},
		{`"Variable": "$.a", "BooleanEqualsPath": "$.b"`, `{"a": true, "b": true}`, "yes"},
		{`"Variable": "$.a", "BooleanEqualsPath": "$.b"`, `{"a": true, "b": false}`, "no"},

		{`"Variable": "$.a", "NumericEquals": 1`, `{"a": 1.0}`, "yes"},
		{`"Variable": "$.a", "NumericEquals": 9007199254740993`, `{"a": 9007199254740992}`, "no"},
		{`"Variable": "$.a", "NumericEquals": 1`, `{"a": "1"}`, "no"},
		{`"Variable": "$.a", "NumericEqualsPath": "$.b"`, `{"a": 2, "b": 2}`, "yes"},
		{`"Variable": "$.a", "NumericLessThan": 2`, `{"a": 1.9}`, "yes"},
		{`"Variable": "$.a", "NumericLessThan": 2`, `{"a": 2}`, "no"},
		{`"Variable": "$.a", "NumericLessThanPath": "$.b"`, `{"a": 1, "b": 2}`, "yes"},
		{`"Variable": "$.a", "NumericLessThanEquals": 2`, `{"a": 2}`, "yes"},
		{`"Variable": "$.a", "NumericLessThanEquals": 2`, `{"a": 3}`, "no"},
		{`"Variable": "$.a", "NumericLessThanEqualsPath": "$.b"`, `{"a": 3, "b": 2}`, "no"},
		{`"Variable": "$.a", "NumericGreaterThan": 2`, `{"a": 3}`, "yes"},
		{`"Variable": "$.a", "NumericGreaterThan": 2`, `{"a": 2}`, "no"},
		{`"Variable": "$.a", "NumericGreaterThanPath": "$.b"`, `{"a": 3, "b": 2}`, "yes"},
		{`"Variable": "$.a", "NumericGreaterThanEquals": 2`, `{"a": 2}`, "yes"},
		{`"Variable": "$.a", "NumericGreaterThanEquals": 2`, `{"a": 1}`, "no"},
		{`"Variable": "$.a", "NumericGreaterThanEqualsPath": "$.b"`, `{"a": 2, "b": 2}`, "yes"},

		{`"Variable": "$.a", "TimestampEquals": "2026-01-05T09:00:00Z"`, `{"a": "2026-01-05T10:00:00+01:00"}`, "yes"},
		{`"Variable": "$.a", "TimestampEquals": "2026-01-05T09:00:00Z"`, `{"a": "2026-01-05T09:00:01Z"}`, "no"},
		{`"Variable": "$.a", "TimestampEquals": "2026-01-05T09:00:00Z"`, `{"a": "yesterday"}`, "no"},
		{`"Variable": "$.a", "TimestampEqualsPath": "$.b"`, `{"a": "2026-01-05T09:00:00Z", "b": "2026-01-05T09:00:00Z"}`, "yes"},
		{`"Variable": "$.a", "TimestampLessThan": "2026-01-05T09:00:00Z"`, `{"a": "2026-01-05T08:59:59.999Z"}`, "yes"},
		{`"Variable": "$.a", "TimestampLessThan": "2026-01-05T09:00:00Z"`, `{"a": "2026-01-05T09:00:00Z"}`, "no"},
		{`"Variable": "$.a", "TimestampLessThanPath": "$$.State.EnteredTime"`, `{"a": "2026-01-05T08:59:59Z"}`, "yes"},
		{`"Variable": "$.a", "TimestampLessThanEquals": "2026-01-05T09:00:00Z"`, `{"a": "2026-01-05T09:00:00Z"}`, "yes"},
		{`"Variable": "$.a", "TimestampLessThanEqualsPath": "$.b"`, `{"a": "2026-01-06T09:00:00Z", "b": "2026-01-05T09:00:00Z"}`, "no"},
		{`"Variable": "$.a", "TimestampGreaterThan": "2026-01-05T09:00:00Z"`, `{"a": "2026-01-06T09:00:00Z"}`, "yes"},
		{`"Variable": "$.a", "TimestampGreaterThanPath": "$.b"`, `{"a": "2026-01-05T09:00:00Z", "b": "2026-01-05T09:00:00Z"}`, "no"},
		{`"Variable": "$.a", "TimestampGreaterThanEquals": "2026-01-05T09:00:00Z"`, `{"a": "2026-01-05T09:00:00Z"}`, "yes"},
		{`"Variable": "$.a", "TimestampGreaterThanEqualsPath": "$.b"`, `{"a": "2026-01-04T09:00:00Z", "b": "2026-01-05T09:00:00Z"}`, "no"},

		{`"Not": {"Variable": "$.a", "NumericEquals": 1}`, `{"a": 2}`, "yes"},
		{`"Not": {"Variable": "$.a", "NumericEquals": 1}`, `{"a": 1}`, "no"},
		{`"Not": {"Variable": "$.a", "NumericEquals": 1}`, `{}`, runtime},
		{`"And": [{"Variable": "$.a", "IsPresent": true}, {"Variable": "$.a", "NumericEquals": 1}]`, `{"a": 1}`, "yes"},
		{`"And": [{"Variable": "$.a", "IsPresent": true}, {"Variable": "$.a", "NumericEquals": 1}]`, `{"a": 2}`, "no"},
		{`"And": [{"Variable": "$.a", "IsPresent": true}, {"Variable": "$.a", "NumericEquals": 1}]`, `{}`, "no"},
		{`"Or": [{"Variable": "$.a", "IsPresent": false}, {"Variable": "$.a", "NumericEquals": 1}]`, `{}`, "yes"},
		{`"Or": [{"Variable": "$.a", "IsPresent": false}, {"Variable": "$.a", "NumericEquals": 1}]`, `{"a": 2}`, "no"},
		{`"Or": [{"Variable": "$.a", "NumericEquals": 1}, {"Variable": "$.a", "IsPresent": false}]`, `{}`, runtime},
		{`"And": [{"Not": {"Variable": "$.a", "IsNull": true}}, {"Or": [{"Variable": "$.a", "NumericEquals": 1}, {"Variable": "$.a", "NumericEquals": 2}]}]`, `{"a": 2}`, "yes"},
	} {
		t.Run(tt.rule+" of "+tt.input, func(t *testing.T) {
			r := start(t, fmt.Sprintf(`{"StartAt": "Which", "States": {"Which": {"Type": "Choice", "Choices": [{%s, "Next": "yes"}], "Default": "no"},
				"yes": {"Type": "Fail", "Error": "yes"}, "no": {"Type": "Fail", "Error": "no"}}}`, tt.rule), tt.input)
			name, _ := r.e.Failure()
			require.Equal(t, tt.want, name)
		})
	}
}

func TestChoiceTakesTheFirstRuleThatHolds(t *testing.T) {
	r := start(t, `{"StartAt": "Which", "States": {"Which": {"Type": "Choice", "Choices": [
		{"Variable": "$.a", "NumericGreaterThan": 5, "Next": "big"}, {"Variable": "$.a", "NumericGreaterThan": 1, "Next": "middling"},
		{"Variable": "$.a", "IsNumeric": true, "Next": "big"}]},
		"big": {"Type": "Fail", "Error": "big"}, "middling": {"Type": "Fail", "Error": "middling"}}}`, `{"a": 3}`)
	name, _ := r.e.Failure()
	require.Equal(t, "middling", name)
}

// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html: States.NoChoiceMatched. AWS has no
// sentence for its cause that the guide shows: ours is our own.
func TestChoiceWithoutAMatchFails(t *testing.T) {
	r := start(t, `{"StartAt": "Which", "States": {"Which": {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": true, "Next": "end"}]},
		"end": {"Type": "Succeed"}}}`, `{"a": 3}`)
	require.Equal(t, asl.Failed, r.e.Status())
	name, _ := r.e.Failure()
	require.Equal(t, "States.NoChoiceMatched", name)
	require.Equal(t, []string{`2<0 0 ChoiceStateEntered Which {"a": 3}`}, r.history()[1:2])
}
