package fakeaws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
)

// Server serves an account on a port of this machine.
type Server struct {
	// URL is the endpoint, "http://127.0.0.1:4566".
	URL     string
	account *Account
	http    *http.Server
	client  aws.HTTPClient
	done    chan struct{}
}

// Serve listens on addr ("127.0.0.1:0" picks a port). An address that isn't loopback is refused: the account's
// secrets are public.
func (a *Account) Serve(addr string) (*Server, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("serving the fake account on %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("serving the fake account on %q: the host must be a loopback address such as 127.0.0.1", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serving the fake account: %w", err)
	}
	s := &Server{
		URL: "http://" + l.Addr().String(), account: a, client: awsfault.WholeBodies(nil), done: make(chan struct{}),
		http: &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 30 * time.Second},
	}
	go func() {
		defer close(s.done)
		// Serve ends with ErrServerClosed; a broken listener shows in the clients' errors.
		_ = s.http.Serve(l)
	}()
	return s, nil
}

// Close stops the server and its open connections.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}

// Config is what an SDK client of the account's administrator needs: an assumed role's credentials, the endpoint
// and the region. A retryer may be set on it afterwards.
func (s *Server) Config(region string) aws.Config {
	admin := s.account.Administrator()
	return s.configFor(credentials.NewStaticCredentialsProvider(admin.AccessKeyID, admin.SecretAccessKey, admin.SessionToken), region)
}

// ConfigFor is the same for a user's own access key.
func (s *Server) ConfigFor(accessKeyID, secret, region string) aws.Config {
	return s.configFor(credentials.NewStaticCredentialsProvider(accessKeyID, secret, ""), region)
}

// ConfigForSession is the same for temporary credentials.
func (s *Server) ConfigForSession(c Credentials, region string) aws.Config {
	return s.configFor(credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken), region)
}

func (s *Server) configFor(p aws.CredentialsProvider, region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(s.URL), Credentials: aws.NewCredentialsCache(p),
		HTTPClient: s.client,
	}
}

// Handler speaks AWS's wire protocol.
func (a *Account) Handler() http.Handler { return http.HandlerFunc(a.serveHTTP) }

