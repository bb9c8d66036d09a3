package approval_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const adaARN = "arn:aws:iam::111122223333:user/ada"

// counter is the API over an office. Who calls is what the header "Proven" says, as API Gateway would.
type counter struct {
	*site
	handler http.Handler
}

func newCounter(t *testing.T, needed int) *counter {
	t.Helper()
	c := &counter{site: newSite(t, needed)}
	c.handler = approval.NewAPI(c.Desk, func(r *http.Request) (string, bool) {
		arn := r.Header.Get("Proven")
		return arn, arn != ""
	}, c.onDecided, c.onRecord, nil)
	return c
}

func (c *counter) call(t *testing.T, method, path, arn, body string, into any) int {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(t.Context())
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Proven", arn)
	rw := httptest.NewRecorder()
	c.handler.ServeHTTP(rw, r)
	require.Equal(t, "application/json", rw.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(rw.Body.Bytes(), into), rw.Body.String())
	require.NotContains(t, rw.Body.String(), `"mac"`)
	require.NotContains(t, rw.Body.String(), "token")
	return rw.Code
}

func deciding(t *testing.T, r sunset.ApprovalRequest, choice sunset.Choice) string {
	t.Helper()
	b, err := json.Marshal(approval.Deciding{RequestID: r.ID, Digest: r.Digest, Choice: choice, Reason: "nobody uses it"})
	require.NoError(t, err)
	return string(b)
}

func TestAPIShowsAndDecides(t *testing.T) {
	c := newCounter(t, 1)
	quiet := c.open(t, asking("ci-old"), "token")
	loud := c.open(t, disturbed(asking("ci-loud")), "token-of-the-task-2")

	var list approval.AskedList
	require.Equal(t, http.StatusOK, c.call(t, http.MethodGet, approval.RequestsPath+"?case="+quiet.CaseID+"&case=none&case="+quiet.CaseID, adaARN, "", &list))
	require.Equal(t, ada, list.Approver)
	require.Equal(t, []string{"none"}, list.Missing)
	require.Len(t, list.Requests, 1)
	require.Equal(t, quiet.ID, list.Requests[0].Request.ID)
	require.Equal(t, quiet.Digest, list.Requests[0].Request.Digest)
	require.Equal(t, quiet.Facts.Digest(), list.Requests[0].Request.Facts.Digest(), "what is shown has the digest that is posted")
	require.Equal(t, []sunset.Choice{sunset.ChooseDelete, sunset.ChooseKeep, sunset.ChooseSoakAgain}, list.Requests[0].Choices)

	list = approval.AskedList{}
	require.Equal(t, http.StatusOK, c.call(t, http.MethodGet, approval.RequestsPath, adaARN, "", &list))
	require.Len(t, list.Requests, 2)
	require.Empty(t, list.Requests[0].Request.Facts.Artifacts, "a list has no facts")
	before := c.contents(t)

	var refused approval.Refused
	require.Equal(t, http.StatusBadRequest, c.call(t, http.MethodPost, approval.DecisionsPath, adaARN, deciding(t, loud, sunset.ChooseDelete), &refused))
	require.Contains(t, refused.Error, "not one of the choices")
	require.Equal(t, before, c.contents(t))

	var done approval.Decided
	require.Equal(t, http.StatusOK, c.call(t, http.MethodPost, approval.DecisionsPath, adaARN, deciding(t, quiet, sunset.ChooseDelete), &done))
	require.Equal(t, sunset.ChooseDelete, done.Outcome)
	require.Equal(t, ada, done.Decision.Approver)
	require.Equal(t, sunset.WayAWS, done.Decision.Way)
	require.Equal(t, adaARN, done.Decision.Principal)
	require.Len(t, c.recorded, 1)
	require.Equal(t, adaARN, c.recorded[0].Principal)
	require.Equal(t, []sunset.Choice{sunset.ChooseDelete}, c.answered)
	valid, forged, err := c.Decisions(t.Context(), quiet.ID)
	require.NoError(t, err)
	require.Zero(t, forged)
	require.Len(t, valid, 1)

	// The same again is no second decision, another one is refused.
	require.Equal(t, http.StatusOK, c.call(t, http.MethodPost, approval.DecisionsPath, adaARN, deciding(t, quiet, sunset.ChooseDelete), &done))
	require.Equal(t, http.StatusConflict, c.call(t, http.MethodPost, approval.DecisionsPath, adaARN, deciding(t, quiet, sunset.ChooseKeep), &refused))
	require.Contains(t, refused.Error, "can't be changed")
	list = approval.AskedList{}
	require.Equal(t, http.StatusOK, c.call(t, http.MethodGet, approval.RequestsPath+"?case="+quiet.CaseID, adaARN, "", &list))
	require.NotNil(t, list.Requests[0].Mine)
	require.Empty(t, list.Requests[0].Choices)
}

