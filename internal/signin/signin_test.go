package signin_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
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

func TestSigningIn(t *testing.T) {
	s := open(t)
	c := s.browser(true)
	out, body := s.get(c, inbox+"?done=1&sort=age")
	require.Equal(t, http.StatusOK, out.StatusCode, body)
	require.Equal(t, "here is ada@example.com as "+s.provider.Issuer+"#sub-of-ada@example.com", body)
	require.Equal(t, inbox+"?done=1&sort=age", out.Request.URL.RequestURI(), "back at the page that was asked for")
	require.Empty(t, s.cookie(c, signingIn), "used up")

	// Who is known is asked nothing more, and may send forms.
	before := len(s.provider.Asked())
	out, body = s.do(c, http.MethodPost, s.server.URL+inbox+"/1")
	require.Equal(t, http.StatusOK, out.StatusCode, body)
	require.Equal(t, 1, s.posted)
	require.Len(t, s.provider.Asked(), before)

	for _, asked := range s.provider.Asked() {
		require.NotContains(t, asked, strings.TrimPrefix(inbox, "/a/"), "the provider learns no link")
	}
}

// A provider's metadata and keys are asked for once, and once an hour.
func TestMetadataIsKept(t *testing.T) {
	s := open(t)
	count := func(what string) (n int) {
		for _, asked := range s.provider.Asked() {
			if strings.Contains(asked, what) {
				n++
			}
		}
		return n
	}
	for range 3 {
		out, _ := s.get(s.browser(true), inbox)
		require.Equal(t, http.StatusOK, out.StatusCode)
	}
	require.Equal(t, 1, count("openid-configuration"))
	require.Equal(t, 1, count("/keys"))
	s.set(func() { s.now = s.now.Add(61 * time.Minute) })
	_, _ = s.get(s.browser(true), inbox)
	require.Equal(t, 2, count("openid-configuration"))
}

// What a token has to say, and who is not made known by it.
func TestTokensThatMakeNobodyKnown(t *testing.T) {
	foreign := signintest.NewKey(t)
	for name, c := range map[string]struct {
		change func(map[string]any)
		sign   func([]byte) string
		says   string
	}{
		"another nonce":            {change: func(c map[string]any) { c["nonce"] = "of another sign-in" }},
		"no nonce":                 {change: func(c map[string]any) { delete(c, "nonce") }},
		"another audience":         {change: func(c map[string]any) { c["aud"] = "another-client" }},
		"for another among others": {change: func(c map[string]any) { c["aud"] = []string{signintest.ClientID, "x"}; c["azp"] = "x" }},
		"another issuer":           {change: func(c map[string]any) { c["iss"] = "https://login.example.org" }},
		"expired":                  {change: func(c map[string]any) { c["exp"] = 1_700_000_000 }},
		"no end":                   {change: func(c map[string]any) { delete(c, "exp") }},
		"nobody":                   {change: func(c map[string]any) { delete(c, "sub") }},
		"no address":               {change: func(c map[string]any) { delete(c, "email") }, says: "does not say what your address is"},
		"an unverified address":    {change: func(c map[string]any) { c["email_verified"] = false }, says: "has verified your address"},
		"nothing of verifying":     {change: func(c map[string]any) { delete(c, "email_verified") }, says: "has verified your address"},
		"verified as a word":       {change: func(c map[string]any) { c["email_verified"] = "true" }},
		"a user name alone":        {change: func(c map[string]any) { delete(c, "email"); c["preferred_username"] = "ada@example.com" }},
		"another key":              {sign: func(b []byte) string { return signintest.Signed(t, foreign, b) }},
		"not signed": {sign: func(b []byte) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
		}},
		"no token": {sign: func([]byte) string { return "" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.provider.Set(func(p *signintest.Provider) { p.Change, p.Sign = c.change, c.sign })
			b := s.browser(true)
			out, body := s.get(b, inbox)
			require.Equal(t, http.StatusForbidden, out.StatusCode, body)
			require.Contains(t, body, "You are not signed in")
			require.Contains(t, body, c.says)
			require.Empty(t, s.cookie(b, session))
			require.NotContains(t, body, "here is")
		})
	}
}

