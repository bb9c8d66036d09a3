package stepfunctions_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/journal"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// lives is one case of the shipped definition, run by processes that die.
type lives struct {
	t       *testing.T
	clock   *clock.Virtual
	stubs   *stubs
	path    string
	key     signature.Key
	def     *asl.Definition
	engine  *stepfunctions.Engine
	journal *mortal
	client  *sfn.Client
	ended   int
	// plan gives, for life n counted from 0, the commit at which it dies, whether only after it, and how long nobody lives
	// then.
	plan func(n int) (dies int, after bool, down time.Duration)
	n    int
}

const caseARN = "arn:aws:states:eu-west-1:123456789012:execution:sunset:case"

// live runs the case to its end and gives its history and how many lives it took.
func (l *lives) live() ([]asl.Event, int) {
	l.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.engine.ServeHTTP(w, r) }))
	defer server.Close()
	l.client = sfn.New(sfn.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1, HTTPClient: awsfault.WholeBodies(nil), Credentials: l.key.Provider()})
	l.stubs = &stubs{clock: l.clock, asked: func(token string) {
		l.clock.AfterFunc(l.clock.Now().Add(time.Hour), func() { l.answer(token) })
	}}
	for ; ; l.n++ {
		file, err := journal.Open(l.path, journal.NoSync())
		require.NoError(l.t, err)
		dies, after, down := l.plan(l.n)
		l.journal = &mortal{Journal: file, dies: dies, after: after}
		l.engine, err = engineOn(l.t, l.stubs, l.def, l.key, l.journal, func(stepfunctions.Execution) { l.ended++ })
		if err == nil {
			l.begin()
			require.NoError(l.t, l.clock.RunUntil(l.t.Context(), func() bool { return l.journal.died() || l.over() }))
			l.engine.Close()
		} else {
			require.ErrorIs(l.t, err, errKilled)
		}
		if !l.journal.died() {
			history := l.engine.History(caseARN)
			require.NoError(l.t, file.Close())
			return history, l.n + 1
		}
		require.NoError(l.t, file.Close())
		if down > 0 {
			wakes := l.clock.Now().Add(down)
			passed := false
			l.clock.AfterFunc(wakes, func() { passed = true })
			require.NoError(l.t, l.clock.RunUntil(l.t.Context(), func() bool { return passed }))
		}
	}
}

func (l *lives) over() bool {
	x, ok := l.engine.Execution(caseARN)
	return ok && x.Status != asl.Running
}

// begin starts the case, unless a life before has.
func (l *lives) begin() {
	_, err := l.client.StartExecution(l.t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: aws.String(l.engine.StateMachineARN()), Name: aws.String("case"), Input: aws.String(caseInput(1)),
	})
	var exists *types.ExecutionAlreadyExists
	if l.journal.died() || errors.As(err, &exists) { // it has ended already
		return
	}
	require.NoError(l.t, err)
}