func TestAPIRefuses(t *testing.T) {
	c := newCounter(t, 1)
	r := c.open(t, asking("ci-old"), "token")
	before := c.contents(t)
	good := deciding(t, r, sunset.ChooseDelete)
	for name, call := range map[string]struct {
		arn, body string
		status    int
		says      string
	}{
		"nobody":              {"", good, 403, "not signed"},
		"a stranger":          {"arn:aws:iam::111122223333:user/eve", good, 403, "not among the principals"},
		"a session's name":    {"arn:aws:sts::111122223333:assumed-role/Eve/" + ada, good, 403, "not among the principals"},
		"the starter":         {starter, good, 403, "started this cleanup"},
		"its role":            {"arn:aws:sts::111122223333:assumed-role/Security/other", good, 403, "started this cleanup"},
		"another digest":      {adaARN, strings.Replace(good, r.Digest, strings.Repeat("0", 64), 1), 409, "facts about ci-old have changed"},
		"no digest":           {adaARN, strings.Replace(good, r.Digest, "", 1), 400, "must be set"},
		"no such request":     {adaARN, strings.Replace(good, r.ID, "none", 1), 400, "no such request"},
		"a path as request":   {adaARN, strings.Replace(good, r.ID, "../token", 1), 400, "no such request"},
		"no reason":           {adaARN, strings.Replace(good, "nobody uses it", " ", 1), 400, "reason"},
		"an unknown choice":   {adaARN, strings.Replace(good, `"delete"`, `"destroy"`, 1), 400, "not one of the choices"},
		"an unknown field":    {adaARN, strings.Replace(good, "{", `{"approver":"`+ben+`",`, 1), 400, "unknown field"},
		"two documents":       {adaARN, good + good, 400, "after its end"},
		"a field twice":       {adaARN, strings.Replace(good, `"choice":`, `"choice":"keep","choice":`, 1), 400, `"choice" stands there twice`},
		"a field in capitals": {adaARN, strings.Replace(good, `"choice":`, `"CHOICE":"keep","choice":`, 1), 400, "twice"},
		"no JSON":             {adaARN, "choice=delete", 400, "can't be read"},
		"an endless reason":   {adaARN, strings.Replace(good, "nobody", strings.Repeat("x", 70<<10), 1), 400, "too large"},
		"a very long reason":  {adaARN, strings.Replace(good, "nobody", strings.Repeat("x", 2000), 1), 400, "1000"},
	} {
		var refused approval.Refused
		require.Equal(t, call.status, c.call(t, http.MethodPost, approval.DecisionsPath, call.arn, call.body, &refused), name)
		require.Contains(t, refused.Error, call.says, name)
		require.NotEmpty(t, refused.Kind, name)
	}
	var refused approval.Refused
	for _, path := range []string{approval.RequestsPath, approval.RequestsPath + "?case=" + r.CaseID} {
		require.Equal(t, 403, c.call(t, http.MethodGet, path, "", "", &refused))
		require.Equal(t, 403, c.call(t, http.MethodGet, path, "arn:aws:iam::111122223333:user/eve", "", &refused))
	}
	require.Equal(t, 404, c.call(t, http.MethodGet, approval.DecisionsPath, adaARN, "", &refused))
	require.Equal(t, 404, c.call(t, http.MethodPost, approval.RequestsPath, adaARN, good, &refused))

	form := httptest.NewRequest(http.MethodPost, approval.DecisionsPath, strings.NewReader(good))
	form.Header.Set("Content-Type", "text/plain") // what a foreign page's form could send
	form.Header.Set("Proven", adaARN)
	rw := httptest.NewRecorder()
	c.handler.ServeHTTP(rw, form)
	require.Equal(t, http.StatusBadRequest, rw.Code)
	require.Equal(t, before, c.contents(t))
	require.Empty(t, c.recorded)
	require.Empty(t, c.answered)
}

