package iamaccount_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// failures are the ways in which one call goes wrong. The last loses the answer to what was done.
func failures() map[string]fakeaws.Fault {
	return map[string]fakeaws.Fault{
		"throttled":  {Throttle: true},
		"failing":    {Code: "ServiceFailure", Status: 500},
		"concurrent": {Code: "ConcurrentModification", Status: 409},
		"lost":       {Code: "ServiceFailure", Status: 500, ApplyFirst: true},
	}
}

// TestRunAgainAfterAnyFailureComesToTheSameEnd lets each call of each change go wrong once in each way, and runs the
// change again until it succeeds.
func TestRunAgainAfterAnyFailureComesToTheSameEnd(t *testing.T) {
	for name, fault := range failures() {
		for _, what := range []string{"quarantine", "deactivate", "restore", "strip", "delete"} {
			t.Run(what+" "+name, func(t *testing.T) {
				t.Parallel()
				// Until a run no longer reaches the nth call, all calls have had their turn.
				for n := 1; ; n++ {
					if !failsOnce(t, what, fault, n) {
						require.Greater(t, n, 5)
						return
					}
				}
			})
		}
	}
}

// failsOnce has the nth call of a change fail, and reports whether there was an nth.
func failsOnce(t *testing.T, what string, fault fakeaws.Fault, n int) (hit bool) {
	t.Helper()
	w := newWorld(t, fakeaws.Config{})
	u := w.everything("all")
	before := w.state("all")
	snap := w.snapshot(u)
	how := sunset.ByQuarantine
	if what == "deactivate" || what == "restore" {
		how = sunset.ByDeactivation
	}
	var q sunset.Quarantine
	if what == "restore" || what == "strip" || what == "delete" {
		var err error
		q, err = w.quarantine(snap, how)
		require.NoError(t, err)
	}
	seen := 0
	fault.Match = func(fakeaws.Call) bool {
		seen++
		hit = hit || seen == n
		return seen == n
	}
	fault.Times = 1
	remove := w.fake.Fail(fault)
	again := func() (err error) {
		switch what {
		case "restore":
			_, err = w.restore(snap, &q)
		case "delete", "strip":
			err = w.change(what, snap, q)
		default:
			q, err = w.quarantine(snap, how)
		}
		return err
	}
	err := again()
	for range 3 {
		if err == nil {
			break
		}
		require.Contains(t, []sunset.Kind{sunset.Throttled, sunset.Unavailable, sunset.Conflict}, sunset.KindOf(err), "%s", err)
		err = again()
	}
	require.NoError(t, err, "call "+strconv.Itoa(n))
	remove()
	switch what {
	case "delete":
		require.Empty(t, w.leftovers(snap))
		require.Empty(t, w.fake.VirtualMFADevices())
	case "strip":
		require.True(t, w.inPlace(u, q))
		left, _, err := w.find(u.ID, "all")
		require.NoError(t, err)
		require.Equal(t, []sunset.Artifact{{Kind: "inline-policy", ID: sunset.DenyPolicyName}}, left.Artifacts())
	case "restore":
		before.HasPassword = false
		require.Equal(t, before, w.state("all"))
	default:
		require.True(t, w.inPlace(u, q))
		_, err := w.restore(snap, &q)
		require.NoError(t, err)
		before.HasPassword = what == "quarantine"
		require.Equal(t, before, w.state("all"))
	}
	return hit
}