// For several audiences, it is enough to be the one that the token was made for.
func TestATokenForSeveralMadeForThePages(t *testing.T) {
	s := open(t)
	s.provider.Set(func(p *signintest.Provider) {
		p.Change = func(c map[string]any) { c["aud"] = []string{"x", signintest.ClientID}; c["azp"] = signintest.ClientID }
	})
	out, body := s.get(s.browser(true), inbox)
	require.Equal(t, http.StatusOK, out.StatusCode, body)
}

// A code comes back to the browser that it was asked for, once, soon, and for the same provider.
func TestCallbacksThatMakeNobodyKnown(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		ask    func(s *site, b *http.Client, callback string) (*http.Response, string)
	}{
		"another state": {http.StatusBadRequest, func(s *site, b *http.Client, callback string) (*http.Response, string) {
			u, err := url.Parse(callback)
			require.NoError(s.t, err)
			q := u.Query()
			q.Set("state", "another")
			u.RawQuery = q.Encode()
			return s.get(b, u.String())
		}},
		"no state": {http.StatusBadRequest, func(s *site, b *http.Client, _ string) (*http.Response, string) {
			return s.get(b, signin.CallbackPath+"?code=x")
		}},
		"in another browser": {http.StatusBadRequest, func(s *site, _ *http.Client, callback string) (*http.Response, string) {
			return s.get(s.browser(false), callback)
		}},
		"too late": {http.StatusBadRequest, func(s *site, b *http.Client, callback string) (*http.Response, string) {
			s.set(func() { s.now = s.now.Add(10 * time.Minute) })
			return s.get(b, callback)
		}},
		"settings name another provider meanwhile": {http.StatusBadRequest, func(s *site, b *http.Client, callback string) (*http.Response, string) {
			other := signintest.New(s.t, s.Now)
			s.set(func() {
				s.settings.SignIn = &sunset.IdentityProvider{Issuer: other.Issuer, ClientID: signintest.ClientID}
			})
			return s.get(b, callback)
		}},
		"settings name another client meanwhile": {http.StatusBadRequest, func(s *site, b *http.Client, callback string) (*http.Response, string) {
			s.set(func() { s.settings.SignIn = &sunset.IdentityProvider{Issuer: s.provider.Issuer, ClientID: "other"} })
			return s.get(b, callback)
		}},
		"another provider's answer": {http.StatusForbidden, func(s *site, b *http.Client, callback string) (*http.Response, string) {
			u, err := url.Parse(callback)
			require.NoError(s.t, err)
			q := u.Query()
			q.Set("iss", "https://login.example.org")
			u.RawQuery = q.Encode()
			return s.get(b, u.String())
		}},
		"another code": {http.StatusForbidden, func(s *site, b *http.Client, callback string) (*http.Response, string) {
			u, err := url.Parse(callback)
			require.NoError(s.t, err)
			q := u.Query()
			q.Set("code", "guessed")
			u.RawQuery = q.Encode()
			return s.get(b, u.String())
		}},
		"looked at only": {http.StatusMethodNotAllowed, func(s *site, b *http.Client, callback string) (*http.Response, string) {
			return s.do(b, http.MethodHead, callback)
		}},
		"posted": {http.StatusMethodNotAllowed, func(s *site, b *http.Client, callback string) (*http.Response, string) {
			return s.do(b, http.MethodPost, callback)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			b := s.browser(false)
			out, body := c.ask(s, b, s.toCallback(b))
			require.Equal(t, c.status, out.StatusCode, body)
			require.Empty(t, s.cookie(b, session))
		})
	}
}

