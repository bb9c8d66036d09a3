package stepfunctions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

const (
	workARN = "arn:aws:lambda:eu-west-1:123456789012:function:work"
	askARN  = "arn:aws:lambda:eu-west-1:123456789012:function:ask"
)

// The definitions under test.
const (
	soak = `{"Comment": "Rest a fortnight.", "StartAt": "Rest", "States": {
		"Rest": {"Type": "Wait", "Seconds": 1209600, "Next": "Work"},
		"Work": {"Type": "Task", "Resource": "` + workARN + `", "End": true}}}`
	work = `{"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": "` + workARN + `", "End": true,
		"Retry": [{"ErrorEquals": ["Throttled"], "IntervalSeconds": 10, "MaxDelaySeconds": 30, "JitterStrategy": "FULL"}]}}}`
	ask = `{"StartAt": "Ask", "States": {
		"Ask": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "TimeoutSeconds": 86400,
			"Parameters": {"FunctionName": "` + askARN + `", "Payload": {"token.$": "$$.Task.Token"}}, "ResultPath": "$.answer",
			"Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "Expired"}], "Next": "Decided"},
		"Expired": {"Type": "Succeed"}, "Decided": {"Type": "Succeed"}}}`
)

func start() time.Time { return time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC) }

type handler func(ctx context.Context, payload []byte) (any, *stepfunctions.FunctionError, error)

// world is an engine on a virtual clock with a client on the wire.
type world struct {
	*stepfunctions.Engine
	t      *testing.T
	clock  *clock.Virtual
	client *sfn.Client
	ended  []stepfunctions.Execution
}

func newWorld(t *testing.T, definition string, handlers map[string]handler) *world {
	t.Helper()
	d, err := asl.Load([]byte(definition))
	require.NoError(t, err)
	w := &world{t: t, clock: clock.NewVirtual(start())}
	var mu sync.Mutex
	w.Engine, err = stepfunctions.New(stepfunctions.Config{
		Timers: w.clock, Name: "sunset", Region: "eu-west-1", AccountID: "123456789012", Definition: d,
		Invoke: func(ctx context.Context, arn string, payload []byte) ([]byte, *stepfunctions.FunctionError, error) {
			h := handlers[arn]
			if h == nil {
				return nil, nil, fmt.Errorf("no function %s", arn)
			}
			v, broken, err := h(ctx, payload)
			if raw, ok := v.([]byte); ok || err != nil || broken != nil {
				return raw, broken, err
			}
			out, err := json.Marshal(v)
			return out, nil, err
		},
		Rand: rand.NewChaCha8([32]byte{7}),
		OnEnd: func(x stepfunctions.Execution) {
			mu.Lock()
			defer mu.Unlock()
			w.ended = append(w.ended, x)
		},
	})
	require.NoError(t, err)
	t.Cleanup(w.Close)
	server := httptest.NewServer(w.Engine)
	t.Cleanup(server.Close)
	w.client = sfn.New(sfn.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1, HTTPClient: awsfault.WholeBodies(nil),
		Credentials: w.Key().Provider(),
	})
	return w
}

func (w *world) start(name, input string) string {
	w.t.Helper()
	out, err := w.client.StartExecution(w.t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: aws.String(w.StateMachineARN()), Name: aws.String(name), Input: aws.String(input),
	})
	require.NoError(w.t, err)
	return *out.ExecutionArn
}

func (w *world) describe(arn string) *sfn.DescribeExecutionOutput {
	w.t.Helper()
	out, err := w.client.DescribeExecution(w.t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	require.NoError(w.t, err)
	return out
}

// settle lets time pass until nothing runs any more.
func (w *world) settle() {
	w.t.Helper()
	require.NoError(w.t, w.clock.RunUntil(w.t.Context(), func() bool { return w.Counts()[asl.Running] == 0 }))
}

// pass lets time pass to the given time after the start.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	require.NoError(w.t, w.clock.Run(w.t.Context(), func(ctx context.Context) error {
		return w.clock.Sleep(ctx, start().Add(d).Sub(w.clock.Now()))
	}))
}

func TestFortnightPassesInNoTime(t *testing.T) {
	w := newWorld(t, soak, map[string]handler{workARN: func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) {
		return map[string]string{"done": "yes"}, nil, nil
	}})
	arn := w.start("one", `{"user":"ann"}`)
	require.Equal(t, "arn:aws:states:eu-west-1:123456789012:execution:sunset:one", arn)
	require.Equal(t, types.ExecutionStatusRunning, w.describe(arn).Status)
	w.settle()
	out := w.describe(arn)
	require.Equal(t, types.ExecutionStatusSucceeded, out.Status)
	require.JSONEq(t, `{"done":"yes"}`, *out.Output)
	require.Equal(t, start().Add(14*24*time.Hour), *out.StopDate)
	require.Equal(t, start(), *out.StartDate)
	require.Equal(t, []string{"Rest", "Work"}, w.StatesEntered(arn))
	require.Len(t, w.ended, 1)
	require.Equal(t, asl.Succeeded, w.ended[0].Status)
}

