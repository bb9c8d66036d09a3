package approval_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Whatever is asked of the pages: GET and HEAD change nothing; whoever has no link sees nothing of a request and changes
// nothing; and who has one decides by the whole form of an open request alone. No other secret is anybody's link.
//
// In a path and a body, LINK stands for a right link, REQUEST for a request's id and DIGEST for its digest.
func FuzzPages(f *testing.F) {
	const form = "choice=delete&reason=unused&digest=DIGEST"
	for _, seed := range [][4]string{
		{"GET", "/a/LINK", "", ""},
		{"GET", "/a/LINK/REQUEST", "", "x"},
		{"HEAD", "/a/LINK/REQUEST?choice=delete", "", ""},
		{"POST", "/a/LINK/REQUEST", form, ""},
		{"POST", "/a/LINK/REQUEST", "choice=delete&choice=keep&reason=x&digest=DIGEST", ""},
		{"POST", "/a/LINK/REQUEST", "choice=keep&reason=+&digest=DIGEST", ""},
		{"POST", "/a/LINK/REQUEST", "choice=soak-again&reason=x&digest=0", "LINK"},
		{"POST", "/a/LINK/REQUEST/", form, "LIN"},
		{"POST", "/a/LINKx/REQUEST", form, "LINK "},
		{"POST", "/a//REQUEST", form, ""},
		{"POST", "/a/LINK%2fREQUEST", form, ""},
		{"POST", "/a/../a/LINK/REQUEST", form, ""},
		{"POST", "/a/%4c", "%zz", "\x00"},
		{"PUT", "/a/LINK/REQUEST", form, ""},
		{"GET", "/style.css", "", ""},
		{"POST", "/a/LINK/review", "choice.REQUEST=delete&digest.REQUEST=DIGEST&reason=x&all=keep", ""},
		{"POST", "/a/LINK/review", "digest.REQUEST=DIGEST&all=delete", ""},
		{"POST", "/a/LINK/decide", "choice.REQUEST=delete&digest.REQUEST=DIGEST&reason=x", ""},
		{"POST", "/a/LINK/decide", "choice.REQUEST=keep&digest.REQUEST=DIGEST&reason.REQUEST=x&reason=", ""},
		{"POST", "/a/LINK/decide", "choice.REQUEST=delete&digest.REQUEST=0&reason=x", ""},
		{"POST", "/a/LINK/decide", "choice.REQUEST=delete&choice.REQUEST=keep&digest.REQUEST=DIGEST&reason=x", ""},
		{"POST", "/a/LINK/decide", "digest.REQUEST=DIGEST&all=delete&reason=x", ""},
		{"POST", "/a/LIN/decide", "choice.REQUEST=delete&digest.REQUEST=DIGEST&reason=x", ""},
		{"GET", "/a/LINK/decide?choice.REQUEST=delete&digest.REQUEST=DIGEST&reason=x", "", ""},
		{"GET", "/a/LINK/REQUEST/receipt", "", ""},
		{"GET", "/a/LINK/REQUEST/receipt.txt", "", ""},
		{"GET", "/a/LINK?q=%00&show=x&class=y&sort=z&from=-9", "", ""},
		{"POST", "/a/LINK/REQUEST", strings.Repeat("a", 1000) + "=1&" + form, ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	key, err := approval.OpenKeyFile(filepath.Join(f.TempDir(), "key"))
	require.NoError(f, err)
	var o *office
	var handler http.Handler
	var request sunset.ApprovalRequest
	var link string
	base, worlds := f.TempDir(), 0
	fresh := func(tb testing.TB) {
		worlds++
		d, err := store.OpenDir(filepath.Join(base, strconv.Itoa(worlds)), store.NoSync())
		require.NoError(tb, err)
		o = &office{rows: d.Rows(), clock: clock.NewVirtual(start), settings: sunset.DefaultSettings()}
		o.settings.Approvers = []sunset.Approver{{Email: ada}, {Email: ben}}
		o.Desk = approval.NewDesk(o.rows, approval.Signers{Decisions: key, Links: key}, func(context.Context) (sunset.Settings, error) { return o.settings, nil }, o.clock)
		handler = approval.NewWeb(approval.Pages{
			Desk: o.Desk, BaseURL: "https://approve.example.com", OnDecided: func(context.Context, sunset.ApprovalRequest, sunset.Choice) error { return nil },
			RecordDecision: func(context.Context, sunset.ApprovalRequest, sunset.Decision) error { return nil },
		})
		request, err = o.Open(context.Background(), asking("ci-old"), "token")
		require.NoError(tb, err)
		link, err = o.NewLink(context.Background(), ada, start.AddDate(0, 0, 20))
		require.NoError(tb, err)
	}
	fresh(f)
	f.Fuzz(func(t *testing.T, method, path, body, secret string) {
		real := strings.NewReplacer("LINK", link, "REQUEST", request.ID, "DIGEST", request.Digest)
		if who, err := o.Approver(t.Context(), real.Replace(secret)); real.Replace(secret) != link {
			require.ErrorIs(t, err, store.ErrMissing)
			require.Empty(t, who)
		}
		u, err := url.ParseRequestURI(real.Replace(path))
		if err != nil || !validMethod(method) {
			return
		}
		r := &http.Request{
			Method: method, URL: u, Host: "approve.example.com", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			Body: io.NopCloser(strings.NewReader(real.Replace(body))), RequestURI: u.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: "127.0.0.1:1",
		}
		before := o.contents(t)
		out := httptest.NewRecorder()
		handler.ServeHTTP(out, r.WithContext(t.Context()))
		after := o.contents(t)

		invited := strings.HasPrefix(u.EscapedPath(), "/a/"+link)
		if !invited {
			require.NotContains(t, out.Body.String(), request.Digest)
			require.NotContains(t, out.Body.String(), "ci-old")
			require.NotContains(t, out.Body.String(), link)
		}
		values, err := url.ParseQuery(real.Replace(body))
		whole := err == nil && len(values["choice"]) == 1 && len(values["reason"]) == 1 && len(values["digest"]) == 1 && values.Get("digest") == request.Digest &&
			strings.TrimSpace(values.Get("reason")) != "" && strings.Contains("delete keep soak-again", values.Get("choice"))
		if method == http.MethodPost && u.Path == "/a/"+link+"/"+request.ID && whole {
			fresh(t) // it may have been decided
			return
		}
		one := func(field string) string {
			if len(values[field]) != 1 {
				return ""
			}
			return strings.TrimSpace(values.Get(field))
		}
		wholeAmongMany := err == nil && one("choice."+request.ID) != "" && one("digest."+request.ID) == request.Digest && (one("reason") != "" || one("reason."+request.ID) != "")
		if method == http.MethodPost && u.Path == "/a/"+link+"/decide" && wholeAmongMany {
			fresh(t)
			return
		}
		require.Equal(t, before, after, "%s %s changed something", method, path)
	})
}

func validMethod(method string) bool {
	return method != "" && strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
