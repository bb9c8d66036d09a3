package asl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

const (
	workARN = "arn:aws:lambda:us-east-1:123456789012:function:work:7"
	askARN  = "arn:aws:lambda:us-east-1:123456789012:function:ask"
)

func began() time.Time { return time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC) }

// run is an execution under test: what it was told, what it did.
type run struct {
	t      *testing.T
	e      *asl.Execution
	now    time.Time
	events []asl.Event
	call   *asl.Invocation // the last function call
}

func start(t *testing.T, definition, input string) *run {
	t.Helper()
	d, err := asl.Load([]byte(definition))
	require.NoError(t, err)
	return startLoaded(t, d, input)
}

func startLoaded(t *testing.T, d *asl.Definition, input string) *run {
	t.Helper()
	e, step, err := asl.Start(d, asl.Origin{
		ExecutionARN:  "arn:aws:states:us-east-1:123456789012:execution:sunset:one",
		ExecutionName: "one", StateMachineARN: "arn:aws:states:us-east-1:123456789012:stateMachine:sunset",
		StateMachineName: "sunset", Input: input, Seed: [32]byte{1},
	}, began())
	require.NoError(t, err)
	r := &run{t: t, e: e, now: began()}
	r.took(step)
	return r
}

func (r *run) took(step asl.Step) {
	r.events = append(r.events, step.Events...)
	if step.Invoke != nil {
		r.call = step.Invoke
	}
}

func (r *run) tell(in asl.Input) error {
	step, err := r.e.Apply(r.now, in)
	r.took(step)
	return err
}

func (r *run) succeed(output string) {
	r.t.Helper()
	require.NoError(r.t, r.tell(asl.Input{Kind: asl.FunctionSucceeded, Attempt: r.call.Attempt, Output: output}))
}

func (r *run) fail(name string) {
	r.t.Helper()
	require.NoError(r.t, r.tell(asl.Input{Kind: asl.FunctionFailed, Attempt: r.call.Attempt, Error: name, Cause: "why"}))
}

// wake lets time pass to the execution's next wake, and gives how long that was.
func (r *run) wake() time.Duration {
	r.t.Helper()
	at := r.e.Wake()
	require.False(r.t, at.IsZero(), "nothing to wake for")
	passed := at.Sub(r.now)
	r.now = at
	require.NoError(r.t, r.tell(asl.Input{Kind: asl.Woken}))
	return passed
}

func (r *run) token() string {
	_, after, found := strings.Cut(r.call.Payload, `"token":"`)
	require.True(r.t, found, r.call.Payload)
	token, _, _ := strings.Cut(after, `"`)
	return token
}

// history is a line an event: id, predecessor, seconds since the start, type, and what it carries.
func (r *run) history() []string {
	var out []string
	for _, ev := range r.events {
		line := fmt.Sprintf("%d<%d %v %s", ev.ID, ev.PreviousID, ev.Time.Sub(began()).Seconds(), ev.Type)
		for _, s := range []string{ev.State, ev.Function, ev.Payload, ev.Error, ev.Cause} {
			if s != "" {
				line += " " + s
			}
		}
		out = append(out, line)
	}
	return out
}

const oneTask = `{"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": "` + workARN + `", %s "End": true}}}`