func TestClockStandsStillWhileAHandlerRunsAndFollowsItsSleep(t *testing.T) {
	var w *world
	w = newWorld(t, work, map[string]handler{workARN: func(ctx context.Context, _ []byte) (any, *stepfunctions.FunctionError, error) {
		return "slept", nil, w.clock.Sleep(ctx, 3*time.Minute)
	}})
	arn := w.start("one", `{}`)
	w.settle()
	require.Equal(t, start().Add(3*time.Minute), *w.describe(arn).StopDate)
}

func TestRetryWaitsWithJitter(t *testing.T) {
	var at []time.Duration
	var w *world
	w = newWorld(t, work, map[string]handler{workARN: func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) {
		at = append(at, w.clock.Now().Sub(start()))
		if len(at) < 4 {
			return nil, &stepfunctions.FunctionError{Type: "Throttled", Message: "too fast"}, nil
		}
		return 1, nil, nil
	}})
	arn := w.start("one", `{}`)
	w.settle()
	require.Equal(t, types.ExecutionStatusSucceeded, w.describe(arn).Status)
	require.Len(t, at, 4)
	for i, most := range []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second} {
		require.LessOrEqual(t, at[i+1]-at[i], most)
		require.NotEqual(t, at[i+1]-at[i], most, "no jitter")
	}
}

func TestFunctionFaultsGetTheServicesNames(t *testing.T) {
	for _, tt := range []struct {
		name        string
		handler     handler
		error, part string
	}{
		{"its own", func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) {
			return nil, &stepfunctions.FunctionError{Type: "Conflict", Message: "moved"}, nil
		}, "Conflict", `{"errorMessage":"moved","errorType":"Conflict"}`},
		{"panic", func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) { panic("oh") }, "Lambda.Unknown", "oh"},
		{"no such function", nil, "Lambda.SdkClientException", "no function"},
		{"an answer that is not JSON", func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) {
			return []byte("<html>"), nil, nil
		}, "Lambda.Unknown", "not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, work, map[string]handler{workARN: tt.handler})
			arn := w.start("one", `{}`)
			w.settle()
			out := w.describe(arn)
			require.Equal(t, types.ExecutionStatusFailed, out.Status)
			require.Equal(t, tt.error, *out.Error)
			require.Contains(t, *out.Cause, tt.part)
		})
	}
}

// asking keeps the token that the function got.
func asking(token *string) map[string]handler {
	return map[string]handler{askARN: func(_ context.Context, payload []byte) (any, *stepfunctions.FunctionError, error) {
		var in struct{ Token string }
		err := json.Unmarshal(payload, &in)
		*token = in.Token
		return nil, nil, err
	}}
}

