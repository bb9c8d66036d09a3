package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

type aslState struct {
	Type, Comment, Resource, ResultPath, Default, TimestampPath, InputPath, CausePath, TimeoutSecondsPath string
	Parameters                                                                                            map[string]any
	Retry, Catch                                                                                          []struct{ ErrorEquals []string }
	Choices                                                                                               []map[string]any
}

func states(t *testing.T) map[string]aslState {
	t.Helper()
	var d struct{ States map[string]aslState }
	require.NoError(t, json.Unmarshal([]byte(statemachine.Definition()), &d))
	return d.States
}

// The definition, the Go types, the function folders and the kinds of faults are one contract.

func TestEveryFunctionFolderHasAHandlerAndTheDefinitionKnowsIt(t *testing.T) {
	entries, err := os.ReadDir("../functions")
	require.NoError(t, err)
	var folders []string
	for _, e := range entries {
		folders = append(folders, e.Name())
		main, err := os.ReadFile(filepath.Join("../functions", e.Name(), "main.go"))
		require.NoError(t, err)
		require.LessOrEqual(t, strings.Count(string(main), "\n"), 12, "%s: a main has a few lines", e.Name())
		if e.Name() != "approval-web" {
			require.Contains(t, string(main), `"`+e.Name()+`"`)
		}
	}
	var handlers []string
	for name := range (&workflow.Workflow{}).Functions() {
		handlers = append(handlers, name)
	}
	slices.Sort(handlers)
	withPages := append(slices.Clone(handlers), "approval-web")
	slices.Sort(withPages)
	require.Equal(t, folders, withPages)

	called := statemachine.Functions()
	require.Subset(t, handlers, called)
	called = append(called, "reconcile") // on a schedule
	slices.Sort(called)
	require.Equal(t, handlers, called, "a handler that nothing calls")
}

func TestEveryTaskRetriesAndCatchesByKind(t *testing.T) {
	for name, s := range states(t) {
		if s.Type != "Task" {
			continue
		}
		var retried, caught []string
		for _, r := range s.Retry {
			retried = append(retried, r.ErrorEquals...)
		}
		for _, c := range s.Catch {
			caught = append(caught, c.ErrorEquals...)
		}
		for _, kind := range sunset.Kinds() {
			if kind.Passing() || kind == sunset.Conflict {
				require.Contains(t, retried, string(kind), name)
			} else {
				require.NotContains(t, retried, string(kind), "%s would retry what needs a person", name)
			}
			if name != "Failed" { // it fails, so that a redrive runs it again
				require.Contains(t, caught, string(kind), name)
			}
		}
		for _, own := range []string{"Lambda.ServiceException", "Lambda.SdkClientException", "Lambda.TooManyRequestsException", "Lambda.Unknown", "Sandbox.Timedout"} {
			require.Contains(t, retried, own, name)
		}
		if name == "RequestApproval" {
			require.NotContains(t, retried, "States.Timeout", "its time is the approvers'")
		} else {
			require.Contains(t, retried, "States.Timeout", name)
		}
		if name != "Failed" {
			require.Equal(t, "States.ALL", caught[len(caught)-1], name)
		}
	}
}

func TestEachTaskOwnsAKeyOfTheState(t *testing.T) {
	keys := map[string]reflect.Type{}
	fields := reflect.TypeFor[workflow.State]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag != "" {
			keys[tag] = f.Type.Elem()
		}
	}
	results := map[string]string{}
	for name, s := range states(t) {
		if s.Type == "Task" {
			key := strings.TrimPrefix(s.ResultPath, "$.")
			require.NotEmpty(t, key, name)
			require.Empty(t, results[key], "%s and %s write the same key", name, results[key])
			results[key] = name
			if key == "failure" { // nobody reads what LogFailed answers
				continue
			}
			require.Contains(t, keys, key, "%s writes a key that State does not have", name)
		}
	}
	// Every path that a state reads leads to a field of the Go types.
	for name, s := range states(t) {
		paths := []string{s.TimestampPath, s.InputPath, s.CausePath, s.TimeoutSecondsPath}
		var walk func(v any)
		walk = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				for k, inner := range v {
					if path, ok := inner.(string); ok && k == "Variable" {
						paths = append(paths, path)
					}
					walk(inner)
				}
			case []any:
				for _, inner := range v {
					walk(inner)
				}
			}
		}
		for _, c := range s.Choices {
			walk(c)
		}
		for _, path := range paths {
			if path == "" || path == "$" {
				continue
			}
			typ := reflect.TypeFor[workflow.State]()
			for _, part := range strings.Split(strings.TrimPrefix(path, "$."), ".") {
				field, ok := fieldOf(typ, part)
				require.True(t, ok, "%s reads %s, and no Go type writes %s", name, path, part)
				if typ = field; typ.Kind() == reflect.Pointer {
					typ = typ.Elem()
				}
			}
		}
	}
}

func fieldOf(t reflect.Type, tag string) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name == tag {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

func TestStatesAreWrittenForAuditors(t *testing.T) {
	for name, s := range states(t) {
		require.NotEmpty(t, s.Comment, name)
		require.True(t, strings.HasSuffix(s.Comment, "."), "%s: a comment is a sentence", name)
	}
}

// Whatever an answer or a half-written state says, a Choice that knows nothing of it leaves the user alone.
func TestEveryDefaultKeepsTheUser(t *testing.T) {
	changing := []string{"Disable", "DeleteAllArtifacts", "OpenCases"}
	for name, s := range states(t) {
		if s.Type == "Choice" {
			require.NotEmpty(t, s.Default, name)
			require.NotContains(t, changing, s.Default, name)
		}
	}
}

func TestTheShippedDefinitionLoads(t *testing.T) {
	arns := map[string]string{}
	for _, f := range statemachine.Functions() {
		arns[f] = "arn:aws:lambda:us-east-1:123456789012:function:" + f + ":1"
	}
	rendered, err := statemachine.Render(arns)
	require.NoError(t, err)
	_, err = asl.Load([]byte(rendered))
	require.NoError(t, err)
	delete(arns, "restore")
	_, err = statemachine.Render(arns)
	require.ErrorContains(t, err, "function restore has no ARN")
	_, err = asl.Load([]byte(statemachine.Definition()))
	require.Error(t, err, "placeholders left in are refused")
}
