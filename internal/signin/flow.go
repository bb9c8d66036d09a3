package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// begin leads a browser to the provider.
func (d *door) begin(rw http.ResponseWriter, r *http.Request, at sunset.IdentityProvider) {
	page, _ := own(r) // elsewhere people are told that they are signed in
	p, err := d.provider(r.Context(), at.Issuer)
	if err != nil {
		d.unavailable(rw, r, err)
		return
	}
	a := attempt{
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Return: page,
		Issuer: at.Issuer, ClientID: at.ClientID, Expires: d.Clock.Now().Add(beginWithin).UTC(),
	}
	if err := d.write(r.Context(), rw, attemptCookie, a, beginWithin); err != nil {
		d.unavailable(rw, r, err)
		return
	}
	rw.Header().Set("Referrer-Policy", "no-referrer") // the page's address is a secret
	to := d.client(p, at).AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier))
	http.Redirect(rw, r, to, http.StatusSeeOther)
}

func (d *door) client(p *oidc.Provider, at sunset.IdentityProvider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: at.ClientID, ClientSecret: d.ClientSecret, Endpoint: p.Endpoint(), RedirectURL: d.BaseURL + CallbackPath,
		Scopes: []string{oidc.ScopeOpenID, oidc.ScopeEmail},
	}
}

// callback takes what the provider sends back, once: the attempt's cookie goes with it.
func (d *door) callback(rw http.ResponseWriter, r *http.Request, at sunset.IdentityProvider) {
	if r.Method != http.MethodGet {
		d.wrongMethod(rw, r, "GET")
		return
	}
	var a attempt
	ok, err := d.read(r, attemptCookie, &a)
	if err != nil {
		d.unavailable(rw, r, err)
		return
	}
	// What did not begin in this browser ends here, and says nothing of what is under way in it.
	q := r.URL.Query()
	if !ok || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(a.State)) != 1 || !d.Clock.Now().Before(a.Expires) ||
		a.Issuer != at.Issuer || a.ClientID != at.ClientID {
		d.show(rw, r, page{Status: http.StatusBadRequest, Title: "This sign-in is over", Text: "It took too long, was used already, or began in another window. Open the link in your message again."})
		return
	}
	d.forget(rw, attemptCookie)
	if q.Has("iss") && q.Get("iss") != at.Issuer { // https://www.rfc-editor.org/rfc/rfc9207.html
		d.refuse(rw, r, "it came from another provider", "")
		return
	}
	if q.Get("code") == "" {
		d.refuse(rw, r, "the provider did not sign anybody in", "The provider did not sign you in.")
		return
	}
	s, err := d.exchange(r.Context(), at, a, q.Get("code"))
	switch refused := refusal(err); {
	case refused != nil:
		d.refuse(rw, r, refused.why, refused.told)
		return
	case err != nil:
		d.unavailable(rw, r, err)
		return
	}
	if err := d.write(r.Context(), rw, sessionCookie, s, sessionFor); err != nil {
		d.unavailable(rw, r, err)
		return
	}
	if a.Return == "" {
		d.show(rw, r, page{Status: http.StatusOK, Title: "You are signed in", Text: "As " + s.Email + ". Open the link in your message again."})
		return
	}
	http.Redirect(rw, r, d.prefix+a.Return, http.StatusSeeOther)
}

// refuse tells somebody that the provider has not made them known. The log says why, without anything of theirs.
func (d *door) refuse(rw http.ResponseWriter, r *http.Request, why, told string) {
	slog.WarnContext(r.Context(), "a sign-in was refused", "why", why)
	if told == "" {
		told = "Who you are could not be verified."
	}
	d.show(rw, r, page{Status: http.StatusForbidden, Title: "You are not signed in", Text: told + " Open the link in your message to try again, or tell the security team."})
}

// out shows who is signed in, and forgets them by POST.
func (d *door) out(rw http.ResponseWriter, r *http.Request, at sunset.IdentityProvider) {
	switch r.Method {
	case http.MethodPost:
		d.forget(rw, sessionCookie)
		d.forget(rw, attemptCookie)
		http.Redirect(rw, r, d.prefix+OutPath, http.StatusSeeOther)
	case http.MethodGet, http.MethodHead:
		s, known, err := d.session(r, at)
		switch {
		case err != nil:
			d.unavailable(rw, r, err)
		case known:
			d.show(rw, r, page{Status: http.StatusOK, Title: "Sign out", Text: fmt.Sprintf("You are signed in as %s.", s.Email), Out: d.prefix + OutPath})
		default:
			d.show(rw, r, page{Status: http.StatusOK, Title: "You are signed out", Text: "Your provider may still know this browser: sign out there too if others use it."})
		}
	default:
		d.wrongMethod(rw, r, "GET, POST")
	}
}

func (d *door) wrongMethod(rw http.ResponseWriter, r *http.Request, allowed string) {
	rw.Header().Set("Allow", allowed)
	d.show(rw, r, page{Status: http.StatusMethodNotAllowed, Title: "Not possible", Text: "This address is opened by " + strings.ReplaceAll(allowed, ", ", " or ") + " alone. Nothing was changed."})
}