// Types, ids and predecessors as in https://docs.aws.amazon.com/cli/latest/reference/stepfunctions/get-execution-history.html
// (the first state's event has predecessor 0), payload names as in
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
func TestHistoryOfSuccess(t *testing.T) {
	r := start(t, `{"StartAt": "Work", "States": {
		"Work": {"Type": "Task", "Resource": "`+workARN+`", "ResultPath": "$.work", "Next": "Rest"},
		"Rest": {"Type": "Wait", "Seconds": 60, "Next": "Which"},
		"Which": {"Type": "Choice", "Choices": [{"Variable": "$.work.ok", "BooleanEquals": true, "Next": "Note"}], "Default": "Done"},
		"Note": {"Type": "Pass", "Result": 1, "ResultPath": "$.n", "Next": "Done"},
		"Done": {"Type": "Succeed"}}}`, `{"a":1}`)
	require.Equal(t, workARN, r.call.Function)
	r.now = began().Add(2 * time.Second)
	r.succeed(`{"ok":true}`)
	require.Equal(t, asl.Running, r.e.Status())
	require.Equal(t, time.Minute, r.wake())
	require.Equal(t, []string{
		`1<0 0 ExecutionStarted {"a":1}`,
		`2<0 0 TaskStateEntered Work {"a":1}`,
		`3<2 0 LambdaFunctionScheduled ` + workARN + ` {"a":1}`,
		`4<3 0 LambdaFunctionStarted`,
		`5<4 2 LambdaFunctionSucceeded {"ok":true}`,
		`6<5 2 TaskStateExited Work {"a":1,"work":{"ok":true}}`,
		`7<6 2 WaitStateEntered Rest {"a":1,"work":{"ok":true}}`,
		`8<7 62 WaitStateExited Rest {"a":1,"work":{"ok":true}}`,
		`9<8 62 ChoiceStateEntered Which {"a":1,"work":{"ok":true}}`,
		`10<9 62 ChoiceStateExited Which {"a":1,"work":{"ok":true}}`,
		`11<10 62 PassStateEntered Note {"a":1,"work":{"ok":true}}`,
		`12<11 62 PassStateExited Note {"a":1,"n":1,"work":{"ok":true}}`,
		`13<12 62 SucceedStateEntered Done {"a":1,"n":1,"work":{"ok":true}}`,
		`14<13 62 SucceedStateExited Done {"a":1,"n":1,"work":{"ok":true}}`,
		`15<14 62 ExecutionSucceeded {"a":1,"n":1,"work":{"ok":true}}`,
	}, r.history())
	require.Equal(t, asl.Succeeded, r.e.Status())
	require.Equal(t, `{"a":1,"n":1,"work":{"ok":true}}`, r.e.Output())
	require.True(t, r.e.Wake().IsZero())
}

// A retry is scheduled again inside the state, without another TaskStateEntered (inferred from AWS's
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html, which counts retries as transitions).
func TestHistoryOfRetry(t *testing.T) {
	r := start(t, fmt.Sprintf(oneTask, `"Retry": [{"ErrorEquals": ["Throttled"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 2}],`), `{}`)
	r.fail("Throttled")
	require.Equal(t, 2*time.Second, r.wake())
	r.fail("Throttled")
	require.Equal(t, 6*time.Second, r.wake())
	r.fail("Throttled")
	require.Equal(t, []string{
		`1<0 0 ExecutionStarted {}`,
		`2<0 0 TaskStateEntered Work {}`,
		`3<2 0 LambdaFunctionScheduled ` + workARN + ` {}`,
		`4<3 0 LambdaFunctionStarted`,
		`5<4 0 LambdaFunctionFailed Throttled why`,
		`6<5 2 LambdaFunctionScheduled ` + workARN + ` {}`,
		`7<6 2 LambdaFunctionStarted`,
		`8<7 2 LambdaFunctionFailed Throttled why`,
		`9<8 8 LambdaFunctionScheduled ` + workARN + ` {}`,
		`10<9 8 LambdaFunctionStarted`,
		`11<10 8 LambdaFunctionFailed Throttled why`,
		`12<11 8 ExecutionFailed Throttled why`,
	}, r.history())
}

// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html#error-handling-fallback-states:
// the output of a caught state is the error, where ResultPath says.
func TestHistoryOfCatch(t *testing.T) {
	r := start(t, `{"StartAt": "Work", "States": {
		"Work": {"Type": "Task", "Resource": "`+workARN+`", "End": true,
			"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Gone"}]},
		"Gone": {"Type": "Fail", "ErrorPath": "$.failure.Error", "Cause": "caught"}}}`, `{"a":1}`)
	r.fail("Broken")
	require.Equal(t, []string{
		`1<0 0 ExecutionStarted {"a":1}`,
		`2<0 0 TaskStateEntered Work {"a":1}`,
		`3<2 0 LambdaFunctionScheduled ` + workARN + ` {"a":1}`,
		`4<3 0 LambdaFunctionStarted`,
		`5<4 0 LambdaFunctionFailed Broken why`,
		`6<5 0 TaskStateExited Work {"a":1,"failure":{"Cause":"why","Error":"Broken"}}`,
		`7<6 0 FailStateEntered Gone {"a":1,"failure":{"Cause":"why","Error":"Broken"}}`,
		`8<7 0 ExecutionFailed Broken caught`,
	}, r.history())
}

const asking = `{"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
	"Parameters": {"FunctionName": "` + askARN + `", "Payload": {"user.$": "$.user", "token.$": "$$.Task.Token"}},
	"ResultPath": "$.answer", %s "End": true}}}`

// https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token; what TaskSubmitted
// carries for lambda:invoke is inferred.
func TestHistoryOfCallback(t *testing.T) {
	r := start(t, fmt.Sprintf(asking, ""), `{"user":"ann"}`)
	token := r.token()
	require.Equal(t, askARN, r.call.Function)
	require.JSONEq(t, `{"user":"ann","token":"`+token+`"}`, r.call.Payload)
	r.succeed(`"asked"`)
	r.now = began().Add(time.Hour)
	require.NoError(t, r.tell(asl.Input{Kind: asl.TokenSucceeded, Token: token, Output: `{"go":true}`}))
	require.Equal(t, []string{
		`1<0 0 ExecutionStarted {"user":"ann"}`,
		`2<0 0 TaskStateEntered Ask {"user":"ann"}`,
		`3<2 0 TaskScheduled {"FunctionName":"` + askARN + `","Payload":{"token":"` + token + `","user":"ann"}}`,
		`4<3 0 TaskStarted`,
		`5<4 0 TaskSubmitted {"ExecutedVersion":"$LATEST","Payload":"asked","StatusCode":200}`,
		`6<5 3600 TaskSucceeded {"go":true}`,
		`7<6 3600 TaskStateExited Ask {"answer":{"go":true},"user":"ann"}`,
		`8<7 3600 ExecutionSucceeded {"answer":{"go":true},"user":"ann"}`,
	}, r.history())
	require.ErrorIs(t, r.tell(asl.Input{Kind: asl.TokenSucceeded, Token: token, Output: `{}`}), asl.ErrTaskTimedOut)
	require.ErrorIs(t, r.tell(asl.Input{Kind: asl.TokenSucceeded, Token: "guess", Output: `{}`}), asl.ErrTaskDoesNotExist)
}

// An uncaught time-out of a Task fails the execution with States.Timeout and no cause; a missed heartbeat carries the
// same name (inferred from recorded executions: the guide speaks of States.HeartbeatTimeout).
func TestHistoryOfTimeout(t *testing.T) {
	r := start(t, fmt.Sprintf(asking, `"TimeoutSeconds": 600, "HeartbeatSeconds": 60,`), `{"user":"ann"}`)
	token := r.token()
	r.succeed(`null`)
	r.now = began().Add(50 * time.Second)
	require.NoError(t, r.tell(asl.Input{Kind: asl.TokenHeartbeat, Token: token}))
	require.Equal(t, time.Minute, r.wake())
	require.Equal(t, []string{
		`5<4 0 TaskSubmitted {"ExecutedVersion":"$LATEST","Payload":null,"StatusCode":200}`,
		`6<5 110 TaskTimedOut States.Timeout`,
		`7<6 110 ExecutionFailed States.Timeout`,
	}, r.history()[4:])

	r = start(t, fmt.Sprintf(oneTask, `"TimeoutSeconds": 30,`), `{}`)
	require.Equal(t, 30*time.Second, r.events[2].Timeout)
	r.wake()
	r.succeed(`"too late"`)
	require.Equal(t, []string{
		`3<2 0 LambdaFunctionScheduled ` + workARN + ` {}`,
		`4<3 0 LambdaFunctionStarted`,
		`5<4 30 LambdaFunctionTimedOut States.Timeout`,
		`6<5 30 ExecutionFailed States.Timeout`,
	}, r.history()[2:])
}

