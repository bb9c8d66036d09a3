//go:build browser

package browser

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// soaking is when every user here has been disabled for six days.
const soaking = 9 * day

// calls opens an owner's page in a browser of its own.
func calls(w *world, email string) *tab {
	w.t.Helper()
	link := w.linkOf(email)
	b := open(w.t, host(w.t, link))
	require.EqualValues(w.t, http.StatusOK, b.goes(link))
	return b
}

const keeps = `form:has([value=keep]) button`

// An owner's one click puts the user back as it was, on the spot.
func TestAnOwnerKeepsAUser(t *testing.T) {
	t.Parallel()
	w := one(t)
	w.after(time.Hour)
	before, _ := w.account.User("old-batch")
	b := calls(w, maria)
	contains(t, b.reads("main"), "Nothing has been changed yet")
	b.looks("owner-notice", "narrow")

	w.after(soaking)
	b = calls(w, maria)
	disabled, _ := w.account.User("old-batch")
	require.NotEqual(t, before, disabled)
	b.looks("owner-soak", "dark")
	b.types("#reason", "It makes the report for the auditors, once a year, in April.")
	clicked, now := time.Now(), w.clock.Now()
	require.EqualValues(t, http.StatusOK, b.clicks(keeps))
	contains(t, b.reads("main"), "was put back as it was")
	t.Logf("put back %s after the click, in virtual time %s", time.Since(clicked).Round(time.Millisecond), w.clock.Now().Sub(now))
	require.LessOrEqual(t, w.clock.Now().Sub(now), time.Minute)
	require.Less(t, time.Since(clicked), time.Minute)
	after, _ := w.account.User("old-batch")
	require.Equal(t, before, after)
	b.looks("owner-kept")
	w.finish()
	require.Equal(t, sunset.Rescued, w.outcome("old-batch"))
	require.EqualValues(t, http.StatusOK, b.goes(w.linkOf(maria)))
	b.looks("owner-over", unpictured)
}

// An owner hands a user over; the next one agrees that it goes, and approvers read that.
func TestAnOwnerHandsOverAndTheNextAgrees(t *testing.T) {
	t.Parallel()
	w := one(t)
	w.after(soaking)
	b := calls(w, maria)
	b.types("#to", "somebody@elsewhere.example")
	b.clicks(`form:has([value=hand-over]) button`)
	contains(t, b.reads(".warning"), "meadowlark.example")
	b.looks("owner-hand-over-refused", unpictured)
	const next = "tom.becker@meadowlark.example"
	b.do(clears("#to"))
	b.types("#to", next)
	b.clicks(`form:has([value=hand-over]) button`)
	contains(t, b.reads("main"), next)
	b.looks("owner-handed-over")

	w.after(soaking + 2*time.Hour)
	b = calls(w, next)
	b.clicks(`form:has([value=agree]) button`)
	contains(t, b.reads("main"), "agreed")
	b.looks("owner-agreed", unpictured)

	w.after(asking)
	b = visits(w, ada)
	b.goes(w.linkOf(ada) + "/" + w.asked("old-batch").ID)
	contains(t, b.reads("main"), "handed over to "+next, next+" agreed that it goes")
	b.picks(chooses(w.asked("old-batch"), sunset.ChooseDelete))
	b.clicks(reviews)
	b.types("#reason", "its owner agrees")
	b.clicks(decides)
	w.finish()
	require.Equal(t, sunset.Deleted, w.outcome("old-batch"))
	b = calls(w, next)
	contains(t, b.reads("main"), "deleted")
	b.looks("owner-deleted")
}
