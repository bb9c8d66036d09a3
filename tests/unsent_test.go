package tests

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/outbox"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// round is one round of reconcile, with the figures that it gave.
type round struct {
	at      time.Time
	figures map[string]float64
}

// measured keeps the figures of every round from now on.
func (w *world) measured() *[]round {
	rounds := &[]round{}
	w.machine.Measured = func(figures map[string]float64) { *rounds = append(*rounds, round{w.clock.Now(), figures}) }
	return rounds
}

// during are the rounds from the first to the last time, these included.
func during(rounds []round, from, to time.Time) []round {
	var out []round
	for _, r := range rounds {
		if !r.at.Before(from) && !r.at.After(to) {
			out = append(out, r)
		}
	}
	return out
}

// silent has nothing that fits be sent between two times.
func (w *world) silent(from, to time.Time, fits func(approval.Message) bool) {
	w.mute = func(m approval.Message) error {
		if now := w.clock.Now(); !now.Before(from) && now.Before(to) && fits(m) {
			return errors.New("the mail system is down")
		}
		return nil
	}
}

func noAnnouncement(m approval.Message) bool { return m.Link == "" || m.ForOwner() }

// every is how often each record of a kind is in the chain, by the subject that it names.
func (w *world) every(chain, kind string) map[string]int {
	w.t.Helper()
	records, err := w.machine.Records.Chain(w.t.Context(), chain)
	require.NoError(w.t, err)
	out := map[string]int{}
	for _, r := range records {
		if r.Kind == kind {
			var data struct{ To, Subject string }
			require.NoError(w.t, json.Unmarshal(r.Data, &data))
			out[data.To+": "+data.Subject]++
		}
	}
	return out
}

// What can't be sent for a day is on record as such, is sent when it can be, once, and that is on record too.
func TestMessagesThatFailedAreSentAgain(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	rounds := w.measured()
	up := begin().Add(26 * time.Hour)
	w.silent(begin(), up, noAnnouncement)
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Deleted, c.Outcome)
	told := "owner@example.com: IAM user old-batch will be disabled on 5 March 2026, 09:00 UTC"
	require.Equal(t, map[string]int{told: 1}, w.every(sunset.ChainOf(c.ID), "message-failed"))
	require.Equal(t, map[string]int{told: 1}, w.every(sunset.ChainOf(c.ID), "message-sent"))
	sent := 0
	for _, m := range w.mail {
		if m.To+": "+m.Subject == told {
			sent++
			require.Contains(t, m.Text, "old-batch")
		}
	}
	require.Equal(t, 1, sent)

	down := during(*rounds, begin(), up.Add(-time.Minute))
	require.NotEmpty(t, down)
	for _, r := range down {
		require.InDelta(t, 1, r.figures[workflow.MessagesUndelivered], 0, r.at)
	}
	for _, r := range during(*rounds, up, w.clock.Now()) {
		require.Contains(t, r.figures, workflow.MessagesUndelivered)
		require.Zero(t, r.figures[workflow.MessagesUndelivered], r.at)
	}
	w.proven()
}

// A message that nobody takes for a week is given up and on record as that: its owner's address is none.
func TestAMessageThatNobodyTakesIsGivenUp(t *testing.T) {
	t.Parallel()
	w, user := one(t, fakeaws.Tagged("owner", "nobody@nowhere.example"))
	rounds := w.measured()
	w.mute = func(m approval.Message) error {
		if m.To == "nobody@nowhere.example" {
			return errors.New("no such mailbox")
		}
		return nil
	}
	w.clean(sunset.Request{})
	w.finish()
	w.until(func() bool { return w.clock.Now().After(w.caseOf(user.ID).Ended.Add(8 * day)) })
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Deleted, c.Outcome)
	failed := w.every(sunset.ChainOf(c.ID), "message-failed")
	require.Len(t, failed, 4, "told before, told when it was disabled, told when the approvers were asked, told of the end")
	require.Equal(t, failed, w.every(sunset.ChainOf(c.ID), "message-given-up"))
	require.Empty(t, w.every(sunset.ChainOf(c.ID), "message-sent"))
	last := (*rounds)[len(*rounds)-1]
	require.Zero(t, last.figures[workflow.MessagesUndelivered])
	week := during(*rounds, begin().Add(time.Hour), begin().Add(7*day-time.Hour))
	require.NotEmpty(t, week)
	for _, r := range week {
		require.Positive(t, r.figures[workflow.MessagesUndelivered], r.at)
	}
	w.proven()
}