// A barred approver sees the case, and why not to decide.
func TestAPIShowsTheBarred(t *testing.T) {
	c := newCounter(t, 1)
	r := c.open(t, asking("ci-old"), "token")
	var list approval.AskedList
	require.Equal(t, http.StatusOK, c.call(t, http.MethodGet, approval.RequestsPath+"?case="+r.CaseID, starter, "", &list))
	require.Equal(t, cleo, list.Approver)
	require.Contains(t, list.Requests[0].Barred, "started this cleanup")
	require.Empty(t, list.Requests[0].Choices)
}

// What is stored but not on record is said to be so, and the same decision again puts it there.
func TestAPIRecordsBeforeItAnswers(t *testing.T) {
	c := newCounter(t, 1)
	r := c.open(t, asking("ci-old"), "token")
	c.recordErr = errors.New("the bucket s3://secret-place is gone")
	var refused approval.Refused
	require.Equal(t, http.StatusServiceUnavailable, c.call(t, http.MethodPost, approval.DecisionsPath, adaARN, deciding(t, r, sunset.ChooseKeep), &refused))
	require.NotContains(t, refused.Error, "secret-place")
	require.Empty(t, c.answered)
	c.recordErr = nil
	var done approval.Decided
	require.Equal(t, http.StatusOK, c.call(t, http.MethodPost, approval.DecisionsPath, adaARN, deciding(t, r, sunset.ChooseKeep), &done))
	require.Equal(t, []sunset.Choice{sunset.ChooseKeep}, c.answered)
}

func TestPendingSaysWhomItWaitsFor(t *testing.T) {
	c := newCounter(t, 2)
	r := c.open(t, asking("ci-old"), "token")
	pending, err := c.Pending(t.Context())
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Equal(t, []string{ada, ben}, pending[0].Asked, "the starter's own approver is not asked")
	require.Zero(t, pending[0].Told)
	require.NoError(t, c.MarkAnnounced(t.Context(), r.ID, ada))
	var done approval.Decided
	require.Equal(t, http.StatusOK, c.call(t, http.MethodPost, approval.DecisionsPath, adaARN, deciding(t, r, sunset.ChooseDelete), &done))
	require.Empty(t, done.Outcome, "another approver is needed")
	pending, err = c.Pending(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{ben}, pending[0].Asked)
	require.Equal(t, 1, pending[0].Stored)
	require.Equal(t, c.clock.Now(), pending[0].Told)

	// A row that somebody else wrote takes nobody's place.
	forged, err := json.Marshal(sunset.Decision{RequestID: r.ID, Approver: ben, Choice: sunset.ChooseDelete})
	require.NoError(t, err)
	_, err = c.rows.Put(t.Context(), "decision/"+r.ID+"/stranger", 0, bytes.TrimSpace(forged))
	require.NoError(t, err)
	pending, err = c.Pending(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{ben}, pending[0].Asked)
}
