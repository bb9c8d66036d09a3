package approval_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// site is the pages over an office, as a browser would meet them.
type site struct {
	*office
	url     string
	handler http.Handler
	client  *http.Client
	logged  journal

	seen      sync.Mutex
	recorded  []sunset.Decision
	answered  []sunset.Choice
	recordErr error
	answerErr error
}

func newSite(t *testing.T, needed int) *site {
	t.Helper()
	s := &site{office: newOffice(t, needed)}
	s.serve(t, nil)
	return s
}

// serve has the site be served anew, with a sign-in where one is given.
func (s *site) serve(t *testing.T, signIn approval.SignIn) {
	t.Helper()
	s.handler = approval.NewWeb(approval.Pages{
		Desk: s.Desk, OnDecided: s.onDecided, RecordDecision: s.onRecord, BaseURL: "https://approve.example.com", SignIn: signIn,
		Log: slog.New(slog.NewTextHandler(&s.logged, nil)),
	})
	s.serveHandler(t)
}

func (s *site) serveHandler(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	s.url, s.client = server.URL, server.Client()
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
}

// journal is a log that many may write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (s *site) onDecided(ctx context.Context, r sunset.ApprovalRequest, c sunset.Choice) error {
	s.seen.Lock()
	defer s.seen.Unlock()
	if s.answerErr != nil {
		return s.answerErr
	}
	s.answered = append(s.answered, c)
	return s.MarkDelivered(ctx, r.ID, "token")
}

func (s *site) onRecord(ctx context.Context, _ sunset.ApprovalRequest, d sunset.Decision) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.seen.Lock()
	defer s.seen.Unlock()
	if s.recordErr != nil {
		return s.recordErr
	}
	s.recorded = append(s.recorded, d)
	return nil
}

func (s *site) link(t *testing.T, email string) string {
	t.Helper()
	secret, err := s.NewLink(t.Context(), email, start.AddDate(0, 0, 20))
	require.NoError(t, err)
	return secret
}

func (s *site) do(t *testing.T, method, path string, header map[string]string, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(t, err)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := s.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text), res.Header
}

func (s *site) get(t *testing.T, path string) (int, string) {
	t.Helper()
	status, text, _ := s.do(t, http.MethodGet, path, nil, "")
	return status, text
}

var formType = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

func form(r sunset.ApprovalRequest, choice sunset.Choice) url.Values {
	return url.Values{"choice": {string(choice)}, "reason": {"nobody uses it"}, "digest": {r.Digest}}
}

func (s *site) post(t *testing.T, link string, r sunset.ApprovalRequest, f url.Values) (int, string) {
	t.Helper()
	status, text, _ := s.do(t, http.MethodPost, "/a/"+link+"/"+r.ID, formType, f.Encode())
	return status, text
}

func TestCaseTellsAClaimedStarterFromAProvenOne(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	for i, row := range []struct{ claimed, proven, says string }{
		{starter, "", "started by " + starter + " (claimed, not proven)<"},
		{starter, starter, "started by " + starter + "<"},
		{starter, "arn:aws:iam::111122223333:root", "started by arn:aws:iam::111122223333:root (claimed: " + starter + ")<"},
	} {
		r := asking(fmt.Sprintf("ci-%d", i))
		r.Starter, r.Proven = row.claimed, row.proven
		r = s.open(t, r, "token")
		_, text := s.get(t, "/a/"+link+"/"+r.ID)
		require.Contains(t, text, row.says)
	}
}

