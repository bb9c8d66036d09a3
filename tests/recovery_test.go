package tests

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func (w *world) redrive(c sunset.Case) {
	_, err := w.machine.Executions.RedriveExecution(context.Background(), &sfn.RedriveExecutionInput{ExecutionArn: &c.Execution})
	require.NoError(w.t, err)
}

func (w *world) stop(arn string) {
	_, err := w.machine.Executions.StopExecution(context.Background(), &sfn.StopExecutionInput{ExecutionArn: &arn})
	require.NoError(w.t, err)
}

// one is a small world with one user to clean up, Dead.
func one(t *testing.T, lives ...fakeaws.Life) (*world, fakeaws.NewUser) {
	t.Helper()
	var user fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		user = join(t, a, "old-batch", append([]fakeaws.Life{fakeaws.Dead(), fakeaws.Tagged("owner", "owner@example.com")}, lives...)...)
	})
	return w, user
}

func (w *world) gone(name string) bool {
	_, there := w.account.User(name)
	return !there
}

// Somebody stops an execution while its user soaks. reconcile finds out, the user stays quarantined, and a redrive takes
// the case up again.
func TestAStoppedExecutionIsFoundAndTakenUpAgain(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.at(turn().Add(5*day), func() { w.stop(w.caseOf(user.ID).Execution) })
	w.clean(sunset.Request{})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Failed: 1}, positive(row.Outcomes))
	c := w.caseOf(user.ID)
	require.Contains(t, c.Reason, "its execution ended as ABORTED")
	require.True(t, w.recorded(c, "failed"))
	state, _ := w.account.User("old-batch")
	require.Contains(t, state.Inline, sunset.DenyPolicyName)
	w.proven()

	w.at(w.clock.Now().Add(day), func() { w.redrive(c) })
	w.until(func() bool { return w.caseOf(user.ID).Logged && w.caseOf(user.ID).Outcome != sunset.Failed })
	require.Equal(t, sunset.Deleted, w.caseOf(user.ID).Outcome)
	require.True(t, w.gone("old-batch"))
	row, err := w.machine.Cases.Cleanup(t.Context(), cleanup)
	require.NoError(t, err)
	require.Equal(t, map[sunset.Outcome]int{sunset.Deleted: 1}, positive(row.Outcomes), "the cleanup's counts follow")
	w.proven()
}

// A case whose execution is lost twice has failed twice, and both times it is on record.
func TestACaseThatIsLostTwiceFailsTwice(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	stop := func() { w.stop(w.caseOf(user.ID).Execution) }
	w.at(turn().Add(5*day), stop)
	w.clean(sunset.Request{})
	w.finish()
	failures := func() (n int) {
		for _, r := range w.records(w.caseOf(user.ID)) {
			if r.Kind == "failed" {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, failures())
	w.at(w.clock.Now().Add(time.Hour), func() { w.redrive(w.caseOf(user.ID)) })
	w.at(w.clock.Now().Add(30*time.Hour), stop)
	later := w.clock.Now().Add(3 * day)
	w.until(func() bool { return w.clock.Now().After(later) })
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Failed, c.Outcome)
	require.True(t, c.Logged)
	require.Equal(t, 2, failures(), w.dump(c))
	w.proven()
}

// Somebody rescues a user before its turn and stops the execution that would have found out: nothing was changed, nobody is
// waited for, and the case ends as rescued.
func TestARescueBeforeTheTurnOutlivesItsExecution(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	before, _ := w.account.User("old-batch")
	w.at(begin().Add(2*day), func() {
		require.NoError(t, w.machine.Rescue(context.Background(), user.ID, "ops", "still needed"))
		w.stop(w.caseOf(user.ID).Execution)
	})
	w.clean(sunset.Request{})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Rescued: 1}, positive(row.Outcomes))
	after, _ := w.account.User("old-batch")
	require.Equal(t, timeless(before), timeless(after))
	w.proven()
}

// An execution is stopped after its case has ended and before that is on record: reconcile makes up for it, or the cleanup
// would never end and its user never be looked at again.
func TestAnEndThatWasNotRecordedIsRecorded(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	var once sync.Once
	w.invoked = func(function string) (err error) {
		if c, e := w.machine.Cases.Get(context.Background(), user.ID); function == "log" && e == nil && c.Outcome == sunset.Deleted {
			once.Do(func() {
				w.stop(c.Execution)
				err = errors.New("its execution was stopped")
			})
		}
		return err
	}
	w.clean(sunset.Request{})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Deleted: 1}, positive(row.Outcomes))
	c := w.caseOf(user.ID)
	require.True(t, c.Logged)
	require.True(t, w.recorded(c, "closed"))
	w.proven()
}

