package dashboard_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// operations are what people did to the engine, as it is on record.
func (w *world) operations() []audit.Record {
	w.t.Helper()
	records, err := w.machine.Records.Chain(w.t.Context(), "account/operations")
	require.NoError(w.t, err)
	return records
}

// files are all that is kept, with their contents.
func (w *world) files() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	require.NoError(w.t, filepath.WalkDir(w.store.Path(), func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		out[p] = string(b)
		return err
	}))
	return out
}

// Whoever looks changes nothing and asks nothing of the account, whatever there is to see.
func TestLookingChangesNothing(t *testing.T) {
	w := open(t, "old-a", "old-b", "old-c")
	defer w.account.Fail(fakeaws.Fault{Service: "iam", Action: "PutUserPolicy", Times: 1, Code: "AccessDenied", Message: "on demand", Status: 403})()
	w.start("spring")
	w.pass(4 * 24 * time.Hour)
	b := w.signedIn(olga)
	before := w.files()
	w.account.ResetCalls()
	for _, path := range paths() {
		a := b.gets(path)
		require.Less(t, a.status, 500, path)
		require.Equal(t, a.status, b.sends(http.MethodHead, path, nil).status, path)
	}
	require.Equal(t, before, w.files())
	require.Empty(t, w.account.Calls())
}

// Pausing and resuming go on record by the ARN of the session, with the reason, after a page that says what will happen.
func TestPauseAndResume(t *testing.T) {
	w := open(t, "old-a")
	w.start("spring")
	w.pass(time.Hour)
	b := w.signedIn(olga)
	require.Contains(t, b.page("/dashboard/"), "Everything runs")
	page := b.page("/dashboard/pause")
	for _, said := range []string{"Nothing will be disabled or deleted in any cleanup until somebody resumes.", "A deletion that has begun goes on to its end.", `<form class="b-why" method="post" action="/dashboard/pause">`} {
		require.Contains(t, page, said)
	}
	for _, reason := range []string{"", " \n\t ", "\u202e", strings.Repeat("x", 1001)} {
		require.Equal(t, http.StatusBadRequest, b.posts("/dashboard/pause", url.Values{"reason": {reason}}).status)
	}
	require.Empty(t, w.operations())

	a := b.posts("/dashboard/pause", url.Values{"reason": {"the <b>nightly</b> job broke\u202e"}})
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	require.Equal(t, "/dashboard/?done=paused", a.header.Get("Location"))
	page = b.page("/dashboard/?done=paused")
	require.Contains(t, page, `role="status">Everything is paused: nobody is disabled or deleted`)
	require.Contains(t, page, "the &lt;b&gt;nightly&lt;/b&gt; job broke ("+olga+", 2026-03-02)")
	require.NotContains(t, page, "<b>nightly")
	require.Contains(t, b.page("/dashboard/pause"), "Everything is paused already")
	again := b.posts("/dashboard/pause", url.Values{"reason": {"me too"}})
	require.Equal(t, http.StatusConflict, again.status)
	require.Contains(t, again.body, "Everything is paused already")

	w.pass(4 * 24 * time.Hour) // its turn comes meanwhile
	other := w.signedIn("arn:aws:sts::123456789012:assumed-role/security/otto")
	page = other.page("/dashboard/resume")
	require.Contains(t, page, "1 user is to be disabled whose turn has come, at most 2 a day.")
	require.Equal(t, http.StatusSeeOther, other.posts("/dashboard/resume", url.Values{"reason": {"repaired"}}).status)
	require.Equal(t, http.StatusConflict, other.posts("/dashboard/resume", url.Values{"reason": {"repaired"}}).status)
	require.Contains(t, b.page("/dashboard/resume"), "Nothing is paused: everything runs.")

	records := w.operations()
	require.Len(t, records, 2)
	require.Equal(t, "paused", records[0].Kind)
	require.Equal(t, olga, records[0].By)
	require.Contains(t, records[0].Text, "the <b>nightly</b> job broke")
	require.NotContains(t, records[0].Text, "\u202e")
	require.Equal(t, "resumed", records[1].Kind)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/security/otto", records[1].By)
	require.NotContains(t, b.page("/dashboard/?done=<script>"), "script")
}

