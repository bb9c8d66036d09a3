package tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// changing are the functions that change a user.
func changing() []string { return []string{"disable", "restore", "delete-all-artifacts"} }

// callsOf are the calls to AWS of the functions that change a user, in a life without deaths, and of each whether it is
// one that changes something.
func callsOf(t *testing.T, end sunset.Outcome) (calls []deed, changes map[deed]bool) {
	t.Helper()
	changes = map[deed]bool{}
	for _, d := range undisturbed(t, end) {
		function, action, _ := strings.Cut(d.name, " ")
		if d.kind == "call" && slices.Contains(changing(), function) {
			calls = append(calls, d)
			changes[d] = action != "" && callOf{action: action}.changes()
		}
	}
	return calls, changes
}

// The machine dies right after any call to AWS of disable, restore and delete-all-artifacts, before its answer arrives,
// and right before any that changes something: another machine comes to the same end.
func TestKillAtEveryCall(t *testing.T) {
	points := 0
	for _, end := range bothEnds() {
		calls, changes := callsOf(t, end)
		for _, d := range calls {
			for _, before := range []bool{true, false} {
				if before && !changes[d] {
					continue // as after the deed before it
				}
				points++
				at := death{d, before}
				t.Run(fmt.Sprintf("%s/%03d %s", end, points, at), func(t *testing.T) {
					t.Parallel()
					dieAt(t, end, at)
				})
			}
		}
	}
	require.GreaterOrEqual(t, points, 150)
	t.Logf("%d points of death at calls", points)
}

// The second machine dies as well: as soon as it has taken its journal up, while the first retry reads, and while it
// changes things.
func TestKillAgainInTheFirstRetry(t *testing.T) {
	points := 0
	for _, end := range bothEnds() {
		calls, changes := callsOf(t, end)
		for _, d := range calls {
			if !changes[d] {
				continue
			}
			function, _, _ := strings.Cut(d.name, " ")
			for when, again := range map[string]func(deed, int) bool{
				"at once":           func(deed, int) bool { return true },
				"in its fifth call": func(next deed, nth int) bool { return strings.HasPrefix(next.name, function+" ") && nth == 5 },
				"after its next change": func(next deed, _ int) bool {
					_, action, _ := strings.Cut(next.name, " ")
					return next.kind == "call" && action != "" && callOf{action: action}.changes()
				},
				"in its next write of any": func(next deed, _ int) bool { return next.kind == "row" || next.kind == "object" },
			} {
				if when == "after its next change" && (strings.HasSuffix(d.name, " DeleteUser") || strings.HasSuffix(d.name, " UntagUser") || strings.HasSuffix(d.name, " PutUserPolicy")) {
					continue // nothing is left to be changed
				}
				points++
				t.Run(fmt.Sprintf("%s/%s, and %s", end, d, when), func(t *testing.T) {
					t.Parallel()
					m := newMortal(t, end, death{d, false})
					m.relapse = again
					c := m.lives()
					require.Len(t, m.died, 2)
					m.asIfNothing(c)
				})
			}
		}
	}
	require.GreaterOrEqual(t, points, 85)
	t.Logf("%d lives with two deaths", points)
}

// Where disabling switches credentials off at once, a machine that dies at any change leaves each of them to be switched on
// again as it was; the password is gone, once, and the record says so.
func TestKillWhereCredentialsAreSwitchedOff(t *testing.T) {
	live := func(t *testing.T, deaths ...death) *mortal {
		m := newMortal(t, sunset.Restored, deaths...)
		m.set(func(s *sunset.Settings) { s.Disable = sunset.ByDeactivation })
		m.before.HasPassword = false
		c := m.lives()
		require.Empty(t, m.deaths, "it did not die")
		m.asIfNothing(c)
		require.Contains(t, m.dump(c), "its password can't be put back")
		return m
	}
	points := 0
	for _, d := range live(t).deeds {
		function, action, _ := strings.Cut(d.name, " ")
		if d.kind != "call" || action == "" || !slices.Contains(changing(), function) || !(callOf{action: action}).changes() {
			continue
		}
		for _, before := range []bool{true, false} {
			points++
			at := death{d, before}
			t.Run(fmt.Sprintf("%03d %s", points, at), func(t *testing.T) {
				t.Parallel()
				live(t, at)
			})
		}
	}
	require.GreaterOrEqual(t, points, 24)
	t.Logf("%d points of death where credentials are switched off", points)
}
