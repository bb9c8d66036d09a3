// Package office is where operators' commands reach a running `iam-sunset serve`: an HTTP API below /office/ on the
// loopback port of the embedded engine, and its client.
//
//	GET  /office/                    unsigned: that this is an engine, its region, and where its key lies
//	GET  /office/engine              what runs: account, state machine, pages
//	GET  /office/settings            today's settings
//	GET  /office/object?key=         an object         PUT: write one, once
//	GET  /office/objects?prefix=     keys, a page at a time, from after=
//	GET  /office/row?key=            a row             PUT, with version=: change it
//	GET  /office/rows?prefix=        rows, a page at a time
//	POST /office/rescue              give a user back, by the function restore
//	POST /office/messages            send a message, as a rehearsal does
//	POST /office/dashboard           an address that signs the caller in to the dashboard, once
//	     /office/v1/…                decisions by AWS identity; see approval.NewAPI
//
// Every request but the first is signed with the engine's key, for the service "iam-sunset", and every answer to one
// carries a MAC by the same key: who has the port but not the key is no engine. The key stands for an operator, whose
// rights here are those that a deployment's operators have on AWS; on the engine's own API it may do all that is there. It makes
// no decisions: who decides, and who starts, is proven by package identity.
//
// The office speaks plain HTTP. It is for the machine that it runs on, and for whoever comes there by `ssh -L`.
package office

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const (
	service = "iam-sunset" // that requests are signed for
	path    = "/office/"
	// maxRequest is far above what operators write: records, the pause, messages.
	maxRequest = 1 << 20

	macHeader   = "X-Iam-Sunset-Answer"
	runHeader   = "X-Iam-Sunset-Run"
	writeHeader = "X-Iam-Sunset-Write"
)

// Config is what an office is made of.
type Config struct {
	Key signature.Key
	// Workflow is the running one, and Restore the function that gives users back.
	Workflow *workflow.Workflow
	Restore  lambdahost.Function
	// Identity checks whose decisions they are.
	Identity *identity.Checker
	// Rights are what holders of the key may do with the stores: see Operators.
	Rights Rights
	// Account and Region are those of the engine, Version is the product's, Credentials the absolute path of the file that
	// holds the key.
	Account, Region, Version, Credentials string
	// Invite makes a path that signs somebody, by ARN, in to the dashboard once, until then; nil: there is no dashboard.
	Invite func(arn string) (path string, until time.Time)
	// Hold keeps a virtual clock where it is while a request is answered; nil: nobody stops the clock.
	Hold func() (release func())
}

// Greeting is what anybody on the machine is told.
type Greeting struct {
	Product     string `json:"product"`
	Protocol    int    `json:"protocol"` // of the office; 1
	Region      string `json:"region"`
	Credentials string `json:"credentials"`
}

const (
	product  = "iam-sunset engine"
	protocol = 1
)

// Engine is what runs.
type Engine struct {
	Account      string `json:"account"`
	Region       string `json:"region"`
	StateMachine string `json:"state_machine"`
	PagesURL     string `json:"pages_url"`
	Version      string `json:"version"`
	// STSRegion and STSURL say which STS is asked for identities: proofs are signed for it. See identity.For.
	STSRegion string `json:"sts_region"`
	STSURL    string `json:"sts_url"`
}

type office struct {
	Config
	mux    *http.ServeMux
	writes *writes
	run    string // tells this process's answers from those of one before
}

// New serves an office.
func New(cfg Config) http.Handler {
	o := &office{Config: cfg, mux: http.NewServeMux(), writes: newWrites(), run: rand.Text()}
	if o.Hold == nil {
		o.Hold = func() func() { return func() {} }
	}
	for pattern, answer := range map[string]func(*http.Request, []byte) (any, error){
		"GET /office/engine": o.engine, "GET /office/settings": o.settings,
		"GET /office/object": o.getObject, "PUT /office/object": o.putObject, "GET /office/objects": o.listObjects,
		"GET /office/row": o.getRow, "PUT /office/row": o.putRow, "GET /office/rows": o.listRows,
		"POST /office/rescue": o.rescue, "POST /office/messages": o.send,
	} {
		o.mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			// Whoever hangs up now has asked all the same.
			out, err := answer(r.WithContext(context.WithoutCancel(r.Context())), bodyOf(r))
			if err != nil {
				refuse(rw, err)
				return
			}
			say(rw, http.StatusOK, out)
		})
	}
	o.mux.Handle("POST /office/dashboard", o.proven(http.HandlerFunc(o.dashboard)))
	o.mux.Handle(path+"v1/", http.StripPrefix(strings.TrimSuffix(path, "/"), o.proven(o.Workflow.API(provenBy))))
	o.mux.HandleFunc(path, func(rw http.ResponseWriter, r *http.Request) {
		refuse(rw, sunset.Faultf(sunset.Invalid, "there is nothing here: %s %s", r.Method, r.URL.Path))
	})
	return http.HandlerFunc(o.serve)
}

// serve lets in only what was signed with the key, and puts the key's MAC under the answer.
func (o *office) serve(rw http.ResponseWriter, r *http.Request) {
	defer o.Hold()()
	h := rw.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if !loopback(r.Host) || r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		// A page in a browser could send a foreign name that points here, or have the browser ask for it.
		refuse(rw, sunset.Faultf(sunset.AccessDenied, "the office answers commands on this machine, and no pages"))
		return
	}
	if r.URL.Path == path && r.Method == http.MethodGet {
		say(rw, http.StatusOK, Greeting{Product: product, Protocol: protocol, Region: o.Region, Credentials: o.Credentials})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxRequest))
	if err != nil {
		refuse(rw, sunset.Faultf(sunset.Invalid, "the request can't be read: %w; at most %d bytes are taken", err, maxRequest))
		return
	}
	// Whoever signs lives in real time, whichever the executions' is.
	if err := o.Key.Verify(r, body, service, o.Region, clock.Wall{}.Now()); err != nil {
		refuse(rw, err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	out := &buffered{header: http.Header{}, status: http.StatusOK}
	o.mux.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), bodyKey{}, body)))
	for name, values := range out.header {
		h[name] = values
	}
	h.Set("Content-Length", strconv.Itoa(out.body.Len()))
	h.Set(runHeader, o.run)
	h.Set(macHeader, o.Key.MAC(r.Header.Get("Authorization"), out.status, out.body.Bytes()))
	rw.WriteHeader(out.status)
	_, _ = rw.Write(out.body.Bytes()) // the caller may have gone
}

type bodyKey struct{}

// bodyOf is what the signature covers.
func bodyOf(r *http.Request) []byte {
	body, _ := r.Context().Value(bodyKey{}).([]byte)
	return body
}

// buffered keeps an answer until it is whole.
type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffered) Header() http.Header         { return b.header }
func (b *buffered) WriteHeader(status int)      { b.status = status }
func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }

// raw is an answer that is no JSON.
type raw []byte

func say(rw http.ResponseWriter, status int, out any) {
	body, ok := out.(raw)
	if !ok {
		var err error
		if body, err = json.Marshal(out); err != nil {
			http.Error(rw, "the answer can't be written", http.StatusInternalServerError)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
	}
	rw.WriteHeader(status)
	_, _ = rw.Write(body) // the caller may have gone
}

func loopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.Trim(hostPort, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
