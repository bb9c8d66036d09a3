//go:build emulators

package emulators

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A standIn answers one AWS action in an emulator's stead, or lets it pass and changes the answer. Each says where it is used why
// the emulator's own answer doesn't do.
type standIn func(w http.ResponseWriter, r *http.Request, emulator http.Handler)

// inFrontOf serves an emulator with stand-ins before it, by action, and gives the address and the actions that were asked for.
func inFrontOf(t *testing.T, emulator string, by map[string]standIn) (address string, asked func() []string) {
	t.Helper()
	target, err := url.Parse(emulator)
	require.NoError(t, err)
	pass := httputil.NewSingleHostReverseProxy(target)
	var mu sync.Mutex
	var all []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action, err := actionOf(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		all = append(all, action)
		mu.Unlock()
		if f := by[action]; f != nil {
			f(w, r, pass)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), all...)
	}
}

// actionOf is what a request asks for: its target's in the JSON protocols, its form's in the query protocol, and else its path.
func actionOf(r *http.Request) (string, error) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndex(target, ".")+1:], nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return r.URL.Path, nil // no form
	}
	if action := form.Get("Action"); action != "" {
		return action, nil
	}
	return r.URL.Path, nil
}

// nothing answers a list of the query protocol with an empty one.
func nothing(action string) standIn {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/xml")
		_, _ = fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult><IsTruncated>false</IsTruncated></%[1]sResult></%[1]sResponse>`, action)
	}
}

// inJSON answers with a document.
func inJSON(document string) standIn {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, document)
	}
}

var generated = regexp.MustCompile(`<GeneratedTime>[^<]*</GeneratedTime>`)

// madeAt passes the credential report on, as if it were made when now says.
func madeAt(now func() time.Time) standIn {
	return func(w http.ResponseWriter, r *http.Request, emulator http.Handler) {
		answer := httptest.NewRecorder()
		emulator.ServeHTTP(answer, r)
		body := generated.ReplaceAll(answer.Body.Bytes(), []byte("<GeneratedTime>"+now().Format(time.RFC3339)+"</GeneratedTime>"))
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	}
}
