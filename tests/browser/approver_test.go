//go:build browser

package browser

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// asking is when, in every world here, all soaks are over and approvers have their links.
const asking = 18*day + 2*time.Hour

// needing has so many approvers decide.
func needing(n int) func(*sunset.Settings) {
	return func(s *sunset.Settings) { s.ApprovalsNeeded = n }
}

// visits opens an approver's list in a browser of its own.
func visits(w *world, email string) *tab {
	w.t.Helper()
	link := w.linkOf(email)
	b := open(w.t, host(w.t, link))
	require.EqualValues(w.t, http.StatusOK, b.goes(link))
	return b
}

// chooses is the radio button of a choice about a user.
func chooses(r sunset.ApprovalRequest, c sunset.Choice) string {
	return fmt.Sprintf(`input[name="choice.%s"][value=%q]`, r.ID, string(c))
}

const (
	reviews = `form[action$="/review"] button[type=submit]:not([name])`
	decides = `.decide button[type=submit]`
)

// A whole company's unused users: two approvers decide, one some of each, and each sees what the other said.
func TestApproversOfACompany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *fakeaws.Account) { company(t, a) }, needing(2))
	w.after(asking)
	b := visits(w, ada)
	contains(t, b.reads("main"), "15 unused IAM users were disabled and listened to", "temp-contractor", "Łukasz Żółć / 財務部")
	b.looks("inbox", "dark", "narrow")

	b.clicks(`.rows a[href$="` + w.asked("peter.maurer").ID + `"]`)
	contains(t, b.reads("main"), "Approval deletes this user and everything it has", "0 of 2 approvals to delete")
	b.looks("case", "dark", "narrow")
	b.shows("case-from-the-soak-on", `section[aria-labelledby=soak]`)
	b.goes(w.linkOf(ada) + "/" + w.asked("nightly-sync").ID)
	contains(t, b.reads("main"), "Heard in the soak")
	b.looks("case-disturbed", "dark")

	b.goes(w.linkOf(ada))
	b.picks(chooses(w.asked("peter.maurer"), sunset.ChooseDelete), chooses(w.asked("old-jenkins"), sunset.ChooseDelete),
		chooses(w.asked("intern-2023"), sunset.ChooseDelete), chooses(w.asked("nightly-sync"), sunset.ChooseKeep), chooses(w.asked("eva.holm"), sunset.ChooseSoakAgain))
	b.clicks(reviews)
	contains(t, b.reads("main"), "Nothing is decided yet", "peter.maurer", "old-jenkins", "intern-2023", "nightly-sync", "eva.holm")
	b.looks("review", "dark", "narrow")
	require.EqualValues(t, http.StatusBadRequest, b.clicks(decides), "there is no reason")
	contains(t, b.reads(".warning"), "There is no reason yet")
	b.looks("review-no-reason", unpictured)
	b.types("#reason", "Nobody has used it for a year, and its owner says that it can go.")
	b.clicks(decides)
	contains(t, b.reads("main"), "5 of your decisions are stored, 3 to delete, 1 to keep, 1 to soak again")
	b.looks("result", "narrow")
	b.clicks(`a[href$="/receipt"]`)
	contains(t, b.reads("main"), "Receipt for a decision", ada)
	b.looks("receipt", "dark")

	second := visits(w, ben)
	contains(t, second.reads("main"), "1 of 2 to delete")
	second.looks("inbox-of-the-second", unpictured)
	second.goes(w.linkOf(ben) + "/" + w.asked("old-jenkins").ID)
	contains(t, second.reads("main"), ada+": delete", "1 of 2 approvals to delete")
	second.looks("case-half-decided", unpictured)
	second.picks(chooses(w.asked("old-jenkins"), sunset.ChooseDelete))
	second.clicks(reviews)
	second.looks("review-one", unpictured)
	second.types("#reason", "Agreed: replaced by deploy-web.")
	second.clicks(decides)
	contains(t, second.reads(".receipt"), "Your decision on old-jenkins is stored: delete")
	second.looks("inbox-with-receipt")

	b.goes(w.linkOf(ada) + "/" + w.asked("old-jenkins").ID)
	contains(t, b.reads("main"), ben+": delete")
	b.looks("case-decided", unpictured)
	w.scans()
	w.finish()
	require.Equal(t, sunset.Deleted, w.outcome("old-jenkins"))
	require.Equal(t, sunset.Restored, w.outcome("nightly-sync"))
	require.Equal(t, sunset.Lapsed, w.outcome("intern-2023"), "one approver alone deletes nobody")
	w.reports()
}

// Whoever started the cleanup reads all about a case, and is told why the decision isn't theirs.
func TestTheStarterReadsAndDecidesNothing(t *testing.T) {
	t.Parallel()
	w := one(t, func(s *sunset.Settings) {
		s.Approvers[0].Principals = []string{"arn:aws:iam::123456789012:role/security-team"}
	})
	w.after(asking)
	link, err := w.machine.Desk.NewLink(t.Context(), ada, w.clock.Now().Add(day))
	require.NoError(t, err)
	b := open(t, host(t, w.machine.PagesURL))
	b.goes(w.machine.PagesURL + "/a/" + link)
	b.clicks(`a[href$="` + w.asked("old-batch").ID + `"]`)
	contains(t, b.reads(".warning"), "Not yours to decide")
	require.False(t, asks[bool](b, `!!document.querySelector("input[type=radio]")`))
	b.looks("case-barred")
}

// Two hundred at once: what one approver is asked to do with them stays one page, and a form of two hundred goes through.
func TestTwoHundredCases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *fakeaws.Account) {
		for name, life := range map[string]fakeaws.Life{"svc-reporting": fakeaws.OldKey(), "anna.mueller": fakeaws.Dead(), "ci-deploy": fakeaws.NeverUsedKey(), "backup": fakeaws.OldKey()} {
			join(t, a, name, life)
		}
	})
	w.after(asking)
	// A real machine takes its time over 200 users; more of what it asked about four say the same to a reader.
	four := [...]sunset.ApprovalRequest{w.asked("svc-reporting"), w.asked("anna.mueller"), w.asked("ci-deploy"), w.asked("backup")}
	for i := range 196 {
		r := four[i%4]
		number := fmt.Sprintf("-%03d", i)
		r.ID, r.Digest, r.CaseID, r.UserID, r.UserName, r.UserARN = "", "", r.CaseID+number, r.UserID+number, r.UserName+number, r.UserARN+number
		r.Facts.UserID = r.UserID
		_, err := w.machine.Desk.Open(t.Context(), r, "nobody's")
		require.NoError(t, err)
	}
	b := visits(w, ada)
	contains(t, b.reads("main"), "200 unused IAM users")
	size := asks[[]float64](b, `(n => [n.responseStart - n.requestStart, n.encodedBodySize])(performance.getEntriesByType("navigation")[0])`)
	t.Logf("the page of 200 cases: first byte after %.0f ms, %.0f bytes", size[0], size[1])
	require.LessOrEqual(t, size[1], 300_000.0)
	b.looks("inbox-of-200", "narrow")
	b.clicks(`button[name=all][value=delete]`)
	contains(t, b.reads("main"), "Delete 200 users for good")
	b.types("#reason", "Nobody has used them for a year.")
	b.clicks(decides)
	contains(t, b.reads("main"), "200 of your decisions are stored, 200 to delete")
}