// A case that fails holds turns, and the dashboard says what to do. What lets them go on names the cases that were looked at.
func TestACaseThatFailed(t *testing.T) {
	w := open(t, "old-a", "old-b", "old-c", "old-d", "old-e", "old-f")
	w.settings.Batch = 1
	defer w.account.Fail(fakeaws.Fault{Service: "iam", Action: "PutUserPolicy", Times: 1, Code: "AccessDenied", Message: "on demand", Status: 403})()
	w.start("spring")
	w.pass(5*24*time.Hour + time.Hour)
	holding, err := w.machine.Holding(t.Context())
	require.NoError(t, err)
	require.Len(t, holding, 1)
	failed := holding[0]
	b := w.signedIn(olga)
	page := b.page("/dashboard/")
	for _, said := range []string{
		"1 thing needs somebody</a>", `<a href="/dashboard/case/` + failed.ID + `">` + failed.UserName + `</a> failed while it was being disabled, and may not be disabled yet`,
		"iam-sunset history " + failed.ID + " --engine " + w.machine.EngineURL, `href="/dashboard/cleanup/spring/turns"`,
		"redrive-execution --endpoint-url " + w.machine.EngineURL + " --region us-east-1 --execution-arn " + failed.Execution,
		"AWS_SHARED_CREDENTIALS_FILE=/srv/iam-sunset/credentials", "turns held", "5 waiting for a turn", "1 failed",
	} {
		require.Contains(t, page, said)
	}
	require.Contains(t, b.page("/dashboard/cleanup/spring"), "Its later turns are held")
	story := b.page("/dashboard/case/" + failed.ID)
	require.Contains(t, story, "Trouble: ")
	require.Contains(t, story, "was claimed for this case")
	require.Equal(t, http.StatusSeeOther, b.gets("/dashboard/case/spring").status)

	review := b.page("/dashboard/cleanup/spring/turns")
	require.Contains(t, review, `<input type="hidden" name="seen" value="`+failed.ID+`">`)
	at := "/dashboard/cleanup/spring/turns"
	for name, seen := range map[string][]string{"nothing looked at": nil, "another looked at": {"spring-AIDAOTHER"}} {
		a := b.posts(at, url.Values{"reason": {"looked"}, "seen": seen})
		require.Equal(t, http.StatusConflict, a.status, name)
		require.Contains(t, a.body, "holds the turns of cleanup spring as well by now")
	}
	require.Empty(t, w.operations())
	require.Equal(t, http.StatusNotFound, b.gets("/dashboard/cleanup/none/turns").status)
	a := b.posts(at, url.Values{"reason": {"the policy was changed"}, "seen": {failed.ID}})
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	require.Equal(t, http.StatusConflict, b.posts(at, url.Values{"reason": {"twice"}, "seen": {failed.ID}}).status)
	records := w.operations()
	require.Len(t, records, 1)
	require.Equal(t, "turns-resumed", records[0].Kind)
	require.Equal(t, olga, records[0].By)
	require.Contains(t, records[0].Text, "the policy was changed")
	require.NotContains(t, b.page("/dashboard/"), "turns held")
	w.pass(24 * time.Hour)
	require.Contains(t, b.page("/dashboard/"), "in the soak")
}

// From the first day to the last, the overview says where the case stands and whom it waits for.
func TestOneCaseToItsEnd(t *testing.T) {
	w := open(t, "old-a")
	b := w.signedIn(olga)
	require.Contains(t, b.page("/dashboard/"), "iam-sunset start --engine "+w.machine.EngineURL)
	w.start("spring")
	w.pass(time.Hour)
	page := b.page("/dashboard/")
	require.Contains(t, page, "Everything runs</strong>: 1 open case.")
	require.Contains(t, page, "Nothing needs anybody now.")
	require.Contains(t, page, `<time datetime="2026-03-05T00:00:00Z">Thu 5 Mar 2026</time>`)
	w.pass(4 * 24 * time.Hour)
	page = b.page("/dashboard/")
	require.Contains(t, page, "1 in the soak.")
	require.Contains(t, page, `aria-label="Turn 5 Mar 2026, soak until 19 Mar 2026, ends 2 Apr 2026 at the latest"`)
	w.pass(14 * 24 * time.Hour)
	page = b.page("/dashboard/")
	require.Contains(t, page, "1 with approvers.")
	require.Contains(t, b.page("/dashboard/case/spring-"+w.users["old-a"].ID), "With approvers: to be decided until 2 Apr 2026 09:00. It waits for an approver.")
	require.Contains(t, page, `<th scope="row">ada@example.com</th><td>1</td>`)
	require.Contains(t, page, "Nothing needs anybody now.")
	w.pass(12 * 24 * time.Hour)
	page = b.page("/dashboard/")
	require.Contains(t, page, "is still undecided")
	require.Contains(t, page, "It waits for ada@example.com, ben@example.com.")
	w.settings.Approvers = nil
	page = b.page("/dashboard/")
	require.Contains(t, page, "has nobody left who may decide")
	require.Contains(t, page, "/srv/iam-sunset/settings.json")
	w.pass(4 * 24 * time.Hour)
	page = b.page("/dashboard/")
	require.Contains(t, page, "ended undecided and is still disabled")
	require.Contains(t, page, "iam-sunset rescue "+w.users["old-a"].ID+" --engine "+w.machine.EngineURL)
	require.Contains(t, page, `<span class="b-outcome at-trouble">expired</span>`)
	require.Contains(t, b.page("/dashboard/cases/ended?cleanup=spring"), "old-a")
	require.Contains(t, b.page("/dashboard/cases/ended?cleanup=autumn"), "There are none.")
}

// put writes rows as the casebook has them.
func (w *world) put(key string, row any) {
	w.t.Helper()
	body, err := json.Marshal(row)
	require.NoError(w.t, err)
	_, err = w.store.Rows().Put(w.t.Context(), key, 0, body)
	require.NoError(w.t, err)
}

