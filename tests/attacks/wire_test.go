package attacks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

// trial is one attack under way.
type trial struct {
	*world
	has      power
	problems []string
}

// must notes what did not hold.
func (t *trial) must(ok bool, format string, args ...any) {
	if !ok {
		t.problems = append(t.problems, fmt.Sprintf(format, args...))
	}
}

// answer is what came back.
type answer struct {
	asked  string // method and address
	status int
	header http.Header
	body   string
}

// with changes a request before it is sent.
type with func(*http.Request)

func header(name string, values ...string) with {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func cookie(name, value string) with {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: name, Value: value}) }
}

func host(name string) with { return func(r *http.Request) { r.Host = name } }

// outside is a client that goes nowhere by itself, keeps nothing and unpacks nothing.
var outside = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       time.Minute,
}

func (t *trial) do(method, address string, body io.Reader, changes ...with) answer {
	r, err := http.NewRequestWithContext(t.t.Context(), method, address, body)
	if err != nil {
		t.must(false, "%s %s can't be made: %v", method, address, err)
		return answer{}
	}
	for _, c := range changes {
		c(r)
	}
	resp, err := outside.Do(r)
	if err != nil {
		t.must(false, "%s %s was not answered: %v", method, address, err)
		return answer{}
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	t.must(err == nil, "the answer to %s %s broke off: %v", method, address, err)
	a := answer{method + " " + address, resp.StatusCode, resp.Header, string(got)}
	t.check(a)
	return a
}

func (t *trial) get(address string, changes ...with) answer {
	return t.do(http.MethodGet, address, nil, changes...)
}

// post sends a form as a browser on the page itself does.
func (t *trial) post(address string, form url.Values, changes ...with) answer {
	return t.body(address, "application/x-www-form-urlencoded", form.Encode(), changes...)
}

func (t *trial) body(address, kind, body string, changes ...with) answer {
	return t.do(http.MethodPost, address, strings.NewReader(body), append([]with{header("Content-Type", kind)}, changes...)...)
}

// raw sends bytes and gives what comes back first. Where cut is true it stops talking after them.
func (t *trial) raw(address, text string, cut bool) string {
	u, err := url.Parse(address)
	if err != nil {
		t.must(false, "%q: %v", address, err)
		return ""
	}
	c, err := net.DialTimeout("tcp", u.Host, 10*time.Second)
	if err != nil {
		t.must(false, "dialing: %v", err)
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))                     // which is enough for whoever is at work
	_, _ = io.WriteString(c, strings.ReplaceAll(text, "HOST", u.Host)) // what was refused half-way is answered all the same
	if cut {
		_ = c.(*net.TCPConn).CloseWrite()
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "" // it was hung up on
	}
	defer resp.Body.Close()
	got, err := httputil.DumpResponse(resp, true)
	if err != nil {
		return ""
	}
	t.leaks("raw "+address, string(got))
	return string(got)
}

// refused holds that an answer has one of these statuses.
func (t *trial) refused(a answer, statuses ...int) {
	t.must(slices.Contains(statuses, a.status), "%s was answered %d, not %v: %.300s", a.asked, a.status, statuses, a.body)
}

// carried is what every answer of the pages and of the dashboard has, whatever its status.
var carried = map[string]string{
	"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
	"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
}

// internals are what only something that failed would say, and only to its makers.
var internals = []string{"goroutine ", ".go:", "runtime error", "panic", "/rows/", "decisions.key", "no such file"}

// check holds of every single answer, to whatever was tried.
func (t *trial) check(a answer) {
	page := strings.Contains(a.asked, " "+t.machine.PagesURL) || strings.Contains(a.asked, " "+t.machine.EngineURL+"/dashboard/")
	// The engine's port folds such an address before it is any page's.
	if page && !strings.Contains(a.asked, "/..") {
		for name, want := range carried {
			t.must(a.header.Get(name) == want && len(a.header.Values(name)) == 1, "%s (%d): %s is %q", a.asked, a.status, name, a.header.Values(name))
		}
		policy := a.header.Get("Content-Security-Policy")
		t.must(strings.Contains(policy, "default-src 'none'") && strings.Contains(policy, "frame-ancestors 'none'"), "%s (%d): its policy is %q", a.asked, a.status, policy)
		t.must(a.header.Get("Access-Control-Allow-Origin") == "", "%s lets another site read", a.asked)
		t.must(a.header.Get("Etag") == "" && a.header.Get("Last-Modified") == "" && a.status != http.StatusNotModified && a.status != http.StatusPartialContent, "%s (%d) can be kept", a.asked, a.status)
	}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		t.must(c.HttpOnly && c.SameSite != http.SameSiteNoneMode && c.SameSite != http.SameSiteDefaultMode && c.Domain == "", "%s sets a loose cookie: %s", a.asked, c.Name)
	}
	if to := a.header.Get("Location"); to != "" {
		at := a.asked[strings.Index(a.asked, " ")+1:]
		t.must(local(to) || strings.HasPrefix(to, t.provider.Issuer+"/") && strings.HasPrefix(at, t.machine.PagesURL) || strings.HasPrefix(at, t.provider.Issuer), "%s leads away to %q", a.asked, to)
	}
	whole := a.body
	for name, values := range a.header {
		whole += "\n" + name + ": " + strings.Join(values, ", ")
	}
	t.leaks(a.asked, whole)
	t.mu.Lock()
	defer t.mu.Unlock()
	a.body = whole
	t.answers = append(t.answers, a)
}

// local reports whether a browser stays on the site that sends it there.
func local(to string) bool {
	return strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.ContainsAny(to, "\\\t\r\n")
}

// leaks looks for what an answer must not tell: to nobody how it is made, and to strangers nothing of anybody.
func (t *trial) leaks(asked, text string) {
	for _, found := range internals {
		t.must(!strings.Contains(text, found) || strings.Contains(asked, found), "%s tells of its inside: %q", asked, found)
	}
	if t.has != nothing && t.has != aToken {
		return
	}
	for _, told := range []string{target, other, tried, decided, ada, ben, olga, sam, dora, maria, paula, cleanup, t.account.ID(), t.users[target].ID, t.users[other].ID} {
		// What a stranger has sent may come back.
		t.must(strings.Contains(asked, told) || !strings.Contains(text, told), "%s tells a stranger of %s", asked, told)
	}
}

// endless is a body that never ends.
type endless struct{ head io.Reader }

func (e endless) Read(p []byte) (int, error) {
	if n, err := e.head.Read(p); err == nil {
		return n, nil
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// ballot is the form by which one decides on a user.
func (t *trial) ballot(name, choice string) url.Values {
	return url.Values{"choice": {choice}, "reason": {"nobody needs it"}, "digest": {t.asked(name).Digest}}
}

// at is where a user's case is on a link's pages.
func (t *trial) at(link, name string) string { return link + "/" + t.asked(name).ID }