func TestInboxAndCaseShowEverything(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	status, text := s.get(t, "/a/"+link)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "Nothing waits for you")

	quiet := s.open(t, asking("ci-old"), "token")
	loud := s.open(t, disturbed(asking("ci-loud")), "token")
	_, text = s.get(t, "/a/"+link)
	for _, want := range []string{"ci-old", "ci-loud", "ci user", "build-team@example.com", "waiting since 2 Nov 2026", "decide by 16 Nov 2026", "last use 2 Mar 2026", "named by arn:aws:s3:::artifacts", "Something was heard while it was disabled", "/a/" + link + "/" + quiet.ID} {
		require.Contains(t, text, want)
	}

	status, text = s.get(t, "/a/"+link+"/"+quiet.ID)
	require.Equal(t, http.StatusOK, status)
	for _, want := range []string{
		quiet.UserARN, quiet.UserID, "tag owner", "Terraform", // who
		"Access key AKIAOLD0000000000001", "2 Mar 2026, 09:00 UTC, s3", "never", "AWS does not report it", // credentials
		"credential-report", "cloudtrail:LookupEvents", "eu-central-1", "15 Oct 2026, 09:00 UTC", "3 answers (3: unused)", // evidence
		"PutBucketPolicy", "198.51.100.7", "aws-cli/1.16", // last seen
		"Every check heard nothing", "19 Oct 2026, 09:00 UTC", "2 Nov 2026, 07:00 UTC", // soak
		"arn:aws:s3:::artifacts", "its bucket policy lets the user read", "informing", // references
		"Membership of group", "builders", "Virtual MFA device", "ReadOnlyAccess", "upload", // what goes
		"Nobody can set the same one", "What other policies grant", // what stays gone
		"Nobody yet", `value="delete"`, `value="keep"`, `value="soak-again"`, `name="digest.` + quiet.ID + `" value="` + quiet.Digest + `"`,
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "checked>", "nothing is chosen beforehand")
	require.NotContains(t, text, " checked")

	_, text = s.get(t, "/a/"+link+"/"+loud.ID)
	require.NotContains(t, text, `value="delete"`)
	require.Contains(t, text, "Delete is not among the choices")
	require.Contains(t, text, "was tried with s3")
	require.Contains(t, text, "something was heard while it was disabled")
	status, _ = s.post(t, link, loud, form(loud, sunset.ChooseDelete))
	require.Equal(t, http.StatusBadRequest, status)
	status, _ = s.post(t, link, loud, form(loud, sunset.ChooseSoakAgain))
	require.Equal(t, http.StatusSeeOther, status)
}

func TestABlockingReferenceIsTheReasonGiven(t *testing.T) {
	s := newSite(t, 1)
	r := asking("ci-old")
	r.Disturbed = true
	r.Facts.References[0].Weight, r.Facts.References[0].Service, r.Facts.References[0].Resource = sunset.Blocking, "kms", "arn:aws:kms:eu-central-1:111122223333:key/1"
	r = s.open(t, r, "token")
	_, text := s.get(t, "/a/"+s.link(t, ada)+"/"+r.ID)
	require.Contains(t, text, "Delete is not among the choices: arn:aws:kms:eu-central-1:111122223333:key/1 would be left")
	require.NotContains(t, text, "omething was heard")
}

func TestGetAndHeadChangeNothing(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	before := s.contents(t)
	for _, path := range []string{
		"/a/" + link, "/a/" + link + "/" + r.ID, "/style.css", "/", "/a/wrong", "/a/wrong/" + r.ID,
		"/a/" + link + "/" + r.ID + "?" + form(r, sunset.ChooseDelete).Encode(), "/a/" + link + "?done=" + r.ID,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for range 3 {
				status, text, _ := s.do(t, method, path, nil, "")
				require.Less(t, status, 500)
				require.True(t, method == http.MethodGet || text == "")
			}
		}
	}
	require.Equal(t, before, s.contents(t))
	require.Empty(t, s.recorded)
	require.Empty(t, s.answered)
}