// A team without an address is told nothing, and nothing fails for it. Where its address can't be found out, the message
// waits.
func TestATeamWithoutAnAddress(t *testing.T) {
	for name, lookup := range map[string]func(time.Time) (string, error){
		"none": func(time.Time) (string, error) { return "", nil },
		"unknown for a day": func(now time.Time) (string, error) {
			if now.Before(begin().Add(day)) {
				return "", errors.New("the settings can't be read")
			}
			return "team@example.com", nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := one(t)
			dir := t.TempDir()
			require.NoError(t, os.Chmod(dir, 0o700))
			box, err := outbox.Open(dir, w.clock, func(context.Context) (s sunset.Settings, err error) {
				s.Team, err = lookup(w.clock.Now())
				return s, err
			})
			require.NoError(t, err)
			w.mute = func(m approval.Message) error { return box.Send(context.Background(), m) }
			w.clean(sunset.Request{DryRun: true})
			w.finish()
			w.until(func() bool { return w.clock.Now().After(begin().Add(2 * day)) })
			mails, err := os.ReadDir(dir)
			require.NoError(t, err)
			chain := sunset.CleanupChain(cleanup)
			if name == "none" {
				require.Empty(t, mails)
				require.Empty(t, w.every(chain, "message-failed"))
				return
			}
			require.Len(t, mails, 1)
			told := map[string]int{approval.Team + ": IAM cleanup spring: dry run found 1": 1}
			require.Equal(t, told, w.every(chain, "message-failed"))
			require.Equal(t, told, w.every(chain, "message-sent"))
		})
	}
}

// An announcement that failed is made anew, with another link: what was in the first is never kept. Those who wait count
// as not told.
func TestAnAnnouncementThatFailedIsMadeAnew(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	rounds := w.measured()
	var failed []string
	up := turn().Add(15 * day)
	w.mute = func(m approval.Message) error {
		if !noAnnouncement(m) && w.clock.Now().Before(up) {
			failed = append(failed, m.Link)
			return fmt.Errorf("550 refused: %s", m.Link)
		}
		return nil
	}
	w.clean(sunset.Request{})
	w.finish()
	require.Equal(t, sunset.Deleted, w.caseOf(user.ID).Outcome)
	require.NotEmpty(t, failed)
	require.Len(t, w.links, 1)
	require.NotContains(t, failed, w.links[0])
	require.Empty(t, w.every(sunset.ChainOf(w.caseOf(user.ID).ID), "message-failed"), "it is no message that could be kept")
	waited := 0
	for _, r := range *rounds {
		if r.figures[workflow.MessagesUndelivered] > 0 {
			waited++
			require.True(t, r.at.Before(up))
		}
	}
	require.Equal(t, len(failed), waited)
	// Nor does any of the links lie in a log, a record or a row.
	dir, err := store.OpenDir(w.dir, store.NoSync())
	require.NoError(t, err)
	rows, err := dir.Rows().List(t.Context(), "")
	require.NoError(t, err)
	kept := w.log.String()
	for _, row := range rows {
		kept += string(row.Body)
	}
	for _, link := range failed {
		require.NotContains(t, kept, link[strings.LastIndex(link, "/")+1:])
	}
	w.links = append(w.links, failed...)
	w.proven()
}

// The figure of what was not sent is left out where it can't be counted: 0 would say that all is well.
func TestWhatCannotBeCountedIsLeftOut(t *testing.T) {
	t.Parallel()
	w, _ := one(t)
	rounds := w.measured()
	w.machine.Rows = unlisted{w.machine.Rows}
	w.until(func() bool { return w.clock.Now().After(begin().Add(3 * time.Hour)) })
	require.GreaterOrEqual(t, len(*rounds), 3)
	for _, r := range *rounds {
		require.NotContains(t, r.figures, workflow.MessagesUndelivered)
		require.InDelta(t, 1, r.figures[workflow.ReconcileRuns], 0)
	}
}

type unlisted struct{ store.Rows }

func (unlisted) List(context.Context, string) ([]store.Row, error) { return nil, errors.New("no") }

