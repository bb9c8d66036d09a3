//go:build emulators

package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// askAndWork asks somebody, and works on the answer; the work fails where the answer is no.
const askAndWork = `{"Comment": "Ask, then work.", "StartAt": "Ask", "States": {
	"Ask": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "TimeoutSeconds": 86400, "HeartbeatSeconds": 3600,
		"Parameters": {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:ask", "Payload": {"token.$": "$$.Task.Token"}},
		"ResultPath": "$.answer", "Next": "Work"},
	"Work": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:work", "End": true}}}`

// engine is the embedded engine on a port, in real time; nothing in it waits longer than its functions take.
type engine struct {
	*stepfunctions.Engine
	tokens chan string
	ended  chan stepfunctions.Execution
	url    string
}

func newEngine(t *testing.T) (*engine, cli) {
	t.Helper()
	definition, err := asl.Load([]byte(askAndWork))
	require.NoError(t, err)
	e := &engine{tokens: make(chan string, 10), ended: make(chan stepfunctions.Execution, 10)}
	e.Engine, err = stepfunctions.New(stepfunctions.Config{
		Timers: clock.Wall{}, Name: "sunset", Region: region, AccountID: "123456789012", Definition: definition,
		Invoke: e.invoke, OnEnd: func(x stepfunctions.Execution) { e.ended <- x },
	})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	s := httptest.NewServer(e)
	t.Cleanup(s.Close)
	e.url = s.URL
	return e, e.cli(t, e.Key())
}

func (e *engine) cli(t *testing.T, k signature.Key) cli {
	return newCLI(t, e.url, fakeaws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret})
}

func (e *engine) invoke(_ context.Context, function string, payload []byte) ([]byte, *stepfunctions.FunctionError, error) {
	if strings.HasSuffix(function, ":ask") {
		var asked struct{ Token string }
		if err := json.Unmarshal(payload, &asked); err != nil {
			return nil, nil, fmt.Errorf("reading who asks: %w", err)
		}
		e.tokens <- asked.Token
		return []byte("{}"), nil, nil
	}
	var work struct {
		Answer struct{ Yes bool }
	}
	if err := json.Unmarshal(payload, &work); err != nil {
		return nil, nil, fmt.Errorf("reading the answer: %w", err)
	}
	if !work.Answer.Yes {
		return nil, &stepfunctions.FunctionError{Type: "Refused", Message: "nobody said yes"}, nil
	}
	return []byte(`"done"`), nil, nil
}

// next waits for what the engine tells, as long as a test may take.
func next[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-t.Context().Done():
	case <-time.After(time.Minute):
	}
	t.Fatalf("waited in vain for %s", what)
	panic("unreachable")
}

func sfn(command string, more ...string) []string {
	return append([]string{"stepfunctions", command}, more...)
}

// TestTheCLIRunsExecutions starts, answers, stops, lists and redrives executions of the embedded engine by commands.
func TestTheCLIRunsExecutions(t *testing.T) {
	t.Parallel()
	e, aws := newEngine(t)
	machine := aws.text("stateMachines[0].stateMachineArn", sfn("list-state-machines")...)
	require.Equal(t, e.StateMachineARN(), machine)
	described := asks[struct{ Name, Status, Type, Definition string }](aws, sfn("describe-state-machine", "--state-machine-arn", machine)...)
	require.Equal(t, []string{"sunset", "ACTIVE", "STANDARD"}, []string{described.Name, described.Status, described.Type})
	require.JSONEq(t, askAndWork, described.Definition)

	start := func(name string) (arn, token string) {
		arn = aws.text("executionArn", sfn("start-execution", "--state-machine-arn", machine, "--name", name, "--input", `{"user": "ann"}`)...)
		return arn, next(t, e.tokens, "the question of "+name)
	}
	of := func(command, arn string, more ...string) []string {
		return sfn(command, append([]string{"--execution-arn", arn}, more...)...)
	}
	one, token := start("one")
	require.Equal(t, "RUNNING", aws.text("status", of("describe-execution", one)...))
	again := sfn("start-execution", "--state-machine-arn", machine, "--name", "one", "--input", `{"user": "ben"}`)
	aws.refused("ExecutionAlreadyExists", "StartExecution", "", again...)
	aws.does(sfn("send-task-heartbeat", "--task-token", token)...)
	aws.does(sfn("send-task-success", "--task-token", token, "--task-output", `{"Yes": true}`)...)
	require.Equal(t, asl.Succeeded, next(t, e.ended, "the end of one").Status)
	finished := asks[struct{ Status, Input, Output string }](aws, of("describe-execution", one)...)
	require.Equal(t, "SUCCEEDED", finished.Status)
	require.JSONEq(t, `{"user": "ann"}`, finished.Input)
	require.JSONEq(t, `"done"`, finished.Output)
	aws.refused("TaskTimedOut", "SendTaskSuccess", "", sfn("send-task-success", "--task-token", token, "--task-output", `{}`)...)
	aws.refused("InvalidToken", "SendTaskHeartbeat", "", sfn("send-task-heartbeat", "--task-token", "nonsense")...)

	two, token := start("two")
	aws.does(sfn("send-task-failure", "--task-token", token, "--error", "Unwilling", "--cause", "ask somebody else")...)
	require.Equal(t, asl.Failed, next(t, e.ended, "the end of two").Status)
	failed := asks[struct{ Status, Error, Cause, RedriveStatus string }](aws, of("describe-execution", two)...)
	require.Equal(t, []string{"FAILED", "Unwilling", "ask somebody else", "REDRIVABLE"}, []string{failed.Status, failed.Error, failed.Cause, failed.RedriveStatus})
	aws.does(of("redrive-execution", two)...)
	require.Equal(t, "RUNNING", aws.text("status", of("describe-execution", two)...))
	aws.does(sfn("send-task-success", "--task-token", next(t, e.tokens, "the question of two again"), "--task-output", `{"Yes": true}`)...)
	require.Equal(t, asl.Succeeded, next(t, e.ended, "the end of two again").Status)
	require.Equal(t, "1", aws.text("redriveCount", of("describe-execution", two)...))
	aws.refused("ExecutionNotRedrivable", "RedriveExecution", "", of("redrive-execution", two)...)

	three, _ := start("three")
	aws.does(of("stop-execution", three, "--error", "Stopped", "--cause", "by hand")...)
	stopped := asks[struct{ Status, Error, Cause string }](aws, of("describe-execution", three)...)
	require.Equal(t, []string{"ABORTED", "Stopped", "by hand"}, []string{stopped.Status, stopped.Error, stopped.Cause})

	list := func(more ...string) []string {
		return strings.Fields(aws.text("executions[].name", sfn("list-executions", append([]string{"--state-machine-arn", machine}, more...)...)...))
	}
	require.Equal(t, []string{"three", "two", "one"}, list(), "newest first")
	require.Equal(t, []string{"three", "two", "one"}, list("--page-size", "1"))
	require.Equal(t, []string{"three"}, list("--status-filter", "ABORTED"))
	require.Equal(t, []string{"two"}, list("--redrive-filter", "REDRIVEN"))
	require.Equal(t, "three", list("--max-items", "1")[0])
	e.histories(t, aws, one)
}

