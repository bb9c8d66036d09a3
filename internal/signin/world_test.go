package signin_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/signin/signintest"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	inbox     = "/a/c2VjcmV0LW9mLXRoZS1saW5r"
	session   = "iam-sunset-session"
	signingIn = "iam-sunset-signing-in"
)

// site is a page behind a sign-in: it says who sits there, and counts what was posted.
type site struct {
	t        *testing.T
	provider *signintest.Provider
	server   *httptest.Server
	signer   *brittle

	mu       sync.Mutex
	now      time.Time
	settings sunset.Settings
	failing  error // of the settings
	posted   int
}

// brittle is a key that can fail, as KMS can.
type brittle struct {
	approval.Signer
	fails error
}

func (b *brittle) Verify(ctx context.Context, message, mac []byte) (bool, error) {
	if b.fails != nil {
		return false, b.fails
	}
	return b.Signer.Verify(ctx, message, mac)
}

func open(t *testing.T, change ...func(*signin.Config)) *site {
	t.Helper()
	s := &site{t: t, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}
	s.provider = signintest.New(t, s.Now)
	s.settings.SignIn = &sunset.IdentityProvider{Issuer: s.provider.Issuer, ClientID: signintest.ClientID}
	key, err := approval.OpenKeyFile(filepath.Join(t.TempDir(), "key"))
	require.NoError(t, err)
	s.signer = &brittle{Signer: key}
	var known approval.SignIn
	s.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		who, answered := known(rw, r)
		if answered {
			return
		}
		if r.Method == http.MethodPost {
			s.mu.Lock()
			s.posted++
			s.mu.Unlock()
		}
		_, _ = io.WriteString(rw, "here is "+who.Email+" as "+who.Principal)
	}))
	t.Cleanup(s.server.Close)
	cfg := signin.Config{
		Settings: func(context.Context) (sunset.Settings, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.settings, s.failing
		},
		Signer: s.signer, BaseURL: s.server.URL, Clock: s,
	}
	for _, c := range change {
		c(&cfg)
	}
	known = signin.New(cfg)
	return s
}

func (s *site) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// browser is one with its own cookies. follow says whether it goes where it is led.
func (s *site) browser(follow bool) *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !follow {
			return http.ErrUseLastResponse
		}
		if r.Response.Header.Get("Referrer-Policy") == "no-referrer" { // Go's client has no ear for it, browsers have
			r.Header.Del("Referer")
		}
		return nil
	}}
}

func (s *site) get(c *http.Client, address string) (*http.Response, string) {
	s.t.Helper()
	if !strings.HasPrefix(address, "http") {
		address = s.server.URL + address
	}
	return s.do(c, http.MethodGet, address)
}

func (s *site) do(c *http.Client, method, address string, cookies ...*http.Cookie) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, address, nil)
	require.NoError(s.t, err)
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	out, err := c.Do(r)
	require.NoError(s.t, err)
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	require.NoError(s.t, err)
	return out, string(body)
}

// cookie is what c keeps for the site under that name; empty: nothing.
func (s *site) cookie(c *http.Client, name string) string {
	s.t.Helper()
	u, err := url.Parse(s.server.URL)
	require.NoError(s.t, err)
	for _, cookie := range c.Jar.Cookies(u) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// toCallback goes as far as the address that the provider sends people back to.
func (s *site) toCallback(c *http.Client) string {
	s.t.Helper()
	out, _ := s.get(c, inbox)
	require.Equal(s.t, http.StatusSeeOther, out.StatusCode)
	out, body := s.get(c, out.Header.Get("Location"))
	require.Equal(s.t, http.StatusFound, out.StatusCode, body)
	return out.Header.Get("Location")
}
