package attacks

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// refusedForm is every status that a form is refused with.
var refusedForm = []int{400, 403, 404, 405, 409, 413, 415}

// forms are attacks by what a form says, by an approver who may decide.
func forms() []attack {
	one := func(name string, variants func(*trial) []url.Values) attack {
		return attack{name: name, has: aLink, try: func(t *trial) {
			for _, form := range variants(t) {
				t.refused(t.post(t.at(t.linkOf(ada, ""), target), form), refusedForm...)
			}
		}}
	}
	many := func(name string, variants func(t *trial, id, digest string) []url.Values) attack {
		return attack{name: name, has: aLink, try: func(t *trial) {
			r := t.asked(target)
			for _, form := range variants(t, r.ID, r.Digest) {
				a := t.post(t.linkOf(ada, "")+"/decide", form)
				// What is refused one by one is told on a page that nothing went wrong with.
				t.must(a.status != http.StatusSeeOther && a.status < 500, "%s was answered %d", a.asked, a.status)
			}
		}}
	}
	return []attack{
		one("the digest of another case", func(t *trial) []url.Values {
			form := t.ballot(target, "delete")
			var out []url.Values
			for _, digest := range []string{t.asked(other).Digest, "", strings.ToUpper(form.Get("digest")), form.Get("digest") + " ", form.Get("digest")[:63], strings.Repeat("0", 64)} {
				out = append(out, url.Values{"choice": form["choice"], "reason": form["reason"], "digest": {digest}})
			}
			return out
		}),
		{name: "a choice that is not on the list of a disturbed case", has: aLink, try: func(t *trial) {
			t.must(t.asked(tried).Disturbed, "nothing was heard of %s", tried)
			t.refused(t.post(t.at(t.linkOf(ada, ""), tried), t.ballot(tried, "delete")), http.StatusBadRequest)
			r := t.asked(tried)
			a := t.post(t.linkOf(ada, "")+"/decide", url.Values{"digest." + r.ID: {r.Digest}, "choice." + r.ID: {"delete"}, "reason": {"x"}})
			t.must(a.status == 200 && len(t.decisions(tried)) == 0, "it was decided (%d)", a.status)
		}},
		one("choices that nobody offers", func(t *trial) []url.Values {
			var out []url.Values
			for _, choice := range []string{"", "DELETE", "Delete", " delete", "delete ", "delete\x00", "delete\r\n", "ｄｅｌｅｔｅ", "delete\u200b", "\u202edelete", "rescue", "skip", "true", "delete,keep", "delete;keep", "\xc0\xafdelete", "\xffdelete", strings.Repeat("delete", 1000)} {
				out = append(out, t.ballot(target, choice))
			}
			return out
		}),
		one("fields that stand there twice, or not at all", func(t *trial) []url.Values {
			var out []url.Values
			for _, field := range []string{"choice", "reason", "digest"} {
				twice, none := t.ballot(target, "delete"), t.ballot(target, "delete")
				twice.Add(field, twice.Get(field))
				none.Del(field)
				out = append(out, twice, none)
			}
			both := t.ballot(target, "delete")
			both.Add("choice", "keep")
			array := t.ballot(target, "delete")
			array["choice[]"], array["choice"] = array["choice"], nil
			upper := t.ballot(target, "delete")
			upper["CHOICE"], upper["choice"] = upper["choice"], nil
			return append(out, both, array, upper)
		}),
		one("reasons that say nothing, or too much", func(t *trial) []url.Values {
			var out []url.Values
			for _, reason := range []string{"", " ", "\t\r\n", "\x00\x01\x7f", "\u202e\u2066\u2069", "\u2028\u2029", "\u00a0\u3000", "\xff\xfe", strings.Repeat("x", 1001), strings.Repeat("\U0001F600", 1001)} {
				form := t.ballot(target, "delete")
				form.Set("reason", reason)
				out = append(out, form)
			}
			return out
		}),
		{name: "what to choose said by the address of a POST", has: aLink, try: func(t *trial) {
			link := t.linkOf(ada, "")
			t.refused(t.post(t.at(link, target)+t.said(), url.Values{}), refusedForm...)
			t.refused(t.post(t.at(link, target)+"?choice=delete", url.Values{"reason": {"x"}, "digest": {t.asked(target).Digest}}), refusedForm...)
			t.refused(t.post(link+"/decide"+t.said(), url.Values{}), refusedForm...)
			t.refused(t.post(t.linkOf(maria, target)+t.said(), url.Values{}), refusedForm...)
		}},
		many("many cases at once, said twice or by halves", func(_ *trial, id, digest string) []url.Values {
			return []url.Values{
				{"digest." + id: {digest, digest}, "choice." + id: {"delete"}, "reason": {"x"}},
				{"digest." + id: {digest}, "choice." + id: {"delete", "keep"}, "reason": {"x"}},
				{"choice." + id: {"delete"}, "reason": {"x"}},
				{"digest.": {digest}, "choice.": {"delete"}, "reason": {"x"}},
				{"digest." + id: {digest}, "choice." + id: {"delete"}},
				{"digest." + id: {digest}, "choice." + id: {"delete"}, "reason": {"x", "y"}},
				{"digest." + id: {digest}, "choice." + id: {"delete"}, "reason": {" "}},
				{"digest." + id: {digest}, "choice." + id: {"delete"}, "reason." + id: {"\u202e"}},
				{"digest." + id: {"0"}, "choice." + id: {"delete"}, "reason": {"x"}},
				{"digest." + id: {digest}, "all": {"delete"}, "reason": {"x"}},
				{"digest.../" + id: {digest}, "choice.../" + id: {"delete"}, "reason": {"x"}},
			}
		}),
		many("another case's digest among many", func(t *trial, id, _ string) []url.Values {
			o := t.asked(other)
			return []url.Values{{"digest." + id: {o.Digest}, "choice." + id: {"delete"}, "digest." + o.ID: {t.asked(target).Digest}, "choice." + o.ID: {"delete"}, "reason": {"x"}}}
		}),
		many("more cases than a form may have, and more fields than anybody fills in", func(_ *trial, id, digest string) []url.Values {
			form := url.Values{"digest." + id: {digest}, "choice." + id: {"delete"}, "reason": {"x"}}
			fields := url.Values{"reason": {"x"}}
			for n := range 600 {
				form.Set(fmt.Sprint("digest.", n), "0")
			}
			for n := range 60_000 {
				fields.Set(fmt.Sprint("choice.", n), "delete")
			}
			return []url.Values{form, fields}
		}),
	}
}

