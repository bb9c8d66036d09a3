// Package signin has people sign in at an OpenID Connect provider before they see a page, by the authorization code flow
// with PKCE, state and nonce.
//
// Nothing is kept on the server: a sign-in under way and a session are cookies whose MACs nobody else can make, bound to the
// provider and client that settings name. Settings are read at each request, so that a session ends with the provider that
// it came from. The provider learns no link: the page to come back to stays in the browser's cookie.
//
// See https://openid.net/specs/openid-connect-core-1_0.html and https://www.rfc-editor.org/rfc/rfc9700.html
package signin

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// CallbackPath is where the provider sends people back to, below the pages' address.
	CallbackPath = "/sign-in/callback"
	// OutPath shows who is signed in, and signs out.
	OutPath = "/sign-in/out"

	// SecretVariable is the environment variable that holds the client's secret at the provider, where it has one.
	SecretVariable = "IAM_SUNSET_OIDC_CLIENT_SECRET"

	beginWithin = 10 * time.Minute // from leaving for the provider to coming back
	sessionFor  = 8 * time.Hour    // a working day
)

// Config is what sign-ins work with.
type Config struct {
	// Settings are read at each request. Their SignIn names the provider; nil: nobody has to sign in.
	Settings func(context.Context) (sunset.Settings, error)
	// Signer makes and checks the MACs of cookies, under a purpose that nothing else has.
	Signer approval.Signer
	// BaseURL is what the pages' addresses begin with, as browsers see them.
	BaseURL string
	// ClientSecret is the client's at the provider; empty: a public client, which PKCE alone protects.
	ClientSecret string
	Clock        interface{ Now() time.Time }
}

type door struct {
	Config
	http   *http.Client
	prefix string // the path under which BaseURL puts everything
	secure bool   // whether browsers come by https

	mu   sync.Mutex
	last metadata // of the provider that was asked last
}

// New tells who sits at a browser. It also answers what comes to CallbackPath and OutPath. A GET by somebody unknown is led to
// the provider and back to the same page; anything else by them is refused.
func New(c Config) approval.SignIn {
	d := &door{Config: c, http: &http.Client{Timeout: answerWithin}}
	d.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	d.secure = strings.HasPrefix(c.BaseURL, "https://")
	if u, err := url.Parse(d.BaseURL); err == nil {
		d.prefix = u.EscapedPath()
	}
	return d.know
}

func (d *door) know(rw http.ResponseWriter, r *http.Request) (who approval.Known, answered bool) {
	settings, err := d.Settings(r.Context())
	if err != nil {
		d.unavailable(rw, r, err)
		return approval.Known{}, true
	}
	if settings.SignIn == nil {
		return approval.Known{}, false
	}
	at := *settings.SignIn
	switch {
	case r.URL.Path == CallbackPath:
		d.callback(rw, r, at)
		return approval.Known{}, true
	case r.URL.Path == OutPath:
		d.out(rw, r, at)
		return approval.Known{}, true
	case strings.HasPrefix(r.URL.Path, "/sign-in/"):
		return approval.Known{}, false
	}

	s, known, err := d.session(r, at)
	switch {
	case err != nil:
		d.unavailable(rw, r, err)
		return approval.Known{}, true
	case known:
		return approval.Known{Email: s.Email, Principal: s.Issuer + "#" + s.Subject}, false
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		d.show(rw, r, page{Status: http.StatusUnauthorized, Title: "Please sign in again", Text: "You are not signed in any more. Nothing was decided or changed: open the page again, sign in, and send the form there."})
	default:
		d.begin(rw, r, at)
	}
	return approval.Known{}, true
}

// session is who is signed in by the provider that today's settings name.
func (d *door) session(r *http.Request, at sunset.IdentityProvider) (session, bool, error) {
	var s session
	ok, err := d.read(r, sessionCookie, &s)
	if err != nil || !ok || s.Issuer != at.Issuer || s.ClientID != at.ClientID || !d.Clock.Now().Before(s.Expires) {
		return session{}, false, err
	}
	return s, true, nil
}

// own is the address of the page that r asks for, as long as people may be led back to it: approvers' and owners' pages,
// without a way to another site.
func own(r *http.Request) (address string, ok bool) {
	at := r.URL.EscapedPath()
	if !strings.HasPrefix(at, "/a/") && !strings.HasPrefix(at, "/o/") || path.Clean(at) != at || len(at) > 512 || strings.ContainsFunc(at, odd) {
		return "", false
	}
	if q := r.URL.RawQuery; q != "" && len(q) <= 512 && !strings.ContainsFunc(q, odd) {
		at += "?" + q
	}
	return at, true
}

// odd characters are what browsers and proxies read in ways of their own.
func odd(c rune) bool { return c <= ' ' || c > '~' || c == '\\' || c == '#' }
