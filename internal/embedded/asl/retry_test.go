package asl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

func TestRetryDelays(t *testing.T) {
	for _, tt := range []struct {
		fields string
		want   []time.Duration // then the failure stands
	}{
		{``, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		{`, "MaxAttempts": 0`, nil},
		{`, "MaxAttempts": 1, "IntervalSeconds": 7`, []time.Duration{7 * time.Second}},
		{`, "BackoffRate": 1.0`, []time.Duration{time.Second, time.Second, time.Second}},
		{`, "BackoffRate": 1.5, "MaxAttempts": 2`, []time.Duration{time.Second, 1500 * time.Millisecond}},
		{`, "IntervalSeconds": 5, "MaxDelaySeconds": 8, "JitterStrategy": "NONE"`, []time.Duration{5 * time.Second, 8 * time.Second, 8 * time.Second}},
	} {
		r := start(t, fmt.Sprintf(oneTask, `"Retry": [{"ErrorEquals": ["E"]`+tt.fields+`}],`), `{}`)
		var got []time.Duration
		for r.fail("E"); r.e.Status() == asl.Running; r.fail("E") {
			got = append(got, r.wake())
		}
		require.Equal(t, tt.want, got, tt.fields)
	}
}

func TestRetryJitterIsDrawnFromTheSeed(t *testing.T) {
	d, err := asl.Load([]byte(fmt.Sprintf(oneTask, `"Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 100, "BackoffRate": 1, "MaxAttempts": 50, "JitterStrategy": "FULL"}],`)))
	require.NoError(t, err)
	delays := func() (out []time.Duration) {
		r := startLoaded(t, d, `{}`)
		for range 50 {
			r.fail("E")
			out = append(out, r.wake())
		}
		return out
	}
	first := delays()
	require.Equal(t, first, delays())
	var sum time.Duration
	for _, delay := range first {
		require.Less(t, delay, 100*time.Second)
		sum += delay
	}
	require.InDelta(t, 50, (sum / 50).Seconds(), 15, "the mean is half the interval")
}

func TestEachRetrierCountsItsOwn(t *testing.T) {
	r := start(t, fmt.Sprintf(oneTask, `"Parameters": {"n.$": "$$.State.RetryCount"},
		"Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 2}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 60}],`), `{}`)
	for _, next := range []struct {
		error string
		delay time.Duration
	}{{"A", time.Second}, {"B", time.Minute}, {"A", 2 * time.Second}} {
		r.fail(next.error)
		require.Equal(t, next.delay, r.wake())
	}
	require.JSONEq(t, `{"n":3}`, r.call.Payload)
	r.fail("A") // used up, though States.ALL stands behind it
	require.Equal(t, asl.Failed, r.e.Status())
}

func TestRetriesBeginAnewWithEachEntry(t *testing.T) {
	r := start(t, `{"StartAt": "Work", "States": {
		"Work": {"Type": "Task", "Resource": "`+workARN+`", "Next": "Again", "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1}]},
		"Again": {"Type": "Choice", "Choices": [{"Variable": "$.again", "BooleanEquals": true, "Next": "Work"}], "Default": "Done"},
		"Done": {"Type": "Succeed"}}}`, `{}`)
	for range 3 {
		r.fail("E")
		r.wake()
		r.succeed(`{"again":true}`)
	}
	require.Equal(t, asl.Running, r.e.Status())
}

// TestErrorNames says which names of Retry and Catch mean which error.
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
func TestErrorNames(t *testing.T) {
	big := `"` + strings.Repeat("x", 262144) + `"`
	causes := map[string]func(r *run){
		"Own":       func(r *run) { r.fail("Own") },
		"timeout":   func(r *run) { r.now = began().Add(time.Hour); require.NoError(t, r.tell(asl.Input{Kind: asl.Woken})) },
		"heartbeat": func(r *run) { r.wake() },
		"data":      func(r *run) { r.succeed(big) },
	}
	for _, tt := range []struct {
		cause, name string
		caught      bool
	}{
		{"Own", "Own", true},
		{"Own", "Other", false},
		{"Own", "States.ALL", true},
		{"Own", "States.TaskFailed", true},
		{"Own", "States.Timeout", false},
		{"heartbeat", "States.HeartbeatTimeout", true},
		{"heartbeat", "States.Timeout", true},
		{"heartbeat", "States.ALL", true},
		{"heartbeat", "States.TaskFailed", false},
		{"data", "States.DataLimitExceeded", true},
		{"data", "States.ALL", false},
		{"data", "States.TaskFailed", false},
	} {
		r := start(t, `{"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": "`+workARN+`", "End": true,
			"TimeoutSeconds": 60, "HeartbeatSeconds": 30, "Catch": [{"ErrorEquals": ["`+tt.name+`"], "Next": "Caught"}]},
			"Caught": {"Type": "Succeed"}}}`, `{}`)
		causes[tt.cause](r)
		require.Equal(t, tt.caught, r.e.Status() == asl.Succeeded, "%s under %s", tt.cause, tt.name)
	}

	r := start(t, fmt.Sprintf(oneTask, `"TimeoutSeconds": 60, "Retry": [{"ErrorEquals": ["States.HeartbeatTimeout"]}],`), `{}`)
	r.wake()
	require.Equal(t, asl.Failed, r.e.Status(), "a plain time-out is no missed heartbeat")
}

func TestCatchersAreAskedInTurnAfterRetries(t *testing.T) {
	r := start(t, `{"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": "`+workARN+`", "End": true,
		"Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 1}],
		"Catch": [{"ErrorEquals": ["B"], "Next": "WasB"}, {"ErrorEquals": ["A"], "Next": "WasA", "ResultPath": null}, {"ErrorEquals": ["States.ALL"], "Next": "WasB"}]},
		"WasA": {"Type": "Succeed"}, "WasB": {"Type": "Fail"}}}`, `{"kept":1}`)
	r.fail("A")
	r.wake()
	r.fail("A")
	require.Equal(t, "WasA", r.e.State())
	require.JSONEq(t, `{"kept":1}`, r.e.Output())
}

func TestRetriedCallbackHasANewToken(t *testing.T) {
	r := start(t, fmt.Sprintf(asking, `"TimeoutSeconds": 60, "Retry": [{"ErrorEquals": ["States.Timeout"]}],`), `{"user":"ann"}`)
	first := r.token()
	r.succeed(`null`)
	r.wake()
	require.ErrorIs(t, r.tell(asl.Input{Kind: asl.TokenSucceeded, Token: first, Output: `1`}), asl.ErrTaskTimedOut)
	r.wake()
	second := r.token()
	require.NotEqual(t, first, second)
	arn, ok := asl.ExecutionOfToken(second)
	require.True(t, ok)
	require.Equal(t, r.e.Origin().ExecutionARN, arn)
	// The token works before its function has answered, and the answer then is too late.
	require.NoError(t, r.tell(asl.Input{Kind: asl.TokenSucceeded, Token: second, Output: `1`}))
	r.fail("Broken")
	require.Equal(t, asl.Succeeded, r.e.Status())
}

// That the failure of the function itself is TaskFailed, not TaskSubmitFailed, is inferred.
func TestCallbackWhoseFunctionFails(t *testing.T) {
	r := start(t, fmt.Sprintf(asking, ""), `{"user":"ann"}`)
	r.fail("Broken")
	require.Equal(t, []string{`5<4 0 TaskFailed Broken why`, `6<5 0 ExecutionFailed Broken why`}, r.history()[4:])
}

func TestPayloadLimit(t *testing.T) {
	r := start(t, fmt.Sprintf(oneTask, `"ResultPath": "$.work",`), `{}`)
	r.succeed(`"` + strings.Repeat("x", 262142) + `"`) // fits by itself, not beside its name
	name, cause := r.e.Failure()
	require.Equal(t, "States.DataLimitExceeded", name)
	require.Contains(t, cause, "exceeding the maximum number of bytes service limit")

	r = start(t, fmt.Sprintf(oneTask, ``), `{}`)
	r.succeed(`"` + strings.Repeat("x", 262142) + `"`)
	require.Equal(t, asl.Succeeded, r.e.Status())

	r = start(t, fmt.Sprintf(oneTask, `"Parameters": {"a.$": "$", "b.$": "$"},`), `"`+strings.Repeat("x", 140000)+`"`)
	name, _ = r.e.Failure()
	require.Equal(t, "States.DataLimitExceeded", name)

	// A catcher whose output is too large fails the execution; it isn't caught over and over.
	r = start(t, fmt.Sprintf(oneTask, `"Catch": [{"ErrorEquals": ["States.DataLimitExceeded"], "ResultPath": "$.e", "Next": "Work"}],`),
		`{"a":"`+strings.Repeat("x", 262100)+`"}`)
	r.succeed(`"` + strings.Repeat("x", 262144) + `"`)
	require.Equal(t, asl.Failed, r.e.Status())
}

// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html: 25,000 entries.
func TestHistoryLimit(t *testing.T) {
	r := start(t, `{"StartAt": "Round", "States": {"Round": {"Type": "Choice", "Choices": [{"Variable": "$.go", "BooleanEquals": true, "Next": "Round"}], "Default": "Done"},
		"Done": {"Type": "Succeed"}}}`, `{"go":true}`)
	require.Equal(t, asl.Failed, r.e.Status())
	require.Len(t, r.events, 25000)
	require.Equal(t, asl.ExecutionFailed, r.events[24999].Type)
	_, cause := r.e.Failure()
	require.Contains(t, cause, "maximum number of history events (25000)")
	require.ErrorIs(t, r.tell(asl.Input{Kind: asl.Redriven}), asl.ErrNotRedrivable)
}

// TestReplay: equal inputs at equal times give an equal execution, tokens and jitter included.
func TestReplay(t *testing.T) {
	d, err := asl.Load([]byte(fmt.Sprintf(asking, `"Retry": [{"ErrorEquals": ["E"], "JitterStrategy": "FULL"}],`)))
	require.NoError(t, err)
	play := func() []string {
		r := startLoaded(t, d, `{"user":"ann"}`)
		r.fail("E")
		r.wake()
		require.NoError(t, r.tell(asl.Input{Kind: asl.TokenSucceeded, Token: r.token(), Output: `true`}))
		return r.history()
	}
	require.Equal(t, play(), play())
}

func TestPendingIsTheCallThatIsOwed(t *testing.T) {
	r := start(t, fmt.Sprintf(asking, ""), `{"user":"ann"}`)
	require.Equal(t, r.call, r.e.Pending())
	r.succeed(`null`)
	require.Nil(t, r.e.Pending())
}
