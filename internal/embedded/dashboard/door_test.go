package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// paths are all pages that there are, and a case's and a cleanup's of their own.
func paths() []string {
	return []string{
		"/dashboard/", "/dashboard/cases/open", "/dashboard/cases/ended", "/dashboard/cases/signals", "/dashboard/cases/needs", "/dashboard/cases/cleanups",
		"/dashboard/case/old-a", "/dashboard/cleanup/spring", "/dashboard/cleanup/spring/turns", "/dashboard/pause", "/dashboard/resume", "/dashboard/nowhere",
	}
}

// The address signs in once, by a button, and by nothing else that a browser or a scanner does with an address.
func TestAnAddressSignsInOnce(t *testing.T) {
	w := open(t)
	path, until := w.board.Invite(olga)
	require.Equal(t, 5*time.Minute, until.Sub(w.clock.Now()))
	b := &browser{w: w}
	for range 3 { // whatever opens it first
		a := b.gets(path)
		require.Equal(t, http.StatusOK, a.status)
		require.Contains(t, a.body, olga)
		require.Contains(t, a.body, `<form method="post"`)
		require.Nil(t, a.cookie)
		require.Equal(t, http.StatusOK, b.sends(http.MethodHead, path, nil).status)
		require.Equal(t, http.StatusUnauthorized, b.sends(http.MethodPut, path, url.Values{}).status)
	}
	a := b.posts(path, nil)
	require.Equal(t, http.StatusSeeOther, a.status)
	require.Equal(t, "/dashboard/", a.header.Get("Location"))
	require.True(t, a.cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, a.cookie.SameSite)
	require.Equal(t, "/dashboard/", a.cookie.Path)
	require.Equal(t, 12*60*60, a.cookie.MaxAge)

	again := b.posts(path, nil)
	require.Equal(t, http.StatusNotFound, again.status)
	require.Nil(t, again.cookie)
	require.NotContains(t, again.body, olga)
	require.Equal(t, http.StatusNotFound, b.gets(path).status)

	b.cookie = a.cookie
	require.Contains(t, b.page("/dashboard/"), olga)
}

// Of twenty who come with the same address at once, one gets in.
func TestAnAddressTakesOne(t *testing.T) {
	w := open(t)
	path, _ := w.board.Invite(olga)
	var in atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			rw := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, w.machine.EngineURL+path, http.NoBody)
			w.board.ServeHTTP(rw, r)
			if rw.Code == http.StatusSeeOther {
				in.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, in.Load())
}

func TestAnAddressEnds(t *testing.T) {
	w := open(t)
	path, _ := w.board.Invite(olga)
	w.ahead.Store(int64(5*time.Minute - time.Second))
	b := &browser{w: w}
	require.Equal(t, http.StatusOK, b.gets(path).status)
	w.ahead.Store(int64(5 * time.Minute))
	require.Equal(t, http.StatusNotFound, b.gets(path).status)
	a := b.posts(path, nil)
	require.Equal(t, http.StatusNotFound, a.status)
	require.Nil(t, a.cookie)
	for name, forged := range map[string]string{
		"cut": path[:len(path)-1], "longer": path + "A", "changed": path[:len(path)-1] + "~", "none": "/dashboard/sign-in/", "made up": "/dashboard/sign-in/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		t.Run(name, func(t *testing.T) {
			w.ahead.Store(0)
			a := b.posts(forged, nil)
			require.Nil(t, a.cookie)
			require.GreaterOrEqual(t, a.status, 400)
			require.NotContains(t, a.body, olga)
		})
	}
}