func TestACallbackIsGoodForOnce(t *testing.T) {
	s := open(t)
	b := s.browser(false)
	callback := s.toCallback(b)
	kept := &http.Cookie{Name: signingIn, Value: s.cookie(b, signingIn)}
	out, _ := s.get(b, callback)
	require.Equal(t, http.StatusSeeOther, out.StatusCode)
	require.Equal(t, inbox, out.Header.Get("Location"))
	require.NotEmpty(t, s.cookie(b, session))

	out, _ = s.get(b, callback)
	require.Equal(t, http.StatusBadRequest, out.StatusCode, "the browser's own second try")
	// Whoever has kept the cookie as well comes to the provider, where the code is used up.
	thief := s.browser(false)
	out, body := s.do(thief, http.MethodGet, callback, kept)
	require.Equal(t, http.StatusForbidden, out.StatusCode, body)
	require.Empty(t, s.cookie(thief, session))
}

func TestForgedCookies(t *testing.T) {
	s := open(t)
	b := s.browser(true)
	_, _ = s.get(b, inbox)
	real := s.cookie(b, session)
	body, mac, _ := strings.Cut(real, ".")
	said, err := base64.RawURLEncoding.DecodeString(body)
	require.NoError(t, err)
	eve := base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(said), "ada@", "eve@")))
	fresh := s.browser(false)
	s.toCallback(fresh)
	for name, value := range map[string]string{
		"another person": eve + "." + mac, "no MAC": eve, "an empty MAC": eve + ".", "half a MAC": body + "." + mac[:20], "nothing": "", "a dot": ".",
		"not base64": "%%%." + mac, "a sign-in under way": s.cookie(fresh, signingIn), "too long": strings.Repeat("a", 5000) + "." + mac,
	} {
		out, text := s.do(s.browser(false), http.MethodGet, s.server.URL+inbox, &http.Cookie{Name: session, Value: value})
		require.Equal(t, http.StatusSeeOther, out.StatusCode, "%s: %s", name, text)
		require.Contains(t, out.Header.Get("Location"), s.provider.Issuer+"/authorize", name)
	}
	out, text := s.do(s.browser(false), http.MethodGet, s.server.URL+inbox, &http.Cookie{Name: session, Value: real})
	require.Equal(t, http.StatusOK, out.StatusCode, "as it was: %s", text)
	// A session is no sign-in under way either.
	out, _ = s.do(s.browser(false), http.MethodGet, s.server.URL+signin.CallbackPath+"?state=&code=x", &http.Cookie{Name: signingIn, Value: real})
	require.Equal(t, http.StatusBadRequest, out.StatusCode)
}

// People come back to pages of their own and nowhere else.
func TestWherePeopleComeBackTo(t *testing.T) {
	for asked, back := range map[string]string{
		inbox: inbox, "/o/abc/keep": "/o/abc/keep", "/a/x?done=1": "/a/x?done=1", "/a/x%20y": "/a/x%20y",
		"//evil.example.com/a/x": "", "/a//evil.example.com": "", "/a/../../evil": "", `/a/x\evil`: "/a/x%5Cevil", "/style.css": "", "/": "", "/v1/requests": "",
		"/a/" + strings.Repeat("x", 600): "", "/a/x?" + strings.Repeat("x", 600): "/a/x",
	} {
		s := open(t)
		b := s.browser(false)
		out, _ := s.get(b, s.server.URL+asked)
		require.Equal(t, http.StatusSeeOther, out.StatusCode, asked)
		out, _ = s.get(b, out.Header.Get("Location"))
		out, body := s.get(b, out.Header.Get("Location"))
		require.Equal(t, back, out.Header.Get("Location"), asked)
		if back == "" {
			require.Equal(t, http.StatusOK, out.StatusCode, asked)
			require.Contains(t, body, "You are signed in", asked)
		}
	}
}

func TestAFormFromSomebodyUnknownDoesNothing(t *testing.T) {
	s := open(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		out, body := s.do(s.browser(true), method, s.server.URL+inbox+"/1")
		require.Equal(t, http.StatusUnauthorized, out.StatusCode, method)
		require.Contains(t, body, "Nothing was decided or changed", method)
	}
	require.Zero(t, s.posted)
	require.Empty(t, s.provider.Asked())
}

