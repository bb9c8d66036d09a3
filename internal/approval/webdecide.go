package approval

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"golang.org/x/sync/errgroup"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// decidesAtOnce is how many decisions of one form are taken at a time.
const decidesAtOnce = 8

// errNotOnRecord says that a decision is stored, and that its approver has to send it again.
var errNotOnRecord = errors.New("the decision is stored and not on record")

// take stores one decision, puts it on record, and hands on what it decides.
func (w *web) take(ctx context.Context, who visitor, r sunset.ApprovalRequest, b ballot) (sunset.Decision, error) {
	decision, tally, err := w.desk.Decide(ctx, sunset.Decision{
		RequestID: r.ID, Digest: b.Digest, Approver: who.Email, Choice: b.Choice, Reason: b.Reason, Way: who.way(), Principal: who.Known.Principal,
	})
	if err != nil {
		return decision, err
	}
	if err := w.recordDecision(ctx, r, decision); err != nil {
		w.log.ErrorContext(ctx, "a decision is stored but not on record", "request", r.ID, "approver", who.Email, "error", err)
		return decision, errNotOnRecord
	}
	if tally != "" {
		w.answer(ctx, r.ID)
	}
	return decision, nil
}

// answer hands a decided request on. Whatever fails here is made up for by whoever asks Undelivered next.
func (w *web) answer(ctx context.Context, requestID string) {
	waits, ok, err := w.desk.Delivery(ctx, requestID)
	if err == nil && ok {
		err = w.onDecided(ctx, waits.Request, waits.Choice)
	}
	if err != nil {
		w.log.WarnContext(ctx, "a decision is stored and not delivered yet", "request", requestID, "error", err)
	}
}

// decide takes the decision on one case.
func (w *web) decide(rw http.ResponseWriter, r *http.Request) {
	who, ok := w.visitor(rw, r)
	if !ok {
		return
	}
	item, err := w.desk.Item(r.Context(), who.Email, r.PathValue("request"))
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	form, ok := w.read(rw, r, maxForm)
	if !ok {
		return
	}
	for _, field := range []string{"choice", "reason", "digest"} {
		if len(form[field]) != 1 {
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
	b := ballot{ID: item.Request.ID, Digest: form.Get("digest"), Reason: form.Get("reason"), Choice: sunset.Choice(form.Get("choice"))}
	switch _, err := w.take(ctx, who, item.Request, b); {
	case errors.Is(err, errNotOnRecord):
		w.message(rw, r, http.StatusServiceUnavailable, "Your decision is stored, but could not be put on record yet. Please go back and send the same form once more in a minute.")
	case err != nil && w.moved(rw, r, who, item, b):
	case err != nil:
		w.fail(rw, r, err)
	default:
		http.Redirect(rw, r, w.place(r).Inbox+"?done="+url.QueryEscape(item.Request.ID), http.StatusSeeOther)
	}
}

// decideMany takes the decisions of a reviewed form, each by itself: one that can't be taken holds up no other.
func (w *web) decideMany(rw http.ResponseWriter, r *http.Request) {
	who, ok := w.visitor(rw, r)
	if !ok {
		return
	}
	form, ok := w.read(rw, r, maxManyForm)
	if !ok {
		return
	}
	said, err := ballots(form)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	common := CleanReason(form.Get("reason"))
	var chosen []ballot
	for _, b := range said {
		if b.Choice == "" {
			continue
		}
		if b.Reason == "" {
			b.Reason = common
		}
		if b.Reason == "" {
			w.reviewForm(rw, r, who, form, http.StatusBadRequest, "There is no reason yet, and so nothing was decided. Write one for all, or one for each.")
			return
		}
		chosen = append(chosen, b)
	}
	if len(chosen) == 0 {
		w.message(rw, r, http.StatusBadRequest, "Nothing was chosen, and so nothing was decided. Go back and choose what shall become of at least one user.")
		return
	}

	// Whoever closes the page now has decided all the same.
	ctx := context.WithoutCancel(r.Context())
	items, err := w.desk.Items(ctx, who.Email, ids(chosen))
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	at := w.place(r)
	results := make([]result, len(chosen))
	var group errgroup.Group
	group.SetLimit(decidesAtOnce)
	for i, b := range chosen {
		group.Go(func() error {
			results[i] = w.takeOne(ctx, at, who, items, b)
			return nil
		})
	}
	_ = group.Wait() // what failed is in the results
	w.page(rw, r, http.StatusOK, "result", resultView(at, results))
}

// takeOne tells in a sentence what became of one decision among many.
func (w *web) takeOne(ctx context.Context, at place, who visitor, items map[string]Item, b ballot) (out result) {
	out = result{ballot: b, Address: at.Inbox + "/" + b.ID, Name: "A case that is not here any more"}
	defer func() {
		if p := recover(); p != nil {
			w.log.ErrorContext(ctx, "deciding panicked", "request", b.ID, "panic", p)
			out.Why, out.Again = wentWrong, true
		}
	}()
	item, known := items[b.ID]
	if !known {
		out.Address, out.Why = "", "Open your list again."
		return out
	}
	out.Name = item.Request.UserName
	decision, err := w.take(ctx, who, item.Request, b)
	fault, told := err.(*sunset.Fault) //nolint:errorlint // one that is wrapped speaks of something deeper
	switch {
	case err == nil:
		out.Decision = &decision
	case errors.Is(err, errNotOnRecord):
		out.Why, out.Again = "It is stored, but could not be put on record yet.", true
	case told && fault.Kind == sunset.Conflict:
		out.Why = sentence(fault.Error()) + "."
		if newer, changes, ok := w.newer(ctx, who, item); ok {
			out.Newer, out.Moved = at.Inbox+"/"+newer.Request.ID, changes
		}
	case told && fault.Kind == sunset.Invalid && hindrance(item, b, w.desk.clock.Now()) != "":
		out.Why = sentence(hindrance(item, b, w.desk.clock.Now())) + "."
	case told && (fault.Kind == sunset.Invalid || fault.Kind == sunset.AccessDenied):
		out.Why = sentence(fault.Error()) + "."
	default:
		w.log.ErrorContext(ctx, "deciding failed", "request", b.ID, "error", err)
		out.Why, out.Again = "This can't be done right now.", true
	}
	return out
}
