package approval

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/look"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// maxForm is how many bytes of a form are read.
const maxForm = 64 << 10

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
}

// SignIn tells who sits at the browser, beside the link that they came by. answered says that it has answered the request
// itself: it sends whoever opens a page to sign in, and tells whoever sends a form that they have to. Nobody known and
// nothing answered means that today's settings ask for no sign-in.
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
	prefix         string // the path under which BaseURL puts everything
}

// NewWeb serves the approvers' pages: an inbox at /a/{link}, a case at /a/{link}/{request}, whose form is posted back to
// it with the fields choice, reason and digest. GET and HEAD change nothing.
func NewWeb(p Pages) http.Handler {
	w := &web{desk: p.Desk, onDecided: p.OnDecided, recordDecision: p.RecordDecision, signIn: p.SignIn}
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
	mux.HandleFunc("POST /a/{link}/{request}", w.decide)
	w.ownerRoutes(mux, p.Owners)
	mux.HandleFunc("GET /style.css", w.style)
	mux.HandleFunc("/", w.nothing)
	return guarded(sameSite.Handler(mux))
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
		next.ServeHTTP(rw, r)
	})
}

func (w *web) style(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = io.WriteString(rw, look.CSS()) // whoever is gone needs no style
}

func (w *web) nothing(rw http.ResponseWriter, r *http.Request) {
	w.message(rw, r, http.StatusNotFound, "There is nothing here. Links end after a while: open the latest message that you got, or ask the security team for a new link.")
}

func (w *web) inbox(rw http.ResponseWriter, r *http.Request) {
	email, err := w.desk.Approver(r.Context(), r.PathValue("link"))
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	items, err := w.desk.Inbox(r.Context(), email)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.page(rw, r, http.StatusOK, "inbox", inboxView(w.place(r), email, items, r.URL.Query().Get("done"), w.desk.clock.Now()))
}

func (w *web) show(rw http.ResponseWriter, r *http.Request) {
	item, email, err := w.item(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.page(rw, r, http.StatusOK, "case", caseView(w.place(r), email, item, w.desk.clock.Now()))
}

func (w *web) item(r *http.Request) (Item, string, error) {
	email, err := w.desk.Approver(r.Context(), r.PathValue("link"))
	if err != nil {
		return Item{}, "", err
	}
	item, err := w.desk.Item(r.Context(), email, r.PathValue("request"))
	return item, email, err
}

func (w *web) decide(rw http.ResponseWriter, r *http.Request) {
	item, email, err := w.item(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		w.message(rw, r, http.StatusUnsupportedMediaType, "Only the form on the case's page decides. Nothing was decided.")
		return
	}
	r.Body = http.MaxBytesReader(rw, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			w.message(rw, r, http.StatusRequestEntityTooLarge, "That was too long. Nothing was decided: go back and write a shorter reason.")
			return
		}
		w.message(rw, r, http.StatusBadRequest, "The form could not be read. Nothing was decided: go back and send it again.")
		return
	}
	for _, field := range []string{"choice", "reason", "digest"} {
		if len(r.PostForm[field]) != 1 {
			w.message(rw, r, http.StatusBadRequest, map[string]string{
				"choice": "Nothing was chosen, and so nothing was decided. Go back and choose one.",
				"reason": "There is no reason, and so nothing was decided. Go back and write why.",
				"digest": "The form was not complete. Nothing was decided: go back to the case and decide there.",
			}[field])
			return
		}
	}

	// Whoever closes the page now has decided all the same.
	ctx := context.WithoutCancel(r.Context())
	decision, tally, err := w.desk.Decide(ctx, sunset.Decision{
		RequestID: item.Request.ID, Digest: r.PostForm.Get("digest"), Approver: email,
		Choice: sunset.Choice(r.PostForm.Get("choice")), Reason: r.PostForm.Get("reason"), Way: sunset.WayLink,
	})
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	if err := w.recordDecision(ctx, item.Request, decision); err != nil {
		slog.ErrorContext(ctx, "a decision is stored but not on record", "request", item.Request.ID, "approver", email, "error", err)
		w.message(rw, r, http.StatusServiceUnavailable, "Your decision is stored, but could not be put on record yet. Please go back and send the same form once more in a minute.")
		return
	}
	if tally != "" {
		w.answer(ctx, item.Request.ID)
	}
	at := w.place(r)
	http.Redirect(rw, r, at.Inbox+"?done="+url.QueryEscape(item.Request.ID), http.StatusSeeOther)
}

// answer hands a decided request on. Whatever fails here is made up for by whoever asks Undelivered next.
func (w *web) answer(ctx context.Context, requestID string) {
	waits, ok, err := w.desk.Delivery(ctx, requestID)
	if err == nil && ok {
		err = w.onDecided(ctx, waits.Request, waits.Choice)
	}
	if err != nil {
		slog.WarnContext(ctx, "a decision is stored and not delivered yet", "request", requestID, "error", err)
	}
}

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
			w.message(rw, r, status, sentence(fault.Error()))
			return
		}
	}
	slog.ErrorContext(r.Context(), "an approval page failed", "method", r.Method, "error", err)
	if sunset.KindOf(err).Passing() {
		w.message(rw, r, http.StatusServiceUnavailable, "This can't be done right now. Please try again in a minute.")
		return
	}
	w.message(rw, r, http.StatusInternalServerError, "Something went wrong on our side. Please try again later, or tell the security team.")
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
