package tests

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/iam-sunset/iam-sunset/internal/approval"
)

// shards run side by side: ten of a hundred runs each, always the same thousand, so that a change and not chance breaks a build;
// or of as many runs as RAPID_CHECKS says, other ones each time.
const shards = 10

// The rules that never bend hold in random accounts, under random settings, people and faults.
//
// A failure says how it is repeated, as -run="TestPropertyRules/shards/3" -rapid.seed=N; -rapid.shrinktime=1s has it
// repeated without a search for a smaller one.
func TestPropertyRules(t *testing.T) {
	// The seed repeats a failure; no file has to be kept of it.
	require.NoError(t, flag.Set("rapid.nofailfile", "true"))
	// So many short lives are cheaper collected more seldom.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	signer, err := approval.OpenKeyFile(filepath.Join(t.TempDir(), "decisions.key"))
	require.NoError(t, err)
	signers := approval.Signers{Decisions: signer, Links: signer}
	var mu, seed sync.Mutex
	same := os.Getenv("RAPID_CHECKS") == "" && flag.Lookup("rapid.seed").Value.String() == "0"
	if same {
		defer func() { assert.NoError(t, flag.Set("rapid.seed", "0")) }()
	}
	runs, seen := 0, map[string]int{}
	t.Run("shards", func(t *testing.T) {
		for shard := range shards {
			t.Run(strconv.Itoa(shard), func(t *testing.T) {
				t.Parallel()
				var begun sync.Once
				if same {
					// The seed is a flag that all shards have, and that each reads before its first run.
					seed.Lock()
					assert.NoError(t, flag.Set("rapid.seed", strconv.Itoa(shard+1)))
					defer begun.Do(seed.Unlock)
				}
				rapid.Check(t, func(t *rapid.T) {
					if same {
						begun.Do(seed.Unlock)
					}
					w := newTrial(t, drawScenario(t), signers)
					defer w.close()
					ended := w.run()
					w.judge(ended)
					mu.Lock()
					defer mu.Unlock()
					runs++
					for what, n := range w.saw {
						seen[what] += n
					}
					if ended {
						seen["every cleanup ended"]++
					}
				})
			})
		}
	})
	var table strings.Builder
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		fmt.Fprintf(&table, "%7d  %s\n", seen[what], what)
	}
	t.Logf("in %d runs:\n%s", runs, table.String())
	if t.Failed() || runs < 900 {
		return // one run, or a few, need not have seen everything
	}
	for what, perThousand := range floors {
		require.GreaterOrEqual(t, seen[what]*1000, perThousand*runs, "too seldom: %s", what)
	}
}

// floors are how often in a thousand runs everything has to happen at least, or the rules would hold of nothing. Far
// below what was counted, since what is rare varies.
var floors = map[string]int{
	"every cleanup ended": 900,
	"outcome kept":        900, "outcome deleted": 300, "outcome expired": 100, "outcome restored": 60, "outcome rescued": 10, "outcome retained": 20,
	"outcome skipped": 50, "outcome failed": 5,
	"vote delete": 500, "vote keep": 60, "vote soak-again": 50, "vote refused": 1,
	"fault 500": 400, "fault throttled": 400, "fault lost answer": 300, "fault closed": 300, "fault cut page": 200, "fault half answer": 100, "fault put off": 40,
	"function died": 300, "rescue stored": 12, "restart": 150, "execution stopped": 1,
	"person: use key": 80, "person: use session": 35, "person: sign in": 20, "person: rescue": 30, "person: region closed": 6, "person: keep tag": 15,
	"person: stop cleanup": 4, "person: pause": 4, "person: new key": 6, "person: exempt": 5, "person: new policy": 10, "person: more approvals": 10,
	"person: approver leaves": 10, "person: new group": 9, "person: name reused": 9, "person: stop execution": 8, "person: longer soak": 7,
	"person: key off": 7, "person: renamed": 6, "person: deny off": 1, "person: path moved": 6, "person: forged token": 3, "person: key deleted": 3,
	"person: deleted": 3, "person: new window": 15,
}

// A run follows from its scenario: the same one again does the same to everybody at the same times. Else a seed would
// repeat nothing.
func TestPropertyRunsRepeat(t *testing.T) {
	signer, err := approval.OpenKeyFile(filepath.Join(t.TempDir(), "decisions.key"))
	require.NoError(t, err)
	scenarios := rapid.Custom(drawScenario)
	once := func(seed int) []string {
		var told []string
		w := newTrial(t, scenarios.Example(seed), approval.Signers{Decisions: signer, Links: signer})
		defer w.close()
		w.run()
		for _, e := range w.ledgerOf().entries {
			told = append(told, fmt.Sprintf("%s %s %s %s", e.at, e.action, e.name, e.about))
		}
		for _, v := range w.cast {
			told = append(told, fmt.Sprintf("%s %s %s %d", v.email, v.userID, v.choice, v.status))
		}
		for _, i := range w.invoked {
			told = append(told, fmt.Sprintf("%s %s %s", i.at, i.function, i.name))
		}
		return told
	}
	length := 0
	for seed := range 12 {
		first := once(seed)
		length += len(first)
		require.Equal(t, first, once(seed), "scenario %d", seed)
	}
	require.Greater(t, length, 400, "nothing happened")
}
