package tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// whole runs one cleanup over one user to its end, deleted or kept, and asserts that it ended as if nothing had happened.
func whole(t *testing.T, outcome sunset.Outcome, arrange func(*world)) *world {
	t.Helper()
	w, user := one(t)
	before, _ := w.account.User("old-batch")
	if outcome == sunset.Restored {
		w.people[approver] = always(sunset.ChooseKeep)
	}
	arrange(w)
	w.clean(sunset.Request{})
	row := w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, outcome, c.Outcome, "%s\n%s", w.log, w.dump(c))
	require.Equal(t, map[sunset.Outcome]int{outcome: 1}, positive(row.Outcomes))
	after, there := w.account.User("old-batch")
	if outcome == sunset.Deleted {
		require.False(t, there)
		require.Empty(t, w.account.VirtualMFADevices())
	} else {
		require.Equal(t, timeless(before), timeless(after))
	}
	kinds := map[string]int{}
	for _, r := range w.records(c) {
		kinds[r.Kind]++
	}
	for _, once := range []string{"claimed", "snapshot", "disabled", "requested", "decision", "closed"} {
		require.Equal(t, 1, kinds[once], "records of kind %s in\n%s", once, w.dump(c))
	}
	require.LessOrEqual(t, len(w.machine.Engine.History(c.Execution)), 260)
	w.proven()
	return w
}

// AWS may call a function twice, because the first answer was lost. It comes to the same end.
func TestEveryFunctionMayRunTwice(t *testing.T) {
	for _, function := range statemachine.Functions() {
		for _, outcome := range []sunset.Outcome{sunset.Deleted, sunset.Restored} {
			if function == "restore" && outcome == sunset.Deleted || function == "delete-all-artifacts" && outcome == sunset.Restored {
				continue
			}
			t.Run(function+"/"+string(outcome), func(t *testing.T) {
				t.Parallel()
				w := whole(t, outcome, func(w *world) { w.twice = map[string]bool{function: true} })
				require.NotEmpty(t, w.lost, "it was never called")
			})
		}
	}
}

func TestAllFunctionsRunTwice(t *testing.T) {
	for _, outcome := range []sunset.Outcome{sunset.Deleted, sunset.Restored} {
		t.Run(string(outcome), func(t *testing.T) {
			t.Parallel()
			whole(t, outcome, func(w *world) {
				w.twice = map[string]bool{}
				for _, f := range statemachine.Functions() {
					w.twice[f] = true
				}
			})
		})
	}
}

// everyAction are the calls that one user's whole way makes, in each of its endings.
func everyAction(t *testing.T, outcome sunset.Outcome) (reads, writes []string) {
	t.Helper()
	w := whole(t, outcome, func(*world) {})
	for _, x := range w.machine.Engine.Executions() {
		require.LessOrEqual(t, len(w.machine.Engine.History(x.ARN)), 200, "events of %s", x.Name)
	}
	changing := w.writes()
	for _, c := range w.account.Calls() {
		name := c.Service + ":" + c.Action
		if list := &reads; slices.Contains(changing, name) {
			if !slices.Contains(writes, name) {
				writes = append(writes, name)
			}
		} else if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	return reads, writes
}

// A write whose answer is lost, after it was done, is found done.
func TestEveryWriteMayLoseItsAnswer(t *testing.T) {
	for _, outcome := range []sunset.Outcome{sunset.Deleted, sunset.Restored} {
		_, writes := everyAction(t, outcome)
		require.GreaterOrEqual(t, len(writes), 3)
		for _, action := range writes {
			t.Run(string(outcome)+"/"+action, func(t *testing.T) {
				t.Parallel()
				service, name, _ := strings.Cut(action, ":")
				whole(t, outcome, func(w *world) {
					w.account.Fail(fakeaws.Fault{Service: service, Action: name, Times: 1, ApplyFirst: true, Drop: true})
				})
			})
		}
	}
}

// Every action is throttled, or fails by AWS's own fault, twice: the same end.
func TestStorms(t *testing.T) {
	for kind, fault := range map[string]fakeaws.Fault{
		"throttled": {Throttle: true}, "500": {Code: "InternalFailure", Status: 500, Message: "try again"}, "cut off": {Truncate: true},
	} {
		for _, outcome := range []sunset.Outcome{sunset.Deleted, sunset.Restored} {
			t.Run(fmt.Sprintf("%s/%s", kind, outcome), func(t *testing.T) {
				t.Parallel()
				whole(t, outcome, func(w *world) {
					seen := map[string]int{}
					fault.Match = func(c fakeaws.Call) bool {
						seen[c.Service+c.Action]++
						return seen[c.Service+c.Action] <= 2
					}
					w.account.Fail(fault)
				})
			})
		}
	}
}