// The definition's own TimeoutSeconds ends the execution as TIMED_OUT.
// https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html
func TestHistoryOfExecutionTimeout(t *testing.T) {
	r := start(t, `{"StartAt": "Rest", "TimeoutSeconds": 10, "States": {"Rest": {"Type": "Wait", "Seconds": 60, "End": true}}}`, `{}`)
	r.wake()
	require.Equal(t, []string{
		`1<0 0 ExecutionStarted {}`,
		`2<0 0 WaitStateEntered Rest {}`,
		`3<2 10 ExecutionTimedOut States.Timeout`,
	}, r.history())
	require.Equal(t, asl.TimedOut, r.e.Status())
}

// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html; that nothing stands between
// the last event and ExecutionAborted is inferred.
func TestHistoryOfStop(t *testing.T) {
	r := start(t, `{"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 60, "End": true}}}`, `{}`)
	r.now = began().Add(time.Second)
	require.NoError(t, r.tell(asl.Input{Kind: asl.Stopped, Error: "Enough", Cause: "an operator"}))
	require.Equal(t, []string{
		`1<0 0 ExecutionStarted {}`,
		`2<0 0 WaitStateEntered Rest {}`,
		`3<2 1 ExecutionAborted Enough an operator`,
	}, r.history())
	require.ErrorIs(t, r.tell(asl.Input{Kind: asl.Stopped}), asl.ErrNotRunning)
}

// https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html: retries and time-outs begin anew.
// That the history enters the state again is inferred.
func TestHistoryOfRedrive(t *testing.T) {
	r := start(t, fmt.Sprintf(oneTask, `"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}],`), `{"a":1}`)
	require.ErrorIs(t, r.e.Redrivable(r.now), asl.ErrNotRedrivable)
	r.fail("Broken")
	r.wake()
	r.fail("Broken")
	require.Equal(t, asl.Failed, r.e.Status())
	require.NoError(t, r.tell(asl.Input{Kind: asl.Redriven}))
	r.fail("Broken")
	r.wake()
	r.succeed(`{}`)
	require.Equal(t, []string{
		`9<8 1 ExecutionFailed Broken why`,
		`10<9 1 ExecutionRedriven`,
		`11<10 1 TaskStateEntered Work {"a":1}`,
		`12<11 1 LambdaFunctionScheduled ` + workARN + ` {"a":1}`,
		`13<12 1 LambdaFunctionStarted`,
		`14<13 1 LambdaFunctionFailed Broken why`,
		`15<14 2 LambdaFunctionScheduled ` + workARN + ` {"a":1}`,
		`16<15 2 LambdaFunctionStarted`,
		`17<16 2 LambdaFunctionSucceeded {}`,
		`18<17 2 TaskStateExited Work {}`,
		`19<18 2 ExecutionSucceeded {}`,
	}, r.history()[8:])
	require.ErrorIs(t, r.tell(asl.Input{Kind: asl.Redriven}), asl.ErrNotRedrivable)
}

func TestRedriveIsRefusedAfterFourteenDays(t *testing.T) {
	r := start(t, fmt.Sprintf(oneTask, ""), `{}`)
	r.fail("Broken")
	r.now = began().Add(14*24*time.Hour + time.Second)
	require.ErrorIs(t, r.tell(asl.Input{Kind: asl.Redriven}), asl.ErrNotRedrivable)
}
