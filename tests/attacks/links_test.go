package attacks

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// secretOf is what a link ends with.
func secretOf(link string) string { return link[strings.LastIndexByte(link, '/')+1:] }

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// closed holds that an address leads a stranger nowhere, however it is asked.
func (t *trial) closed(secret string) {
	for _, kind := range []string{"/a/", "/o/"} {
		at := t.machine.PagesURL + kind + secret
		a := t.get(at)
		t.refused(a, http.StatusNotFound)
		t.refused(t.do(http.MethodHead, at, nil), http.StatusNotFound)
		t.refused(t.post(at, url.Values{"act": {"keep"}, "reason": {"x"}}), http.StatusNotFound, http.StatusMethodNotAllowed)
		if kind == "/a/" {
			t.refused(t.get(t.at(at, target)), http.StatusNotFound)
			t.refused(t.post(t.at(at, target), t.ballot(target, "delete")), http.StatusNotFound)
			t.refused(t.post(at+"/decide", url.Values{}), http.StatusNotFound)
			t.refused(t.post(at+"/review", url.Values{}), http.StatusNotFound)
			t.refused(t.get(t.at(at, decided)+"/receipt.txt"), http.StatusNotFound)
		}
	}
}

// links are attacks by addresses.
func links() []attack {
	each := func(f func(*trial) []string) func(*trial) {
		return func(t *trial) {
			for _, secret := range f(t) {
				t.closed(secret)
			}
		}
	}
	return []attack{
		{name: "no link at all", has: nothing, try: func(t *trial) {
			for _, path := range []string{"/", "/a", "/a/", "/o", "/o/", "/a/x/y/z", "/v1/requests", "/v1/decisions", "/dashboard/", "/office/", "/office/rows?prefix=", "/.git/config", "/debug/pprof/", "/metrics", "/favicon.ico", "/robots.txt", "/decisions.key", "/store/rows"} {
				t.refused(t.get(t.machine.PagesURL+path), http.StatusNotFound)
				t.refused(t.post(t.machine.PagesURL+path, url.Values{"choice": {"delete"}}), http.StatusNotFound, http.StatusMethodNotAllowed)
			}
		}},
		{name: "made-up links", has: nothing, try: each(func(*trial) []string {
			return []string{random(), random(), strings.Repeat("A", 43), strings.Repeat("-", 43), "0", "admin", "null", "*"}
		})},
		{name: "links that were cut, stretched or changed by a letter", has: nothing, try: each(func(t *trial) []string {
			var out []string
			for _, link := range []string{t.linkOf(ada, ""), t.linkOf(maria, target)} {
				s := secretOf(link)
				swapped := strings.Map(func(c rune) rune {
					if c >= 'a' && c <= 'z' {
						return c - 32
					}
					return c
				}, s)
				out = append(out, s[:42], s[1:], s+"A", "A"+s, s[:20]+s[21:], swapped, s+"=", s+"%00", s+"%20", "%20"+s, s+".", s+"%0a", s+";a=b")
			}
			return out
		})},
		{name: "the hash of a link, as the store has it", has: nothing, try: each(func(t *trial) []string {
			h := hashOf(secretOf(t.linkOf(ada, "")))
			raw, _ := hex.DecodeString(h) // it is hex
			return []string{h, base64.RawURLEncoding.EncodeToString(raw), strings.ToUpper(h)}
		})},
		{name: "ids of cases, requests and users for a link", has: nothing, try: each(func(t *trial) []string {
			c := t.caseOf(target)
			return []string{c.ID, c.RequestID, c.UserID, t.asked(target).Digest}
		})},
		{name: "a link after its end", has: nothing, try: each(func(t *trial) []string { return []string{t.over} })},
		{name: "an approver's link for an owner's, and the other way round", has: nothing, try: func(t *trial) {
			t.refused(t.get(t.machine.PagesURL+"/o/"+secretOf(t.linkOf(ada, ""))), http.StatusNotFound)
			own := t.machine.PagesURL + "/a/" + secretOf(t.linkOf(maria, target))
			t.refused(t.get(own), http.StatusNotFound)
			t.refused(t.post(t.at(own, target), t.ballot(target, "delete")), http.StatusNotFound)
		}},
		{name: "a link's row that somebody else wrote", has: rowWrites, try: func(t *trial) {
			secret := random()
			for _, mac := range []any{nil, "", base64.StdEncoding.EncodeToString(make([]byte, 32)), "AAAA"} {
				t.row("link/"+hashOf(secret), func(map[string]any) map[string]any {
					return map[string]any{"hash": hashOf(secret), "approver": ada, "expires": t.clock.Now().AddDate(1, 0, 0), "mac": mac}
				})
				t.row("ownerlink/"+hashOf(secret), func(map[string]any) map[string]any {
					return map[string]any{"hash": hashOf(secret), "case_id": t.caseOf(target).ID, "user_id": t.caseOf(target).UserID, "email": maria, "expires": t.clock.Now().AddDate(1, 0, 0), "mac": mac}
				})
				t.closed(secret)
			}
		}},
		{name: "a link's row that was stretched, given to another, or put in another's place", has: rowWrites, try: func(t *trial) {
			secret := secretOf(t.linkOf(dora, ""))
			key, made := "link/"+hashOf(secret), random()
			for field, value := range map[string]any{"approver": ada, "expires": t.clock.Now().AddDate(9, 0, 0)} {
				var was any
				t.row(key, func(l map[string]any) map[string]any { was, l[field] = l[field], value; return l })
				t.refused(t.get(t.machine.PagesURL+"/a/"+secret), http.StatusNotFound)
				t.row(key, func(l map[string]any) map[string]any { l[field] = was; return l })
			}
			t.row("link/"+hashOf(made), func(map[string]any) map[string]any { return t.stored("link/" + hashOf(secretOf(t.linkOf(ada, "")))) })
			t.closed(made)
			t.row("link/"+hashOf(made), func(map[string]any) map[string]any {
				l := t.stored("link/" + hashOf(secretOf(t.linkOf(ada, ""))))
				l["hash"] = hashOf(made)
				return l
			})
			t.closed(made)
		}},
		{name: "an owner's link's row that was moved to another case", has: rowWrites, try: func(t *trial) {
			secret := secretOf(t.linkOf(maria, target))
			key := "ownerlink/" + hashOf(secret)
			for field, value := range map[string]any{
				"case_id": t.caseOf(other).ID, "user_id": t.caseOf(other).UserID, "email": paula, "expires": t.clock.Now().AddDate(9, 0, 0), "mac": nil,
			} {
				var was any
				t.row(key, func(l map[string]any) map[string]any { was, l[field] = l[field], value; return l })
				t.closed(secret)
				t.row(key, func(l map[string]any) map[string]any { l[field] = was; return l })
			}
			t.refused(t.get(t.machine.PagesURL+"/o/"+secret), http.StatusOK)
		}},
	}
}

