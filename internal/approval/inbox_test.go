package approval_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// counted counts what is asked of a store.
type counted struct {
	store.Rows
	mu    sync.Mutex
	calls map[string]int
}

func (c *counted) count(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[call]++
}

func (c *counted) List(ctx context.Context, prefix string) ([]store.Row, error) {
	c.count("list " + prefix)
	return c.Rows.List(ctx, prefix)
}

func (c *counted) Get(ctx context.Context, key string) (store.Row, error) {
	kind, _, _ := strings.Cut(key, "/")
	c.count("get " + kind)
	return c.Rows.Get(ctx, key)
}

// checks counts MACs that are checked.
type checks struct {
	approval.Signer
	mu sync.Mutex
	n  int
}

func (c *checks) Verify(ctx context.Context, message, mac []byte) (bool, error) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return c.Signer.Verify(ctx, message, mac)
}

// crowd is pages with n open cases, of several classes and owners, each tenth disturbed and each fourth with one word on it.
func crowd(tb testing.TB, n int) (pages http.Handler, desk *approval.Desk, link string, rows *counted, macs *checks) {
	tb.Helper()
	dir, err := store.OpenDir(tb.TempDir(), store.NoSync())
	require.NoError(tb, err)
	key, err := approval.OpenKeyFile(filepath.Join(tb.TempDir(), "key"))
	require.NoError(tb, err)
	rows, macs = &counted{Rows: dir.Rows(), calls: map[string]int{}}, &checks{Signer: key}
	settings := sunset.DefaultSettings()
	settings.ApprovalsNeeded = 2
	settings.Approvers = []sunset.Approver{{Email: ada}, {Email: ben}, {Email: cleo}}
	desk = approval.NewDesk(rows, approval.Signers{Decisions: macs, Links: key}, func(context.Context) (sunset.Settings, error) { return settings, nil }, clock.NewVirtual(start))
	for i := range n {
		r := asking(fmt.Sprintf("%s-%03d", [...]string{"svc-reporting", "anna.mueller", "ci-deploy", "backup"}[i%4], i))
		r.Needed = 2
		r.Shown.Class = [...]sunset.Class{sunset.Programmatic, sunset.Human, sunset.CI, ""}[i%4]
		r.Shown.Owner = [...]sunset.Owner{{Name: "data-platform@example.com", Email: "data-platform@example.com", From: "tag owner"}, {}}[i%2]
		r.Expires = r.Expires.AddDate(0, 0, -i%10)
		if i%10 == 3 {
			r = disturbed(r)
		}
		r, err := desk.Open(context.Background(), r, "token")
		require.NoError(tb, err)
		if i%4 == 0 {
			_, _, err := desk.Decide(context.Background(), word(r, ben, sunset.ChooseDelete))
			require.NoError(tb, err)
		}
	}
	link, err = desk.NewLink(context.Background(), ada, start.AddDate(0, 0, 20))
	require.NoError(tb, err)
	clear(rows.calls)
	macs.n = 0
	none := func(context.Context, sunset.ApprovalRequest, sunset.Decision) error { return nil }
	return approval.NewWeb(approval.Pages{
		Desk: desk, BaseURL: "https://approve.example.com", RecordDecision: none,
		OnDecided: func(context.Context, sunset.ApprovalRequest, sunset.Choice) error { return nil },
	}), desk, link, rows, macs
}

func opened(tb testing.TB, pages http.Handler, path string) string {
	tb.Helper()
	rw := httptest.NewRecorder()
	pages.ServeHTTP(rw, httptest.NewRequest(http.MethodGet, path, nil))
	require.Equal(tb, http.StatusOK, rw.Code)
	return rw.Body.String()
}

func TestInboxOf200IsSmallAndAsksTheStoreTwice(t *testing.T) {
	pages, _, link, rows, macs := crowd(t, 200)
	text := opened(t, pages, "/a/"+link)
	require.LessOrEqual(t, len(text), 300_000)
	t.Logf("%d bytes for 200 cases", len(text))
	require.Equal(t, map[string]int{"list request/": 1, "list decision/": 1, "get link": 1}, rows.calls)
	require.Equal(t, 50, macs.n, "one for each decision that is stored")
	require.Equal(t, 200, strings.Count(text, `<legend class="unseen">`))
	require.Equal(t, 180, strings.Count(text, `value="delete">delete</label>`), "20 were disturbed, and can't be deleted")
	require.Contains(t, text, "delete for all 180 shown")
	require.Contains(t, text, "keep for all 200 shown")
	require.NotContains(t, text, " checked", "nothing is chosen beforehand")
	require.Contains(t, text, "1 of 2 to delete")
	onceEach(t, text)
}

var idIn = regexp.MustCompile(` id="([^"]*)"`)