// answer is what reconcile does: it tries again until the token is answered or over.
func (l *lives) answer(token string) {
	defer l.clock.Hold()()
	_, err := l.client.SendTaskSuccess(l.t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"choice":"delete"}`)})
	var over *types.TaskTimedOut
	if err != nil && !errors.As(err, &over) {
		l.clock.AfterFunc(l.clock.Now().Add(time.Hour), func() { l.answer(token) })
	}
}

func newLives(t *testing.T, plan func(int) (int, bool, time.Duration)) *lives {
	t.Helper()
	key, err := signature.NewKey(rand.NewChaCha8([32]byte{5}))
	require.NoError(t, err)
	return &lives{t: t, clock: clock.NewVirtual(start()), path: filepath.Join(t.TempDir(), "journal.db"), key: key, def: shipped(t), plan: plan}
}

// undisturbed is a history without the calls that a death cut short. It makes sure that the rest is one that AWS
// could have written: no gap, no step back in time, each call answered once, each wait over once.
func undisturbed(t *testing.T, events []asl.Event) (out []string, cut int) {
	t.Helper()
	open := false
	for i, ev := range events {
		require.EqualValues(t, i+1, ev.ID)
		require.False(t, i > 0 && ev.Time.Before(events[i-1].Time), "time runs backwards at event %d", ev.ID)
		line := string(ev.Type) + " " + ev.State
		switch ev.Type {
		case asl.LambdaFunctionScheduled, asl.TaskScheduled:
			require.False(t, open, "event %d schedules what is under way", ev.ID)
			open = true
		case asl.LambdaFunctionSucceeded, asl.LambdaFunctionFailed, asl.TaskSucceeded, asl.TaskFailed:
			require.True(t, open, "event %d answers what was answered", ev.ID)
			open = false
			if ev.Error == "Lambda.Unknown" {
				require.Contains(t, ev.Cause, "under way")
				out = out[:len(out)-2] // scheduled, started
				cut++
				continue
			}
			require.Empty(t, ev.Error)
		case asl.TaskTimedOut: // nobody decided
			require.True(t, open)
			open = false
		case "WaitStateEntered":
			require.EqualValues(t, "WaitStateExited", events[i+1].Type)
		case asl.TaskSubmitted:
			require.True(t, open)
		}
		out = append(out, line)
	}
	return out, cut
}

func never(int) (int, bool, time.Duration) { return 0, false, 0 }

// TestKilledAtEveryCommit: whatever commit a process dies at, and however long nobody lives then, the case comes to the
// same end by the same way.
func TestKilledAtEveryCommit(t *testing.T) {
	whole := newLives(t, never)
	clean, _ := whole.live()
	want, cut := undisturbed(t, clean)
	require.Zero(t, cut)
	require.Equal(t, 1, whole.ended)
	commits := whole.journal.commits
	require.Greater(t, commits, 40)
	points := 0
	for dies := 1; dies <= commits; dies++ {
		for _, after := range []bool{false, true} {
			for _, down := range []time.Duration{0, 50 * time.Hour} {
				if down > 0 && !after {
					continue // as dead as after the commit before
				}
				l := newLives(t, func(n int) (int, bool, time.Duration) {
					if n > 0 {
						return never(n)
					}
					return dies, after, down
				})
				history, n := l.live()
				require.Equal(t, 2, n)
				got, cut := undisturbed(t, history)
				at := fmt.Sprintf("killed at commit %d, after it %v, down for %v", dies, after, down)
				require.LessOrEqual(t, cut, 1, at)
				if down == 0 { // a long sleep leaves out checks
					require.Equal(t, want, got, at)
				}
				require.Equal(t, want[len(want)-12:], got[len(got)-12:], at)
				last := after && dies == commits // the end was on record, and nobody lived to tell
				require.Equal(t, !last, l.ended == 1, at)
				calls := 0
				for _, n := range l.stubs.calls {
					calls += n
				}
				require.LessOrEqual(t, calls, len(want)/2, at)
				for _, name := range []string{"disable", "request-approval", "delete-all-artifacts", "log"} {
					require.LessOrEqual(t, l.stubs.calls[name]-whole.stubs.calls[name], 1, "%s, %s", name, at)
					require.GreaterOrEqual(t, l.stubs.calls[name], whole.stubs.calls[name], "%s, %s", name, at)
				}
				points++
			}
		}
	}
	t.Logf("%d commits, %d deaths", commits, points)
}

// TestKilledAgainAndAgain: processes that live for a few commits each bring the case to its end.
func TestKilledAgainAndAgain(t *testing.T) {
	clean, _ := newLives(t, never).live()
	want, _ := undisturbed(t, clean)
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 9))
		l := newLives(t, func(int) (int, bool, time.Duration) {
			return 1 + random.IntN(5), random.IntN(2) == 0, 0
		})
		history, n := l.live()
		got, cut := undisturbed(t, history)
		require.Equal(t, want, got, "seed %d", seed)
		require.LessOrEqual(t, l.ended, 1)
		t.Logf("seed %d: %d lives, %d calls cut short", seed, n, cut)
		require.Greater(t, n, 8)
	}
}
