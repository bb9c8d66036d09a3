package dossier

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const spring = "spring"

func TestWhyTellsEachEnd(t *testing.T) {
	e := unused("AIDA1", "old-jenkins")
	for name, c := range map[string]struct {
		happens func(l *ledger)
		says    []string
		not     []string
	}{
		"deleted": {
			func(l *ledger) {
				l.disable(e, spring)
				l.decide(e, spring, sunset.ChooseDelete, "replaced by a role.")
				l.delete(e, spring)
			},
			[]string{
				"old-jenkins (AIDA1) in account 111122223333 was deleted on 2 March 2026", "its access key AKIAAIDA1 was last used on 18 October 2024", "for the 90 days that count",
				"CloudTrail, asked in 2 regions, knew of no use", "tom@example.com (by tag owner)", "denies everything", "Nothing was heard.",
				"ada@example.com decided on 2 March 2026", "(“replaced by a role.”), known by a request that AWS had checked the signature of", "digest abababababab",
				"does not cover CloudTrail's last two hours, and data events",
				"Removed, in this order: its access key AKIAAIDA1; the policy that had denied it everything; and the user itself.",
				"execution:iam-sunset:spring-AIDA1.", "whose chain is whole",
			},
			[]string{"NOT VERIFIED", "hidden-request", "MDEyMzQ1Njc4OQ"},
		},
		"restored": {
			func(l *ledger) {
				l.disable(e, spring)
				l.of(e, spring, "listened", "iam-sunset", "Something was heard.", fields{"status": "disturbed", "new": 1, "signals": []sunset.Signal{{Kind: sunset.DeniedCall, At: l.now, Detail: "it tried s3:ListBuckets"}}})
				l.decide(e, spring, sunset.ChooseKeep, "the yearly report")
				l.of(e, spring, "restored", "iam-sunset", "Put back.", fields{"outcome": "restored", "differences": []string{"its access key AKIA2 is gone"}})
				l.close(e, spring, sunset.Restored, "ada@example.com decided to keep it: the yearly report")
			},
			[]string{"was put back as it had been", "What was heard: it tried s3:ListBuckets.", "to keep it (“the yearly report”)", "Others had changed it meanwhile, which was left so: its access key AKIA2 is gone."},
			[]string{"Removed", "Nothing was heard"},
		},
		"rescued": {
			func(l *ledger) {
				l.disable(e, spring)
				l.of(e, spring, "rescue", "ben@example.com", "Asked.", fields{"reason": "the nightly export stands still", "way": "link"})
				l.of(e, spring, "restored", "iam-sunset", "Put back.", fields{"outcome": "rescued", "lost": "its password can't be put back"})
				l.close(e, spring, sunset.Rescued, "ben@example.com asked for it")
			},
			[]string{"because a person asked for it", "ben@example.com asked for it back on 2 March 2026", "known by the link that was sent to that address: “the nightly export stands still”", "its password can't be put back."},
			[]string{"decided"},
		},
		"expired": {
			func(l *ledger) {
				l.disable(e, spring)
				for _, message := range []string{"disabled", "last-call"} {
					l.of(e, spring, "owner-told", "iam-sunset", "Told.", fields{"to": "tom@example.com", "message": message})
				}
				l.of(e, spring, "owner-agreed", "tom@example.com", "tom@example.com agreed that old-jenkins goes. That decides nothing.", fields{"way": "link"})
				l.of(e, spring, "facts-moved", "iam-sunset", "Moved.", fields{"signals": []sunset.Signal{{Kind: sunset.LastUsedMoved, At: l.now, Detail: "its access key was tried"}}})
				l.of(e, spring, "requested", "iam-sunset", "Asked.", fields{"digest": "ab", "needed": 1})
				l.close(e, spring, sunset.Lapsed, "nobody decided in time")
			},
			[]string{"was disabled and not deleted", "stays disabled until somebody rescues it", "no decision is on record", "tom@example.com was told 2 times, first on 2 March 2026", "tom@example.com agreed that old-jenkins goes.", "What was heard: its access key was tried."},
			[]string{"was deleted on"},
		},
		"skipped": {
			func(l *ledger) {
				l.of(e, spring, "claimed", "iam-sunset", "Claimed.", fields{"turn": l.now, "entry": e})
				l.close(e, spring, sunset.Skipped, "access key AKIA1 was used on 2026-03-04")
			},
			[]string{"was left alone", "access key AKIA1 was used on 2026-03-04", "Nothing about it was changed."},
			[]string{"disabled"},
		},
		"failed in its deletion": {
			func(l *ledger) {
				l.disable(e, spring)
				l.decide(e, spring, sunset.ChooseDelete, "old")
				l.of(e, spring, "deleting", "iam-sunset", "It goes.", fields{"cloudtrail_until": l.now})
				l.of(e, spring, "intent", "iam-sunset", "About to.", fields{"action": "iam:DeleteAccessKey", "target": "access key AKIA1 of old-jenkins"})
				l.of(e, spring, "outcome", "iam-sunset", "Could not.", fields{"action": "iam:DeleteAccessKey", "target": "access key AKIA1 of old-jenkins", "failed": true, "error": "AccessDenied"})
				l.of(e, spring, "failed", "iam-sunset", "It failed.", fields{"outcome": "failed", "cause": "deleting access key AKIA1: AccessDenied"})
			},
			[]string{"The case of old-jenkins (AIDA1) in account 111122223333 failed", "Not proven to be removed: its access key AKIA1 (AccessDenied)."},
			[]string{"was deleted on", "Removed, in this order"},
		},
		"open, after a deletion was refused": {
			func(l *ledger) {
				l.disable(e, spring)
				l.decide(e, spring, sunset.ChooseDelete, "old")
				l.of(e, spring, "deletion-refused", "iam-sunset", "Not deleted.", fields{"refusals": []sunset.Refusal{{Then: sunset.ThenWait, Text: "everything is paused"}}})
			},
			[]string{"has a case in the cleanup spring that has not ended", "A deletion was tried and refused once, the last time on 2 March 2026", "everything is paused."},
			[]string{"was deleted on"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t)
			l.begin(spring, e)
			c.happens(l)
			text := l.why("old-jenkins")
			for _, s := range c.says {
				require.Contains(t, text, s)
			}
			for _, s := range c.not {
				require.NotContains(t, text, s)
			}
			require.NotContains(t, text, "\n")
			require.Contains(t, text, "records missing from it would not show", "there is no manifest")
		})
	}
}

