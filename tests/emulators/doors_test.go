//go:build emulators

package emulators

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// functionSecret is the secret key that ministack gives every function, whose key id is the account's number.
const functionSecret = "the-same-for-all-functions"

// doors are what stands between the world's parts, on loopback: what ministack can't do is done here, and nothing else.
//
//   - To the account under clean-up, a door for each function: ministack gives all functions the same credentials, while
//     the account wants to know whose role a caller has.
//   - To the deployment's own services: all goes to ministack as it is, but CloudTrail, whose events in ministack don't say
//     which execution a StartExecution started. The account's trail hears of every start that passes, and answers.
//   - To the pages: all goes to ministack's HTTP API, but /v1, where ministack neither checks signatures nor knows callers.
type doors struct {
	t            *testing.T
	d            *deployment
	cloud, pages string
	functions    map[string]string

	mu      sync.Mutex
	callers map[string]caller // by access key id
	api     string            // of the HTTP API in ministack, once it is made
}

// caller is a principal of the account.
type caller struct {
	aws.Credentials
	arn string
}

func roleOf(function string) string { return "iam-sunset-" + function }

func openDoors(t *testing.T, d *deployment) *doors {
	t.Helper()
	o := &doors{t: t, d: d, functions: map[string]string{}, callers: map[string]caller{}}
	for _, function := range functionNames() {
		session := o.assume(roleOf(function), function)
		o.functions[function] = serve(t, o.toAccount(session))
	}
	ministack, err := url.Parse(d.on.url)
	require.NoError(t, err)
	o.cloud = serve(t, o.toCloud(ministack))
	o.pages = serve(t, o.toPages(ministack))
	return o
}

// serve answers on a port of loopback until the test ends.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with ErrServerClosed
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

// assume makes a role of the account, where it isn't there, and gives a session of it.
func (o *doors) assume(role, name string) caller {
	o.t.Helper()
	arn := o.d.account.AddRole(fakeaws.RoleSpec{Name: role, Attached: []string{"arn:aws:iam::aws:policy/AdministratorAccess"}})
	out, err := sts.NewFromConfig(o.d.server.Config(region)).AssumeRole(o.t.Context(), &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: &name})
	require.NoError(o.t, err)
	c := caller{
		arn: aws.ToString(out.AssumedRoleUser.Arn),
		Credentials: aws.Credentials{
			AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey), SessionToken: aws.ToString(out.Credentials.SessionToken),
		},
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.callers[c.AccessKeyID] = c
	return c
}

func (o *doors) accountFor(function string) string { return o.functions[function] }

// toAccount signs a function's calls again, as its role.
func (o *doors) toAccount(as caller) http.Handler {
	account := o.d.account.Handler()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, ok := signedByFunction(rw, r)
		if !ok {
			return
		}
		if err := sign(r, body, as.Credentials); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		account.ServeHTTP(rw, r)
	})
}

// signedByFunction reads a request's body and checks that a function signed it. Where none did it has answered.
func signedByFunction(rw http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return nil, false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s, ok := fakeaws.SignatureOf(r)
	if !ok || s.AccessKeyID != accountID || !s.Holds(r, body, functionSecret) {
		http.Error(rw, "not signed with the functions' credentials", http.StatusForbidden)
		return nil, false
	}
	return body, true
}

// sign puts another signature in place of a request's.
func sign(r *http.Request, body []byte, as aws.Credentials) error {
	s, ok := fakeaws.SignatureOf(r)
	if !ok {
		return fmt.Errorf("%s %s isn't signed", r.Method, r.URL.Path)
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return fmt.Errorf("reading when %s %s was signed: %w", r.Method, r.URL.Path, err)
	}
	hash := r.Header.Get("X-Amz-Content-Sha256")
	if hash == "" {
		sum := sha256.Sum256(body)
		hash = hex.EncodeToString(sum[:])
	}
	// What a proxy or Go's client adds was not signed and must not be.
	for _, name := range []string{"Authorization", "X-Amz-Security-Token", "Accept-Encoding"} {
		r.Header.Del(name)
	}
	r.URL.Host, r.URL.Scheme = r.Host, "http"
	return v4.NewSigner().SignHTTP(r.Context(), as, r, hash, s.Service, s.Region, at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s.Service == "s3" })
}

// toCloud passes on to ministack and tells the account's trail of every execution that was started.
func (o *doors) toCloud(ministack *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(ministack)
			p.Out.Host = p.In.Host
		},
		ModifyResponse: func(resp *http.Response) error {
			if !strings.HasSuffix(resp.Request.Header.Get("X-Amz-Target"), ".StartExecution") || resp.StatusCode != http.StatusOK {
				return nil
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			resp.Body = io.NopCloser(bytes.NewReader(body))
			var started struct{ ExecutionArn string }
			if err := json.Unmarshal(body, &started); err != nil {
				return fmt.Errorf("reading which execution was started: %w", err)
			}
			o.recordStart(resp.Request, started.ExecutionArn)
			return nil
		},
	}
	account := o.d.account.Handler()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("X-Amz-Target"), "CloudTrail") {
			proxy.ServeHTTP(rw, r)
			return
		}
		if s, ok := fakeaws.SignatureOf(r); ok && s.AccessKeyID == accountID {
			body, ok := signedByFunction(rw, r)
			if !ok {
				return
			}
			if err := sign(r, body, o.d.administrator()); err != nil {
				http.Error(rw, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		account.ServeHTTP(rw, r)
	})
}

// recordStart has the account's trail hold who started an execution.
func (o *doors) recordStart(r *http.Request, execution string) {
	s, _ := fakeaws.SignatureOf(r)
	o.mu.Lock()
	who, known := o.callers[s.AccessKeyID]
	o.mu.Unlock()
	by := fakeaws.UserIdentity{Type: "AssumedRole", ARN: who.arn, AccountID: accountID, AccessKeyID: s.AccessKeyID}
	if !known {
		by.ARN = "arn:aws:sts::" + accountID + ":assumed-role/" + roleOf("open-cases") + "/open-cases"
	}
	o.d.account.AddStartExecution(fakeaws.Started{Execution: execution, Region: region, At: time.Now(), By: by})
}
