//go:build browser

package browser

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// The security team sees how a company's cleanup stands: who soaks, who waits for whom, what failed, whose turn comes.
func TestTheDashboard(t *testing.T) {
	t.Parallel()
	address := "127.0.0.1:0"
	if publishing() { // pages name it, and pictures of equal pages should be equal
		address = "127.0.0.1:8765"
	}
	w := newWorldAt(t, address, func(a *fakeaws.Account) { company(t, a) }, needing(2), func(s *sunset.Settings) { s.Batch = 2 })
	engine := w.machine.EngineURL
	b := open(t, host(t, engine))
	require.EqualValues(t, http.StatusUnauthorized, b.goes(engine+"/dashboard/"))
	b.looks("dashboard-stranger")
	path, _ := w.board.Invite(olga)
	require.EqualValues(t, http.StatusOK, b.goes(engine+path))
	contains(t, b.reads("main"), olga)
	b.looks("dashboard-door")
	require.EqualValues(t, http.StatusOK, b.clicks(`main button`))
	b.looks("dashboard-at-the-beginning")

	w.after(8*day - time.Hour)
	remove := w.account.Fail(fakeaws.Fault{Service: "iam", Action: "PutUserPolicy", Times: 1, Code: "AccessDenied", Message: "User is not authorized to perform: iam:PutUserPolicy", Status: http.StatusForbidden})
	defer remove()
	w.after(asking)
	path, _ = w.board.Invite(olga) // the session of half a month ago has ended
	b.goes(engine + path)
	b.clicks(`main button`)
	require.Equal(t, engine+"/dashboard/", b.at())
	b.looks("dashboard", "dark", "narrow")
	for _, link := range asks[[]string](b, `[...new Set([...document.querySelectorAll("main a[href*='/dashboard/cases/']")].map(a => a.href))].slice(0, 1)`) {
		require.EqualValues(t, http.StatusOK, b.goes(link))
		b.looks("dashboard-cases")
	}
	require.EqualValues(t, http.StatusOK, b.goes(engine+"/dashboard/cleanup/"+cleanup))
	b.looks("dashboard-cleanup")
	cases, err := w.machine.Cases.Cases(t.Context())
	require.NoError(t, err)
	for _, c := range cases {
		if c.UserName == "nightly-sync" {
			require.EqualValues(t, http.StatusOK, b.goes(engine+"/dashboard/case/"+c.ID))
			b.looks("dashboard-case")
		}
		if c.Outcome == sunset.Failed {
			require.EqualValues(t, http.StatusOK, b.goes(engine+"/dashboard/case/"+c.ID))
			b.looks("dashboard-case-failed")
		}
	}
	require.EqualValues(t, http.StatusOK, b.goes(engine+"/dashboard/pause"))
	b.looks("dashboard-pause", "dark")
	b.types("textarea", "the nightly job broke")
	b.clicks(`main form button`)
	contains(t, b.reads("main"), "Everything is paused", "the nightly job broke")
	b.looks("dashboard-paused")
	require.EqualValues(t, http.StatusOK, b.goes(engine+"/dashboard/resume"))
	b.looks("dashboard-resume", unpictured)
}