// onceEach fails where two elements of a page have the same id.
func onceEach(t *testing.T, text string) {
	t.Helper()
	seen := map[string]bool{}
	for _, id := range idIn.FindAllStringSubmatch(text, -1) {
		require.False(t, seen[id[1]], "id %q is there twice", id[1])
		seen[id[1]] = true
	}
}

func TestMoreCasesThanAPageHoldsAreOnTheNext(t *testing.T) {
	pages, _, link, _, _ := crowd(t, 203)
	first := opened(t, pages, "/a/"+link+"?sort=name")
	require.Contains(t, first, "1–200 of 203 shown")
	next := regexp.MustCompile(`href="([^"]*from=200[^"]*)"`).FindStringSubmatch(first)
	require.NotNil(t, next)
	second := opened(t, pages, strings.ReplaceAll(next[1], "&amp;", "&"))
	require.Contains(t, second, "201–203 of 203 shown")
	require.Equal(t, 3, strings.Count(second, "<legend"))
	require.Contains(t, second, "keep for all 3 shown", "a shortcut is for what is to be seen alone")
	require.Contains(t, opened(t, pages, "/a/"+link+"?from=99999"), "1–200 of 203", "beyond the end is the beginning")
}

var userIn = regexp.MustCompile(`<h3><a [^>]*>([^<]*)</a>`)

func TestInboxFindsSortsAndFilters(t *testing.T) {
	s := newSite(t, 2)
	link := s.link(t, ada)
	for i, u := range []struct {
		name, owner string
		class       sunset.Class
		disturbed   bool
	}{{"zoe", "b@example.com", sunset.Human, false}, {"ci-mill", "", sunset.CI, true}, {"abel", "a@example.com", sunset.Human, false}} {
		r := asking(u.name)
		r.Shown.Owner, r.Shown.Class, r.Needed = sunset.Owner{Name: u.owner, Email: u.owner}, u.class, 2
		r.Expires = r.Expires.AddDate(0, 0, -i)
		r.Issued = start.AddDate(0, 0, -i)
		r.Shown.SoakFrom = r.Shown.SoakFrom.AddDate(0, 0, i)
		if u.disturbed {
			r = disturbed(r)
		}
		r = s.open(t, r, "token")
		if u.name == "zoe" {
			s.decide(t, word(r, ada, sunset.ChooseDelete))
		}
	}
	done := s.open(t, asking("done"), "token")
	s.decide(t, word(done, ben, sunset.ChooseKeep))

	for query, want := range map[string]string{
		"":                           "abel ci-mill zoe", // decide by
		"?sort=name":                 "abel ci-mill zoe",
		"?sort=owner":                "abel zoe ci-mill", // without an owner last
		"?sort=waiting":              "abel ci-mill zoe",
		"?sort=soak":                 "ci-mill zoe abel",
		"?sort=nonsense&show=x":      "abel ci-mill zoe",
		"?show=waiting":              "abel ci-mill", // zoe has this approver's word
		"?show=disturbed":            "ci-mill",
		"?class=human":               "abel zoe",
		"?class=human&show=waiting":  "abel",
		"?q=B%40EXAMPLE":             "zoe",
		"?q=user%2Fci%2Fabel":        "abel",
		"?q=AIDA" + hex("zoe"):       "zoe",
		"?q=nobody":                  "",
		"?q=%3Cscript%3E":            "",
		"?q=%00&class=%22&from=-1":   "",
		"?show=decided":              "",
		"?show=decided&q=not-at-all": "",
	} {
		t.Run(query, func(t *testing.T) {
			status, text := s.get(t, "/a/"+link+query)
			require.Equal(t, http.StatusOK, status)
			var names []string
			for _, m := range userIn.FindAllStringSubmatch(text, -1) {
				names = append(names, m[1])
			}
			require.Equal(t, want, strings.Join(names, " "))
			require.NotContains(t, text, "<script")
			onceEach(t, text)
		})
	}
	_, text := s.get(t, "/a/"+link+"?show=decided")
	require.Contains(t, text, ">done</a>")
	require.Contains(t, text, "ben@example.com: keep", "each sees who decided what")
	_, text = s.get(t, "/a/"+link)
	for _, count := range []string{"Everything open (3)", "Waiting for me (2)", "Disturbed (1)", "Decided or ended (1)", "human (2)", "ci (1)"} {
		require.Contains(t, text, count)
	}
	require.Contains(t, text, "Your word: delete")
}

func BenchmarkInbox200(b *testing.B) {
	pages, _, link, _, _ := crowd(b, 200)
	size := 0
	for b.Loop() {
		size = len(opened(b, pages, "/a/"+link))
	}
	b.ReportMetric(float64(size), "bytes")
}
