package office_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// hand is a request made by hand.
type hand struct {
	method, path, body string
	key                signature.Key // zero: unsigned
	region, service    string
	at                 time.Time
	header             map[string]string
	afterwards         func(*http.Request)
}

// sends gives status and body of the answer.
func (w *world) sends(t *testing.T, h hand) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), h.method, w.url+h.path, bytes.NewReader([]byte(h.body)))
	require.NoError(t, err)
	for name, value := range h.header {
		r.Header.Set(name, value)
	}
	if h.key.ID != "" {
		sum := sha256.Sum256([]byte(h.body))
		if h.at.IsZero() {
			h.at = time.Now()
		}
		if h.region == "" {
			h.region = region
		}
		if h.service == "" {
			h.service = "iam-sunset"
		}
		require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: h.key.ID, SecretAccessKey: h.key.Secret}, r, hex.EncodeToString(sum[:]), h.service, h.region, h.at))
	}
	if h.afterwards != nil {
		h.afterwards(r)
	}
	resp, err := office.Transport().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// files are all files of a store with their contents.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		out[p] = string(b)
		return err
	}))
	return out
}

// Nobody gets anything done without the key, by whatever way; and what is refused has changed nothing.
func TestTheDoor(t *testing.T) {
	w := open(t, office.Operators())
	put := hand{method: http.MethodPut, path: "/office/row?key=control%2Fpause&version=0", body: "{}", key: key, header: map[string]string{"X-Iam-Sunset-Write": "1"}}
	but := func(change func(*hand)) hand {
		h := put
		h.header = map[string]string{"X-Iam-Sunset-Write": "1"}
		change(&h)
		return h
	}
	before := files(t, w.store.Path())
	for name, c := range map[string]struct {
		hand   hand
		status int
	}{
		"unsigned":          {but(func(h *hand) { h.key = signature.Key{} }), 400},
		"another secret":    {but(func(h *hand) { h.key.Secret = "guess" }), 400},
		"another key":       {but(func(h *hand) { h.key.ID = "AKIAEXAMPLE" }), 400},
		"another service":   {but(func(h *hand) { h.service = "states" }), 400},
		"another region":    {but(func(h *hand) { h.region = "us-east-1" }), 400},
		"an old signature":  {but(func(h *hand) { h.at = time.Now().Add(-6 * time.Minute) }), 400},
		"a later signature": {but(func(h *hand) { h.at = time.Now().Add(6 * time.Minute) }), 400},
		"another row": {but(func(h *hand) {
			h.afterwards = func(r *http.Request) { r.URL.RawQuery = "key=control%2Fother&version=0" }
		}), 400},
		"another body":          {but(func(h *hand) { h.afterwards = func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("[]")) } }), 400},
		"a foreign name":        {but(func(h *hand) { h.afterwards = func(r *http.Request) { r.Host = "rebound.example:80" } }), 403},
		"a name that looks it":  {but(func(h *hand) { h.afterwards = func(r *http.Request) { r.Host = "127.0.0.1.evil.example" } }), 403},
		"a page of another":     {but(func(h *hand) { h.header["Origin"] = "http://evil.example" }), 403},
		"a page of its own":     {but(func(h *hand) { h.header["Origin"] = w.url }), 403},
		"a browser":             {but(func(h *hand) { h.header["Sec-Fetch-Site"] = "none" }), 403},
		"oversized":             {but(func(h *hand) { h.body = strings.Repeat("x", 1<<20+1) }), 400},
		"no id":                 {but(func(h *hand) { h.header = nil }), 400},
		"no version":            {but(func(h *hand) { h.path = "/office/row?key=control%2Fpause" }), 400},
		"a version below none":  {but(func(h *hand) { h.path = "/office/row?key=control%2Fpause&version=-1" }), 400},
		"out of the store":      {but(func(h *hand) { h.path = "/office/row?key=control%2F..%2F..%2Fx&version=0" }), 400},
		"out of its kind":       {but(func(h *hand) { h.path = "/office/row?key=control%2F..%2Fdecision%2Fx&version=0" }), 400},
		"a backslash":           {but(func(h *hand) { h.path = "/office/row?key=control%2F..%5C..%5Cx&version=0" }), 400},
		"a NUL":                 {but(func(h *hand) { h.path = "/office/row?key=control%2Fa%00&version=0" }), 400},
		"two keys":              {but(func(h *hand) { h.path = "/office/row?key=decision%2FA&key=control%2Fpause&version=0" }), 400},
		"written by GET":        {but(func(h *hand) { h.method = http.MethodGet }), 409},
		"written by POST":       {but(func(h *hand) { h.method = http.MethodPost }), 400},
		"written by DELETE":     {but(func(h *hand) { h.method = http.MethodDelete }), 400},
		"elsewhere":             {but(func(h *hand) { h.path = "/office/rows/x" }), 400},
		"a folded path":         {but(func(h *hand) { h.path = "/office/../office//row?key=control%2Fpause&version=0" }), 307},
		"decided without proof": {hand{method: http.MethodGet, path: approvalPath, key: key}, 403},
		"decided unsigned":      {hand{method: http.MethodGet, path: approvalPath}, 400},
	} {
		status, body := w.sends(t, c.hand)
		require.Equal(t, c.status, status, "%s: %s", name, body)
		require.NotContains(t, body, key.Secret)
		require.Equal(t, before, files(t, w.store.Path()), name)
	}
	require.Empty(t, w.rescued)
	status, body := w.sends(t, put)
	require.Equal(t, http.StatusOK, status, body)
	status, body = w.sends(t, but(func(h *hand) { h.body = "[]" }))
	require.Equal(t, http.StatusBadRequest, status, "an id is one write's: %s", body)
}