func TestPostDecidesRecordsAnswersAndThanks(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	status, _, header := s.do(t, http.MethodPost, "/a/"+link+"/"+r.ID, formType, form(r, sunset.ChooseDelete).Encode())
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, "/a/"+link+"?done="+r.ID, header.Get("Location"))
	require.Len(t, s.recorded, 1)
	require.Equal(t, ada, s.recorded[0].Approver)
	require.Equal(t, sunset.WayLink, s.recorded[0].Way)
	require.Equal(t, []sunset.Choice{sunset.ChooseDelete}, s.answered)

	_, text := s.get(t, header.Get("Location"))
	require.Contains(t, text, "Your decision on <strong>ci-old</strong> is stored: <strong>delete</strong>")
	require.Contains(t, text, "Decided")
	_, text = s.get(t, "/a/"+link)
	require.NotContains(t, text, "Your decision on", "the receipt is for the one who comes from the form")
	_, text = s.get(t, "/a/"+link+"/"+r.ID)
	require.Contains(t, text, "nobody uses it")
	require.NotContains(t, text, "<form")

	status, _ = s.post(t, link, r, form(r, sunset.ChooseDelete))
	require.Equal(t, http.StatusSeeOther, status, "the same form again")
	require.Len(t, s.answered, 1, "an answered token is not answered again")
	status, text = s.post(t, link, r, form(r, sunset.ChooseKeep))
	require.Equal(t, http.StatusConflict, status)
	require.Regexp(t, `can&#39;t be changed[^<]*\.</p>`, text, "a whole sentence")
}

// leaving is a form whose sender is gone once it is read.
type leaving struct {
	io.Reader
	gone context.CancelFunc
}

func (l leaving) Read(b []byte) (int, error) {
	l.gone()
	return l.Reader.Read(b)
}

func TestWhoeverClosesThePageHasDecided(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	ctx, gone := context.WithCancel(t.Context())
	body := leaving{strings.NewReader(form(r, sunset.ChooseDelete).Encode()), gone}
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/a/"+link+"/"+r.ID, body)
	req.Header.Set("Content-Type", formType["Content-Type"])
	s.handler.ServeHTTP(httptest.NewRecorder(), req)
	require.Error(t, ctx.Err())
	require.Len(t, s.recorded, 1)
	require.Equal(t, []sunset.Choice{sunset.ChooseDelete}, s.answered)
}

func TestTwentyFormsAtOnceAreOneDecision(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	codes := make([]int, 20)
	var all sync.WaitGroup
	for i := range codes {
		all.Go(func() {
			res, err := s.client.Post(s.url+"/a/"+link+"/"+r.ID, formType["Content-Type"], strings.NewReader(form(r, sunset.ChooseDelete).Encode()))
			if err == nil {
				codes[i] = res.StatusCode
				_ = res.Body.Close()
			}
		})
	}
	all.Wait()
	for _, code := range codes {
		require.Equal(t, http.StatusSeeOther, code)
	}
	valid, forged, err := s.Decisions(t.Context(), r.ID)
	require.NoError(t, err)
	require.Len(t, valid, 1)
	require.Zero(t, forged)
	for _, d := range s.recorded {
		require.Equal(t, valid[0], d)
	}
	waits, err := s.Undelivered(t.Context())
	require.NoError(t, err)
	require.Empty(t, waits)
}

func TestTwoOfTwoApprove(t *testing.T) {
	s := newSite(t, 2)
	a, b := s.link(t, ada), s.link(t, ben)
	ask := asking("ci-old")
	ask.Needed = 2
	r := s.open(t, ask, "token")
	status, _ := s.post(t, a, r, form(r, sunset.ChooseDelete))
	require.Equal(t, http.StatusSeeOther, status)
	require.Empty(t, s.answered)
	_, text := s.get(t, "/a/"+a+"?done="+r.ID)
	require.Contains(t, text, "More approvals are needed")
	_, text = s.get(t, "/a/"+b+"/"+r.ID)
	require.Contains(t, text, "1 of 2 approvals")
	require.Contains(t, text, ada)
	status, _ = s.post(t, b, r, form(r, sunset.ChooseDelete))
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, []sunset.Choice{sunset.ChooseDelete}, s.answered)
	valid, _, err := s.Decisions(t.Context(), r.ID)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{ada, ben}, []string{valid[0].Approver, valid[1].Approver}, "each link decides for its own approver")
}

