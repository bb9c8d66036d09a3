package attacks

import (
	"net/http"
	"net/url"
	"strings"
)

// dashboards are attacks on the team's pages.
func dashboards() []attack {
	pages := func(t *trial) []string {
		return []string{"/dashboard/", "/dashboard/cases/open", "/dashboard/case/" + t.caseOf(target).ID, "/dashboard/cleanup/" + cleanup, "/dashboard/cleanup/" + cleanup + "/turns", "/dashboard/pause", "/dashboard/resume", "/dashboard/sign-out", "/dashboard/x"}
	}
	enters := func(t *trial) (name, value string) {
		path, _ := t.board.Invite(olgaARN)
		t.dropped = append(t.dropped, secretOf(path))
		a := t.post(t.machine.EngineURL+path, url.Values{})
		t.refused(a, http.StatusSeeOther)
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			name, value = c.Name, c.Value
		}
		t.dropped = append(t.dropped, value)
		return name, value
	}
	return []attack{
		{name: "the dashboard without a session", has: nothing, try: func(t *trial) {
			name, _ := enters(&trial{world: t.world, has: aSession})
			for _, p := range pages(t) {
				for _, value := range []string{"", "AAAA", random(), secretOf(t.linkOf(ada, "")), t.key.ID, hashOf("x")} {
					t.refused(t.get(t.machine.EngineURL+p, cookie(name, value)), 401)
					t.refused(t.post(t.machine.EngineURL+p, url.Values{"reason": {"x"}}, cookie(name, value)), 401)
				}
			}
		}},
		{name: "a way in to the dashboard that a look uses up, or that works twice", has: nothing, try: func(t *trial) {
			path, _ := t.board.Invite(olgaARN)
			t.dropped = append(t.dropped, secretOf(path))
			at := t.machine.EngineURL + path
			insider := &trial{world: t.world, has: aSession}
			for range 3 {
				insider.refused(insider.get(at, header("Sec-Purpose", "prefetch")), 200)
				insider.refused(insider.do(http.MethodHead, at, nil), 200)
			}
			for _, forged := range []string{at[:len(at)-1], at + "A", at + "%00", t.machine.EngineURL + "/dashboard/sign-in/" + random(), at + "/.."} {
				a := t.post(forged, url.Values{})
				t.must(a.header.Get("Set-Cookie") == "" && a.status >= 300, "%s lets somebody in", a.asked)
			}
			t.must(set(insider.post(at, url.Values{}, header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example")), "x") == "", "another site signs in")
			insider.refused(insider.post(at, url.Values{}), 303)
			t.refused(t.post(at, url.Values{}), 404)
			t.problems = append(t.problems, insider.problems...)
		}},
		{name: "the dashboard by another name, or from another site", has: anotherWeb, try: func(t *trial) {
			name, value := enters(t)
			for _, p := range pages(t) {
				for _, h := range []string{"rebound.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example"} {
					t.refused(t.get(t.machine.EngineURL+p, cookie(name, value), host(h)), 403)
				}
				for _, c := range []with{header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Site", "same-site"), header("Origin", "null"), header("Origin", t.machine.PagesURL)} {
					t.refused(t.post(t.machine.EngineURL+p, url.Values{"reason": {"x"}}, cookie(name, value), c), 403)
				}
			}
		}},
		{name: "pausing and resuming by a look, without a reason, or with too long a one", has: aSession, try: func(t *trial) {
			name, value := enters(t)
			for _, p := range []string{"/dashboard/pause", "/dashboard/resume", "/dashboard/cleanup/" + cleanup + "/turns"} {
				t.get(t.machine.EngineURL+p+"?reason=x&confirm=yes", cookie(name, value), header("Sec-Purpose", "prefetch"))
				for _, reason := range []string{"", " \u202e\x00", strings.Repeat("x", 1001)} {
					t.refused(t.post(t.machine.EngineURL+p, url.Values{"reason": {reason}}, cookie(name, value)), 400)
				}
				t.refused(t.post(t.machine.EngineURL+p+"?reason=x", url.Values{}, cookie(name, value)), 400)
				t.refused(t.body(t.machine.EngineURL+p, "text/plain", "reason=x", cookie(name, value)), 400, 415)
				t.refused(t.body(t.machine.EngineURL+p, "application/x-www-form-urlencoded", "reason=x&y="+strings.Repeat("y", 2<<20), cookie(name, value)), 400, 413)
			}
		}},
		{name: "deciding from the dashboard", has: aSession, try: func(t *trial) {
			name, value := enters(t)
			for _, p := range []string{"/dashboard/case/" + t.caseOf(target).ID, "/dashboard/case/" + t.caseOf(target).ID + "/delete", "/dashboard/decide", "/dashboard/../office/rescue", "/dashboard/%2e%2e/office/rescue"} {
				t.refused(t.post(t.machine.EngineURL+p, t.ballot(target, "delete"), cookie(name, value)), 301, 307, 400, 403, 404, 405)
			}
		}},
	}
}
