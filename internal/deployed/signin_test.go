package deployed_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/signin/signintest"
)

// keep are the cookies of a browser after an answer, as API Gateway hands them on.
func keep(have map[string]string, set []string) []string {
	for _, line := range set {
		c, err := http.ParseSetCookie(line)
		switch {
		case err != nil:
		case c.MaxAge < 0:
			delete(have, c.Name)
		default:
			have[c.Name] = c.Value
		}
	}
	var out []string
	for name, value := range have {
		out = append(out, name+"="+value)
	}
	return out
}

// Signing in over events as API Gateway sends them: cookies come in a list of their own, both ways.
func TestSigningInBehindAnHTTPAPI(t *testing.T) {
	p := openPages(t)
	provider := signintest.New(t, p.clock.Now)
	p.settings(fmt.Sprintf(`{"approvers": [{"email": %q}], "sign_in": {"issuer": %q, "client_id": %q}}`, ada, provider.Issuer, signintest.ClientID))
	p.env["IAM_SUNSET_OIDC_CLIENT_SECRET"] = "s3cret"
	provider.Set(func(x *signintest.Provider) { x.Secret = "s3cret" })
	p.call = httpadapter.NewV2(deployed.Web(p.pages())).ProxyWithContext
	jar := map[string]string{}

	out := p.ask(ask{method: "GET", path: p.link})
	require.Equal(t, http.StatusSeeOther, out.StatusCode, out.Body)
	require.True(t, strings.HasPrefix(out.Headers["Location"], provider.Issuer+"/authorize?"), out.Headers["Location"])
	require.NotContains(t, out.Headers["Location"], strings.TrimPrefix(p.link, "/a/"))
	cookies := keep(jar, out.Cookies)
	require.Len(t, cookies, 1)
	require.True(t, strings.HasPrefix(cookies[0], "__Host-"), "the pages are served by https")

	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	sent, err := browser.Get(out.Headers["Location"])
	require.NoError(t, err)
	require.NoError(t, sent.Body.Close())
	back, err := url.Parse(sent.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "https://pages.example.com"+signin.CallbackPath, "https://"+back.Host+back.Path)

	out = p.ask(ask{method: "GET", path: back.Path, query: back.RawQuery, cookies: cookies})
	require.Equal(t, http.StatusSeeOther, out.StatusCode, out.Body)
	require.Equal(t, p.link, out.Headers["Location"])
	require.Len(t, out.Cookies, 2, "one is gone, one is new")
	cookies = keep(jar, out.Cookies)
	require.Len(t, cookies, 1)

	out = p.ask(ask{method: "GET", path: p.link, cookies: append([]string{"other=1"}, cookies...)})
	require.Equal(t, http.StatusOK, out.StatusCode, out.Body)
	require.Contains(t, out.Body, "old-batch")

	// Somebody else who signs in with ada's link in hand sees nothing.
	provider.Set(func(x *signintest.Provider) { x.Person = signintest.Verified("eve@example.com") })
	other := map[string]string{}
	out = p.ask(ask{method: "GET", path: p.link})
	cookies = keep(other, out.Cookies)
	sent, err = browser.Get(out.Headers["Location"])
	require.NoError(t, err)
	require.NoError(t, sent.Body.Close())
	back, err = url.Parse(sent.Header.Get("Location"))
	require.NoError(t, err)
	out = p.ask(ask{method: "GET", path: back.Path, query: back.RawQuery, cookies: cookies})
	cookies = keep(other, out.Cookies)
	out = p.ask(ask{method: "GET", path: p.link, cookies: cookies})
	require.Equal(t, http.StatusForbidden, out.StatusCode, out.Body)
	require.NotContains(t, out.Body, "old-batch")
	require.Empty(t, p.stored())
}