const approvalPath = "/office" + approval.RequestsPath

// Anybody is told where the key lies and nothing else; GET changes nothing.
func TestGreeting(t *testing.T) {
	w := open(t, office.Operators())
	before := files(t, w.store.Path())
	g, err := office.Greet(t.Context(), office.Transport(), w.url+"/")
	require.NoError(t, err)
	require.Equal(t, office.Greeting{Product: "iam-sunset engine", Protocol: 1, Region: region, Credentials: "/var/lib/sunset/credentials"}, g)
	for _, p := range []string{"engine", "settings", "objects", "rows?prefix=case/", "object?key=a", "row?key=case/a", "rescue", "messages", "v1/requests", "x"} {
		status, _ := w.sends(t, hand{method: http.MethodGet, path: "/office/" + p})
		require.Equal(t, http.StatusBadRequest, status, p)
		_, _ = w.sends(t, hand{method: http.MethodGet, path: "/office/" + p, key: key})
	}
	require.Equal(t, before, files(t, w.store.Path()))
	require.Empty(t, w.rescued)
	require.Empty(t, w.sent)

	for _, address := range []string{"", "127.0.0.1:1", "https://127.0.0.1:1", "http://example.com", "http://10.0.0.1:1", "http://a@127.0.0.1:1", "http://127.0.0.1:1/x", "http://127.0.0.1:1?x", "http://127.0.0.1.nip.io:1", "file:///x"} {
		_, err := office.Greet(t.Context(), office.Transport(), address)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%s: %v", address, err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	_, err = office.Greet(t.Context(), office.Transport(), other.URL)
	require.ErrorIs(t, err, office.ErrNoEngine)
	newer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, `{"product":"iam-sunset engine","protocol":2}`)
	}))
	defer newer.Close()
	_, err = office.Greet(t.Context(), office.Transport(), newer.URL)
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	require.ErrorContains(t, err, "use the iam-sunset that serves it")
	moved := httptest.NewServer(http.RedirectHandler(w.url+"/office/", http.StatusTemporaryRedirect))
	defer moved.Close()
	_, err = office.Greet(t.Context(), office.Transport(), moved.URL)
	require.ErrorIs(t, err, office.ErrNoEngine)
	other.Close()
	_, err = office.Greet(t.Context(), office.Transport(), other.URL)
	require.Equal(t, sunset.Unavailable, sunset.KindOf(err))
}

// A client without the right key is told so, and one in front of whoever has only the port believes nothing.
func TestEachSideProvesItself(t *testing.T) {
	w := open(t, office.Operators())
	_, err := office.NewClient(office.Transport(), w.url, signature.Key{ID: key.ID, Secret: "other"}, region, quick{}).Engine(t.Context())
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
	e, err := w.client().Engine(t.Context())
	require.NoError(t, err)
	require.Equal(t, office.Engine{
		Account: "123456789012", Region: region, StateMachine: "arn:aws:states:eu-west-1:123456789012:stateMachine:iam-sunset", PagesURL: "http://127.0.0.1:2", Version: "1.2.3", STSRegion: region, STSURL: w.aws.URL + "/",
	}, e)
	s, err := w.client().Settings(t.Context())
	require.NoError(t, err)
	require.Equal(t, w.settings, s)

	var answers atomic.Int32
	w.meddling(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		next.ServeHTTP(whole, r)
		answers.Add(1)
		// An answer of before, with its own MAC, to another request.
		rw.Header().Set("X-Iam-Sunset-Answer", key.MAC("another request", 200, whole.Body.Bytes()))
		_, _ = rw.Write(whole.Body.Bytes())
	})
	_, err = w.client().Engine(t.Context())
	require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "does not have the engine's key")
	require.EqualValues(t, 4, answers.Load())
}

