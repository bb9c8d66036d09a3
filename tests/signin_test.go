package tests

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/signin/signintest"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// browser keeps cookies, and goes where it is led without a Referer, as the pages tell browsers to.
func (w *world) browser() *http.Client {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error { r.Header.Del("Referer"); return nil }}
}

func (w *world) by(c *http.Client, address string, form url.Values) (status int, page string) {
	w.t.Helper()
	resp, err := c.Get(address)
	if form != nil {
		require.NoError(w.t, err)
		require.NoError(w.t, resp.Body.Close())
		resp, err = c.PostForm(address, form)
	}
	require.NoError(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(b)
}

// Where settings ask for a sign-in, an owner's link alone keeps nobody; whom it was made for keeps the user, and the record
// says by which way they were known.
func TestAnOwnerWhoSignsInKeeps(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	provider := signintest.New(t, w.clock.Now)
	provider.Set(func(p *signintest.Provider) { p.Person = signintest.Verified("eve@example.com") })
	w.set(func(s *sunset.Settings) {
		s.SignIn = &sunset.IdentityProvider{Issuer: provider.Issuer, ClientID: signintest.ClientID}
	})
	w.at(turn().Add(6*day), func() {
		link := w.wayOf(owner)
		resp, err := http.PostForm(link, keepIt("without signing in"))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		status, page := w.by(w.browser(), link, keepIt("by somebody else"))
		require.Equal(t, http.StatusForbidden, status, page)
		require.Nil(t, w.caseOf(user.ID).Rescue)

		provider.Set(func(p *signintest.Provider) { p.Person = signintest.Verified(owner) })
		status, page = w.by(w.browser(), link, keepIt("the report runs once a year"))
		require.Equal(t, http.StatusOK, status, page)
	})
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Rescued, c.Outcome)
	require.Equal(t, "the report runs once a year", c.Rescue.Reason)
	require.Equal(t, sunset.WaySignIn, c.Rescue.Way)
	require.Equal(t, provider.Issuer+"#sub-of-"+owner, c.Rescue.Principal)
	w.proven()
}
