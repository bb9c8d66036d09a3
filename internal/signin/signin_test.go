package signin_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
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