func TestCallbackIsAnswered(t *testing.T) {
	var token string
	w := newWorld(t, ask, asking(&token))
	arn := w.start("one", `{}`)
	w.pass(time.Hour)
	ctx := t.Context()
	_, err := w.client.SendTaskHeartbeat(ctx, &sfn.SendTaskHeartbeatInput{TaskToken: &token})
	require.NoError(t, err)
	var notJSON *types.InvalidOutput
	_, err = w.client.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{`)})
	require.ErrorAs(t, err, &notJSON)
	_, err = w.client.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"delete":true}`)})
	require.NoError(t, err)
	out := w.describe(arn)
	require.Equal(t, types.ExecutionStatusSucceeded, out.Status)
	require.JSONEq(t, `{"answer":{"delete":true}}`, *out.Output)
	require.Equal(t, []string{"Ask", "Decided"}, w.StatesEntered(arn))

	var used *types.TaskTimedOut
	_, err = w.client.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{}`)})
	require.ErrorAs(t, err, &used)
	require.NotContains(t, err.Error(), token)
	var invalid *types.InvalidToken
	_, err = w.client.SendTaskFailure(ctx, &sfn.SendTaskFailureInput{TaskToken: aws.String("what")})
	require.ErrorAs(t, err, &invalid)
}

func TestCallbackFails(t *testing.T) {
	var token string
	w := newWorld(t, ask, asking(&token))
	arn := w.start("one", `{}`)
	w.pass(time.Hour)
	_, err := w.client.SendTaskFailure(t.Context(), &sfn.SendTaskFailureInput{
		TaskToken: &token, Error: aws.String("Refused"), Cause: aws.String("by hand"),
	})
	require.NoError(t, err)
	out := w.describe(arn)
	require.Equal(t, types.ExecutionStatusFailed, out.Status)
	require.Equal(t, "Refused", *out.Error)
	require.Equal(t, "by hand", *out.Cause)
}

func TestCallbackTimesOut(t *testing.T) {
	var token string
	w := newWorld(t, ask, asking(&token))
	arn := w.start("one", `{}`)
	w.settle()
	require.Equal(t, []string{"Ask", "Expired"}, w.StatesEntered(arn))
	require.Equal(t, start().Add(24*time.Hour), *w.describe(arn).StopDate)
	var late *types.TaskTimedOut
	_, err := w.client.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{}`)})
	require.ErrorAs(t, err, &late)

	// A token of another engine's making names an execution that this one never had, or a secret that it never gave.
	other := newWorld(t, ask, asking(new(string)))
	var unknown *types.TaskDoesNotExist
	_, err = other.client.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{}`)})
	require.ErrorAs(t, err, &unknown)
}

func TestStopAndRedrive(t *testing.T) {
	w := newWorld(t, soak, map[string]handler{workARN: func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) {
		return 1, nil, nil
	}})
	ctx := t.Context()
	arn := w.start("one", `{"a":1}`)
	w.pass(time.Hour)
	var refused *types.ExecutionNotRedrivable
	_, err := w.client.RedriveExecution(ctx, &sfn.RedriveExecutionInput{ExecutionArn: &arn})
	require.ErrorAs(t, err, &refused)
	stopped, err := w.client.StopExecution(ctx, &sfn.StopExecutionInput{
		ExecutionArn: &arn, Error: aws.String("Halt"), Cause: aws.String("by hand"),
	})
	require.NoError(t, err)
	require.Equal(t, start().Add(time.Hour), *stopped.StopDate)
	out := w.describe(arn)
	require.Equal(t, types.ExecutionStatusAborted, out.Status)
	require.Equal(t, types.ExecutionRedriveStatusRedrivable, out.RedriveStatus)
	w.pass(2 * time.Hour)
	again, err := w.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &arn})
	require.NoError(t, err)
	require.Equal(t, *stopped.StopDate, *again.StopDate)

	redriven, err := w.client.RedriveExecution(ctx, &sfn.RedriveExecutionInput{ExecutionArn: &arn, ClientToken: aws.String("t")})
	require.NoError(t, err)
	twice, err := w.client.RedriveExecution(ctx, &sfn.RedriveExecutionInput{ExecutionArn: &arn, ClientToken: aws.String("t")})
	require.NoError(t, err)
	require.Equal(t, *redriven.RedriveDate, *twice.RedriveDate)
	w.settle()
	out = w.describe(arn)
	require.Equal(t, types.ExecutionStatusSucceeded, out.Status)
	require.EqualValues(t, 1, *out.RedriveCount)
	require.Equal(t, []string{"Rest", "Rest", "Work"}, w.StatesEntered(arn))
	require.Equal(t, start().Add(2*time.Hour+14*24*time.Hour), *out.StopDate)
	require.Len(t, w.ended, 2)
}

func TestNewRefusesWhatItCantRun(t *testing.T) {
	d, err := asl.Load([]byte(soak))
	require.NoError(t, err)
	whole := stepfunctions.Config{
		Timers: clock.NewVirtual(start()), Name: "sunset", Region: "eu-west-1", AccountID: "123456789012", Definition: d,
		Invoke: func(context.Context, string, []byte) ([]byte, *stepfunctions.FunctionError, error) {
			return nil, nil, nil
		},
	}
	for says, spoil := range map[string]func(*stepfunctions.Config){
		"Timers, Definition and Invoke": func(c *stepfunctions.Config) { c.Definition = nil },
		"Region and AccountID":          func(c *stepfunctions.Config) { c.Region = "" },
		`can't be named "a b"`:          func(c *stepfunctions.Config) { c.Name = "a b" },
	} {
		c := whole
		spoil(&c)
		_, err := stepfunctions.New(c)
		require.ErrorContains(t, err, says)
	}
	e, err := stepfunctions.New(whole)
	require.NoError(t, err)
	e.Close()
}

func TestClosedEngineDoesNothingMore(t *testing.T) {
	calls := 0
	w := newWorld(t, soak, map[string]handler{workARN: func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) {
		calls++
		return 1, nil, nil
	}})
	arn := w.start("one", `{}`)
	w.Close()
	w.pass(15 * 24 * time.Hour)
	require.Zero(t, calls)
	x, ok := w.Execution(arn)
	require.True(t, ok)
	require.Equal(t, asl.Running, x.Status)
	_, err := w.client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	require.Equal(t, "ServiceUnavailable", code(t, err))
	_, ok = w.Execution("none")
	require.False(t, ok)
	require.Nil(t, w.History("none"))
}

func TestStopWhileAFunctionRunsDropsItsAnswer(t *testing.T) {
	var w *world
	w = newWorld(t, work, map[string]handler{workARN: func(ctx context.Context, _ []byte) (any, *stepfunctions.FunctionError, error) {
		arn := w.Executions()[0].ARN
		_, err := w.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &arn})
		return 1, nil, err
	}})
	arn := w.start("one", `{}`)
	w.settle()
	require.NoError(t, w.clock.Run(t.Context(), func(context.Context) error { return nil }))
	history := w.History(arn)
	require.Equal(t, asl.ExecutionAborted, history[len(history)-1].Type)
}