// unwritten are objects of which one can't be written, once.
type unwritten struct {
	store.Objects
	refuse func(body []byte) bool
	once   sync.Once
}

func (u *unwritten) Put(ctx context.Context, key string, body []byte) (err error) {
	if u.refuse(body) {
		u.once.Do(func() { err = errors.New("the disk is gone for a moment") })
	}
	if err != nil {
		return err
	}
	return u.Objects.Put(ctx, key, body)
}

// reconcile fails a case whose execution is lost, and dies between row and record: the next round makes up for it.
func TestAFailureThatWasNotRecordedIsRecorded(t *testing.T) {
	t.Parallel()
	var user fakeaws.NewUser
	var refused atomic.Int32
	w := newWorldIn(t, []string{"us-east-1"}, func(a *fakeaws.Account) {
		user = join(t, a, "old-batch", fakeaws.Dead(), fakeaws.Tagged("owner", "owner@example.com"))
	}, func(w *world) {
		w.adapt = func(cfg *onemachine.Config) {
			cfg.Objects = &unwritten{Objects: cfg.Objects, refuse: func(body []byte) bool {
				if !bytes.Contains(body, []byte(`"kind":"failed"`)) {
					return false
				}
				refused.Add(1)
				return true
			}}
		}
	})
	w.at(turn().Add(5*day), func() { w.stop(w.caseOf(user.ID).Execution) })
	w.clean(sunset.Request{})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Failed: 1}, positive(row.Outcomes))
	require.EqualValues(t, 2, refused.Load(), "refused once, then written")
	require.True(t, w.recorded(w.caseOf(user.ID), "failed"))
	w.proven()
}

// A fault that lasts fails the case where it stands; once it is put right, a redrive brings it to its end.
func TestAFailedCaseIsRedriven(t *testing.T) {
	for _, r := range []struct {
		name, service, action, code string
		records                     []string
	}{
		{name: "before any change", service: "iam", action: "TagUser", code: "AccessDenied"},
		{name: "in the soak", service: "iam", action: "ListAccessKeys", code: "AccessDenied"},
		{name: "in the middle of the deletion", service: "iam", action: "DeleteLoginProfile", code: "AccessDenied"},
		{name: "at the end of the deletion", service: "iam", action: "DeleteUser", code: "ServiceFailure"},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w, user := one(t)
			var mend func()
			fail := func() {
				status := 403
				if r.code == "ServiceFailure" {
					status = 500
				}
				mend = w.account.Fail(fakeaws.Fault{Service: r.service, Action: r.action, Code: r.code, Status: status, Message: "no"})
			}
			w.at(begin().Add(2*day), fail)
			if r.name == "in the soak" {
				mend = func() {}
				w.at(begin().Add(2*day), func() { mend() })
				w.at(turn().Add(4*day), fail)
			}
			w.clean(sunset.Request{})
			w.until(func() bool {
				c, err := w.machine.Cases.Get(context.Background(), user.ID)
				return err == nil && c.Outcome == sunset.Failed
			})
			c := w.caseOf(user.ID)
			require.Contains(t, c.Reason, r.service+":"+r.action)
			x, _ := w.machine.Engine.Execution(c.Execution)
			w.until(func() bool { x, _ = w.machine.Engine.Execution(c.Execution); return !x.Stopped.IsZero() })
			require.Equal(t, "Failed", x.State)
			state, there := w.account.User("old-batch")
			require.True(t, there)
			if c.Changed && !c.SoakFrom.IsZero() {
				require.Contains(t, state.Inline, sunset.DenyPolicyName, "it must not wake")
			}

			// A redrive that comes too early fails again; nothing is lost.
			early := w.clock.Now().Add(time.Hour)
			w.at(early, func() { w.redrive(c) })
			w.until(func() bool {
				x, _ := w.machine.Engine.Execution(c.Execution)
				return !x.Stopped.Before(early)
			})
			require.Equal(t, sunset.Failed, w.caseOf(user.ID).Outcome)
			mend()
			w.at(w.clock.Now().Add(day), func() { w.redrive(c) })
			w.until(func() bool { return w.caseOf(user.ID).Outcome == sunset.Deleted })
			w.finish()
			require.True(t, w.gone("old-batch"))
			require.True(t, w.recorded(c, "redriven"))
			w.proven()
		})
	}
}