// Settings decide at each request: whether anybody has to sign in, and whose word counts.
func TestSettingsDecideAtOnce(t *testing.T) {
	s := open(t)
	b := s.browser(false)
	on := s.settings.SignIn
	s.set(func() { s.settings.SignIn = nil })
	for _, page := range []string{inbox, signin.CallbackPath, signin.OutPath} {
		_, body := s.get(b, page)
		require.Equal(t, "here is  as ", body, "%s: nobody is asked", page)
	}
	s.set(func() { s.settings.SignIn = on })
	out, _ := s.get(b, s.toCallback(b))
	require.Equal(t, http.StatusSeeOther, out.StatusCode)
	_, body := s.get(b, inbox)
	require.Contains(t, body, "here is ada@example.com")

	other := signintest.New(t, s.Now)
	for name, at := range map[string]sunset.IdentityProvider{
		"another provider": {Issuer: other.Issuer, ClientID: signintest.ClientID}, "another client": {Issuer: on.Issuer, ClientID: "other"},
	} {
		s.set(func() { s.settings.SignIn = &at })
		out, _ = s.get(b, inbox)
		require.Equal(t, http.StatusSeeOther, out.StatusCode, name)
		require.True(t, strings.HasPrefix(out.Header.Get("Location"), at.Issuer+"/authorize?"), name)
		require.Contains(t, out.Header.Get("Location"), "client_id="+at.ClientID)
	}
	s.set(func() { s.settings.SignIn = on })
	_, body = s.get(b, inbox)
	require.Contains(t, body, "here is ada@example.com", "the session is good again where it came from")

	s.set(func() { s.now = s.now.Add(8 * time.Hour) })
	out, _ = s.get(b, inbox)
	require.Equal(t, http.StatusSeeOther, out.StatusCode, "a session lives for a working day")
}

// Whatever can't be found out lets nobody in, and is not said to be theirs.
func TestNothingIsDecidedWhileSomethingIsDown(t *testing.T) {
	for name, c := range map[string]struct {
		before, after func(*site)
	}{
		"the provider, at the start": {before: func(s *site) { s.provider.Set(func(p *signintest.Provider) { p.Down = true }) }},
		"the provider, at the end":   {after: func(s *site) { s.provider.Set(func(p *signintest.Provider) { p.Down = true }) }},
		"settings, at the start":     {before: func(s *site) { s.failing = errors.New("no settings") }},
		"settings, at the end":       {after: func(s *site) { s.failing = errors.New("no settings") }},
		"the key":                    {after: func(s *site) { s.signer.fails = errors.New("no key") }},
		"a provider under another name": {before: func(s *site) {
			s.settings.SignIn = &sunset.IdentityProvider{Issuer: s.provider.Issuer + "/", ClientID: signintest.ClientID}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			b := s.browser(false)
			ask := inbox
			if c.before != nil {
				c.before(s)
			} else {
				ask = s.toCallback(b)
				c.after(s)
			}
			out, body := s.get(b, ask)
			require.Equal(t, http.StatusServiceUnavailable, out.StatusCode, body)
			require.NotContains(t, body, "here is")
			require.Empty(t, s.cookie(b, session))
		})
	}
}

// A provider that is down for a while keeps nobody out who is signed in.
func TestASessionNeedsNoProvider(t *testing.T) {
	s := open(t)
	b := s.browser(true)
	_, _ = s.get(b, inbox)
	s.provider.Set(func(p *signintest.Provider) { p.Down = true })
	s.set(func() { s.now = s.now.Add(2 * time.Hour) })
	_, body := s.get(b, inbox)
	require.Contains(t, body, "here is ada@example.com")
	// Metadata that is known goes on being used: what fails then is the provider's own page.
	out, _ := s.get(s.browser(false), inbox)
	require.Equal(t, http.StatusSeeOther, out.StatusCode)
}

