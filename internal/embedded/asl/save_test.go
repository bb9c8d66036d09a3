package asl_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// walked are definitions under random walks, each with an input.
func walked(t *testing.T) map[string][2]string {
	t.Helper()
	arns := map[string]string{}
	for _, name := range statemachine.Functions() {
		arns[name] = "arn:aws:lambda:us-east-1:123456789012:function:" + name
	}
	shipped, err := statemachine.Render(arns)
	require.NoError(t, err)
	return map[string][2]string{
		"the shipped one, a cleanup": {shipped, `{}`},
		"the shipped one, a case":    {shipped, `{"case":{"user_id":"AIDAEXAMPLE","turn_at":"2026-01-06T09:00:00Z"},"turn":{"at":"2026-01-06T09:00:00Z"}}`},
		"heartbeats": {fmt.Sprintf(asking, `"TimeoutSeconds": 600, "HeartbeatSeconds": 60, "Retry": [
			{"ErrorEquals": ["States.HeartbeatTimeout"], "MaxAttempts": 4, "JitterStrategy": "FULL"},
			{"ErrorEquals": ["E"], "MaxAttempts": 5, "MaxDelaySeconds": 9, "JitterStrategy": "FULL"}],`), `{"user":"<ann>"}`},
		"a limit": {`{"StartAt": "Work", "TimeoutSeconds": 900, "States": {
			"Work": {"Type": "Task", "Resource": "` + workARN + `", "ResultPath": "$.work", "Next": "Rest", "TimeoutSeconds": 30,
				"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "JitterStrategy": "FULL"}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Rest"}]},
			"Rest": {"Type": "Wait", "Seconds": 60, "Next": "Which"},
			"Which": {"Type": "Choice", "Choices": [{"Variable": "$.work.done", "IsPresent": true, "Next": "Done"}], "Default": "Work"},
			"Done": {"Type": "Succeed"}}}`, `{}`},
	}
}

// vocabulary is what functions may say so that a definition's Choices and Waits go every way.
func vocabulary(source string) (words map[string][]any) {
	words = map[string][]any{"approval_seconds": {60, 1200000}}
	var tree any
	_ = json.Unmarshal([]byte(source), &tree) // was loaded before
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, field := range []string{"Variable", "TimestampPath", "SecondsPath"} {
				path, _ := v[field].(string)
				leaf := path[strings.LastIndex(path, ".")+1:]
				switch {
				case path == "":
				case field == "TimestampPath":
					words[leaf] = []any{"2026-01-06T08:00:00Z", "2026-01-20T08:00:00Z"}
				case v["StringEquals"] != nil:
					words[leaf] = append(words[leaf], v["StringEquals"])
				case v["BooleanEquals"] != nil:
					words[leaf] = []any{true, false}
				}
			}
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(tree)
	return words
}

// seen is all that a step shows of an execution.
func seen(t *testing.T, e *asl.Execution, step asl.Step, err error) string {
	t.Helper()
	name, cause := e.Failure()
	count, last := e.Redrives()
	saved, fault := e.Save()
	require.NoError(t, fault)
	out, fault := json.Marshal([]any{
		step, fmt.Sprint(err), e.Wake(), e.Status(), e.State(), e.Output(), name, cause, count, last, e.Started(), e.Stopped(),
		e.Events(), e.Pending(), fmt.Sprint(e.Redrivable(e.Started())), string(saved),
	})
	require.NoError(t, fault)
	return string(out)
}

