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
	for _, end := range ends() {
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
	for _, end := range ends() {
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