// A row that is neither a message nor an event keeps nothing else from being sent, and counts until somebody looks.
func TestARowThatIsNoMessage(t *testing.T) {
	t.Parallel()
	w, _ := one(t)
	rounds := w.measured()
	w.silent(begin(), begin().Add(90*time.Minute), noAnnouncement)
	w.plant("unsent/0", []byte("{}"))
	w.plant("unsent/1", []byte("[nonsense"))
	w.clean(sunset.Request{DryRun: true})
	w.until(func() bool { return w.clock.Now().After(begin().Add(3 * time.Hour)) })
	require.Len(t, w.mail, 1)
	require.Equal(t, "IAM cleanup spring: dry run found 1", w.mail[0].Subject)
	require.InDelta(t, 3, (*rounds)[0].figures[workflow.MessagesUndelivered], 0)
	require.InDelta(t, 2, (*rounds)[1].figures[workflow.MessagesUndelivered], 0)
	require.NotContains(t, w.log.String(), "panicked")
}

// The team is told of a plan that opens no case, and not of one that does: its owners and approvers are.
func TestTheTeamIsToldOfAPlanThatOpensNoCase(t *testing.T) {
	for name, tt := range map[string]struct {
		cap     int
		request sunset.Request
		subject string
		says    []string
	}{
		"a dry run":                {100, sunset.Request{DryRun: true}, "IAM cleanup spring: dry run found 1", []string{"This was a dry run; nothing was changed."}},
		"refused":                  {10, sunset.Request{}, "IAM cleanup spring: refused", []string{"nothing was changed", "10"}},
		"a dry run over the cap":   {10, sunset.Request{DryRun: true}, "IAM cleanup spring: dry run found 1", []string{"A cleanup would be refused"}},
		"nobody":                   {100, sunset.Request{Users: []string{"daily"}}, "IAM cleanup spring: nobody to disable", []string{"Nothing was changed."}},
		"one that opens its cases": {100, sunset.Request{}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSmallWorld(t, func(a *fakeaws.Account) {
				join(t, a, "old-batch", fakeaws.Dead(), fakeaws.Tagged("owner", "owner@example.com"))
				join(t, a, "daily", fakeaws.Active())
			})
			w.set(func(s *sunset.Settings) { s.CapPercent = tt.cap })
			w.clean(tt.request)
			w.until(func() bool { return w.clock.Now().After(begin().Add(3 * time.Hour)) })
			var team []approval.Message
			for _, m := range w.mail {
				if m.To == approval.Team {
					team = append(team, m)
				}
			}
			if tt.subject == "" {
				require.Empty(t, team)
				require.Len(t, w.mail, 1, "the owner's")
				return
			}
			require.Len(t, team, 1)
			require.Equal(t, tt.subject, team[0].Subject)
			for _, says := range tt.says {
				require.Contains(t, team[0].Text, says)
			}
			require.Len(t, w.mail, 1)
		})
	}
}

// Whoever can write rows can't have an owner's link sent to themselves: what they would say by it, approvers would take for the
// owner's word.
func TestARowMakesNobodyAnOwner(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	eve := "eve@evil.example"
	w.at(turn().Add(2*day), func() {
		c := w.caseOf(user.ID)
		for i, about := range []sunset.Case{c, {ID: c.ID, UserID: "AIDAOTHER"}, {ID: "spring-AIDAOTHER", UserID: "AIDAOTHER"}} {
			row, err := json.Marshal(map[string]any{
				"message": approval.Message{To: eve, Subject: "your link", Text: "x"}, "owner": true, "told": "notice/eve",
				"case": sunset.Case{ID: about.ID, CleanupID: c.CleanupID, UserID: about.UserID}, "since": w.clock.Now(),
			})
			require.NoError(t, err)
			w.plant(fmt.Sprintf("unsent/eve%d", i), row)
		}
	})
	w.clean(sunset.Request{})
	w.finish()
	for _, m := range w.mail {
		require.NotEqual(t, eve, m.To)
	}
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Deleted, c.Outcome)
	for _, r := range w.records(c) {
		require.False(t, r.Kind == "owner-told" && strings.Contains(r.Text, eve), r.Text)
	}
	require.Equal(t, map[string]int{eve + ": your link": 1}, w.every(sunset.ChainOf(c.ID), "message-given-up"))
	w.proven()
}
