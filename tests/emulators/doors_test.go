//go:build emulators

package emulators

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
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

	"github.com/aws/aws-lambda-go/events"
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

// toPages is the HTTP API.
func (o *doors) toPages(ministack *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(ministack)
		p.Out.Host = o.host(ministack)
	}}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			proxy.ServeHTTP(rw, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		s, ok := fakeaws.SignatureOf(r)
		o.mu.Lock()
		who, known := o.callers[s.AccessKeyID]
		o.mu.Unlock()
		if !ok || !known || s.Service != "execute-api" || s.Region != region || !s.Holds(r, body, who.SecretAccessKey) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(rw, `{"message":"Forbidden"}`)
			return
		}
		o.asCaller(rw, r, body, who)
	})
}

func (o *doors) host(ministack *url.URL) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.api + ".execute-api." + ministack.Host
}

// asCaller calls approval-web as the HTTP API does for a route with the authorizer AWS_IAM.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (o *doors) asCaller(rw http.ResponseWriter, r *http.Request, body []byte, who caller) {
	in := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "ANY /v1/{proxy+}", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery, Headers: map[string]string{"host": r.Host},
		Body: string(body),
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "ANY /v1/{proxy+}", AccountID: accountID, Stage: "$default", RequestID: "test", DomainName: r.Host,
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: r.Method, Path: r.URL.Path, Protocol: "HTTP/1.1", SourceIP: "127.0.0.1"},
			Authorizer: &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
				IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{AccessKey: who.AccessKeyID, AccountID: accountID, UserARN: who.arn},
			},
		},
	}
	for name, values := range r.Header {
		in.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	payload, err := json.Marshal(in)
	if err == nil {
		payload, err = o.d.invoke(context.WithoutCancel(r.Context()), "approval-web", payload)
	}
	var out events.APIGatewayV2HTTPResponse
	if err == nil {
		err = json.Unmarshal(payload, &out)
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	answer := []byte(out.Body)
	if out.IsBase64Encoded {
		if answer, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
	}
	for name, value := range out.Headers {
		rw.Header().Set(name, value)
	}
	rw.WriteHeader(out.StatusCode)
	_, _ = rw.Write(answer)
}

// makeAPI makes the HTTP API in ministack, by its control plane's own requests.
func (o *doors) makeAPI() {
	o.t.Helper()
	post := func(path string, in map[string]any) (id string) {
		o.t.Helper()
		b, err := json.Marshal(in)
		require.NoError(o.t, err)
		req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.d.on.url+path, bytes.NewReader(b))
		require.NoError(o.t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+accountID+"/20260101/"+region+"/apigateway/aws4_request, SignedHeaders=host, Signature=0")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(o.t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(o.t, err)
		require.Equal(o.t, http.StatusCreated, resp.StatusCode, "%s: %s", path, answer)
		var out struct{ APIID, IntegrationID string }
		require.NoError(o.t, json.Unmarshal(answer, &out))
		return out.APIID + out.IntegrationID
	}
	api := post("/v2/apis", map[string]any{"name": o.d.name, "protocolType": "HTTP"})
	integration := post("/v2/apis/"+api+"/integrations", map[string]any{
		"integrationType": "AWS_PROXY", "integrationUri": o.d.functionARN("approval-web") + ":live", "payloadFormatVersion": "2.0",
	})
	for _, route := range []string{"GET /a/{link}", "GET /a/{link}/{request}", "POST /a/{link}/{request}", "GET /style.css"} {
		post("/v2/apis/"+api+"/routes", map[string]any{"routeKey": route, "target": "integrations/" + integration})
	}
	post("/v2/apis/"+api+"/stages", map[string]any{"stageName": "$default", "autoDeploy": true})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.api = api
}
