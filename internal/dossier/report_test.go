package dossier

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestTheReportOfACleanup(t *testing.T) {
	l, gone, back := newLedger(t), unused("AIDA1", "old"), unused("AIDA3", "nightly")
	l.begin(spring, gone, kept("AIDA2", "deploy", "its access key was used 2026-03-01"), back)
	for _, e := range []sunset.Entry{gone, back} {
		l.disable(e, spring)
	}
	l.decide(gone, spring, sunset.ChooseDelete, "replaced")
	l.delete(gone, spring)
	l.decide(back, spring, sunset.ChooseKeep, "needed")
	l.of(back, spring, "restored", "iam-sunset", "Put back.", fields{"outcome": "restored"})
	l.close(back, spring, sunset.Restored, "needed")
	l.write(audit.Record{Chain: audit.Operations, Kind: "paused", By: "olga@example.com", Text: "Paused: change freeze."}, nil)
	l.end(spring, 3, map[sunset.Outcome]int{sunset.Kept: 1, sunset.Deleted: 1, sunset.Restored: 1}, "spring-AIDA1", "spring-AIDA3")

	d, err := l.read().Cleanup(t.Context(), spring)
	require.NoError(t, err)
	ok, text := d.Cleanup.Reconciled()
	require.True(t, ok, text)
	page := html(t, d)
	for _, s := range []string{
		"<strong>Verified.</strong>", "add up to the 3 users discovered", "its access key was used 2026-03-01", "Paused: change freeze.",
		"Removed, artifact by artifact", "access key AKIAAIDA1 of old", "arn:aws:states:eu-west-1:111122223333:execution:iam-sunset:spring-AIDA1",
		"a request that AWS had checked the signature of", "90 days", "data events",
	} {
		require.Contains(t, page, s)
	}
	for _, s := range []string{"MDEyMzQ1Njc4OQ", "hidden-request", "<script", " style=", "NOT VERIFIED"} {
		require.NotContains(t, page, s)
	}
	// Every record of a case is told, and told once: as a row, a check, a decision, or one of the others.
	for _, c := range d.Cases {
		n := len(c.Others) + len(c.Checks) + len(c.Requests) + len(c.Decisions) + 2*len(c.Changes)
		for _, told := range []bool{!c.Claimed.IsZero(), c.Snapshot != nil, !c.Disabled.IsZero(), c.Deleting != nil, c.Restored != nil} {
			if told {
				n++
			}
		}
		require.Equal(t, c.Records, n, c.ID)
	}
	// Headings come in order, and ids once.
	level := 1
	for _, m := range regexp.MustCompile(`<h([1-6])`).FindAllStringSubmatch(page, -1) {
		now := int(m[1][0] - '0')
		require.LessOrEqual(t, now, level+1)
		level = now
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		require.False(t, ids[m[1]], m[1])
		ids[m[1]] = true
	}
}

func TestOutcomesThatDoNotAddUpAreSaid(t *testing.T) {
	l, e := newLedger(t), unused("AIDA1", "old")
	l.begin(spring, e, kept("AIDA2", "deploy", "used"))
	l.disable(e, spring)
	l.decide(e, spring, sunset.ChooseDelete, "old")
	l.delete(e, spring)
	for name, c := range map[string]struct {
		outcomes map[sunset.Outcome]int
		says     string
	}{
		"too few": {map[sunset.Outcome]int{sunset.Deleted: 1}, "add up to 1 users, but 2 were discovered"},
		"others":  {map[sunset.Outcome]int{sunset.Kept: 2}, "not those that the chains of its cases give"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := l.read().Cleanup(t.Context(), spring)
			require.NoError(t, err)
			d.Cleanup.Outcomes = c.outcomes
			require.Contains(t, html(t, d), c.says)
		})
	}
}