func TestWhatFailsBehindAStoredDecision(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	s.recordErr = errors.New("the disk at 10.0.0.7 is full")
	status, text := s.post(t, link, r, form(r, sunset.ChooseDelete))
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "send the same form once more")
	require.NotContains(t, text, "10.0.0.7")
	require.Empty(t, s.answered, "what is not on record is not acted on")

	s.recordErr, s.answerErr = nil, errors.New("no way to the state machine")
	status, _ = s.post(t, link, r, form(r, sunset.ChooseDelete))
	require.Equal(t, http.StatusSeeOther, status, "delivery is not the approver's problem")
	waits, err := s.Undelivered(t.Context())
	require.NoError(t, err)
	require.Len(t, waits, 1)
}

func TestRefusedPosts(t *testing.T) {
	for name, c := range map[string]struct {
		who    string
		header map[string]string
		form   func(url.Values)
		body   string
		path   string
		before func(*testing.T, *site, sunset.ApprovalRequest)
		status int
		says   string
	}{
		"no choice":        {form: func(f url.Values) { f.Del("choice") }, status: 400, says: "Nothing was chosen"},
		"two choices":      {form: func(f url.Values) { f.Add("choice", "keep") }, status: 400},
		"a strange choice": {form: func(f url.Values) { f.Set("choice", "burn") }, status: 400},
		"no reason":        {form: func(f url.Values) { f.Set("reason", "  ") }, status: 400, says: "Reason: write why"},
		"no digest":        {form: func(f url.Values) { f.Del("digest") }, status: 400},
		"a moved digest":   {form: func(f url.Values) { f.Set("digest", strings.Repeat("0", 64)) }, status: 409, says: "have moved"},
		"broken encoding":  {body: "choice=%zz", status: 400},
		"too long":         {form: func(f url.Values) { f.Set("reason", strings.Repeat("x", 70_000)) }, status: 413},
		"a long reason":    {form: func(f url.Values) { f.Set("reason", strings.Repeat("x", 1001)) }, status: 400},
		"json":             {header: map[string]string{"Content-Type": "application/json"}, body: `{"choice":"delete"}`, status: 415},
		"multipart":        {header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, status: 415},
		"no type":          {header: map[string]string{"Content-Type": ""}, status: 415},
		"another site, says fetch": {
			header: map[string]string{"Content-Type": formType["Content-Type"], "Sec-Fetch-Site": "cross-site"}, status: 403, says: "another site",
		},
		"another site, says origin": {
			header: map[string]string{"Content-Type": formType["Content-Type"], "Origin": "https://evil.example"}, status: 403, says: "another site",
		},
		"the starter": {who: cleo, status: 403, says: "started this cleanup"},
		"a removed approver": {before: func(_ *testing.T, s *site, _ sunset.ApprovalRequest) {
			s.set(func(set *sunset.Settings) { set.Approvers = set.Approvers[1:] })
		}, status: 403, says: "not an approver"},
		"a decided case": {before: func(t *testing.T, s *site, r sunset.ApprovalRequest) {
			s.decide(t, word(r, ben, sunset.ChooseKeep))
		}, status: 409, says: "decided already"},
		"too late":            {before: func(t *testing.T, s *site, _ sunset.ApprovalRequest) { s.later(t, 15*24*time.Hour) }, status: 409},
		"a link that is over": {before: func(t *testing.T, s *site, _ sunset.ApprovalRequest) { s.later(t, 21*24*time.Hour) }, status: 404},
		"a wrong link":        {path: "/a/wrong/", status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1)
			if c.who == "" {
				c.who = ada
			}
			link := s.link(t, c.who)
			r := s.open(t, asking("ci-old"), "token")
			if c.before != nil {
				c.before(t, s, r)
			}
			before := s.contents(t)
			f := form(r, sunset.ChooseDelete)
			if c.form != nil {
				c.form(f)
			}
			if c.body == "" {
				c.body = f.Encode()
			}
			if c.header == nil {
				c.header = formType
			}
			if c.path == "" {
				c.path = "/a/" + link + "/"
			}
			status, text, header := s.do(t, http.MethodPost, c.path+r.ID, c.header, c.body)
			require.Equal(t, c.status, status, text)
			require.Contains(t, text, c.says)
			require.Contains(t, text, "<h1>")
			require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
			require.Equal(t, before, s.contents(t), "nothing is stored")
			require.Empty(t, s.recorded)
			require.Empty(t, s.answered)
		})
	}
}

