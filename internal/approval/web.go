package approval

import (
	"context"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/look"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// How many bytes are read of a form on one case, and of one on many: two hundred cases and a reason for each, in any script.
const (
	maxForm     = 64 << 10
	maxManyForm = 3 << 20
)

// Pages are what people's pages work with.
type Pages struct {
	Desk *Desk
	// RecordDecision puts a stored decision on record. An error asks the approver to send the form again, and no token is
	// answered then.
	RecordDecision func(context.Context, sunset.ApprovalRequest, sunset.Decision) error
	// OnDecided answers the token of a request whose decisions add up to something, and calls MarkDelivered. Its error is
	// only logged, since the decision is stored and Undelivered tells of it. Both meet the same decision again when a form
	// is sent again, and must bear that.
	OnDecided func(context.Context, sunset.ApprovalRequest, sunset.Choice) error
	// Owners is what the owners' pages work with.
	Owners Owners
	// BaseURL is what links begin with, as people's browsers see it.
	BaseURL string
	// SignIn tells who sits at the browser; nil: links alone tell.
	SignIn SignIn
	// Log hears what fails; nil: nobody does.
	Log *slog.Logger
}

// SignIn tells who sits at the browser, beside the link that they came by. answered says that it has answered the request
// itself: it sends whoever opens a page to sign in, and tells whoever sends a form that they have to. Nobody known and
// nothing answered means that today's settings ask for no sign-in. Everything below /sign-in/ is its own to answer.
type SignIn func(rw http.ResponseWriter, r *http.Request) (who Known, answered bool)

// Known is somebody whom a sign-in has made known. The zero value is nobody.
type Known struct {
	Email string
	// Principal names them where they signed in: the issuer, "#" and the subject.
	Principal string
}

type web struct {
	desk           *Desk
	onDecided      func(context.Context, sunset.ApprovalRequest, sunset.Choice) error
	recordDecision func(context.Context, sunset.ApprovalRequest, sunset.Decision) error
	signIn         SignIn
	log            *slog.Logger
	templates      *template.Template
	prefix         string // the path under which BaseURL puts everything
}

// NewWeb serves the approvers' pages. GET and HEAD change nothing, and neither does the review.
//
//	GET  /a/{link}                        the inbox: ?q= &show= &class= &sort= &from=
//	GET  /a/{link}/{request}              one case
//	POST /a/{link}/review                 names the users before anything is decided: choice.ID and digest.ID for each
//	POST /a/{link}/decide                 decides them: also reason, for all, and reason.ID
//	POST /a/{link}/{request}              decides one: choice, reason, digest
//	GET  /a/{link}/{request}/receipt      the approver's own decision, to be kept; receipt.txt as a file
func NewWeb(p Pages) http.Handler {
	w := &web{desk: p.Desk, onDecided: p.OnDecided, recordDecision: p.RecordDecision, signIn: p.SignIn, log: heard(p.Log), templates: parsedPages()}
	sameSite := http.NewCrossOriginProtection()
	if u, err := url.Parse(p.BaseURL); err == nil && u.Host != "" {
		w.prefix = strings.TrimSuffix(u.EscapedPath(), "/")
		// Behind a proxy, Host is not what the browser sees. An origin that isn't one trusts nobody more.
		_ = sameSite.AddTrustedOrigin(u.Scheme + "://" + u.Host)
	}
	sameSite.SetDenyHandler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.message(rw, r, http.StatusForbidden, "This came from another site. Nothing was decided: open the case from your own list and decide there.")
	}))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /a/{link}", w.inbox)
	mux.HandleFunc("GET /a/{link}/{request}", w.show)
	mux.HandleFunc("POST /a/{link}/review", w.review)
	mux.HandleFunc("POST /a/{link}/decide", w.decideMany)
	mux.HandleFunc("POST /a/{link}/{request}", w.decide)
	mux.HandleFunc("GET /a/{link}/{request}/receipt", w.receipt)
	mux.HandleFunc("GET /a/{link}/{request}/receipt.txt", w.receiptFile)
	w.ownerRoutes(mux, p.Owners)
	mux.HandleFunc("GET /style.css", w.style)
	mux.HandleFunc("/sign-in/", w.signingIn)
	mux.HandleFunc("/", w.nothing)
	return guarded(w.upright(sameSite.Handler(mux)))
}

func heard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// upright answers where a handler panics: a connection that is cut says nothing, and may be tried again for ever.
func (w *web) upright(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				w.log.ErrorContext(r.Context(), "an approval page panicked", "method", r.Method, "panic", p, "stack", string(debug.Stack()))
				w.message(rw, r, http.StatusInternalServerError, wentWrong)
			}
		}()
		next.ServeHTTP(rw, r)
	})
}

