package tests

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// bothEnds are both ends that a case with a decision comes to.
func bothEnds() []sunset.Outcome { return []sunset.Outcome{sunset.Deleted, sunset.Restored} }

// undisturbed are the deeds of a life without deaths; of the one that ends restored those from the decision on, since up
// to it the two are the same.
func undisturbed(t *testing.T, end sunset.Outcome) []deed {
	t.Helper()
	m := newMortal(t, end)
	m.asIfNothing(m.lives())
	if end == sunset.Deleted {
		return m.deeds
	}
	decided := slices.IndexFunc(m.deeds, func(d deed) bool { return strings.HasPrefix(d.name, "decision/") })
	require.Positive(t, decided)
	return m.deeds[decided:]
}

// dieAt has a life with the deaths, which all must come, and asserts that it ends as if there had been none.
func dieAt(t *testing.T, end sunset.Outcome, deaths ...death) {
	t.Helper()
	m := newMortal(t, end, deaths...)
	c := m.lives()
	require.Empty(t, m.deaths, "it did not die")
	m.asIfNothing(c)
}

// The machine dies just before or just after a write to its journal or its stores, or a message: another one comes to the
// same end.
func TestKillAtEveryWrite(t *testing.T) {
	points := 0
	for _, end := range bothEnds() {
		for _, d := range undisturbed(t, end) {
			if d.kind == "call" {
				continue
			}
			for _, before := range []bool{true, false} {
				points++
				at := death{d, before}
				t.Run(fmt.Sprintf("%s/%03d %s", end, points, at), func(t *testing.T) {
					t.Parallel()
					dieAt(t, end, at)
				})
			}
		}
	}
	require.GreaterOrEqual(t, points, 290)
	t.Logf("%d points of death at writes", points)
}

// The same with the journal in its file, which the next machine opens anew, three hours later: leases have run out, and
// waits have ended meanwhile.
func TestKillAtEveryCommitToAFile(t *testing.T) {
	points := 0
	for _, end := range bothEnds() {
		for _, d := range undisturbed(t, end) {
			if d.kind != "commit" {
				continue
			}
			for _, before := range []bool{true, false} {
				points++
				at := death{d, before}
				t.Run(fmt.Sprintf("%s/%02d %s", end, points, at), func(t *testing.T) {
					t.Parallel()
					file := filepath.Join(t.TempDir(), "journal.db")
					m := newMortalOn(t, end, &file, []death{at})
					m.down = 3 * time.Hour
					c := m.lives()
					require.Empty(t, m.deaths, "it did not die")
					m.asIfNothing(c)
					m.shut()
				})
			}
		}
	}
	require.GreaterOrEqual(t, points, 44)
	t.Logf("%d points of death at commits to a file", points)
}