// A refusal without a proof is told as what it is, and is no answer about anything else.
func TestRefusalsWithoutAProof(t *testing.T) {
	w := open(t, everything)
	for said, is := range map[string]error{
		`{"kind":"AccessDenied","error":"Signature expired: a is now earlier than b"}`:  office.ErrClocks,
		`{"kind":"AccessDenied","error":"Signature not yet current: a is still later"}`: office.ErrClocks,
		`{"kind":"Conflict","error":"it is there already","store":"exists"}`:            office.ErrSilent,
		`{"kind":"Conflict","error":"it is not there","store":"missing"}`:               office.ErrSilent,
		`{"kind":"Invalid","error":"no case is known"}`:                                 office.ErrSilent,
		`{"account":"123456789012"}`:                                                    office.ErrSilent,
		``:                                                                              office.ErrSilent,
	} {
		w.meddling(func(_ http.Handler, rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(rw, said)
		})
		_, err := w.client().Objects().Get(t.Context(), "a")
		require.ErrorIs(t, err, is, said)
		require.NotErrorIs(t, err, store.ErrMissing)
		require.NotErrorIs(t, w.client().Objects().Put(t.Context(), "a", nil), store.ErrExists)
	}
}

func TestRescueAndMessages(t *testing.T) {
	w := open(t, office.Operators())
	in := workflow.RescueInput{UserID: "AIDAA", By: "olga", Reason: "its owner called"}
	require.NoError(t, w.client().Rescue(t.Context(), in))
	require.Equal(t, []string{`{"execution":"","name":"","rescue":{"user_id":"AIDAA","by":"olga","reason":"its owner called"},"state":{`}, []string{w.rescued[0][:strings.Index(w.rescued[0], `"state":{`)+9]})
	require.NoError(t, w.client().Send(t.Context(), approval.Message{To: "ada@example.com", Subject: "[Rehearsal]", Text: "text"}))
	require.Equal(t, []approval.Message{{To: "ada@example.com", Subject: "[Rehearsal]", Text: "text"}}, w.sent)
	err := w.client().Send(t.Context(), approval.Message{To: "ada@example.com", Link: "http://evil.example"})
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
	require.Len(t, w.sent, 1)
}

// Who decides is whom AWS names, for this very request; the engine's key alone is nobody.
func TestApproversAreProven(t *testing.T) {
	w := open(t, office.Operators())
	ask := func(cfg aws.Config, c *office.Client) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Counter()+approval.RequestsPath, nil)
		require.NoError(t, err)
		resp, err := c.Approvals(cfg)(r, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	status, body := ask(w.as("approvers", "ada"), w.client())
	require.Equal(t, http.StatusOK, status, body)
	var all approval.AskedList
	require.NoError(t, json.Unmarshal([]byte(body), &all))
	require.Equal(t, "ada@example.com", all.Approver)
	status, body = ask(w.as("operators", "ada"), w.client())
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "assumed-role/operators/ada is not among the principals")

	post := "/office" + approval.DecisionsPath
	prove := func(audience string, p identity.Purpose) string {
		proof, err := identity.Prove(t.Context(), w.as("approvers", "ada"), audience, p, time.Now())
		require.NoError(t, err)
		return proof
	}
	send := func(proof string) (int, string) {
		return w.sends(t, hand{method: http.MethodPost, path: post, body: "{}", key: key, header: map[string]string{identity.Header: proof, "Content-Type": "application/json"}})
	}
	status, body = send(prove(key.ID, identity.ToSend(http.MethodPost, post, []byte("{}"))))
	require.NotEqual(t, http.StatusForbidden, status, "she is Ada, whatever is wrong with the decision: %s", body)
	for what, proof := range map[string]string{
		"for another engine":  prove("SUNSETANOTHERAAAAAAA", identity.ToSend(http.MethodPost, post, []byte("{}"))),
		"for another request": prove(key.ID, identity.ToSend(http.MethodPost, post, []byte(`{"choice":"delete"}`))),
		"for a look":          prove(key.ID, identity.ToSend(http.MethodGet, approvalPath, nil)),
		"for a start":         prove(key.ID, identity.ToStart),
		"made up":             "e30", "empty": "",
	} {
		status, body := send(proof)
		require.Equal(t, http.StatusForbidden, status, "%s: %s", what, body)
	}
	// Where STS can't be asked nobody is anybody.
	require.NoError(t, w.aws.Close())
	status, body = send(prove(key.ID, identity.ToSend(http.MethodPost, post, []byte("{}"))))
	require.Equal(t, http.StatusServiceUnavailable, status, body)
}
