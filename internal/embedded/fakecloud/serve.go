package fakecloud

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// request is one that came over the wire.
type request struct {
	http            *http.Request
	body            []byte
	service, region string
	principal       string
	id              string
	fault           *Fault
}

// operation is what a request asks for, before anything was done.
type operation struct {
	action, resource, leadingKey string
	implied                      []Call
	do                           func(r *request) (answer, *refusal)
}

// services find the operation of a request. One that refuses still says the action, where it can tell.
var services = map[string]func(*Cloud, *request) (operation, *refusal){
	"s3": (*Cloud).s3, "dynamodb": (*Cloud).dynamodb, "kms": (*Cloud).kms, "ses": (*Cloud).ses, "sns": (*Cloud).sns, "events": (*Cloud).eventBridge,
}

// ServeHTTP speaks AWS's wire protocol.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	const most = 64 << 20
	body, err := io.ReadAll(http.MaxBytesReader(w, h.Body, most))
	if err != nil {
		http.Error(w, "reading the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	out, passOn := c.answer(h, body)
	if passOn != nil {
		h.Body = io.NopCloser(strings.NewReader(string(body)))
		passOn.ServeHTTP(w, h)
		return
	}
	if out.drop {
		panic(http.ErrAbortHandler) // net/http's way of closing the connection without an answer
	}
	for k, v := range out.header {
		w.Header()[k] = v
	}
	w.Header().Set("Date", c.now().Format(http.TimeFormat))
	if w.Header().Get("Content-Length") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(out.body)))
	}
	w.WriteHeader(out.status)
	if h.Method == http.MethodHead {
		return
	}
	if out.truncate {
		_, _ = w.Write(out.body[:len(out.body)/2])
		_ = http.NewResponseController(w).Flush() // or the half would never leave this machine's buffers
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(out.body) // a client that went away needs no answer
}

type outcome struct {
	answer
	drop, truncate bool
}

// answer does what is asked, unless another handler does.
func (c *Cloud) answer(h *http.Request, body []byte) (outcome, http.Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &request{http: h, body: body, id: randomHex(16)}
	call := Call{At: c.now()}
	refused := c.authenticate(r)
	call.Principal, call.Region = r.principal, r.region
	if refused != nil {
		call.Action, call.Error = r.service+":?", refused.code
		c.calls = append(c.calls, call)
		return outcome{answer: finish(r.service, r.id, refused.encode(r.service, r.id))}, nil
	}
	if m, ok := c.mounted[r.service]; ok {
		return c.handOn(r, m, call)
	}
	var op operation
	if find, ok := services[r.service]; ok {
		op, refused = find(c, r)
	} else {
		refused = refuse(http.StatusBadRequest, "UnknownOperationException", "the fake cloud has no service %q", r.service)
	}
	call.Action, call.Resource, call.LeadingKey = op.action, op.resource, op.leadingKey
	if op.action == "" {
		call.Action = r.service + ":" + operationName(h)
		c.unknown = append(c.unknown, call.Action)
	}
	var out answer
	failed := refused
	if refused == nil {
		r.fault = c.nextFault(call)
		if failed = r.fault.failure(r.service); failed == nil || r.fault.ApplyFirst {
			for _, i := range op.implied {
				i.At, i.Principal, i.Region = call.At, call.Principal, call.Region
				c.calls = append(c.calls, i)
			}
			if out, refused = op.do(r); refused != nil {
				failed = refused
			}
		}
	}
	if failed != nil {
		call.Error = failed.code
		out = failed.encode(r.service, r.id)
	}
	c.calls = append(c.calls, call)
	lost := r.fault != nil
	return outcome{
		answer: finish(r.service, r.id, out),
		drop:   lost && r.fault.Drop, truncate: lost && r.fault.Truncate,
	}, nil
}

func (c *Cloud) handOn(r *request, m mount, call Call) (outcome, http.Handler) {
	name := operationName(r.http)
	call.Action, call.Resource = r.service+":"+name, "*"
	if m.resource != nil {
		call.Resource = m.resource(name, r.body)
	}
	f := c.nextFault(call)
	failed := f.failure(r.service)
	if failed == nil {
		c.calls = append(c.calls, call)
		return outcome{}, m.handler
	}
	call.Error = failed.code
	c.calls = append(c.calls, call)
	return outcome{answer: finish(r.service, r.id, failed.encode(r.service, r.id)), drop: f.Drop}, nil
}

// authenticate finds out who signed the request.
func (c *Cloud) authenticate(r *request) *refusal {
	s, ok := fakeaws.SignatureOf(r.http)
	if !ok && r.http.Header.Get("X-Amz-Target") == "" {
		r.service = "s3" // to which a request may come unsigned
		return refuse(http.StatusForbidden, "AccessDenied", "Access Denied")
	}
	if !ok {
		return refuse(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	r.service, r.region = s.Service, s.Region
	p, ok := c.principals[s.AccessKeyID]
	token := r.http.Header.Get("X-Amz-Security-Token")
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(p.credentials.SessionToken)) != 1 {
		if s.Service == "s3" {
			return refuse(http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
		}
		return refuse(http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if !s.Holds(r.http, r.body, p.credentials.SecretAccessKey) {
		return refuse(http.StatusForbidden, "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	r.principal = p.name
	return bodyAsSigned(r)
}

// bodyAsSigned holds the body against the hash that was signed for it.
func bodyAsSigned(r *request) *refusal {
	claimed := r.http.Header.Get("X-Amz-Content-Sha256")
	sum := sha256.Sum256(r.body)
	switch {
	case claimed == "", r.service == "s3" && claimed == "UNSIGNED-PAYLOAD", claimed == hex.EncodeToString(sum[:]):
		return nil
	case strings.HasPrefix(claimed, "STREAMING-"):
		return refuse(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented.")
	}
	return refuse(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
}

func operationName(h *http.Request) string {
	if target := h.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndexByte(target, '.')+1:]
	}
	return h.Method + " " + h.URL.Path
}

// Server serves a cloud on a port of this machine.
type Server struct {
	// URL is the endpoint, "http://127.0.0.1:4566".
	URL  string
	http *http.Server
	done chan struct{}
}

// Serve listens on addr ("127.0.0.1:0" picks a port), which must be a loopback address.
func (c *Cloud) Serve(addr string) (*Server, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("serving the fake cloud on %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("serving the fake cloud on %q: the host must be a loopback address such as 127.0.0.1", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serving the fake cloud: %w", err)
	}
	s := &Server{URL: "http://" + l.Addr().String(), http: &http.Server{Handler: c, ReadHeaderTimeout: 30 * time.Second}, done: make(chan struct{})}
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

// Config is what an SDK client of a principal needs. A retryer may be set on it afterwards.
func (s *Server) Config(p aws.Credentials, region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(s.URL), HTTPClient: awsfault.WholeBodies(nil),
		Credentials: credentials.NewStaticCredentialsProvider(p.AccessKeyID, p.SecretAccessKey, p.SessionToken),
	}
}
