//go:build browser

package browser

import (
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// press presses a key as often.
func (b *tab) press(key string, times int) {
	b.t.Helper()
	for range times {
		b.do(chromedp.KeyEvent(key))
	}
}

// focused says what has the focus, and that one sees it.
const focused = `(() => {
	const e = document.activeElement, s = getComputedStyle(e);
	const seen = e.matches(":focus-visible") && s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2;
	return (seen ? "" : "unseen ") + e.tagName.toLowerCase() + " " + (e.name || "") + " " + (e.value || "") + " " + (e.textContent || "").trim();
})()`

// tabsTo presses Tab until what is focused says all of that; each stop on the way must be seen to have the focus.
func (b *tab) tabsTo(said ...string) {
	b.t.Helper()
	for range 60 {
		b.press(kb.Tab, 1)
		at := asks[string](b, focused)
		require.NotContains(b.t, at, "unseen", "the focus can't be seen")
		if containsAll(at, said) {
			return
		}
	}
	require.Fail(b.t, "Tab never comes to it", "%v", said)
}

// Somebody without a mouse reads, chooses, reviews and decides.
func TestByKeyboardAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *fakeaws.Account) {
		join(t, a, "old-batch", fakeaws.Dead())
		join(t, a, "old-cron", fakeaws.OldKey())
	})
	w.after(asking)
	b := visits(w, ada)
	b.press(kb.Tab, 1)
	require.Contains(t, asks[string](b, focused), "Skip to the content")
	r := w.asked("old-batch")
	b.tabsTo("input", "choice."+r.ID)
	b.press(" ", 1)
	b.press(kb.ArrowRight, 1) // from delete to keep, as radio buttons do
	require.Equal(t, "keep", asks[string](b, `document.querySelector('[name="choice.`+r.ID+`"]:checked').value`))
	b.tabsTo("button", "Review what is chosen")
	require.EqualValues(t, http.StatusOK, b.leads(chromedp.KeyEvent(kb.Enter)))
	contains(t, b.reads("h1"), "Review your decisions")
	b.tabsTo("textarea", "reason")
	b.do(chromedp.KeyEvent("its owner came back"))
	b.tabsTo("button", "Decide")
	require.EqualValues(t, http.StatusOK, b.leads(chromedp.KeyEvent(kb.Enter)))
	contains(t, b.reads(".receipt"), "is stored: keep")
	require.Len(t, w.decisions("old-batch"), 1)
	require.Equal(t, sunset.ChooseKeep, w.decisions("old-batch")[0].Choice)
	require.Equal(t, "its owner came back", w.decisions("old-batch")[0].Reason)
}

// Without scripts everything goes as with them: no page has any.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *fakeaws.Account) {
		join(t, a, "old-batch", fakeaws.Dead())
		join(t, a, "old-cron", fakeaws.OldKey())
	})
	w.after(asking)
	b := open(t, host(t, w.linkOf(ada)))
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	b.goes(w.linkOf(ada))
	b.types("#q", "old-b")
	b.clicks(`.find button`)
	contains(t, b.reads("main"), "1–1 of 1 shown")
	b.goes(w.linkOf(ada))
	b.clicks(`button[name=all][value=delete]`)
	contains(t, b.reads("main"), "Delete 2 users for good", "old-batch", "old-cron")
	b.types("#reason", "nobody needs them")
	b.clicks(decides)
	contains(t, b.reads("main"), "2 of your decisions are stored, 2 to delete")
	w.finish()
	require.Equal(t, sunset.Deleted, w.outcome("old-batch"))
	require.Equal(t, sunset.Deleted, w.outcome("old-cron"))
}

// On a telephone an approver decides with a thumb.
func TestOnATelephone(t *testing.T) {
	t.Parallel()
	w := one(t)
	w.after(asking)
	b := open(t, host(t, w.linkOf(ada)))
	b.size(narrow, narrowTall)
	b.goes(w.linkOf(ada))
	require.Empty(t, asks[[]string](b, tooWide))
	b.do(chromedp.Tap(chromedp.CSS(chooses(w.asked("old-batch"), sunset.ChooseKeep))))
	b.leads(chromedp.Tap(chromedp.CSS(reviews)))
	require.Empty(t, asks[[]string](b, tooWide))
	b.types("#reason", "its owner came back")
	b.leads(chromedp.Tap(chromedp.CSS(decides)))
	contains(t, b.reads(".receipt"), "is stored: keep")
	require.Empty(t, asks[[]string](b, tooWide))
}