// Whatever people can write is text in the report, and nothing else.
func TestNothingThatPeopleWriteIsMarkup(t *testing.T) {
	const evil = "<img src=x onerror=alert(1)>\u202e</title><script>"
	l, e := newLedger(t), unused("AIDA1", "old"+evil)
	e.Owner = sunset.Owner{Name: evil, From: evil}
	e.CodeManaged = evil
	e.References = []sunset.Reference{{Resource: evil, How: evil, Weight: sunset.Weight(evil), Detail: evil}}
	e.Evidence = append(e.Evidence, sunset.Evidence{Source: evil, About: evil, Region: evil, Use: sunset.Use(evil), Detail: evil})
	k := kept("AIDA2", evil, evil)
	l.begin(spring, e, k)
	l.disable(e, spring)
	l.of(e, spring, "listened", evil, evil, fields{"status": evil, "new": 1, "signals": []sunset.Signal{{Kind: "call", Detail: evil, Source: evil, Region: evil}}})
	l.decide(e, spring, sunset.Choice(evil), evil)
	l.of(e, spring, "deletion-refused", evil, evil, fields{"refusals": []sunset.Refusal{{Text: evil}}})
	l.of(e, spring, "odd", evil, evil, nil)
	l.close(e, spring, sunset.Outcome(evil), evil)
	d, err := l.read().Cleanup(t.Context(), spring)
	require.NoError(t, err)
	page := html(t, d)
	for _, s := range []string{"<img", "<script", "\u202e"} {
		require.False(t, strings.Contains(page, s), s)
	}
}

// Whoever lists a page's regions, as screen readers do, is told each by a name of its own.
func TestRegionsHaveNamesOfTheirOwn(t *testing.T) {
	l := newLedger(t)
	one, other := unused("AIDA1", "old-batch"), unused("AIDA2", "old-cron")
	l.begin(spring, one, other)
	for _, e := range []sunset.Entry{one, other} {
		l.disable(e, spring)
		l.of(e, spring, "listened", "iam-sunset", "Something was heard", fields{"status": "disturbed", "new": 1, "signals": []sunset.Signal{{Kind: "call", Detail: "it tried"}}})
		l.decide(e, spring, sunset.ChooseDelete, "unused")
		l.delete(e, spring)
	}
	d, err := l.read().Cleanup(t.Context(), spring)
	require.NoError(t, err)
	regions := regexp.MustCompile(`role="region" aria-label="([^"]*)"`).FindAllStringSubmatch(html(t, d), -1)
	require.Greater(t, len(regions), 8)
	named := map[string]bool{}
	for _, r := range regions {
		require.False(t, named[r[1]], r[1])
		named[r[1]] = true
	}
}

// A big account's report stays one that a browser opens.
func TestTheReportOfALargeAccountIsBounded(t *testing.T) {
	l := newLedger(t)
	var entries []sunset.Entry
	for i := range MostKept + 7 {
		entries = append(entries, kept(fmt.Sprintf("AIDA%06d", i), fmt.Sprintf("user-%06d", i), "its access key was used 2026-03-01"))
	}
	l.begin(spring, entries...)
	d, err := l.read().Cleanup(t.Context(), spring)
	require.NoError(t, err)
	page := html(t, d)
	require.Less(t, len(page), 4<<20)
	require.Contains(t, page, "7 more are not listed. By reason, all of them: active 10007")
}

func TestDirectoriesInEveryForm(t *testing.T) {
	l, e := newLedger(t), unused("AIDA1", "old")
	l.begin(spring, e, kept("AIDA2", "deploy", "used"))
	for _, dir := range []string{l.dir.Path(), filepath.Join(l.dir.Path(), "objects"), filepath.Join(l.dir.Path(), "objects", "evidence")} {
		objects, err := Dir(dir)
		require.NoError(t, err)
		a, err := Read(t.Context(), objects)
		require.NoError(t, err)
		d, err := a.Cleanup(t.Context(), spring)
		require.NoError(t, err)
		require.Len(t, d.Kept, 2, "the plan is found from %s", dir)
	}
	_, err := Dir(t.TempDir())
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	objects, err := Dir(l.dir.Path())
	require.NoError(t, err)
	_, err = objects.Get(t.Context(), "../../etc/passwd")
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
}
