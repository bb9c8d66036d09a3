package tests

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// A cleanup of a grown account: outcomes add up, nobody who works is touched, no payload or history nears a limit.
func TestACleanupOverACrowd(t *testing.T) {
	t.Parallel()
	const users = 150
	w := newSmallWorld(t, func(a *fakeaws.Account) { require.NoError(t, a.Crowd(users)) })
	w.set(func(s *sunset.Settings) {
		s.Soak = sunset.Days(2) // so that the test is quick
		s.ClosedRegions = []sunset.ClosedRegion{{Region: "eu-west-1", Reason: "a service control policy denies everything there"}}
	})
	w.account.CloseRegion("eu-west-1")
	w.clean(sunset.Request{})
	row := w.finish()
	sum := 0
	for _, n := range row.Outcomes {
		sum += n
	}
	require.Equal(t, users, sum)
	require.Equal(t, users, row.Users)
	require.Equal(t, row.Eligible, row.Outcomes[sunset.Deleted]+row.Outcomes[sunset.Restored]+row.Outcomes[sunset.Skipped], "%v", row.Outcomes)
	require.Greater(t, row.Outcomes[sunset.Deleted], users/10)
	gone := map[string]bool{}
	for _, u := range w.account.DeletedUsers() {
		gone[u.ID] = true
	}
	require.Len(t, gone, row.Outcomes[sunset.Deleted])
	for _, e := range w.plan().Entries {
		if e.Verdict.Has(sunset.IsActive) || e.Verdict.Has(sunset.TooYoung) || e.Verdict.Has(sunset.IsUnknown) {
			require.False(t, gone[e.User.ID], e.User.Name)
			state, there := w.account.User(e.User.Name)
			require.True(t, there)
			require.NotContains(t, state.Inline, sunset.DenyPolicyName)
		}
	}
	perDay := map[string]int{}
	for when, n := range w.disabledOn() {
		perDay[when[:6]] += n
	}
	for d, n := range perDay {
		require.LessOrEqual(t, n, 20, d)
	}
	largest, longest := 0, 0
	for _, x := range w.machine.Engine.Executions() {
		history := w.machine.Engine.History(x.ARN)
		if x.Name != cleanup {
			longest = max(longest, len(history))
		}
		for _, ev := range history {
			largest = max(largest, len(ev.Payload))
		}
	}
	require.LessOrEqual(t, longest, 200, "events of a case")
	require.Less(t, largest, 16<<10, "bytes of a payload")
	w.proven()
}

// Every state of the definition is entered by one of these ways.
func TestEveryStateIsEntered(t *testing.T) {
	t.Parallel()
	entered := map[string]bool{}
	way := func(request sunset.Request, arrange func(*world, fakeaws.NewUser)) {
		w, user := one(t)
		arrange(w, user)
		w.clean(request)
		w.finish()
		for _, x := range w.machine.Engine.Executions() {
			for _, s := range w.machine.Engine.StatesEntered(x.ARN) {
				entered[s] = true
			}
		}
	}
	way(sunset.Request{}, func(w *world, _ fakeaws.NewUser) { // held, deleted after a window
		w.set(func(s *sunset.Settings) { s.Windows = []sunset.Window{{From: "09:00", To: "09:30"}} })
		w.at(turn().Add(-2*day), func() {
			w.set(func(s *sunset.Settings) { s.Windows = []sunset.Window{{From: "12:00", To: "12:30"}} })
		})
	})
	way(sunset.Request{}, func(w *world, _ fakeaws.NewUser) { w.people[approver] = always(sunset.ChooseKeep) })
	way(sunset.Request{}, func(w *world, _ fakeaws.NewUser) { w.people = nil })
	way(sunset.Request{DryRun: true}, func(*world, fakeaws.NewUser) {})
	way(sunset.Request{}, func(w *world, _ fakeaws.NewUser) { w.set(func(s *sunset.Settings) { s.CapPercent = 1 }) })
	way(sunset.Request{}, func(w *world, u fakeaws.NewUser) {
		w.account.Fail(fakeaws.Fault{Service: "iam", Action: "TagUser", Times: 1, Code: "AccessDenied", Status: 403})
		w.at(turn().Add(-30*time.Minute), func() { w.redrive(w.caseOf(u.ID)) })
	})
	var d struct{ States map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(statemachine.Definition()), &d))
	for name := range d.States {
		require.True(t, entered[name], "no way leads through %s", name)
	}
}