func TestOwnOriginMayPost(t *testing.T) {
	for name, header := range map[string]map[string]string{
		"the browser says so":              {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
		"the public address, behind proxy": {"Origin": "https://approve.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1)
			link := s.link(t, ada)
			r := s.open(t, asking("ci-old"), "token")
			header["Content-Type"] = formType["Content-Type"] + "; charset=UTF-8"
			status, _, _ := s.do(t, http.MethodPost, "/a/"+link+"/"+r.ID, header, form(r, sunset.ChooseKeep).Encode())
			require.Equal(t, http.StatusSeeOther, status)
		})
	}
}

func TestWhoeverIsBarredSeesWhyAndNoForm(t *testing.T) {
	s := newSite(t, 1)
	mine := asking("ada")
	mine.UserARN = "arn:aws:iam::111122223333:user/ada"
	r := s.open(t, mine, "token")
	_, text := s.get(t, "/a/"+s.link(t, ada)+"/"+r.ID)
	require.Contains(t, text, "is the subject of this case")
	require.NotContains(t, text, "<form")
	_, text = s.get(t, "/a/"+s.link(t, cleo)+"/"+r.ID)
	require.Contains(t, text, "started this cleanup")
	require.NotContains(t, text, "<form")

	link := s.link(t, ben)
	s.set(func(set *sunset.Settings) { set.Approvers = set.Approvers[:1] })
	for _, path := range []string{"/a/" + link, "/a/" + link + "/" + r.ID} {
		status, text := s.get(t, path)
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, text, "ben@example.com is not an approver")
		require.NotContains(t, text, r.UserID, "and sees nothing of any case")
	}
}

func TestEverythingElseIsNotFound(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	_, want := s.get(t, "/a/wrong")
	for _, c := range [][2]string{
		{"GET", "/"},
		{"GET", "/a/"},
		{"GET", "/index.html"},
		{"GET", "/a/" + link + "/nobody"},
		{"GET", "/a/" + link + "/..%2f" + r.ID},
		{"GET", "/a/" + link + "/" + r.ID + "/x"},
		{"POST", "/a/" + link},
		{"PUT", "/a/" + link + "/" + r.ID},
		{"DELETE", "/a/" + link + "/" + r.ID},
		{"POST", "/style.css"},
		{"GET", "/page/style.css"},
		{"GET", "/a/" + link[1:] + "/" + r.ID},
	} {
		status, text, _ := s.do(t, c[0], c[1], formType, form(r, sunset.ChooseDelete).Encode())
		require.Equal(t, http.StatusNotFound, status, c)
		require.Equal(t, want, text, c)
	}
	s.later(t, 21*24*time.Hour)
	status, text := s.get(t, "/a/"+link)
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, want, text, "a link that is over looks like one that never was")
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	for _, c := range [][2]string{{"GET", "/a/" + link}, {"GET", "/a/" + link + "/" + r.ID}, {"GET", "/style.css"}, {"GET", "/none"}, {"HEAD", "/a/" + link}, {"POST", "/a/" + link + "/" + r.ID}, {"POST", "/a/" + link + "/decide"}, {"DELETE", "/a/" + link}, {"PUT", "/style.css"}} {
		_, text, h := s.do(t, c[0], c[1], map[string]string{"Sec-Fetch-Site": "cross-site"}, "")
		require.Equal(t, "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"), c)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), c)
		require.Equal(t, "no-store", h.Get("Cache-Control"), c)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), c)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), c)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"), c)
		require.Contains(t, h.Get("Permissions-Policy"), "camera=()", c)
		require.NotContains(t, text, "<script")
		require.NotContains(t, text, "style=")
	}
}

