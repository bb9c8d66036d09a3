package tests

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// ended lets time pass until the cleanup has ended, or has nothing more to come.
func (x *whole12) ended() sunset.Cleanup {
	x.t.Helper()
	var row sunset.Cleanup
	limit := begin().Add(12 * day)
	require.NoError(x.t, x.clock.RunUntil(x.t.Context(), func() bool {
		row, _ = x.machine.Cases.Cleanup(context.Background(), cleanup)
		return x.machine.Engine.Counts()["RUNNING"] == 0 && (row.ID == "" || !row.Ended.IsZero()) || x.clock.Now().After(limit)
	}))
	require.True(x.t, x.clock.Now().Before(limit), "it goes on for ever")
	return row
}

// Each call of a whole life fails in each documented way, once or for ever: what becomes of the user is what the table
// says, nobody else is touched, and the record says which call it was, of whom, when and what to do.
func TestErrorsAtEveryCall(t *testing.T) {
	lives := 0
	for _, end := range bothEnds() {
		for _, c := range everyCall(t, end) {
			if end == sunset.Restored && c.function != "restore" {
				continue // it was all done on the way to the other end
			}
			for i, what := range troubles() {
				if !what.of(c) || sampledOut(c, i, what) {
					continue
				}
				for _, once := range []bool{true, false} {
					if once && what.passes {
						continue // TestErrorsThatPass
					}
					lives++
					t.Run(fmt.Sprintf("%s %s %s", c, what.name, map[bool]string{true: "once", false: "for ever"}[once]), func(t *testing.T) {
						t.Parallel()
						x := newWhole12(t, end, func(x *whole12) { x.adapt = x.apart })
						met := x.befall(c, what, once)
						x.clean(sunset.Request{})
						row := x.ended()
						require.Positive(t, met.Load(), "it never happened")
						outcome, standing := x.outcome(row), x.standing()
						got := outcome + " | " + standing
						require.True(t, got == expected(c, what, once, end) || expected(c, what, once, end) == failedSpare && strings.HasPrefix(got, failedSpare),
							"%s, where %s must come of it; %s", got, expected(c, what, once, end), row.Refusal)
						x.saysWhy(c, what, row, outcome, standing)
						others, devices := x.rest()
						require.Equal(t, x.others, others)
						require.Equal(t, x.devices, devices)
						x.proven()
					})
				}
			}
		}
	}
	require.GreaterOrEqual(t, lives, 700)
	t.Logf("%d lives with an error each", lives)
}

// sampledOut leaves three of four troubles that the SDK itself tries again to other reads: to whoever reads, one that
// lasts is like another.
func sampledOut(c callOf, i int, what trouble) bool {
	if !what.passes || c.changes() {
		return false
	}
	h := fnv.New32a()
	h.Write([]byte(c.String()))
	return int(h.Sum32()%4) != map[string]int{"throttled": 0, "ServiceFailure": 1, "dropped": 2, "half an answer": 3}[what.name]
}

// saysWhy asserts that what is on record about an end that isn't the wanted one tells of the error.
func (x *whole12) saysWhy(c callOf, what trouble, row sunset.Cleanup, outcome, standing string) {
	x.t.Helper()
	t := x.t
	switch outcome {
	case "cleanup failed":
		said := ""
		records, err := x.machine.Records.Chain(t.Context(), sunset.CleanupChain(cleanup))
		require.NoError(t, err)
		for _, r := range records {
			if r.Kind == "failed" {
				said = r.Text
			}
		}
		require.Contains(t, said, c.inPolicies())
		require.Contains(t, said, "opens no more cases")
	case "kept":
		plan, err := x.machine.Objects.Get(t.Context(), row.PlanKey)
		require.NoError(t, err)
		require.Contains(t, string(plan), c.inPolicies())
	case "failed":
		said := ""
		for _, r := range x.records(x.caseOf(x.user.ID)) {
			if r.Kind == "failed" {
				said = r.Text
			}
		}
		if strings.HasPrefix(standing, "gone, but") {
			require.Contains(t, said, "something is left of it: [{spare-mfa ")
		} else {
			require.Contains(t, said, c.inPolicies())
		}
		require.Contains(t, said, "redrive its execution")
		require.Contains(t, said, "The case of "+victim+" failed ")
		told := false
		for _, when := range whenSaid(c, standing) {
			told = told || strings.Contains(said, when)
		}
		require.True(t, told, "%s, and it says: %s", standing, said)
		if what.fault.Code != "" && what.name != "NoSuchEntity" { // whose consequences show
			require.Contains(t, said, what.fault.Code)
		}
	case "expired":
		if what.name != "NoSuchEntity" {
			require.Contains(t, x.dump(x.caseOf(x.user.ID)), c.inPolicies())
		}
	}
}

// Every call of a whole life meets a trouble that passes, each action of each function once: nothing is different.
func TestErrorsThatPass(t *testing.T) {
	for _, what := range troubles() {
		if !what.passes {
			continue
		}
		for _, end := range bothEnds() {
			t.Run(fmt.Sprintf("%s/%s", what.name, end), func(t *testing.T) {
				t.Parallel()
				x := newWhole12(t, end, func(x *whole12) { x.adapt = x.apart })
				met := map[callOf]bool{}
				fault := what.fault
				fault.Match = func(call fakeaws.Call) bool {
					c := callOf{*x.calling.Load(), call.Service, call.Action}
					if met[c] || !what.of(c) {
						return false
					}
					met[c] = true
					return true
				}
				x.account.Fail(fault)
				x.clean(sunset.Request{})
				row := x.ended()
				require.Equal(t, expected(callOf{function: "reconcile"}, what, true, end), x.outcome(row)+" | "+x.standing())
				require.GreaterOrEqual(t, len(met), map[bool]int{true: 4, false: 80}[what.name == "dropped when done"])
				x.proven()
			})
		}
	}
}
