package asl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// TestDataFlow runs a Task whose function answers {"r":{"x":1},"n":12345678901234567890.10} on {"in":{"a":1},"list":[{},{}]}.
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-input-output-filtering.html
func TestDataFlow(t *testing.T) {
	const (
		input  = `{"in":{"a":1},"list":[{},{}]}`
		answer = `{"r":{"x":1},"n":12345678901234567890.10}`
	)
	for _, tt := range []struct{ fields, sent, output string }{
		{``, input, answer},
		{`"InputPath": "$.in",`, `{"a":1}`, answer},
		{`"InputPath": null,`, `{}`, answer},
		{`"InputPath": "$$.Execution.Name",`, `"one"`, answer},
		{`"Parameters": {"x.$": "$.in.a", "y": {"z.$": "$.list[1]", "w": ["v"]}},`, `{"x":1,"y":{"w":["v"],"z":{}}}`, answer},
		{`"InputPath": "$.in", "Parameters": {"x.$": "$.a"},`, `{"x":1}`, answer},
		{`"Parameters": {"plain": "$.in.a", "list": [{"x.$": "$.in"}]},`, `{"list":[{"x":{"a":1}}],"plain":"$.in.a"}`, answer},
		{
			`"Parameters": {"id.$": "$$.Execution.Id", "at.$": "$$.Execution.StartTime", "in.$": "$$.Execution.Input.in", "s.$": "$$.State", "m.$": "$$.StateMachine"},`,
			`{"at":"2026-01-05T09:00:00.000Z","id":"arn:aws:states:us-east-1:123456789012:execution:sunset:one","in":{"a":1},` +
				`"m":{"Id":"arn:aws:states:us-east-1:123456789012:stateMachine:sunset","Name":"sunset"},` +
				`"s":{"EnteredTime":"2026-01-05T09:00:00.000Z","Name":"Work","RetryCount":0}}`, answer,
		},
		{`"ResultPath": "$.out",`, input, `{"in":{"a":1},"list":[{},{}],"out":` + answer + `}`},
		{`"ResultPath": "$.in.deep.er",`, input, `{"in":{"a":1,"deep":{"er":` + answer + `}},"list":[{},{}]}`},
		{`"ResultPath": "$.in.a",`, input, `{"in":{"a":` + answer + `},"list":[{},{}]}`},
		{`"ResultPath": "$.list[1].out",`, input, `{"in":{"a":1},"list":[{},{"out":` + answer + `}]}`},
		{`"ResultPath": null,`, input, input},
		{`"InputPath": "$.in", "ResultPath": "$.out",`, `{"a":1}`, `{"in":{"a":1},"list":[{},{}],"out":` + answer + `}`},
		{`"ResultSelector": {"only.$": "$.r.x", "who.$": "$$.State.Name"},`, input, `{"only":1,"who":"Work"}`},
		{`"ResultSelector": {"only.$": "$.n"}, "ResultPath": "$.out", "OutputPath": "$.out",`, input, `{"only":12345678901234567890.10}`},
		{`"OutputPath": "$.r",`, input, `{"x":1}`},
		{`"OutputPath": null,`, input, `{}`},
	} {
		t.Run(tt.fields, func(t *testing.T) {
			r := start(t, fmt.Sprintf(oneTask, tt.fields), input)
			require.JSONEq(t, tt.sent, r.call.Payload)
			r.succeed(answer)
			require.Equal(t, asl.Succeeded, r.e.Status())
			require.JSONEq(t, tt.output, r.e.Output())
			if strings.Contains(tt.output, "12345678901234567890.10") {
				require.Contains(t, r.e.Output(), "12345678901234567890.10", "numbers stay as written")
			}
		})
	}
}

// A path that finds nothing fails the execution, and neither Retry nor Catch helps; a result that has no place is
// States.ResultPathMatchFailure, which they can name.
func TestDataFlowFailures(t *testing.T) {
	const all = `"Retry": [{"ErrorEquals": ["States.ALL"]}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Work"}],`
	for _, tt := range []struct{ fields, error, cause string }{
		{all + `"InputPath": "$.none",`, "States.Runtime", "The JSONPath '$.none' specified for the field 'InputPath' could not be found in the input '{\"a\":1}'"},
		{all + `"Parameters": {"x.$": "$.none"},`, "States.Runtime", "An error occurred while executing the state 'Work' (entered at the event id #2). The JSONPath '$.none' specified for the field 'x.$' could not be found in the input '{\"a\":1}'"},
		{all + `"Parameters": {"x.$": "$$.Execution.None"},`, "States.Runtime", "specified for the field 'x.$' could not be found in the input the context object"},
		{all + `"ResultSelector": {"x.$": "$.none"},`, "States.Runtime", "field 'x.$'"},
		{all + `"OutputPath": "$.none",`, "States.Runtime", "field 'OutputPath'"},
		{all + `"TimeoutSecondsPath": "$.none",`, "States.Runtime", "field 'TimeoutSecondsPath'"},
		{all + `"TimeoutSecondsPath": "$",`, "States.Runtime", "TimeoutSecondsPath parameter must reference a whole number"},
		{all + `"HeartbeatSecondsPath": "$.a", "TimeoutSecondsPath": "$.a",`, "States.Runtime", "heartbeat must be less"},
		{`"ResultPath": "$.a.b",`, "States.ResultPathMatchFailure", "Unable to apply ReferencePath $.a.b"},
		{`"ResultPath": "$.list[0]",`, "States.ResultPathMatchFailure", "Unable to apply ReferencePath $.list[0]"},
	} {
		t.Run(tt.fields, func(t *testing.T) {
			r := start(t, fmt.Sprintf(oneTask, tt.fields), `{"a":1}`)
			if r.call != nil {
				r.succeed(`{}`)
			}
			require.Equal(t, asl.Failed, r.e.Status())
			name, cause := r.e.Failure()
			require.Equal(t, tt.error, name)
			require.Contains(t, cause, tt.cause)
		})
	}
}