func (a *Account) serveHTTP(w http.ResponseWriter, h *http.Request) {
	body, err := io.ReadAll(io.LimitReader(h.Body, 6<<20))
	if err != nil {
		http.Error(w, "reading the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	out := a.answering(h).answer(h, body)
	if out.drop {
		panic(http.ErrAbortHandler) // net/http's way of closing the connection without an answer
	}
	for k, v := range out.header {
		w.Header()[k] = v
	}
	w.Header().Set("Date", out.date.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", itoa(len(out.body)))
	w.WriteHeader(out.status)
	if h.Method == http.MethodHead {
		return
	}
	if out.truncate {
		_, _ = w.Write(out.body[:len(out.body)/2])
		panic(http.ErrAbortHandler)
	}
	// A client that went away needs no answer.
	_, _ = w.Write(out.body)
}

// answer is an encoded answer and what a fault does to it.
type answer struct {
	encoded
	date           time.Time
	drop, truncate bool
}

// answer takes the lock itself, and lets go of it while a fault delays the call.
func (a *Account) answer(h *http.Request, body []byte) answer {
	defer a.enter()()
	scope, err := parseAuthorization(h)
	if err != nil {
		return answer{encoded: encodeError(restXML, "", a.uuid(), err), date: a.now()}
	}
	r, refused := a.newRequest(h, body, scope)
	if refused != nil {
		return answer{encoded: *refused, date: a.now()}
	}
	entry := r.call()
	var result any
	failed := a.authenticate(r, scope)
	var fault *Fault
	if failed == nil {
		entry.CallerARN = r.caller.arn
		if fault = a.nextFault(entry); fault != nil && fault.Delay > 0 {
			a.pause(h.Context(), fault.Delay)
		}
		result, failed = a.perform(r, fault)
		entry.Permission, entry.Resource = r.permission, r.resource
		entry.Target = r.target
	}
	out := answer{date: a.now()}
	if fault != nil {
		out.drop, out.truncate = fault.Drop, fault.Truncate
	}
	if failed == nil {
		if out.encoded, err = a.encode(r, result); err != nil {
			failed = err
		}
	}
	if failed != nil {
		entry.Error = failed.code
		out.encoded = encodeError(r.service.protocol, r.service.namespace, r.id, failed)
	}
	a.calls = append(a.calls, entry)
	return out
}

func (a *Account) encode(r *request, result any) (encoded, *apiError) {
	out, err := encodeResult(r.service, r.action, r.id, result)
	if err != nil {
		return out, refuse(http.StatusInternalServerError, "InternalFailure", "%s", err)
	}
	return out, nil
}

// pause lets others in while a call is delayed in real time.
func (a *Account) pause(ctx context.Context, d time.Duration) {
	a.mu.Unlock()
	t := time.NewTimer(d)
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	t.Stop()
	a.mu.Lock()
	a.catchUp(a.config.Now().UTC())
}

// newRequest finds service and operation. One that isn't known fails loudly and is remembered.
func (a *Account) newRequest(h *http.Request, body []byte, scope scope) (*request, *encoded) {
	id := a.uuid()
	s, ok := a.services[scope.service]
	if !ok {
		a.unknown = append(a.unknown, scope.service+":"+h.Method+" "+h.URL.Path+" "+h.Header.Get("X-Amz-Target"))
		out := encodeError(restJSON, "", id, refuse(http.StatusBadRequest, "UnknownOperationException", "the fake account has no service %q", scope.service))
		return nil, &out
	}
	r := &request{
		account: a, service: s, id: id, region: scope.region, body: body, http: h, params: h.URL.Query(),
		userAgent: h.UserAgent(), sourceIP: "127.0.0.1",
	}
	if s.global {
		r.region = "us-east-1"
	}
	if host, _, err := net.SplitHostPort(h.RemoteAddr); err == nil {
		r.sourceIP = host
	}
	switch s.protocol {
	case queryXML:
		if form, err := url.ParseQuery(string(body)); err == nil && len(body) > 0 {
			r.params = form
		}
		r.action = r.get("Action")
	case json10, json11:
		target := h.Header.Get("X-Amz-Target")
		r.action = target[strings.LastIndexByte(target, '.')+1:]
	default:
		path := h.URL.Path
		if s.path != nil {
			path = s.path(h)
		}
		r.action, r.labels = s.routed(h.Method, path, r.params)
		if r.action == "" {
			r.action = h.Method + " " + path
		}
	}
	if r.op, ok = s.operations[r.action]; !ok {
		a.unknown = append(a.unknown, s.name+":"+r.action)
		code := "UnknownOperationException"
		if s.protocol == queryXML {
			code = "InvalidAction"
		}
		e := refuse(http.StatusBadRequest, code, "the fake account's %s has no operation %s", s.name, r.action)
		entry := r.call()
		entry.Error = code
		a.calls = append(a.calls, entry)
		out := encodeError(s.protocol, s.namespace, id, e)
		return nil, &out
	}
	return r, nil
}

// perform does what was asked of an authenticated caller: limits, faults, authorization, the work, and the traces
// that it leaves.
func (a *Account) perform(r *request, fault *Fault) (any, *apiError) {
	a.touchKey(r)
	if e := a.overLimit(r); e != nil {
		return nil, e
	}
	if fault != nil {
		r.cutPage = fault.CutPage
		if e := fault.failure(r.service.protocol); e != nil && !fault.ApplyFirst {
			if !fault.Drop {
				a.trail(r, e)
			}
			return nil, e
		}
	}
	result, e := a.execute(r)
	a.trail(r, e)
	if e == nil && fault != nil && fault.ApplyFirst {
		e = fault.failure(r.service.protocol)
	}
	return result, e
}

func (a *Account) execute(r *request) (any, *apiError) {
	if e := a.authorizeRequest(r); e != nil {
		return nil, e
	}
	result, err := r.op.handle(r)
	if err == nil {
		return result, nil
	}
	var e *apiError
	if errors.As(err, &e) {
		return nil, e
	}
	return nil, refuse(http.StatusInternalServerError, "InternalFailure", "%s", err)
}