func TestWhyOfAUserThatWasKept(t *testing.T) {
	l := newLedger(t)
	l.begin(spring, kept("AIDA2", "deploy", "its access key was used 2026-03-01"), unused("AIDA1", "old"))
	text := l.why("deploy")
	require.Contains(t, text, "deploy (AIDA2) in account 111122223333 was kept by the cleanup spring")
	require.Contains(t, text, "its access key was used 2026-03-01.")
	require.Contains(t, text, "Nothing about it was changed.")
	require.Contains(t, l.why("arn:aws:iam::111122223333:user/old"), "no case of it is on record")
}

// Of several cleanups that one counts which has the latest on record, which need not be the one that began last.
func TestWhyOfAUserInSeveralCleanups(t *testing.T) {
	l, e := newLedger(t), unused("AIDA1", "old")
	l.begin(spring, e)
	l.disable(e, spring)
	l.begin("summer", kept("AIDA1", "old", "another case on it is open"))
	l.decide(e, spring, sunset.ChooseDelete, "old")
	l.delete(e, spring)
	text := l.why("AIDA1")
	require.Contains(t, text, "was deleted")
	require.True(t, strings.HasSuffix(text, "Also on record of it: summer."), text)
}

func TestANameThatSeveralUsersHad(t *testing.T) {
	l := newLedger(t)
	l.begin(spring, unused("AIDA1", "ci"), kept("AIDA2", "ci", "it is used"))
	a := l.read()
	_, _, err := a.User(t.Context(), "ci")
	require.Equal(t, sunset.Conflict, sunset.KindOf(err))
	require.ErrorContains(t, err, "AIDA1 (ci), AIDA2 (ci)")
	d, _, err := a.User(t.Context(), "AIDA2")
	require.NoError(t, err)
	require.Empty(t, d.Cases)
	require.Len(t, d.Kept, 1)
	_, _, err = a.User(t.Context(), "nobody")
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
}

// Whatever is wrong is said first, and nothing is called whole any more.
func TestWhatWasChangedIsSaidLoudly(t *testing.T) {
	l, e := newLedger(t), unused("AIDA1", "old")
	l.begin(spring, e)
	l.disable(e, spring)
	l.decide(e, spring, sunset.ChooseDelete, "nobody uses it")
	l.delete(e, spring)
	l.end(spring, 1, map[sunset.Outcome]int{sunset.Deleted: 1}, "spring-AIDA1")
	require.NotContains(t, l.why("old"), "would not show")
	tamper(t, l, "evidence/case/spring-AIDA1/000008.json", "nobody uses it", "everybody agreed")

	text := l.why("old")
	require.True(t, strings.HasPrefix(text, "NOT VERIFIED: "), text)
	require.NotContains(t, text, "whole")

	d, err := l.read().Cleanup(t.Context(), spring)
	require.NoError(t, err)
	page := html(t, d)
	require.Contains(t, page, "NOT VERIFIED.")
	require.Contains(t, page, "The chain of this case does not hold")
	require.NotContains(t, page, "<strong>Verified.</strong>")
	_, err = KitOf(d)
	require.Equal(t, sunset.Conflict, sunset.KindOf(err))
}

// A plan or a snapshot is shown only where it is the one on record.
func TestAPlanOrSnapshotThatIsNotTheRecordedOne(t *testing.T) {
	l, e := newLedger(t), unused("AIDA1", "old")
	l.begin(spring, e, kept("AIDA2", "deploy", "it is used"))
	l.disable(e, spring)
	tamper(t, l, "plans/spring/plan.json", "it is used", "it is free")
	tamper(t, l, "snapshots/spring-AIDA1.json", `"path":"/"`, `"path":"/admin/"`)
	a := l.read()
	require.True(t, a.Proof.Holds(), "the records themselves hold")
	d, err := a.Cleanup(t.Context(), spring)
	require.NoError(t, err)
	require.Nil(t, d.Cleanup.Plan)
	require.Nil(t, d.Cases[0].Was)
	page := html(t, d)
	require.Contains(t, page, "one of the two was changed")
	require.NotContains(t, page, "it is free")
	_, err = KitOf(d)
	require.ErrorContains(t, err, "one of the two was changed")
	_, _, err = a.User(t.Context(), "deploy")
	require.ErrorContains(t, err, "a plan is missing")
}

func tamper(t *testing.T, l *ledger, key, was, is string) {
	t.Helper()
	file := filepath.Join(l.dir.Path(), "objects", filepath.FromSlash(key))
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(b), was)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(b), was, is, 1)), 0o600))
}

func html(t *testing.T, d Dossier) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, WriteReport(&b, d, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)))
	return b.String()
}