// bodies are attacks by how a form is sent.
func bodies() []attack {
	const form = "application/x-www-form-urlencoded"
	everywhere := func(t *trial, send func(at, form string) answer) {
		r := t.asked(target)
		link := t.linkOf(ada, "")
		for at, values := range map[string]url.Values{
			t.at(link, target):      t.ballot(target, "delete"),
			link + "/decide":        {"digest." + r.ID: {r.Digest}, "choice." + r.ID: {"delete"}, "reason": {"x"}},
			t.linkOf(maria, target): {"act": {"keep"}, "reason": {"x"}},
		} {
			t.refused(send(at, values.Encode()), refusedForm...)
		}
	}
	return []attack{
		{name: "forms of other kinds", has: aLink, try: func(t *trial) {
			for _, kind := range []string{"text/plain", "application/json", "multipart/form-data", "multipart/form-data; boundary=x", "application/xml", "", "application/x-www-form-urlencoded/x", "application/x-www-form-urlencoded; charset", "text/html, " + form} {
				everywhere(t, func(at, body string) answer { return t.body(at, kind, body) })
			}
			everywhere(t, func(at, body string) answer {
				fields, _ := url.ParseQuery(body) // it was just made
				var b strings.Builder
				for name := range fields {
					fmt.Fprintf(&b, "--x\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", name, fields.Get(name))
				}
				return t.body(at, "multipart/form-data; boundary=x", b.String()+"--x--\r\n")
			})
		}},
		{name: "a form that is packed", has: aLink, try: func(t *trial) {
			everywhere(t, func(at, body string) answer {
				var b bytes.Buffer
				z := gzip.NewWriter(&b)
				_, _ = io.WriteString(z, body) // a buffer takes everything
				_ = z.Close()
				return t.body(at, form, b.String(), header("Content-Encoding", "gzip"))
			})
		}},
		{name: "a form of ten megabytes", has: aLink, try: func(t *trial) {
			everywhere(t, func(at, body string) answer { return t.body(at, form, body+"&x="+strings.Repeat("x", 10<<20)) })
		}},
		{name: "a form that never ends", has: aLink, try: func(t *trial) {
			everywhere(t, func(at, body string) answer {
				return t.do(http.MethodPost, at, io.LimitReader(endless{strings.NewReader(body + "&x=")}, 5<<20), header("Content-Type", form))
			})
		}},
		{name: "escapes and letters that are none", has: aLink, try: func(t *trial) {
			for _, end := range []string{"&x=%zz", "&%", ";choice=keep", "&x=%u0041;"} {
				everywhere(t, func(at, body string) answer { return t.body(at, form, body+end) })
			}
		}},
		{name: "a form that breaks off", has: aLink, try: func(t *trial) {
			at := t.at(t.linkOf(ada, ""), target)
			body := t.ballot(target, "delete").Encode()
			u, _ := url.Parse(at) // it was sent
			got := t.raw(at, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: HOST\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", u.Path, form, len(body)+1, body), true)
			t.must(!strings.Contains(got, " 303 "), "half a form was taken")
			got = t.raw(at, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: HOST\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", u.Path, form, len(body), body), true)
			t.must(!strings.Contains(got, " 303 "), "a form without its end was taken")
		}},
		{name: "requests that say in two ways where they end", has: aLink, try: func(t *trial) {
			at := t.at(t.linkOf(ada, ""), target)
			body := t.ballot(target, "delete").Encode()
			u, _ := url.Parse(at) // it was sent
			n := len(body)
			for _, ends := range []string{
				fmt.Sprintf("Content-Length: %d\r\nContent-Length: %d", n, n+1), fmt.Sprintf("Content-Length: %d, %d", n, n+1), fmt.Sprintf("Content-Length: +%d", n), "Content-Length: -1",
				"Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", fmt.Sprintf("Content-Length : %d", n), fmt.Sprintf("Content-Length: 0x%x", n),
				fmt.Sprintf("X: y\r\n folded: z\x00\r\nContent-Length: %d", n), fmt.Sprintf("Host: evil.example\r\nContent-Length: %d", n),
			} {
				got := t.raw(at, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: HOST\r\nContent-Type: %s\r\n%s\r\n\r\n%s", u.Path, form, ends, body), false)
				t.must(strings.HasPrefix(got, "HTTP/1.1 4") || strings.HasPrefix(got, "HTTP/1.1 501"), "%q was answered %.60q", ends, got)
			}
		}},
		{name: "forms that never come to their end, by the dozen", has: aLink, try: func(t *trial) {
			at := t.at(t.linkOf(ada, ""), target)
			u, _ := url.Parse(at) // it was sent
			for range 60 {
				c, err := net.Dial("tcp", u.Host)
				if err != nil {
					t.must(false, "dialing: %v", err)
					return
				}
				defer c.Close()
				_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: 200\r\n\r\nchoice=delete", u.Path, u.Host, form)
				t.must(err == nil, "sending half a form: %v", err)
			}
			t.refused(t.get(t.linkOf(ben, "")), http.StatusOK)
			// How long they are waited for, no test has the time to see.
			servers := reflect.ValueOf(t.machine).Elem().FieldByName("servers")
			t.must(servers.Len() == 2, "there are %d servers", servers.Len())
			for i := range servers.Len() {
				for limit, most := range map[string]time.Duration{"ReadHeaderTimeout": 30 * time.Second, "ReadTimeout": time.Minute, "WriteTimeout": 30 * time.Minute, "IdleTimeout": 5 * time.Minute} {
					has := time.Duration(servers.Index(i).Elem().FieldByName(limit).Int())
					t.must(has > 0 && has <= most, "a server's %s is %s", limit, has)
				}
			}
		}},
		{name: "request lines and headers that are none", has: nothing, try: func(t *trial) {
			at := t.machine.PagesURL
			for _, text := range []string{
				"GET /a/x\r\n\r\n", "GET  /a/x HTTP/1.1\r\nHost: HOST\r\n\r\n", "GET /a/\x00 HTTP/1.1\r\nHost: HOST\r\n\r\n", "\r\n\r\nGET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "CONNECT evil.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n",
				"OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n", "GET http://evil.example/a/x HTTP/1.1\r\nHost: HOST\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: HOST\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
				"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "GET /a/x\r\nX: y HTTP/1.1\r\nHost: HOST\r\n\r\n",
			} {
				got := t.raw(at, text, false)
				t.must(!strings.HasPrefix(got, "HTTP/1.1 5") || strings.HasPrefix(got, "HTTP/1.1 505"), "%.30q was answered %.60q", text, got)
				t.must(!strings.Contains(got, "evil.example"), "%.30q leads away: %.200q", text, got)
			}
		}},
	}
}

// paths are attacks by how an address is written.
func paths() []attack {
	return []attack{
		{name: "addresses that climb, fold and hide", has: nothing, try: func(t *trial) {
			for _, p := range []string{
				"/a/../../etc/passwd", "/a/..%2f..%2fdecisions.key", "/a/%2e%2e/%2e%2e/decisions.key", "//a//x", "/a/./x", "/a/x/..", "/a/x/%2e%2e/y", "/A/x", "/a/x;y", "/a/x%00", "/a/%", "/a\\x", "/%61/x", "/a%2fx", "/static/../style.css",
				"/style.css/", "/STYLE.CSS", "/style.css%2f..%2f..%2fx", "/a/" + strings.Repeat("x", 100_000), "/a/" + strings.Repeat("../", 5000), "/o/..;/a/x", "/sign-in/../a/x", "//evil.example/a", "/\\evil.example", "/%5cevil.example", "/%2f%2fevil.example", "///evil.example",
			} {
				got := t.raw(t.machine.PagesURL, "GET "+p+" HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n", false)
				status := got[:min(len(got), 12)]
				t.must(status == "HTTP/1.1 404" || status == "HTTP/1.1 400" || status == "HTTP/1.1 301" || status == "HTTP/1.1 307", "%.60q was answered %q", p, status)
				if _, to, ok := strings.Cut(got, "\r\nLocation: "); ok {
					to, _, _ = strings.Cut(to, "\r\n")
					t.must(local(to), "%q leads to %q", p, to)
				}
			}
		}},
		{name: "addresses below one's own link that climb out of it", has: aLink, try: func(t *trial) {
			link, id := t.linkOf(ada, ""), t.asked(target).ID
			for _, p := range []string{
				"/%2e%2e", "/..%2f..", "/..%2frequest%2f" + id, "/%2e%2e%2f%2e%2e%2fdecision", "/" + id + "%00", "/" + id + "%2f", "/" + id + "/", "/" + id + "/../" + id + "/x", "/" + strings.ToUpper(id) + "x", "/" + id + ";x", "/" + id + "%2freceipt", "/" + id + ".json", "/" + t.caseOf(target).ID, "/" + t.caseOf(target).UserID,
				"/..", "/.", "/%20", "/*", "/" + strings.Repeat("a", 5000), "/token%2f" + id, "/" + id + "/receipt.txt/..%2f..",
			} {
				for _, a := range []answer{t.get(link + p), t.post(link+p, t.ballot(target, "delete"))} {
					t.refused(a, 301, 307, 400, 404, 405)
				}
			}
		}},
	}
}
