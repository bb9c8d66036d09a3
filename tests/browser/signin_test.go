//go:build browser

package browser

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/signin/signintest"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Where settings name an identity provider, its sign-in stands before every page, and the decision is kept with it.
func TestSigningIn(t *testing.T) {
	t.Parallel()
	w := one(t)
	provider := signintest.New(t, w.clock.Now)
	provider.Set(func(p *signintest.Provider) { p.Person = signintest.Verified(ada) })
	w.mu.Lock()
	w.settings.SignIn = &sunset.IdentityProvider{Issuer: provider.Issuer, ClientID: signintest.ClientID}
	w.mu.Unlock()
	w.after(asking)
	link := w.linkOf(ada)

	provider.Set(func(p *signintest.Provider) { p.Down = true })
	early := open(t, host(t, link))
	require.EqualValues(t, http.StatusServiceUnavailable, early.goes(link))
	early.looks("sign-in-down", unpictured)
	provider.Set(func(p *signintest.Provider) { p.Down = false })

	b := open(t, host(t, link), host(t, provider.Issuer))
	require.EqualValues(t, http.StatusOK, b.goes(link))
	require.Equal(t, link, b.at(), "the provider sent them back to where they wanted to go")
	b.picks(chooses(w.asked("old-batch"), sunset.ChooseDelete))
	b.clicks(reviews)
	b.types("#reason", "nobody needs it")
	b.clicks(decides)
	contains(t, b.reads(".receipt"), "is stored: delete")
	d := w.decisions("old-batch")
	require.Len(t, d, 1)
	require.Equal(t, sunset.WaySignIn, d[0].Way)
	require.True(t, strings.HasPrefix(d[0].Principal, provider.Issuer+"#"))

	provider.Set(func(p *signintest.Provider) { p.Person = signintest.Verified(ben) })
	stranger := open(t, host(t, link), host(t, provider.Issuer))
	require.EqualValues(t, http.StatusForbidden, stranger.goes(link))
	contains(t, stranger.reads("main"), "You are signed in as somebody else")
	stranger.looks("signed-in-as-another", "dark")
	stranger.clicks(`a[href="/sign-in/out"]`)
	contains(t, stranger.reads("main"), "You are signed in as "+ben)
	stranger.looks("sign-out")
	stranger.clicks("main button")
	contains(t, stranger.reads("main"), "You are signed out")
	provider.Set(func(p *signintest.Provider) { p.Person = signintest.Verified(ada) })
	require.EqualValues(t, http.StatusOK, stranger.goes(link))
	require.Equal(t, link, stranger.at())

	provider.Set(func(p *signintest.Provider) { p.Refuses = "access_denied" })
	refused := open(t, host(t, link), host(t, provider.Issuer))
	refused.goes(link)
	refused.looks("sign-in-refused")
}
