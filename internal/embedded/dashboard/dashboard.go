// Package dashboard shows the security team how everything stands on one machine: pages below /dashboard/ on the loopback
// port of the embedded engine, beside its API and the office, never on the port of the approvers' pages.
//
// Nobody gets in by an address alone. Whoever has the engine's key and proves an AWS identity to the office is given an
// address that signs in once, within minutes; what they do on the pages goes on record by that identity. Sessions are
// kept in memory and end with the process.
//
// The pages read the stores of the engine and never the account. GET changes nothing. What can be done here is what
// pause and resume do as commands: nobody is decided on, rescued or deleted from here.
package dashboard

import (
	"context"
	"crypto/rand"
	_ "embed" // the stylesheet
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/look"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const root = "/dashboard/"

//go:embed dashboard.css
var css string

// Config is what a dashboard is made of.
type Config struct {
	// Workflow is the running one, whose clock dates what is shown.
	Workflow *workflow.Workflow
	// Account and Region are those of the engine; SettingsFile and Credentials are paths that commands on the pages name.
	Account, Region, SettingsFile, Credentials string
	// Now is the time by which sign-ins and sessions end.
	Now func() time.Time
	// Hold keeps a virtual clock where it is while a page is made; nil: nobody stops the clock.
	Hold func() (release func())
	Log  *slog.Logger
}

// Dashboard serves the pages.
type Dashboard struct {
	cfg   Config
	doors *doors
	// cookie is a name of this process's own: cookies know no ports, and two engines on a machine would take each other's.
	cookie string
	serve  http.Handler
}

// New serves a dashboard.
func New(cfg Config) *Dashboard {
	if cfg.Hold == nil {
		cfg.Hold = func() func() { return func() {} }
	}
	own := make([]byte, 6)
	_, _ = rand.Read(own) // it never fails
	d := &Dashboard{cfg: cfg, doors: newDoors(cfg.Now), cookie: "iam-sunset-" + hex.EncodeToString(own)}

	inside := http.NewServeMux()
	inside.HandleFunc("GET "+root+"{$}", d.overview)
	inside.HandleFunc("GET "+root+"cases/{which}", d.list)
	inside.HandleFunc("GET "+root+"cleanup/{id}", d.cleanup)
	inside.HandleFunc("GET "+root+"case/{id}", d.one)
	for _, a := range d.actions() {
		inside.HandleFunc("GET "+root+a.path, func(rw http.ResponseWriter, r *http.Request) { d.review(rw, r, a, http.StatusOK, "") })
		inside.HandleFunc("POST "+root+a.path, func(rw http.ResponseWriter, r *http.Request) { d.act(rw, r, a) })
	}
	inside.HandleFunc("POST "+root+"sign-out", d.signOut)
	inside.HandleFunc(root, d.nothing)

	outside := http.NewServeMux()
	outside.HandleFunc("GET "+root+"style.css", d.style)
	outside.HandleFunc("GET "+root+"sign-in/{code}", d.door)
	outside.HandleFunc("POST "+root+"sign-in/{code}", d.enter)
	outside.Handle(root, d.known(inside))

	sameSite := http.NewCrossOriginProtection()
	sameSite.SetDenyHandler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		d.message(rw, r, http.StatusForbidden, "Refused", "This came from another site. Nothing was done: go to the dashboard itself, and do it there.")
	}))
	d.serve = sameSite.Handler(outside)
	return d
}

// ServeHTTP answers requests below /dashboard/.
func (d *Dashboard) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h := rw.Header()
	h.Set("Content-Security-Policy", look.Policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// A foreign name that was made to point here would be a site of its own to a browser, with this one's answers.
	if !loopback(r.Host) {
		http.Error(rw, "The dashboard answers on this machine's loopback alone.", http.StatusForbidden)
		return
	}
	defer d.cfg.Hold()()
	d.serve.ServeHTTP(rw, r)
}

func loopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.Trim(hostPort, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

type whoKey struct{}

// who has signed in, by ARN.
func who(r *http.Request) string {
	arn, _ := r.Context().Value(whoKey{}).(string)
	return arn
}

// known lets in whoever has a session, and tells everybody else how to get one and nothing more.
func (d *Dashboard) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		arn := ""
		if c, err := r.Cookie(d.cookie); err == nil {
			arn = d.doors.session(c.Value)
		}
		if arn == "" {
			d.stranger(rw, r, "")
			return
		}
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), whoKey{}, arn)))
	})
}

func (d *Dashboard) style(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = io.WriteString(rw, look.CSS()+"\n"+css) // whoever is gone needs no style
}

func (d *Dashboard) nothing(rw http.ResponseWriter, r *http.Request) {
	d.message(rw, r, http.StatusNotFound, "Not found", "There is nothing here.")
}

// fail says what went wrong to somebody who has signed in, in the words of a fault.
func (d *Dashboard) fail(rw http.ResponseWriter, r *http.Request, err error) {
	status, title := http.StatusInternalServerError, "An error"
	switch kind := sunset.KindOf(err); {
	case kind == sunset.Invalid:
		status, title = http.StatusNotFound, "Not found"
	case kind == sunset.Conflict:
		status, title = http.StatusConflict, "Not possible"
	case kind == sunset.NotReady || kind.Passing():
		status, title = http.StatusServiceUnavailable, "Not just now"
	}
	if status == http.StatusInternalServerError {
		d.cfg.Log.ErrorContext(r.Context(), "the dashboard can't show a page", "path", r.URL.Path, "error", err)
	}
	d.message(rw, r, status, title, err.Error()+".")
}

// engineAddress is the address that this browser reached, which commands on the same machine reach as well.
func engineAddress(r *http.Request) string { return (&url.URL{Scheme: "http", Host: r.Host}).String() }