func TestTheProviderSignsNobodyIn(t *testing.T) {
	s := open(t)
	s.provider.Set(func(p *signintest.Provider) { p.Refuses = "access_denied" })
	out, body := s.get(s.browser(true), inbox)
	require.Equal(t, http.StatusForbidden, out.StatusCode)
	require.Contains(t, body, "The provider did not sign you in.")
}

func TestAClientWithASecret(t *testing.T) {
	for secret, status := range map[string]int{"s3cret": http.StatusOK, "wrong": http.StatusForbidden, "": http.StatusForbidden} {
		s := open(t, func(c *signin.Config) { c.ClientSecret = secret })
		s.provider.Set(func(p *signintest.Provider) { p.Secret = "s3cret" })
		out, body := s.get(s.browser(true), inbox)
		require.Equal(t, status, out.StatusCode, body)
		require.NotContains(t, body, "s3cret")
	}
}

func TestSigningOut(t *testing.T) {
	s := open(t)
	b := s.browser(false)
	_, body := s.get(b, signin.OutPath)
	require.Contains(t, body, "You are signed out")
	_, _ = s.get(b, s.toCallback(b))
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		out, _ := s.do(b, method, s.server.URL+signin.OutPath)
		require.Equal(t, http.StatusOK, out.StatusCode)
		require.Empty(t, out.Cookies(), "looking changes nothing")
	}
	_, body = s.get(b, signin.OutPath)
	require.Contains(t, body, "You are signed in as ada@example.com.")
	require.Contains(t, body, `<form method="post" action="/sign-in/out">`)

	out, _ := s.do(b, http.MethodPost, s.server.URL+signin.OutPath)
	require.Equal(t, http.StatusSeeOther, out.StatusCode)
	require.Equal(t, signin.OutPath, out.Header.Get("Location"))
	require.Empty(t, s.cookie(b, session))
	out, _ = s.do(b, http.MethodDelete, s.server.URL+signin.OutPath)
	require.Equal(t, http.StatusMethodNotAllowed, out.StatusCode)
}

// Behind a proxy with TLS, browsers send the cookies to this host alone, by https alone, and show them to no script.
func TestCookiesOverHTTPS(t *testing.T) {
	s := open(t, func(c *signin.Config) { c.BaseURL = "https://sunset.example.com/pages/" })
	out, _ := s.get(s.browser(false), inbox)
	require.Len(t, out.Cookies(), 1)
	c := out.Cookies()[0]
	require.Equal(t, "__Host-"+signingIn, c.Name)
	require.True(t, c.Secure)
	require.True(t, c.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain)
	require.Equal(t, 600, c.MaxAge)
	to, err := url.Parse(out.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "https://sunset.example.com/pages/sign-in/callback", to.Query().Get("redirect_uri"))

	out, _ = s.get(s.browser(false), to.String())
	back, err := url.Parse(out.Header.Get("Location"))
	require.NoError(t, err)
	out, _ = s.do(s.browser(false), http.MethodGet, s.server.URL+signin.CallbackPath+"?"+back.RawQuery, &http.Cookie{Name: c.Name, Value: c.Value})
	require.Equal(t, http.StatusSeeOther, out.StatusCode)
	require.Equal(t, "/pages"+inbox, out.Header.Get("Location"))
	for _, c := range out.Cookies() {
		require.True(t, strings.HasPrefix(c.Name, "__Host-"))
		if c.Name == "__Host-"+session {
			body, _, _ := strings.Cut(c.Value, ".")
			said, err := base64.RawURLEncoding.DecodeString(body)
			require.NoError(t, err)
			var kept map[string]any
			require.NoError(t, json.Unmarshal(said, &kept))
			require.Equal(t, "ada@example.com", kept["email"])
			require.Equal(t, "2026-11-20T17:00:00Z", kept["expires"])
			require.True(t, c.Secure && c.HttpOnly && c.MaxAge == 8*60*60 && c.SameSite == http.SameSiteLaxMode)
		}
	}
	require.Len(t, out.Cookies(), 2)
}
