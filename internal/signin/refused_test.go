package signin_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/signin/signintest"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

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