// guarded sets what every answer carries. No script runs, no other site may frame, feed or be fed by a page, and no
// address (it is a secret) goes anywhere.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := rw.Header()
		h.Set("Content-Security-Policy", look.Policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		next.ServeHTTP(rw, r)
	})
}

func (w *web) style(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = io.WriteString(rw, look.CSS()) // whoever is gone needs no style
}

// signingIn is where people come back to from signing in, and sign out: the sign-in answers it.
func (w *web) signingIn(rw http.ResponseWriter, r *http.Request) {
	if w.signIn != nil {
		if _, answered := w.signIn(rw, r); answered {
			return
		}
	}
	w.nothing(rw, r)
}

func (w *web) nothing(rw http.ResponseWriter, r *http.Request) {
	w.message(rw, r, http.StatusNotFound, "There is nothing here. Links end after a while: open the latest message that you got, or ask the security team for a new link.")
}

// visitor is who came, by link and, where settings ask for it, by sign-in.
type visitor struct {
	Email string
	Known Known
}

// way is how the visitor was known.
func (v visitor) way() sunset.Way {
	if v.Known.Email != "" {
		return sunset.WaySignIn
	}
	return sunset.WayLink
}

// visitor tells who came. Where ok is false, everything has been answered. The link is looked up first, so that a wrong one
// sends nobody to sign in.
func (w *web) visitor(rw http.ResponseWriter, r *http.Request) (v visitor, ok bool) {
	email, err := w.desk.Approver(r.Context(), r.PathValue("link"))
	if err != nil {
		w.fail(rw, r, err)
		return v, false
	}
	v.Email = email
	if w.signIn == nil {
		return v, true
	}
	who, answered := w.signIn(rw, r)
	switch {
	case answered:
		return v, false
	case who.Email != "" && !strings.EqualFold(who.Email, email):
		w.page(rw, r, http.StatusForbidden, "message", messagePage{
			place: place{Style: w.prefix + "/style.css"}, Title: "Not allowed", SignOut: w.prefix + "/sign-in/out",
			Text: "You are signed in as somebody else than this link is for. Nothing was decided. Sign out and come back as yourself, or open the link that was sent to you.",
		})
		return v, false
	}
	v.Known = who
	return v, true
}

func (w *web) inbox(rw http.ResponseWriter, r *http.Request) {
	who, ok := w.visitor(rw, r)
	if !ok {
		return
	}
	items, err := w.desk.Inbox(r.Context(), who.Email)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.page(rw, r, http.StatusOK, "inbox", inboxView(w.place(r), who.Email, items, r.URL.Query(), w.desk.clock.Now()))
}

func (w *web) show(rw http.ResponseWriter, r *http.Request) {
	who, ok := w.visitor(rw, r)
	if !ok {
		return
	}
	item, err := w.desk.Item(r.Context(), who.Email, r.PathValue("request"))
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.page(rw, r, http.StatusOK, "case", w.caseOf(r.Context(), w.place(r), who, item))
}

const wentWrong = "Something went wrong on our side. Please try again later, or tell the security team."

// fail tells an error. Only faults made for the approver are shown; what lies under anything else (keys, addresses of
// services) is for the log. No message holds the link.
func (w *web) fail(rw http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, store.ErrMissing) {
		w.nothing(rw, r)
		return
	}
	if fault, ok := err.(*sunset.Fault); ok { //nolint:errorlint // one that is wrapped speaks of something deeper
		status := map[sunset.Kind]int{
			sunset.Conflict: http.StatusConflict, sunset.AccessDenied: http.StatusForbidden, sunset.Invalid: http.StatusBadRequest,
		}[fault.Kind]
		if status != 0 {
			w.message(rw, r, status, sentence(strings.TrimSuffix(fault.Error(), "."))+".")
			return
		}
	}
	if r.Context().Err() != nil {
		// Nobody is there any more to be answered, and whoever has no link must not fill the log with errors.
		w.log.InfoContext(r.Context(), "a page was left before it was made", "method", r.Method)
		return
	}
	w.log.ErrorContext(r.Context(), "an approval page failed", "method", r.Method, "error", err)
	if sunset.KindOf(err).Passing() {
		w.message(rw, r, http.StatusServiceUnavailable, "This can't be done right now. Please try again in a minute.")
		return
	}
	w.message(rw, r, http.StatusInternalServerError, wentWrong)
}

// place is where a page stands, as the browser sees it.
type place struct {
	Style, Inbox string
}

func (w *web) place(r *http.Request) place {
	p := place{Style: w.prefix + "/style.css"}
	if link := r.PathValue("link"); link != "" {
		p.Inbox = w.prefix + "/a/" + url.PathEscape(link)
	}
	return p
}