// A failed case whose user was disabled is given back by a rescue, and a redrive then only closes it.
func TestAFailedCaseIsRescued(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	before, _ := w.account.User("old-batch")
	w.at(turn().Add(5*day), func() { w.stop(w.caseOf(user.ID).Execution) })
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.NoError(t, w.clock.Run(t.Context(), func(ctx context.Context) error { return w.machine.Rescue(ctx, user.ID, "ops", "needed") }))
	after, _ := w.account.User("old-batch")
	require.Equal(t, timeless(before), timeless(after))
	require.Equal(t, sunset.Rescued, w.caseOf(user.ID).Outcome)
	require.Equal(t, "IAM user old-batch: it was put back", w.mail[len(w.mail)-1].Subject)
	w.at(w.clock.Now().Add(time.Hour), func() { w.redrive(c) })
	w.until(func() bool { x, _ := w.machine.Engine.Execution(c.Execution); return x.Status == "SUCCEEDED" })
	require.Equal(t, sunset.Rescued, w.caseOf(user.ID).Outcome)
	w.proven()
}

// A cleanup stopped before its cases were open ends, and is told so.
func TestAStoppedCleanupEnds(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	var arn string
	stopped := false
	w.invoked = func(function string) error {
		if function == "open-cases" && !stopped {
			stopped = true
			w.stop(arn)
			return errors.New("the function was never called")
		}
		return nil
	}
	arn = w.clean(sunset.Request{})
	row := w.finish()
	require.Contains(t, row.Refusal, "its execution ended as ABORTED")
	require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 1}, positive(row.Outcomes))
	_, err := w.machine.Cases.Get(t.Context(), user.ID)
	require.Error(t, err)
	w.proven()
}

// Of a rescue and a deletion exactly one wins; the other says so, and the account and the evidence agree with the winner.
func TestRescueRacesDeletion(t *testing.T) {
	t.Parallel()
	wins := map[sunset.Outcome]int{}
	const seeds = 12
	for seed := range seeds {
		w, user := one(t)
		before, _ := w.account.User("old-batch")
		started := make(chan struct{})
		start := sync.OnceFunc(func() { close(started) })
		rescued := make(chan error, 1)
		var calls atomic.Int64
		w.wire = func(string, string) {
			if w.clock.Now().After(turn().Add(14 * day)) {
				n := calls.Add(1)
				if n == int64(1+seed*4) && seed < seeds-1 {
					start()
				}
				if seed == 0 && n == 1 {
					rescued <- <-rescued // the first is faster for sure, the last slower
				}
			}
		}
		go func() {
			<-started
			defer w.clock.Hold()() // whoever may sleep on the clock is at work for it
			rescued <- w.machine.Rescue(context.Background(), user.ID, "owner@example.com", "mine")
		}()
		w.clean(sunset.Request{})
		w.finish()
		start()
		c := w.caseOf(user.ID)
		err := <-rescued
		c = w.caseOf(user.ID)
		wins[c.Outcome]++
		after, there := w.account.User("old-batch")
		switch c.Outcome {
		case sunset.Rescued:
			require.True(t, there)
			require.Equal(t, timeless(before), timeless(after))
			if err != nil {
				require.Equal(t, sunset.NotReady, sunset.KindOf(err), "%v", err)
				require.ErrorContains(t, err, "is stored and no deletion gets past it")
			}
			require.True(t, w.recorded(c, "rescue"))
			require.False(t, w.recorded(c, "deleted"))
		case sunset.Deleted:
			require.False(t, there)
			require.Error(t, err)
			require.Equal(t, sunset.Conflict, sunset.KindOf(err))
			require.True(t, w.recorded(c, "deleted"))
			require.False(t, w.recorded(c, "rescue"))
		default:
			t.Fatalf("seed %d: %s (%v)\n%s", seed, c.Outcome, err, w.dump(c))
		}
		w.proven()
	}
	require.Len(t, wins, 2)
}