func TestTaskLimitsFromPaths(t *testing.T) {
	r := start(t, fmt.Sprintf(asking, `"TimeoutSecondsPath": "$.t", "HeartbeatSecondsPath": "$.h",`), `{"user":"ann","t":60,"h":20}`)
	require.Equal(t, time.Minute, r.events[2].Timeout)
	require.Equal(t, 20*time.Second, r.events[2].Heartbeat)
	require.Equal(t, 20*time.Second, r.wake())
	require.Equal(t, asl.Failed, r.e.Status())
}

func TestWaits(t *testing.T) {
	for _, tt := range []struct {
		field string
		input string
		want  time.Duration
	}{
		{`"Seconds": 90`, `{}`, 90 * time.Second},
		{`"Seconds": 0`, `{}`, 0},
		{`"SecondsPath": "$.s"`, `{"s": 7}`, 7 * time.Second},
		{`"Timestamp": "2026-01-19T09:00:00Z"`, `{}`, 14 * 24 * time.Hour},
		{`"Timestamp": "2020-01-19T09:00:00Z"`, `{}`, 0},
		{`"TimestampPath": "$.until"`, `{"until": "2026-01-05T11:00:00+01:00"}`, time.Hour},
		{`"InputPath": "$.in", "SecondsPath": "$.s"`, `{"in": {"s": 3}}`, 3 * time.Second},
		{`"TimestampPath": "$.until"`, `{"until": "tomorrow"}`, -1},
		{`"TimestampPath": "$.until"`, `{}`, -1},
		{`"SecondsPath": "$.s"`, `{"s": -1}`, -1},
		{`"SecondsPath": "$.s"`, `{"s": "7"}`, -1},
	} {
		t.Run(tt.field+tt.input, func(t *testing.T) {
			r := start(t, machine(`"Type": "Wait", "End": true, `+tt.field), tt.input)
			switch {
			case tt.want < 0:
				name, _ := r.e.Failure()
				require.Equal(t, "States.Runtime", name)
				return
			case tt.want > 0:
				require.Equal(t, tt.want, r.wake())
			}
			require.Equal(t, asl.Succeeded, r.e.Status())
		})
	}
}

func TestPass(t *testing.T) {
	for fields, want := range map[string]string{
		``:                              `{"a":{"b":1}}`,
		`"Result": null,`:               `null`,
		`"Result": {"x": "$.a"},`:       `{"x":"$.a"}`,
		`"Parameters": {"c.$": "$.a"},`: `{"c":{"b":1}}`,
		`"InputPath": "$.a", "ResultPath": "$.c",`:                 `{"a":{"b":1},"c":{"b":1}}`,
		`"Result": 1, "ResultPath": "$.a.b", "OutputPath": "$.a",`: `{"b":1}`,
		`"Result": 1, "ResultPath": null,`:                         `{"a":{"b":1}}`,
	} {
		t.Run(fields, func(t *testing.T) {
			r := start(t, machine(`"Type": "Pass", `+fields+` "End": true`), `{"a":{"b":1}}`)
			require.JSONEq(t, want, r.e.Output())
		})
	}
}

func TestFail(t *testing.T) {
	for fields, want := range map[string][2]string{
		``:                             {"", ""},
		`, "Error": "E", "Cause": "C"`: {"E", "C"},
		`, "ErrorPath": "$.e", "CausePath": "$.c"`: {"Broken", "why"},
	} {
		r := start(t, machine(`"Type": "Fail"`+fields), `{"e":"Broken","c":"why","n":1}`)
		name, cause := r.e.Failure()
		require.Equal(t, want, [2]string{name, cause}, fields)
	}
	r := start(t, machine(`"Type": "Fail", "ErrorPath": "$.n"`), `{"n":1}`)
	name, _ := r.e.Failure()
	require.Equal(t, "States.Runtime", name)
}
