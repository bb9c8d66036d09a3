package asl_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// A definition is read or refused with one sentence. What is read calls functions by ARN and nothing else, and is the
// same when its source is read again.
func FuzzLoad(f *testing.F) {
	arns := map[string]string{}
	for _, name := range statemachine.Functions() {
		arns[name] = "arn:aws:lambda:eu-west-1:123456789012:function:" + name
	}
	shipped, err := statemachine.Render(arns)
	require.NoError(f, err)
	for _, seed := range []string{
		shipped, machine(taskA), machine(askA), machine(`"Type": "Fail"`), machine(`"Type": "Wait", "Seconds": 1, "End": true`),
		machine(`"Type": "Choice", "Choices": [{"Variable": "$.a", "StringEquals": "b", "Next": "A"}], "Default": "A"`),
		machine(`"Type": "Pass", "Result": {"a": [1, null]}, "ResultPath": "$.x[0]", "End": true`), `{"StartAt": "A"}`, `{`, `[]`, `{"a": 1, "a": 2}`,
		machine(`"Type": "Task", "Resource": "` + workARN + `", "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99999999}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "A"}], "End": true`),
		machine(`"Type": "Wait", "TimestampPath": "$['a.b'][0]", "End": true`), `{"TimeoutSeconds": 1e400, "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		d, err := asl.Load(source)
		if err != nil {
			require.NotEmpty(t, err.Error())
			require.Nil(t, d)
			return
		}
		require.Equal(t, string(source), d.Source())
		again, err := asl.Load([]byte(d.Source()))
		require.NoError(t, err)
		require.Equal(t, d.Functions(), again.Functions())
		require.Equal(t, d.Comment(), again.Comment())
		for _, function := range d.Functions() {
			require.True(t, strings.HasPrefix(function, "arn:") && strings.Contains(function, ":lambda:") && strings.Contains(string(source), "Task"), function)
		}
	})
}
