package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// unsent is the row of a message or an event that did not get out. A message has no link: announcements are made anew
// instead, and an owner's message gets another link with each try.
type unsent struct {
	Message *approval.Message `json:"message,omitempty"`
	// Owner says that the message goes to a case's owner, with a link. Told is what is put on record once an owner's message,
	// or the one to the team in its stead, is sent: its kind, and what tells apart those of one kind.
	Owner bool        `json:"owner,omitempty"`
	Told  string      `json:"told,omitempty"`
	Case  sunset.Case `json:"case,omitzero"` // whom the message is about; ids and name only
	// Event is the record that was to be published, by chain and number.
	Event *eventRef `json:"event,omitempty"`
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
	// Over says that it was sent since, or given up. No more than that is kept of it then.
	Over bool `json:"over,omitempty"`
}

// firstTry reports whether a message was left for the next round by a page, so that nobody has failed to send it before.
func (u unsent) firstTry() bool {
	return strings.HasPrefix(u.Told, string(sunset.HandedOverMessage)+"/")
}

type eventRef struct {
	Chain string `json:"chain"`
	Seq   int    `json:"seq"`
}

const unsentPrefix = "unsent/"

func (u unsent) key() string {
	id := ""
	if u.Event != nil {
		id = fmt.Sprintf("event/%s/%d", u.Event.Chain, u.Event.Seq)
	} else {
		// With its text: two messages of one subject are two.
		id = "message/" + u.Case.ID + "/" + u.Message.To + "/" + u.Message.Subject + "/" + u.Message.Text
		if u.Told != "" {
			id += "/" + u.Told
		}
	}
	return unsentPrefix + hashOf([]byte(id))
}

// tell sends a message about a case. One that can't be sent never fails the case: it goes on record, and reconcile tries
// it again.
func (w *Workflow) tell(ctx context.Context, c sunset.Case, to, subject, text string) error {
	message := approval.Message{To: to, Subject: subject, Text: text}
	err := w.Messenger.Send(ctx, message)
	if err == nil {
		return nil
	}
	w.keepUnsent(ctx, unsent{
		Message: &message, Case: sunset.Case{ID: c.ID, CleanupID: c.CleanupID, UserID: c.UserID, UserName: c.UserName}, Why: err.Error(),
	})
	failed := audit.Record{
		Chain: chainAbout(c), Kind: "message-failed", CleanupID: c.CleanupID, CaseID: c.ID, UserID: c.UserID, UserName: c.UserName, By: "iam-sunset",
		Text: fmt.Sprintf("The message %q to %s could not be sent; it is tried again every hour.", subject, to),
	}
	return w.record(ctx, failed, map[string]any{"to": to, "subject": subject, "error": err.Error()})
}

// chainAbout is where a message about c is on record: in its case's chain, its cleanup's, or the account's.
func chainAbout(c sunset.Case) string {
	switch {
	case c.ID != "":
		return sunset.ChainOf(c.ID)
	case c.CleanupID != "":
		return sunset.CleanupChain(c.CleanupID)
	}
	return "account/messages"
}

// publish tells the world outside of a record. The record is what counts: an event that can't be published fails
// nothing, and reconcile tries it again.
func (w *Workflow) publish(ctx context.Context, r audit.Record) {
	if w.Publish == nil {
		return
	}
	if err := w.Publish(ctx, r); err != nil {
		w.Log.WarnContext(ctx, "an event was not published and will be tried again", "chain", r.Chain, "seq", r.Seq, "error", err)
		w.keepUnsent(ctx, unsent{Event: &eventRef{r.Chain, r.Seq}, Why: err.Error()})
	}
}

// keepWithin is how long writing down what was not sent may take.
const keepWithin = 5 * time.Second

// keepUnsent writes u down for reconcile, also where the sending ended with the handler's time: what is left of that is
// enough for a row. Where even that fails, the log is all that tells of it.
func (w *Workflow) keepUnsent(ctx context.Context, u unsent) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	u.Since = w.Clock.Now()
	err := w.putUnsent(ctx, u.key(), func(have *unsent) {
		if have.Since.IsZero() || have.Over {
			*have = u
		}
	})
	if err != nil {
		w.Log.ErrorContext(ctx, "what was not sent could not be written down either; it will not be tried again", "case", u.Case.ID, "error", err)
	}
}

func (w *Workflow) putUnsent(ctx context.Context, key string, f func(*unsent)) error {
	for range 5 {
		var u unsent
		row, err := w.Rows.Get(ctx, key)
		switch {
		case errors.Is(err, store.ErrMissing):
		case err != nil:
			return err
		default:
			if err := json.Unmarshal(row.Body, &u); err != nil {
				return fmt.Errorf("reading row %s: %w", key, err)
			}
		}
		f(&u)
		body, err := json.Marshal(u)
		if err != nil {
			return fmt.Errorf("writing row %s: %w", key, err)
		}
		if _, err = w.Rows.Put(ctx, key, row.Version, body); !errors.Is(err, store.ErrMoved) {
			return err
		}
	}
	return sunset.Faultf(sunset.Unavailable, "row %s was changed by others again and again", key)
}
