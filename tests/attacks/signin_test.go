package attacks

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/signin/signintest"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	session   = "iam-sunset-session"
	signingIn = "iam-sunset-signing-in"
)

// set is what an answer has the browser keep.
func set(a answer, name string) string {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// leaves goes to the provider from a page and gives the attempt's cookie and the address to come back to.
func (t *trial) leaves(page string) (attempt, back string) {
	a := t.get(page)
	t.refused(a, http.StatusSeeOther)
	at := t.get(a.header.Get("Location"))
	return set(a, signingIn), at.header.Get("Location")
}

// signedIn is the session of whom the provider names.
func (t *trial) signedIn(email string) string {
	t.provider.Set(func(p *signintest.Provider) { p.Person = signintest.Verified(email) })
	attempt, back := t.leaves(t.linkOf(ada, ""))
	a := t.get(back, cookie(signingIn, attempt))
	t.refused(a, http.StatusSeeOther)
	s := set(a, session)
	t.must(s != "", "nobody is signed in")
	return s
}

// signIns are attacks on the way by which people are known, where settings ask for a sign-in.
func signIns() []attack {
	on := func(name string, has power, try func(*trial)) attack {
		return attack{name: name, has: has, try: func(t *trial) {
			t.set(func(s *sunset.Settings) {
				s.SignIn = &sunset.IdentityProvider{Issuer: t.provider.Issuer, ClientID: signintest.ClientID}
			})
			defer t.set(func(s *sunset.Settings) { s.SignIn = nil })
			try(t)
		}}
	}
	// nobodyIn holds that an answer signs nobody in.
	nobodyIn := func(t *trial, a answer) {
		t.must(set(a, session) == "", "%s signed somebody in", a.asked)
		t.must(a.status >= 400, "%s was answered %d", a.asked, a.status)
	}
	return []attack{
		on("a link without a sign-in", aLink, func(t *trial) {
			for _, link := range []string{t.linkOf(ada, ""), t.linkOf(maria, target)} {
				a := t.get(link)
				t.refused(a, http.StatusSeeOther)
				t.must(strings.HasPrefix(a.header.Get("Location"), t.provider.Issuer+"/authorize?") && !strings.Contains(a.header.Get("Location"), secretOf(link)), "it leads to %q", a.header.Get("Location"))
			}
			t.refused(t.post(t.at(t.linkOf(ada, ""), target), t.ballot(target, "delete")), http.StatusUnauthorized)
			t.refused(t.post(t.linkOf(maria, target), url.Values{"act": {"keep"}, "reason": {"x"}}), http.StatusUnauthorized)
			for _, asked := range t.provider.Asked() {
				t.must(!strings.Contains(asked, secretOf(t.linkOf(ada, ""))), "the provider was told a link")
			}
		}),
		on("a sign-in as somebody else than the link is for", aSession, func(t *trial) {
			s := t.signedIn(ben)
			for _, a := range []answer{
				t.get(t.linkOf(ada, ""), cookie(session, s)), t.get(t.at(t.linkOf(ada, ""), target), cookie(session, s)), t.post(t.at(t.linkOf(ada, ""), target), t.ballot(target, "delete"), cookie(session, s)),
				t.get(t.linkOf(maria, target), cookie(session, s)), t.post(t.linkOf(maria, target), url.Values{"act": {"keep"}, "reason": {"x"}}, cookie(session, s)),
			} {
				t.refused(a, http.StatusForbidden)
				t.must(!strings.Contains(a.body, target), "%s tells of cases", a.asked)
			}
		}),
		on("a session without a link", aSession, func(t *trial) {
			s := t.signedIn(ada)
			t.refused(t.get(t.machine.PagesURL+"/a/"+random(), cookie(session, s)), http.StatusNotFound)
			t.refused(t.get(t.machine.PagesURL+"/a/"+s, cookie(session, s)), http.StatusNotFound)
		}),
		on("sessions that were made up, altered or taken from another cookie", aSession, func(t *trial) {
			s := t.signedIn(ben)
			text, mac, _ := strings.Cut(s, ".")
			body, _ := base64.RawURLEncoding.DecodeString(text) // it was just written
			var claims map[string]any
			t.must(json.Unmarshal(body, &claims) == nil, "the session can't be read")
			claims["email"] = ada
			altered, _ := json.Marshal(claims) // it was just read
			adas := base64.RawURLEncoding.EncodeToString(altered)
			attempt, _ := t.leaves(t.linkOf(ada, ""))
			for _, forged := range []string{adas + "." + mac, adas + ".", adas, adas + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 32)), attempt, "", ".", "e30.e30", s + "x", strings.Repeat("A", 5000)} {
				a := t.get(t.linkOf(ada, ""), cookie(session, forged))
				t.must(a.status != http.StatusOK, "%.20q is a session", forged)
				t.refused(t.post(t.at(t.linkOf(ada, ""), target), t.ballot(target, "delete"), cookie(session, forged)), http.StatusUnauthorized, http.StatusForbidden)
			}
			t.must(t.get(t.linkOf(ada, ""), header("Cookie", session+"="+adas+"."+mac+"; "+session+"="+s)).status != http.StatusOK, "of two sessions one was taken")
		}),
		on("a session that the attacker planted beforehand", aSession, func(t *trial) {
			planted := t.signedIn(ben)
			attempt, back := t.leaves(t.linkOf(ada, ""))
			t.provider.Set(func(p *signintest.Provider) { p.Person = signintest.Verified(ada) })
			a := t.get(back, cookie(signingIn, attempt), cookie(session, planted))
			t.must(set(a, session) != planted, "the planted session was kept")
			t.must(!strings.Contains(set(a, session), strings.SplitN(planted, ".", 2)[0]), "the planted session lives on")
		}),
		on("the address to come back to, opened by another browser, twice, or changed", aSession, func(t *trial) {
			attempt, back := t.leaves(t.linkOf(ada, ""))
			nobodyIn(t, t.get(back)) // the victim's browser, which never left
			others, _ := t.leaves(t.linkOf(ben, ""))
			nobodyIn(t, t.get(back, cookie(signingIn, others)))
			for _, change := range []func(url.Values){
				func(q url.Values) { q.Del("state") }, func(q url.Values) { q.Set("state", "") }, func(q url.Values) { q.Set("state", q.Get("state")+"x") }, func(q url.Values) { q.Del("code") },
				func(q url.Values) { q.Set("iss", "https://evil.example") }, func(q url.Values) { q.Set("error", "access_denied"); q.Del("code") }, func(q url.Values) { q.Set("code", "made-up") },
			} {
				u, _ := url.Parse(back) // the provider made it
				q := u.Query()
				change(q)
				u.RawQuery = q.Encode()
				nobodyIn(t, t.get(u.String(), cookie(signingIn, attempt)))
			}
			t.must(set(t.get(back, cookie(signingIn, attempt)), session) != "", "the honest browser does not get in")
			nobodyIn(t, t.get(back, cookie(signingIn, attempt)))
			for _, m := range []string{http.MethodPost, http.MethodHead, http.MethodPut} {
				nobodyIn(t, t.do(m, back, nil, cookie(signingIn, attempt)))
			}
		}),
		on("ways out to another site after signing in", aLink, func(t *trial) {
			link := t.linkOf(ada, "")
			for _, page := range []string{link + "?return=https://evil.example", link + "?redirect_uri=https://evil.example&next=//evil.example", link + "/..%2f..%2f%2fevil.example", link + "/%5c%5cevil.example", link + "?q=%0d%0aLocation:%20https://evil.example", link + "?x=\\\\evil.example"} {
				a := t.get(page)
				if a.status != http.StatusSeeOther {
					continue
				}
				to, _ := url.Parse(a.header.Get("Location")) // check has looked at it
				t.must(to.Query().Get("redirect_uri") == t.machine.PagesURL+signin.CallbackPath, "people come back to %q", to.Query().Get("redirect_uri"))
				back := t.get(t.get(a.header.Get("Location")).header.Get("Location")+"&return=https://evil.example", cookie(signingIn, set(a, signingIn)))
				t.must(strings.HasPrefix(back.header.Get("Location"), "/a/"), "%s leads to %q", page, back.header.Get("Location"))
			}
		}),
		on("tokens that the provider did not mean for this", aSession, func(t *trial) {
			key := signintest.NewKey(t.t)
			unsigned := func(claims []byte) string {
				return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
			}
			for what, change := range map[string]func(*signintest.Provider){
				"another key": func(p *signintest.Provider) {
					p.Sign = func(c []byte) string { return signintest.Signed(t.t, key, c) }
				},
				"no key":             func(p *signintest.Provider) { p.Sign = unsigned },
				"another client":     func(p *signintest.Provider) { p.Change = func(c map[string]any) { c["aud"] = "another" } },
				"another issuer":     func(p *signintest.Provider) { p.Change = func(c map[string]any) { c["iss"] = "https://evil.example" } },
				"another sign-in":    func(p *signintest.Provider) { p.Change = func(c map[string]any) { c["nonce"] = "replayed" } },
				"one that is over":   func(p *signintest.Provider) { p.Change = func(c map[string]any) { c["exp"] = 1 } },
				"an unproven mail":   func(p *signintest.Provider) { p.Change = func(c map[string]any) { c["email_verified"] = false } },
				"a mail that's said": func(p *signintest.Provider) { p.Change = func(c map[string]any) { delete(c, "email_verified") } },
			} {
				attempt, back := t.leaves(t.linkOf(ada, ""))
				t.provider.Set(change)
				a := t.get(back, cookie(signingIn, attempt))
				t.provider.Set(func(p *signintest.Provider) { p.Sign, p.Change = nil, nil })
				t.must(a.status >= 400 && set(a, session) == "", "%s signed somebody in (%d)", what, a.status)
			}
		}),
		on("signing somebody out by a look, or from another site", anotherWeb, func(t *trial) {
			s := t.signedIn(ada)
			for _, m := range []string{http.MethodGet, http.MethodHead} {
				a := t.do(m, t.machine.PagesURL+signin.OutPath, nil, cookie(session, s))
				t.must(a.header.Get("Set-Cookie") == "", "%s signs out", a.asked)
			}
			a := t.post(t.machine.PagesURL+signin.OutPath, nil, cookie(session, s), header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example"))
			t.refused(a, http.StatusForbidden)
			t.must(a.header.Get("Set-Cookie") == "", "another site signs out")
		}),
	}
}