// TestASavedExecutionGoesOnAsOneThatNeverWas walks at random, and takes one of two executions up anew at every input.
func TestASavedExecutionGoesOnAsOneThatNeverWas(t *testing.T) {
	errs := []string{"E", "Throttled", "Lambda.Unknown", "Conflict", "Moot", "Internal"}
	for name, d := range walked(t) {
		t.Run(name, func(t *testing.T) {
			def, err := asl.Load([]byte(d[0]))
			require.NoError(t, err)
			words := vocabulary(d[0])
			states, kinds := map[string]bool{}, map[asl.EventType]bool{}
			for seed := range uint64(20) {
				random := rand.New(rand.NewPCG(seed, 4))
				origin := asl.Origin{ExecutionARN: "arn:aws:states:us-east-1:123456789012:execution:sunset:one", ExecutionName: "one", Input: d[1], Seed: [32]byte{byte(seed)}}
				now := began()
				one, step, err := asl.Start(def, origin, now)
				require.NoError(t, err)
				other, step2, err := asl.Start(def, origin, now)
				require.NoError(t, err)
				require.Equal(t, seen(t, one, step, nil), seen(t, other, step2, nil))
				var call *asl.Invocation
				tokens := []string{"none"}
				for range 80 {
					if step.Invoke != nil {
						call = step.Invoke
						if _, after, ok := strings.Cut(call.Payload, `oken":"`); ok {
							token, _, _ := strings.Cut(after, `"`)
							tokens = append(tokens, token)
						}
					}
					for _, ev := range step.Events {
						states[ev.State], kinds[ev.Type] = true, true
					}
					in := asl.Input{Output: said(random, words), Error: errs[random.IntN(len(errs))], Cause: "cause \xff", Token: tokens[random.IntN(len(tokens))]}
					if call != nil {
						in.Attempt = call.Attempt
					}
					choice := random.IntN(20)
					switch {
					case choice < 8:
						in.Kind = asl.FunctionSucceeded
					case choice < 10:
						in.Kind = asl.FunctionFailed
					case choice == 10:
						in.Kind = []asl.InputKind{asl.TokenSucceeded, asl.TokenFailed, asl.TokenHeartbeat}[random.IntN(3)]
					case choice == 11 && random.IntN(5) == 0:
						in.Kind = asl.Stopped
					case choice == 12:
						in.Kind = asl.Redriven
					case choice == 13:
						in.Kind = asl.FunctionLost
						now = now.Add(time.Hour) // its time is over
					default:
						in.Kind = asl.Woken
						if wake := one.Wake(); wake.After(now) {
							now = wake
						}
					}
					now = now.Add(time.Duration(random.Int64N(int64(20*time.Second))) - time.Second) // clocks are put back at times
					saved, err := other.Save()
					require.NoError(t, err)
					other, err = asl.Resume(def, saved)
					require.NoError(t, err, string(saved))
					step, err = one.Apply(now, in)
					step2, err2 := other.Apply(now, in)
					require.Equal(t, seen(t, one, step, err), seen(t, other, step2, err2), "seed %d, %s", seed, in.Kind)
				}
			}
			t.Logf("%d states, %d types of events", len(states), len(kinds))
			require.Greater(t, len(kinds), 6)
		})
	}
}

// said is an answer at random.
func said(random *rand.Rand, words map[string][]any) string {
	out := map[string]any{}
	for word, values := range words {
		out[word] = values[random.IntN(len(values))]
	}
	raw, _ := json.Marshal(out) // words and values of JSON
	return string(raw)
}

func TestResumeRefusesWhatTheDefinitionCantHaveLedTo(t *testing.T) {
	r := start(t, fmt.Sprintf(oneTask, `"Retry": [{"ErrorEquals": ["E"]}],`), `{}`)
	r.fail("E")
	saved, err := r.e.Save()
	require.NoError(t, err)
	def, err := asl.Load([]byte(fmt.Sprintf(oneTask, `"Retry": [{"ErrorEquals": ["E"]}],`)))
	require.NoError(t, err)
	_, err = asl.Resume(def, saved)
	require.NoError(t, err)
	for says, change := range map[string][2]string{
		"no such state":        {`"state":"Work"`, `"state":"Rest"`},
		`there is no status`:   {`"status":"RUNNING"`, `"status":"BORED"`},
		"waits for nothing":    {`"wake":`, `"woke":`},
		"don't add up":         {`"last_event":`, `"first_event":`},
		"chance can't be read": {`"random":"`, `"random":"AAAA`},
		"other retriers":       {`"retries":[1]`, `"retries":[1,2]`},
		"goes on":              {`"status":"RUNNING"`, `"status":"FAILED"`},
	} {
		require.Contains(t, string(saved), change[0])
		_, err = asl.Resume(def, []byte(strings.Replace(string(saved), change[0], change[1], 1)))
		require.ErrorContains(t, err, says)
	}
	_, err = asl.Resume(def, saved[:len(saved)/2])
	require.ErrorContains(t, err, "taking up an execution")
}

func TestALostFunctionIsNoTimeOut(t *testing.T) {
	r := start(t, fmt.Sprintf(oneTask, `"TimeoutSeconds": 60, "Retry": [{"ErrorEquals": ["Lambda.Unknown"]}],`), `{}`)
	r.now = began().Add(50 * time.Hour)
	require.NoError(t, r.tell(asl.Input{Kind: asl.FunctionLost, Attempt: r.call.Attempt + 1}), "another's")
	require.Equal(t, asl.Failed, r.e.Status(), "its time was over")

	r = start(t, fmt.Sprintf(oneTask, `"TimeoutSeconds": 60, "Retry": [{"ErrorEquals": ["Lambda.Unknown"]}],`), `{}`)
	r.now = began().Add(50 * time.Hour)
	require.NoError(t, r.tell(asl.Input{Kind: asl.FunctionLost, Attempt: r.call.Attempt, Cause: "why"}))
	require.Equal(t, `5<4 180000 LambdaFunctionFailed Lambda.Unknown why`, r.history()[4])
	require.Equal(t, time.Second, r.wake())
	r.succeed(`1`)
	require.Equal(t, asl.Succeeded, r.e.Status())
}

func TestTimeNeverRunsBackwards(t *testing.T) {
	r := start(t, fmt.Sprintf(oneTask, ""), `{}`)
	r.now = began().Add(-time.Hour)
	r.succeed(`1`)
	for _, ev := range r.events {
		require.Equal(t, began(), ev.Time)
	}
}