// stored is a row as it is.
func (w *world) stored(key string) map[string]any {
	w.t.Helper()
	var out map[string]any
	row, err := w.store.Rows().Get(w.t.Context(), key)
	if err == nil {
		err = json.Unmarshal(row.Body, &out)
	}
	if err != nil {
		w.t.Errorf("reading row %s: %v", key, err)
	}
	return out
}

var addresses = regexp.MustCompile(`(?:href|action|src|formaction)="([^"]*)"`)

// crawl opens whatever leads on from a page, as scanners of mail and browsers that look ahead do, and gives how many there were.
func (t *trial) crawl(from string, changes ...with) int {
	seen, todo := map[string]bool{from: true}, []string{from}
	for len(todo) > 0 && len(seen) < 60 {
		a := t.get(todo[0], changes...)
		todo = todo[1:]
		for _, m := range addresses.FindAllStringSubmatch(a.body, -1) {
			to := strings.ReplaceAll(m[1], "&amp;", "&")
			if strings.HasPrefix(to, "/") && !seen[t.machine.PagesURL+to] {
				seen[t.machine.PagesURL+to] = true
				todo = append(todo, t.machine.PagesURL+to)
			}
		}
	}
	return len(seen)
}

// said are the ways in which an address could say what to do.
func (t *trial) said() string {
	return "?" + url.Values{
		"choice": {"delete"}, "reason": {"x"}, "digest": {t.asked(target).Digest}, "_method": {"POST"}, "act": {"keep"}, "all": {"delete"}, "confirm": {"yes"}, "done": {t.asked(target).ID},
	}.Encode()
}

