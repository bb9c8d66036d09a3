package tests

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// disabledOn are the days on which the world's users were disabled, each with their number.
func (w *world) disabledOn() map[string]int {
	w.t.Helper()
	days := map[string]int{}
	for _, c := range w.account.Calls() {
		if c.Action == "PutUserPolicy" && c.Error == "" && c.Params["PolicyName"] == sunset.DenyPolicyName {
			days[c.At.Format("Mon 02 15h")]++
		}
	}
	return days
}

func crowd(t *testing.T, a *fakeaws.Account, n int) []fakeaws.NewUser {
	t.Helper()
	var out []fakeaws.NewUser
	for i := range n {
		out = append(out, join(t, a, fmt.Sprintf("old-%d", i), fakeaws.OldKey()))
	}
	return out
}

func TestABatchADayOnWeekdayMornings(t *testing.T) {
	t.Parallel()
	w := newSmallWorld(t, func(a *fakeaws.Account) { crowd(t, a, 4) })
	w.set(func(s *sunset.Settings) {
		s.Batch = 1
		s.Windows = []sunset.Window{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", To: "12:00", Zone: "Europe/Berlin"}}
	})
	w.clean(sunset.Request{})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Deleted: 4}, positive(row.Outcomes))
	require.Equal(t, map[string]int{"Thu 05 09h": 1, "Fri 06 09h": 1, "Mon 09 08h": 1, "Tue 10 08h": 1}, w.disabledOn())
	for _, u := range w.account.DeletedUsers() {
		at := u.DeletedAt.In(time.FixedZone("CET", 3600))
		require.NotContains(t, []time.Weekday{time.Saturday, time.Sunday}, at.Weekday())
		require.Contains(t, []int{9, 10, 11, 12}, at.Hour(), "Berlin keeps summer time from the 29th on")
	}
	w.proven()
}

// Two cleanups side by side share the users that may be disabled a day.
func TestTwoCleanupsShareTheDaysTurns(t *testing.T) {
	t.Parallel()
	w := newSmallWorld(t, func(a *fakeaws.Account) { crowd(t, a, 5) })
	w.set(func(s *sunset.Settings) { s.Batch = 2 })
	w.clean(sunset.Request{Users: []string{"old-0", "old-1", "old-2"}})
	w.at(begin().Add(time.Minute), func() {
		w.cleanAs("other", sunset.Request{Starter: starter, Users: []string{"old-3", "old-4"}})
	})
	first, second := w.finish(), w.finishOf("other")
	require.Equal(t, 3, first.Outcomes[sunset.Deleted])
	require.Equal(t, 2, second.Outcomes[sunset.Deleted])
	perDay := map[string]int{}
	for when, n := range w.disabledOn() {
		perDay[when[:6]] += n
	}
	require.Equal(t, map[string]int{"Thu 05": 2, "Fri 06": 2, "Sat 07": 1}, perDay)
	w.proven()
}

// A disturbed case holds the turns that follow until a person lets them go on. However many were held, no more are
// disabled a day than the settings say, and the same trouble doesn't hold them again.
func TestADisturbedCaseHoldsTheTurnsThatFollow(t *testing.T) {
	t.Parallel()
	var users []fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		users = append(users, join(t, a, "old-first", fakeaws.OldKey(), fakeaws.TriesItsKey(turn().Add(30*time.Minute))))
		for i := range 4 { // used later than the first, so that their turns come after its
			users = append(users, join(t, a, fmt.Sprintf("old-%d", i), fakeaws.Dead()))
		}
	})
	w.set(func(s *sunset.Settings) { s.Batch = 1 })
	w.people = nil
	w.clean(sunset.Request{})
	resumed := turn().Add(6 * day)
	var before []string
	w.at(resumed, func() {
		for when := range w.disabledOn() {
			before = append(before, when)
		}
		require.NoError(t, w.machine.Cases.ResumeTurns(context.Background(), cleanup, "ops"))
	})
	w.finish()

	first := 0
	for i, u := range users {
		if u.Name == "old-first" {
			first = i
		}
	}
	c := w.caseOf(users[first].ID)
	require.NotEmpty(t, c.Signals)
	held := 0
	for _, u := range users {
		if w.recorded(w.caseOf(u.ID), "held") {
			held++
		}
	}
	require.GreaterOrEqual(t, held, 3)
	after := w.disabledOn()
	for when, n := range after {
		require.Equal(t, 1, n, "%s: %v", when, after)
	}
	require.Len(t, after, 5)
	require.Less(t, len(before), 5, "turns came although a case was disturbed")
	seen := map[string]bool{}
	for when := range after {
		require.False(t, seen[when[:6]], "two turns on %s: %v", when[:6], after)
		seen[when[:6]] = true
	}
	w.proven()
}

// A failed case holds later turns as well; those before it go their way.
func TestAFailedCaseHoldsTheTurnsThatFollow(t *testing.T) {
	t.Parallel()
	var users []fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) { users = crowd(t, a, 3) })
	w.set(func(s *sunset.Settings) { s.Batch = 1 })
	w.clean(sunset.Request{})
	w.account.Fail(fakeaws.Fault{
		Service: "iam", Action: "PutUserPolicy", Times: 1, Code: "AccessDenied", Status: 403, Message: "not authorized to perform: iam:PutUserPolicy",
	})
	w.at(turn().Add(10*day), func() {
		cases, err := w.machine.Cases.Cases(context.Background())
		require.NoError(t, err)
		waiting := slices.DeleteFunc(cases, func(c sunset.Case) bool { return c.Stage != sunset.Waiting })
		require.Len(t, waiting, 2)
		require.NoError(t, w.machine.Cases.ResumeTurns(context.Background(), cleanup, "ops"))
	})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Failed: 1, sunset.Deleted: 2}, positive(row.Outcomes))
	for _, u := range users {
		if c := w.caseOf(u.ID); c.Outcome == sunset.Failed {
			require.Contains(t, c.Reason, "iam:PutUserPolicy")
			x, _ := w.machine.Engine.Execution(c.Execution)
			require.Equal(t, "Failed", x.State)
			require.Equal(t, "AccessDenied", x.Error)
		}
	}
	w.proven()
}