func TestHostileNamesStayText(t *testing.T) {
	s := newSite(t, 2)
	const bad = `"><script>alert(1)</script><img src=x onerror=y>`
	r := asking("ci-old")
	r.UserName = bad
	r.Shown.Owner = sunset.Owner{Name: bad, Email: bad, From: bad}
	r.Shown.CodeManaged, r.Shown.Quarantine.Lost = bad, bad+"\u202e"
	r.Shown.LastSeen = &sunset.Activity{At: start, Service: bad, Call: bad, Address: bad, Agent: bad, Error: bad, Region: bad}
	r.Shown.Evidence = []sunset.Evidence{{Source: bad, About: bad, Region: bad, Detail: bad, Use: sunset.Use(bad)}}
	r.Facts.References = []sunset.Reference{{Service: bad, Resource: bad, How: bad, Region: bad, Weight: sunset.Weight(bad)}}
	r.Facts.Signals = []sunset.Signal{{Kind: bad, About: bad, At: start, Source: bad, Region: bad, Detail: bad}}
	r.Facts.Artifacts = append(r.Facts.Artifacts, sunset.Artifact{Kind: bad, ID: bad, Status: bad})
	r = s.open(t, r, "token")
	a, b := s.link(t, ada), s.link(t, ben)
	f := form(r, sunset.ChooseDelete)
	f.Set("reason", bad+"\x1b\u202e")
	status, _ := s.post(t, a, r, f)
	require.Equal(t, http.StatusSeeOther, status)
	for _, path := range []string{"/a/" + a, "/a/" + a + "?done=" + r.ID, "/a/" + b + "/" + r.ID, "/a/" + b + "?done=" + url.QueryEscape(bad)} {
		status, text := s.get(t, path)
		require.Equal(t, http.StatusOK, status)
		require.NotContains(t, text, "<script")
		require.NotContains(t, text, "<img")
		require.NotContains(t, text, "\u202e")
		require.NotContains(t, text, "\x1b")
		require.Contains(t, text, "&lt;script&gt;")
	}
}

func TestLinksReachNeitherLogsNorMessages(t *testing.T) {
	s := newSite(t, 1)
	link := s.link(t, ada)
	r := s.open(t, asking("ci-old"), "token")
	s.answerErr = errors.New("no way to the state machine")
	s.recordErr = errors.New("disk full")
	_, _ = s.post(t, link, r, form(r, sunset.ChooseDelete))
	s.recordErr = nil
	_, _ = s.post(t, link, r, form(r, sunset.ChooseDelete))
	// A row that can't be read makes every page of the link fail from deep inside.
	for key, row := range s.contents(t) {
		if strings.HasPrefix(key, "link/") {
			_, err := s.rows.Put(t.Context(), key, row.Version, []byte("torn"))
			require.NoError(t, err)
		}
	}
	status, text := s.get(t, "/a/"+link)
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, text, "Something went wrong on our side")
	require.Contains(t, s.logged.String(), "disk full")
	require.Contains(t, s.logged.String(), "an approval page failed")
	require.NotContains(t, s.logged.String(), link)
	_, err := s.Approver(t.Context(), link)
	require.NotContains(t, err.Error(), link)
}

// Whoever hangs up fills no log with errors.
func TestAPageThatWasLeftIsNoError(t *testing.T) {
	var log strings.Builder
	rows, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	key, err := approval.OpenKeyFile(filepath.Join(t.TempDir(), "key"))
	require.NoError(t, err)
	desk := approval.NewDesk(hasty{rows.Rows()}, approval.Signers{Decisions: key, Links: key}, func(context.Context) (sunset.Settings, error) { return sunset.DefaultSettings(), nil }, clock.Wall{})
	pages := approval.NewWeb(approval.Pages{Desk: desk, BaseURL: "https://approve.example.com", Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, leave := context.WithCancel(t.Context())
	leave()
	pages.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/a/guessed", nil))
	require.Contains(t, log.String(), "was left")
	require.NotContains(t, log.String(), "ERROR")
}

// hasty are rows that give up once nobody waits for them, as a table does.
type hasty struct{ store.Rows }

func (l hasty) Get(ctx context.Context, key string) (store.Row, error) {
	if err := ctx.Err(); err != nil {
		return store.Row{}, err
	}
	return l.Rows.Get(ctx, key)
}
