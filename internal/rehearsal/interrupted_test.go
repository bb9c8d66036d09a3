package rehearsal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/rehearsal"
)

// callsOf counts the calls of a rehearsal that goes well.
func callsOf(t *testing.T) int {
	t.Helper()
	w := newWorld(t, fakeaws.Config{})
	w.fake.SetDeliveryDelay(0)
	_, err := w.rehearse(t.Context(), patience)
	require.NoError(t, err)
	return len(w.fake.Calls())
}

// A person who interrupts a rehearsal, at whatever call, finds nothing left behind.
func TestInterruptedAtAnyCallLeavesNothing(t *testing.T) {
	calls := callsOf(t)
	t.Logf("%d points", calls)
	require.Greater(t, calls, 40)
	for n := range calls {
		w := newWorld(t, fakeaws.Config{})
		w.fake.SetDeliveryDelay(0)
		ctx, interrupt := context.WithCancel(t.Context())
		seen := 0
		w.fake.Fail(fakeaws.Fault{Match: func(fakeaws.Call) bool {
			if seen++; seen == n+1 {
				interrupt()
			}
			return false
		}})
		_, err := w.rehearse(ctx, patience)
		var left *rehearsal.Left
		require.False(t, errors.As(err, &left), "call %d: %v", n+1, err)
		if err == nil {
			require.Greater(t, n+1, calls-6, "only what comes after the deletion is no reason to fail")
		}
		w.nothingLeft()
		interrupt()
	}
}

// A rehearsal that dies at any call, with or without having had its answer, leaves what the next one removes, and no more.
func TestDeadAtAnyCallIsRemovedByTheNext(t *testing.T) {
	calls, leftovers := callsOf(t), 0
	for n := range calls {
		w := newWorld(t, fakeaws.Config{})
		w.fake.SetDeliveryDelay(0)
		if n%2 == 0 {
			w.fake.Fail(fakeaws.Fault{After: n, Times: 1, ApplyFirst: true, Drop: true})
		}
		mend := w.fake.Fail(fakeaws.Fault{After: n, Drop: true})
		_, err := w.rehearse(t.Context(), patience)
		require.Error(t, err, "call %d", n+1)
		mend()
		if len(w.fake.Users()) > len(w.before) {
			leftovers++
			var left *rehearsal.Left
			require.ErrorAs(t, err, &left, "call %d: whoever leaves a decoy says so", n+1)
			require.NotEmpty(t, left.User)
		}
		require.NoError(t, w.clock.Run(t.Context(), func(ctx context.Context) error { return w.clock.Sleep(ctx, 10*time.Minute) }))
		r, err := w.rehearse(t.Context(), patience)
		require.NoError(t, err, "call %d", n+1)
		require.Equal(t, rehearsal.Proven, r.Premise())
		w.nothingLeft()
		require.Empty(t, w.evidence().Problems)
	}
	t.Logf("%d points, and a decoy left at %d", calls, leftovers)
	require.Greater(t, leftovers, 20)
}