// looks change nothing.
func looks() []attack {
	all := func(t *trial) []string {
		link, own := t.linkOf(ada, ""), t.linkOf(maria, target)
		return []string{link, link + "/review", link + "/decide", t.at(link, target), t.at(link, decided) + "/receipt", t.at(link, decided) + "/receipt.txt", own}
	}
	byMethod := func(methods ...string) func(*trial) {
		return func(t *trial) {
			for _, m := range methods {
				for _, at := range all(t) {
					a := t.do(m, at+t.said(), nil)
					t.must(a.status == 200 || a.status >= 400, "%s was answered %d", a.asked, a.status)
					a = t.do(m, at, strings.NewReader(t.ballot(target, "delete").Encode()), header("Content-Type", "application/x-www-form-urlencoded"))
					t.must(a.status == 200 || a.status >= 400, "%s with a form was answered %d", a.asked, a.status)
				}
			}
		}
	}
	return []attack{
		{name: "GET with everything that a form would say", has: aLink, try: byMethod(http.MethodGet)},
		{name: "HEAD with everything that a form would say", has: aLink, try: byMethod(http.MethodHead)},
		{name: "PUT, PATCH, DELETE, OPTIONS, TRACE and made-up methods", has: aLink, try: byMethod(http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "PROPFIND", "post", "LOCK")},
		{name: "a browser that looks ahead", has: aLink, try: func(t *trial) {
			for _, h := range []string{"Purpose", "Sec-Purpose", "X-Moz", "X-Purpose"} {
				for _, at := range all(t) {
					a := t.get(at+t.said(), header(h, "prefetch;prerender"), header("Sec-Fetch-Mode", "no-cors"))
					t.must(a.status == 200 || a.status >= 400, "%s was answered %d", a.asked, a.status)
				}
			}
		}},
		{name: "a scanner that opens every link in every message, and all that is on the pages", has: aLink, try: func(t *trial) {
			t.mu.Lock()
			seen := map[string]string{}
			for _, m := range t.mail {
				if m.Link != "" {
					seen[m.To+m.Subject] = m.Link
				}
			}
			t.mu.Unlock()
			opened := t.crawl(t.linkOf(ada, ""), header("User-Agent", "MailScanner/1.0"))
			for _, link := range seen {
				t.refused(t.get(link), http.StatusOK, http.StatusForbidden) // one is an approver no more
			}
			t.must(opened > 20, "only %d pages were found", opened)
		}},
		{name: "methods that hide in headers and fields", has: aLink, try: func(t *trial) {
			for _, h := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
				for _, at := range all(t) {
					a := t.get(at+t.said(), header(h, "POST"))
					t.must(a.status == 200 || a.status >= 400, "%s was answered %d", a.asked, a.status)
				}
			}
		}},
		{name: "asking whether a page is still the same, or for a part of it", has: aLink, try: func(t *trial) {
			for _, at := range append(all(t), t.machine.PagesURL+"/style.css") {
				t.get(at, header("If-None-Match", "*"), header("If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), header("Range", "bytes=0-10"))
			}
		}},
		{name: "the review sent again and again", has: aLink, try: func(t *trial) {
			r := t.asked(target)
			for range 5 {
				a := t.post(t.linkOf(ada, "")+"/review", url.Values{"digest." + r.ID: {r.Digest}, "choice." + r.ID: {"delete"}, "reason": {"x"}, "reason." + r.ID: {"y"}, "confirmed": {"yes"}})
				t.refused(a, http.StatusOK)
				t.must(strings.Contains(a.body, target), "the review does not name the user")
			}
		}},
	}
}

// otherSites are attacks by pages that an approver's browser shows beside these.
func otherSites() []attack {
	foreign := map[string][]with{
		"cross-site": {header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example")}, "a sibling": {header("Sec-Fetch-Site", "same-site")},
		"an old browser": {header("Origin", "https://evil.example")}, "null": {header("Origin", "null")}, "another port": {header("Origin", "http://127.0.0.1:1")},
		"a longer name": {header("Origin", "http://127.0.0.1.evil.example")}, "a hidden frame": {header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Dest", "iframe"), header("Origin", "null")},
		"a forwarded name": {header("Origin", "https://evil.example"), header("X-Forwarded-Host", "evil.example"), header("Forwarded", "host=evil.example;proto=https")},
	}
	sends := func(where func(*trial) (string, url.Values)) func(*trial) {
		return func(t *trial) {
			for _, changes := range foreign {
				at, form := where(t)
				t.refused(t.post(at, form, changes...), http.StatusForbidden)
			}
		}
	}
	return []attack{
		{name: "another site decides one case", has: anotherWeb, try: sends(func(t *trial) (string, url.Values) {
			return t.at(t.linkOf(ada, ""), target), t.ballot(target, "delete")
		})},
		{name: "another site decides many cases", has: anotherWeb, try: sends(func(t *trial) (string, url.Values) {
			r := t.asked(target)
			return t.linkOf(ada, "") + "/decide", url.Values{"digest." + r.ID: {r.Digest}, "choice." + r.ID: {"delete"}, "reason": {"x"}}
		})},
		{name: "another site uses an owner's page", has: anotherWeb, try: sends(func(t *trial) (string, url.Values) {
			return t.linkOf(maria, target), url.Values{"act": {"hand-over"}, "to": {paula}}
		})},
		{name: "names of other hosts in headers", has: aLink, try: func(t *trial) {
			for _, at := range []string{t.linkOf(ada, ""), t.linkOf(maria, target), t.machine.PagesURL + "/a/x"} {
				for _, c := range [][]with{{host("evil.example")}, {header("X-Forwarded-Host", "evil.example"), header("X-Forwarded-Proto", "javascript"), header("X-Original-URL", "/a/x"), header("X-Rewrite-Url", "/a/x")}, {header("Forwarded", `for=evil.example;host="evil.example"`)}, {host("evil.example:80\"><x-attack>")}} {
					a := t.get(at, c...)
					t.must(!strings.Contains(a.body+a.header.Get("Location"), "evil.example"), "%s leads to the other host", a.asked)
				}
			}
		}},
	}
}
