//go:build emulators

package emulators

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/statemachine"
)

// TestTheDefinitionIsValid has asl-validator, which is somebody else's reading of the Amazon States Language, look at the definition;
// and at broken ones, since one that finds nothing anywhere proves nothing.
func TestTheDefinitionIsValid(t *testing.T) {
	t.Parallel()
	definition := rendered(t)
	out, ok := validated(t, definition)
	require.True(t, ok, out)
	for name, c := range map[string]struct{ from, to, says string }{
		"a state of an unknown type":     {`"Type": "Succeed"`, `"Type": "Success"`, "/States/"},
		"no such next state":             {`"Next": "CheckSoak"`, `"Next": "Checksoak"`, "Checksoak"},
		"no such first state":            {`"StartAt": "Begin"`, `"StartAt": "Start"`, "Start"},
		"a field that Tasks don't have":  {`"TimeoutSeconds": 900`, `"TimeoutSeconds": "900"`, "TimeoutSeconds"},
		"a path that is none":            {`"ResultPath": "$.discovery"`, `"ResultPath": "discovery"`, "/States/Discover/ResultPath"},
		"a Choice without a comparison":  {`"BooleanEquals": true`, `"BooleanEqual": true`, "/States/"},
		"a Wait that never says when":    {`"TimestampPath": "$.case.turn_at"`, `"TimestampPaths": "$.case.turn_at"`, "WaitForTurn"},
		"a catcher that leads nowhere":   {`"Next": "LogFailed"`, `"Next": "LogFail"`, "LogFail"},
		"a state that nobody comes from": {`"Next": "BeginSoak"`, `"Next": "WaitSoak"`, "BeginSoak"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, definition, c.from)
			out, ok := validated(t, strings.ReplaceAll(definition, c.from, c.to))
			require.False(t, ok)
			require.Contains(t, out, c.says)
		})
	}
}

func validated(t *testing.T, definition string) (says string, valid bool) {
	t.Helper()
	validator := os.Getenv("IAM_SUNSET_ASL_VALIDATOR")
	if validator == "" {
		t.Fatal("IAM_SUNSET_ASL_VALIDATOR must name asl-validator; make test-emulators sets it")
	}
	file := filepath.Join(t.TempDir(), "definition.json")
	require.NoError(t, os.WriteFile(file, []byte(definition), 0o600))
	out, err := exec.CommandContext(t.Context(), validator, "--json-path", file).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(t, err, &exit, string(out))
	}
	return string(out), err == nil
}

// rendered is the shipped definition with the ARNs of functions.
func rendered(t *testing.T) string {
	t.Helper()
	arns := map[string]string{}
	for _, name := range statemachine.Functions() {
		arns[name] = "arn:aws:lambda:" + region + ":" + accountID + ":function:" + name
	}
	definition, err := statemachine.Render(arns)
	require.NoError(t, err)
	return definition
}
