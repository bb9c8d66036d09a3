package bench

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// eventsPerCase is how long a case's history may get; AWS ends an execution at 25,000.
	eventsPerCase = 200
	// deletionCalls is what taking the reference user away may cost.
	deletionCalls = 20
	// checkCalls is what listening once to a quarantined user may cost.
	checkCalls = 15
)

// invocation is one call of a function and what it asked the account for.
type invocation struct {
	function string
	at       time.Time
	calls    []fakeaws.Call
}

// TestACaseOfTheReferenceUser follows one user from the plan to its deletion: a password, two access keys, a virtual MFA
// device, two groups, an attached and an inline policy.
func TestACaseOfTheReferenceUser(t *testing.T) {
	a := newAccount(t)
	user, err := a.Join("old-batch", fakeaws.Dead())
	require.NoError(t, err)
	m := newMachine(t, a)
	var invocations []invocation
	m.invoked = func(function string) {
		take(a, invocations)
		invocations = append(invocations, invocation{function: function, at: a.clock.Now()})
	}
	row := m.clean(sunset.Request{}, ended)
	take(a, invocations)
	require.Equal(t, 1, row.Outcomes[sunset.Deleted])

	c, err := m.Cases.Get(t.Context(), user.ID)
	require.NoError(t, err)
	history := m.Engine.History(c.Execution)
	longest, of := m.payload(m.Engine.Executions()[1:])
	t.Logf("events: %d; longest payload: %d bytes (%s)", len(history), longest, of)
	require.LessOrEqual(t, len(history), eventsPerCase)
	require.LessOrEqual(t, longest, smallPayload)

	checks := 0
	for _, x := range invocations {
		switch x.function {
		case "disable", "request-approval", "delete-all-artifacts":
			t.Logf("%s: %d calls, %d of them to IAM", x.function, len(x.calls), iamCalls(x.calls))
		case "wait-soak":
			checks++
			if x.at.Before(c.SoakUntil) {
				require.LessOrEqual(t, len(x.calls), checkCalls, "%v", actions(x.calls))
				require.Zero(t, actions(x.calls)["cloudtrail:LookupEvents"], "in silence IAM alone is asked")
				if checks == 1 {
					t.Logf("a soak's check: %d calls", len(x.calls))
				}
			} else {
				t.Logf("the soak's last check: %d calls, %d of them to IAM", len(x.calls), iamCalls(x.calls))
			}
		}
	}
	t.Logf("%d soak's checks", checks)
	require.NotZero(t, checks)
}

// take gives the newest invocation what has been called since it began, less what reconcile called on its hours.
func take(a *account, invocations []invocation) {
	defer a.ResetCalls()
	if len(invocations) == 0 {
		return
	}
	x := &invocations[len(invocations)-1]
	for _, c := range a.Calls() {
		if c.At.Equal(x.at) || c.At.Sub(begin())%onemachine.ReconcileEvery != 0 {
			x.calls = append(x.calls, c)
		}
	}
}

func iamCalls(calls []fakeaws.Call) int {
	n := 0
	for _, c := range calls {
		if c.Service == "iam" {
			n++
		}
	}
	return n
}

// silent is a recorder of changes that nobody reads.
func silent(context.Context, iamaccount.Change) error { return nil }

// TestDeletingTheReferenceUser counts the calls that take everything away and prove that it is gone.
func TestDeletingTheReferenceUser(t *testing.T) {
	a := newAccount(t)
	user, err := a.Join("old-batch", fakeaws.Dead())
	require.NoError(t, err)
	iam := iamaccount.New(a.server.Config("us-east-1"), a.clock)
	snap, err := iam.Snapshot(t.Context(), "spring-"+user.ID, a.ID(), user.ID, "old-batch")
	require.NoError(t, err)
	q, err := iam.Quarantine(t.Context(), snap, sunset.ByQuarantine, silent)
	require.NoError(t, err)
	a.ResetCalls()
	require.NoError(t, iam.Delete(t.Context(), snap, q, silent))
	calls := a.Calls()
	t.Logf("%d calls: %v", len(calls), actions(calls))
	require.LessOrEqual(t, len(calls), deletionCalls, "%v", actions(calls))
	_, there := a.User("old-batch")
	require.False(t, there)
	require.Empty(t, a.VirtualMFADevices())
}
