//go:build browser

package browser

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Decisions that were sent are sent again, by a second window with the same form and by whoever reloads what came of it: they
// are the same decisions, once.
func TestDecisionsAreReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *fakeaws.Account) {
		join(t, a, "old-batch", fakeaws.Dead())
		join(t, a, "old-cron", fakeaws.OldKey())
	})
	w.after(asking)
	windows := [2]*tab{visits(w, ada), visits(w, ada)}
	for _, b := range windows {
		b.clicks(`button[name=all][value=delete]`)
		b.types("#reason", "nobody needs them")
	}
	b := windows[0]
	b.clicks(decides)
	contains(t, b.reads("main"), "2 of your decisions are stored, 2 to delete")
	first := append(w.decisions("old-batch"), w.decisions("old-cron")...)
	require.Len(t, first, 2)

	b.leads(chromedp.Reload())
	contains(t, b.reads("main"), "2 of your decisions are stored, 2 to delete")
	again := windows[1]
	again.types("#reason", ", and now for another reason")
	again.clicks(decides)
	contains(t, again.reads("main"), "already")
	again.looks("decided-twice")
	require.Equal(t, first, append(w.decisions("old-batch"), w.decisions("old-cron")...))
	w.finish()
	require.Equal(t, sunset.Deleted, w.outcome("old-batch"))
}

// Two approvers read the same page and press the button in the same moment.
func TestTwoApproversAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		needed  int
		least   int
		choices [2]sunset.Choice
		becomes sunset.Outcome
	}{
		"both are needed":   {2, 2, [2]sunset.Choice{sunset.ChooseDelete, sunset.ChooseDelete}, sunset.Deleted},
		"one is enough":     {1, 1, [2]sunset.Choice{sunset.ChooseDelete, sunset.ChooseDelete}, sunset.Deleted},
		"one of them keeps": {2, 1, [2]sunset.Choice{sunset.ChooseDelete, sunset.ChooseKeep}, sunset.Restored},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := one(t, needing(tt.needed))
			w.after(asking)
			people := [2]*tab{visits(w, ada), visits(w, ben)}
			for i, b := range people {
				b.picks(chooses(w.asked("old-batch"), tt.choices[i]))
				b.clicks(reviews)
				b.types("#reason", "as discussed")
			}
			var both sync.WaitGroup
			for _, b := range people {
				both.Add(1)
				go func() {
					defer both.Done()
					_, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(decides)))
					if err != nil {
						t.Error(err)
					}
				}()
			}
			both.Wait()
			stored := w.decisions("old-batch")
			require.GreaterOrEqual(t, len(stored), tt.least)
			told := 0
			for _, b := range people {
				switch page := b.reads("main"); {
				case strings.Contains(page, "is stored"):
					told++
				default:
					contains(t, page, "decided")
				}
			}
			require.Equal(t, len(stored), told, "whose decision is stored is told so, and nobody else")
			w.finish()
			require.Equal(t, tt.becomes, w.outcome("old-batch"))
		})
	}
}

// While the page is open its user changes. What was chosen on the old facts decides nothing; the page says what moved, and asks
// on the new ones.
func TestFactsMoveWhileThePageIsOpen(t *testing.T) {
	t.Parallel()
	w := one(t)
	w.after(asking)
	b := visits(w, ada)
	b.goes(w.linkOf(ada) + "/" + w.asked("old-batch").ID)
	old := b.at()
	b.picks(chooses(w.asked("old-batch"), sunset.ChooseDelete))
	b.clicks(reviews)
	b.types("#reason", "nobody needs it")

	w.administrator("AttachUserPolicy", of("old-batch", "PolicyArn", "arn:aws:iam::aws:policy/IAMFullAccess"))
	w.after(asking + 2*day)
	require.EqualValues(t, http.StatusConflict, b.clicks(decides))
	contains(t, b.reads("main"), "The facts about old-batch have moved", "Nothing was decided", "IAMFullAccess")
	b.looks("moved", "dark", "narrow")
	require.Empty(t, w.decisions("old-batch"))

	other := open(t, host(t, old))
	require.EqualValues(t, http.StatusOK, other.goes(old))
	contains(t, other.reads(".warning"), "This request is no longer asked")
	other.looks("case-superseded")

	b.picks(chooses(w.asked("old-batch"), sunset.ChooseKeep))
	b.clicks(reviews)
	b.types("#reason", "somebody works on it")
	b.clicks(decides)
	contains(t, b.reads(".receipt"), "is stored: keep")
	w.finish()
	require.Equal(t, sunset.Restored, w.outcome("old-batch"))
}

// The time to decide runs out while the page is open. The page says so; the user stays disabled, and nothing is deleted.
func TestTheTimeToDecideRunsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *fakeaws.Account) {
		join(t, a, "old-batch", fakeaws.Dead())
		join(t, a, "old-cron", fakeaws.OldKey())
	}, func(s *sunset.Settings) { s.Batch = 1 })
	w.after(asking + day)
	link := w.linkOf(ada) // which is good for as long as the other one waits
	b := visits(w, ada)
	r, other := w.asked("old-batch"), w.asked("old-cron")
	if other.Expires.Before(r.Expires) {
		r, other = other, r
	}
	b.picks(chooses(r, sunset.ChooseDelete))
	b.clicks(reviews)
	b.types("#reason", "nobody needs it")
	w.after(r.Expires.Sub(begin()) + time.Minute)
	b.clicks(decides)
	contains(t, b.reads("main"), "The time to decide on "+r.UserName+" ended")
	b.looks("expired")
	require.Empty(t, w.decisions(r.UserName))
	b.goes(link + "/" + r.ID)
	b.looks("case-expired", unpictured)
	w.finish()
	require.Equal(t, sunset.Lapsed, w.outcome(r.UserName))
	_, there := w.account.User(r.UserName)
	require.True(t, there)

	w.after(120 * day)
	require.EqualValues(t, http.StatusNotFound, b.goes(link))
	contains(t, b.reads("main"), "There is nothing here")
	b.looks("link-ended", "dark")
	require.EqualValues(t, http.StatusNotFound, b.goes(link[:len(link)-6]+"AAAAAA"), "a wrong link looks the same")
}