// Without a session no page says anything, whichever it is and however it is asked for.
func TestEveryPageWantsASession(t *testing.T) {
	w := open(t, "old-a")
	w.start("spring")
	w.pass(time.Hour)
	in := w.signedIn(olga)
	foreign := open(t).signedIn(olga) // of another engine
	for name, b := range map[string]*browser{
		"nobody": {w: w}, "another engine's": {w: w, cookie: foreign.cookie}, "made up": {w: w, cookie: &http.Cookie{Name: in.cookie.Name, Value: "AAAA"}},
		"empty": {w: w, cookie: &http.Cookie{Name: in.cookie.Name}},
	} {
		for _, path := range paths() {
			for _, a := range []answer{b.gets(path), b.posts(path, url.Values{"reason": {"x"}})} {
				require.Equal(t, http.StatusUnauthorized, a.status, "%s: %s", name, path)
				require.Contains(t, a.body, "iam-sunset dashboard --engine "+w.machine.EngineURL)
				for _, told := range []string{"old-a", "spring", "123456789012", olga, "settings.json"} {
					require.NotContains(t, a.body, told, "%s: %s", name, path)
				}
			}
		}
	}
	paused, err := w.machine.Cases.Paused(t.Context())
	require.NoError(t, err)
	require.Empty(t, paused)

	// It ends after twelve hours, and when its owner says so.
	w.ahead.Store(int64(12*time.Hour - time.Second))
	in.page("/dashboard/")
	w.ahead.Store(int64(12 * time.Hour))
	require.Equal(t, http.StatusUnauthorized, in.gets("/dashboard/").status)
	out := w.signedIn(olga)
	other := w.signedIn(olga)
	require.Equal(t, http.StatusSeeOther, out.posts("/dashboard/sign-out", nil).status)
	require.Equal(t, http.StatusUnauthorized, out.gets("/dashboard/").status)
	other.page("/dashboard/")
}

// A foreign name that points here, and a page of another site, get nothing.
func TestOtherSites(t *testing.T) {
	w := open(t, "old-a")
	b := w.signedIn(olga)
	for _, host := range []string{"rebound.example:8765", "127.0.0.1.evil.example", "evil.example", "10.0.0.1:8765", "169.254.169.254"} {
		b.host = host
		for _, a := range []answer{b.gets("/dashboard/"), b.gets("/dashboard/style.css"), b.posts("/dashboard/pause", url.Values{"reason": {"x"}})} {
			require.Equal(t, http.StatusForbidden, a.status, host)
			require.NotContains(t, a.body, "123456789012")
		}
	}
	b.host = ""
	code, _ := w.board.Invite("arn:aws:sts::123456789012:assumed-role/security/mallory")
	for name, header := range map[string]map[string]string{
		"another site": {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, "another port": {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
		"an old browser": {"Origin": "http://evil.example", "Sec-Fetch-Site": ""}, "no origin to tell": {"Origin": "null", "Sec-Fetch-Site": ""},
	} {
		b.header = header
		for _, path := range []string{"/dashboard/pause", "/dashboard/resume", "/dashboard/cleanup/spring/turns", "/dashboard/sign-out", code} {
			a := b.posts(path, url.Values{"reason": {"x"}})
			require.Equal(t, http.StatusForbidden, a.status, "%s: %s", name, path)
			require.Nil(t, a.cookie)
		}
	}
	b.header = nil
	require.Contains(t, b.page("/dashboard/"), "No cleanup was ever started here")
}

// What every answer carries.
func TestHeaders(t *testing.T) {
	w := open(t, "old-a")
	w.start("spring")
	w.pass(time.Hour)
	in := w.signedIn(olga)
	for _, path := range append(paths(), "/dashboard/style.css", "/dashboard/sign-in/x") {
		for _, b := range []*browser{in, {w: w}} {
			a := b.gets(path)
			require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'", path)
			require.Contains(t, a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
			require.Equal(t, "no-store", a.header.Get("Cache-Control"), path)
			require.Equal(t, "no-referrer", a.header.Get("Referrer-Policy"), path)
			require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"), path)
			for _, no := range []string{"<script", " style=", "http-equiv", "onclick", "javascript:"} {
				require.False(t, strings.Contains(a.body, no), "%s: %s", path, no)
			}
		}
	}
}