// histories reads a history whole, in pages, and from its end.
func (e *engine) histories(t *testing.T, aws cli, arn string) {
	t.Helper()
	type history struct {
		Events []struct {
			ID, PreviousEventID int
			Type                string
		}
		NextToken string
	}
	read := func(more ...string) history {
		return asks[history](aws, sfn("get-execution-history", append([]string{"--execution-arn", arn}, more...)...)...)
	}
	whole := read()
	var types []string
	for i, event := range whole.Events {
		require.Equal(t, i+1, event.ID)
		types = append(types, event.Type)
	}
	require.Equal(t, []string{
		"ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited",
		"TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded", "TaskStateExited", "ExecutionSucceeded",
	}, types)
	require.Equal(t, whole.Events, read("--page-size", "2").Events)
	back := read("--reverse-order")
	slices.Reverse(back.Events)
	require.Equal(t, whole.Events, back.Events)
	first := read("--max-items", "5", "--page-size", "5")
	require.Len(t, first.Events, 5)
	require.NotEmpty(t, first.NextToken)
	rest := read("--starting-token", first.NextToken)
	require.Equal(t, whole.Events, append(first.Events, rest.Events...))
	require.NotContains(t, aws.does(sfn("get-execution-history", "--execution-arn", arn, "--no-include-execution-data")...), "ann")
}

// TestTheEngineKnowsItsKey has the CLI sign with other keys, for another region, and not at all.
func TestTheEngineKnowsItsKey(t *testing.T) {
	t.Parallel()
	e, aws := newEngine(t)
	require.Equal(t, e.StateMachineARN(), aws.text("stateMachines[0].stateMachineArn", sfn("list-state-machines")...))
	right := e.Key()
	e.cli(t, signature.Key{ID: right.ID, Secret: right.Secret + "x"}).
		refused("InvalidSignatureException", "ListStateMachines", "", sfn("list-state-machines")...)
	e.cli(t, signature.Key{ID: "AKIA" + strings.Repeat("X", 16), Secret: right.Secret}).
		refused("UnrecognizedClientException", "ListStateMachines", "", sfn("list-state-machines")...)
	aws.refused("InvalidSignatureException", "ListStateMachines", "", sfn("list-state-machines", "--region", "eu-west-1")...)
	aws.refused("MissingAuthenticationTokenException", "ListStateMachines", "", sfn("list-state-machines", "--no-sign-request")...)
	// A session token is none of this engine's.
	aws.with("AWS_SESSION_TOKEN", "token").refused("UnrecognizedClientException", "ListStateMachines", "", sfn("list-state-machines")...)
	_, stderr, status := e.cli(t, signature.Key{}).run(sfn("list-state-machines"))
	require.NotZero(t, status)
	require.Contains(t, stderr, "Unable to locate credentials", "the CLI itself asks for a key")
	require.Empty(t, e.Executions())
	// What the engine doesn't offer, it says.
	aws.refused("UnknownOperationException", "ListActivities", "", sfn("list-activities")...)
}