// Whatever people name their users, tags and keys, a page shows it as text.
func TestWhatPeopleWriteIsText(t *testing.T) {
	w := open(t)
	evil := `"><script>alert(1)</script><img src=x onerror=alert(2)>` + "\u202e\x1b[31m"
	now := w.clock.Now()
	w.put("cleanup/spring", sunset.Cleanup{ID: "spring", Account: "123456789012", Began: now, Settled: true, PlanKey: "plan", Starter: evil, Refusal: evil, Users: 2, Eligible: 2})
	soaking := sunset.Case{
		ID: "spring-AIDAA", CleanupID: "spring", Account: "123456789012", UserID: "AIDAA", UserName: "a" + evil, Starter: evil, Stage: sunset.Soaking, Claimed: now, Turn: now,
		Changed: true, Holds: true, SoakFrom: now, SoakUntil: now.AddDate(0, 0, 14), Signals: []sunset.Signal{{Kind: sunset.KeepTag, At: now, Source: "iam:" + evil, Region: evil, Detail: evil}},
		Quarantine: &sunset.Quarantine{Method: sunset.InlineDeny, At: now, Lost: evil}, Rescue: &sunset.Rescue{By: evil, Reason: evil, At: now},
	}
	w.put("case/AIDAA", soaking)
	w.put("case/AIDAB", sunset.Case{
		ID: "spring-AIDAB", CleanupID: "spring", Account: "123456789012", UserID: "AIDAB", UserName: "b" + evil, Stage: sunset.Closed, Claimed: now, Turn: now, Ended: now,
		Changed: true, Outcome: sunset.Failed, Reason: evil, Execution: "arn",
	})
	b := w.signedIn(`arn:aws:sts::123456789012:assumed-role/security/` + evil)
	for _, path := range append(paths(), "/dashboard/case/AIDAA", "/dashboard/case/AIDAB", "/dashboard/cases/open?cleanup="+url.QueryEscape(evil), "/dashboard/case/"+url.PathEscape(evil),
		"/dashboard/cleanup/"+url.PathEscape("../../x"), "/dashboard/?page="+url.QueryEscape(evil)) {
		a := b.gets(path)
		require.Less(t, a.status, 500, path)
		for _, no := range []string{"<script", "<img", "\u202e", "\x1b"} {
			require.NotContains(t, a.body, no, path)
		}
	}
	require.Contains(t, b.page("/dashboard/case/AIDAA"), "&lt;script&gt;alert(1)")
}

// Five thousand open cases are a page of ordinary weight, and lists are read in parts.
func TestFiveThousandCases(t *testing.T) {
	w := open(t)
	now := w.clock.Now()
	w.put("cleanup/spring", sunset.Cleanup{ID: "spring", Account: "123456789012", Began: now, Settled: true, PlanKey: "plan", Users: 9000, Eligible: 5000})
	const many = 5000
	for i := range many {
		id := fmt.Sprintf("AIDA%016d", i)
		c := sunset.Case{ID: "spring-" + id, CleanupID: "spring", Account: "123456789012", UserID: id, UserName: fmt.Sprintf("user-%04d", i), Stage: sunset.Waiting, Claimed: now, Turn: now.AddDate(0, 0, 3+i/20)}
		if i%10 == 0 {
			c.Stage, c.Holds, c.Changed, c.Turn, c.SoakFrom, c.SoakUntil = sunset.Soaking, true, true, now, now, now.AddDate(0, 0, 14)
			c.Signals = []sunset.Signal{{Kind: sunset.KeepTag, At: now, Source: "iam:GetUser", Detail: "it has the tag iam-sunset-keep"}}
		}
		w.put("case/"+id, c)
	}
	b := w.signedIn(olga)
	for _, path := range []string{
		"/dashboard/", "/dashboard/cases/open", "/dashboard/cases/open?page=45", "/dashboard/cases/needs", "/dashboard/cases/signals",
		"/dashboard/cleanup/spring",
	} {
		page := b.page(path)
		require.Less(t, len(page), 150_000, path)
	}
	page := b.page("/dashboard/")
	require.Contains(t, page, "500 things need somebody")
	require.Contains(t, page, "4500 waiting for a turn, 500 in the soak.")
	require.Contains(t, page, `<a href="/dashboard/cases/needs">All 500</a>`)
	first, last := b.page("/dashboard/cases/open"), b.page("/dashboard/cases/open?page=50")
	require.Contains(t, first, "1 to 100 of 5000.")
	require.Contains(t, first, `<a rel="next" href="/dashboard/cases/open?page=2">`)
	require.NotContains(t, first, `rel="prev"`)
	require.Contains(t, last, "4901 to 5000 of 5000.")
	require.NotContains(t, last, `rel="next"`)
	for _, odd := range []string{"0", "-3", "x", "9999999999999999999999"} {
		require.Contains(t, b.page("/dashboard/cases/open?page="+odd), "of 5000.")
	}
}
