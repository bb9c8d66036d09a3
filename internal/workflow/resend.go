package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// giveUpAfter is how old a message may get before it would only confuse whoever reads it. Events have no such end.
	giveUpAfter = 7 * 24 * time.Hour
	// resendWithin bounds what a round spends on trying again: a bus or a mail system that hangs must not keep it from
	// the rest of its work. The next round goes on.
	resendWithin = 2 * time.Minute
)

// waitingRow is a row of what did not get out.
type waitingRow struct {
	unsent
	row string
}

// waiting gives what did not get out yet: messages, the oldest first, and then events in their chains' order. left counts
// the rows that can't be read; they stay for a person.
func (w *Workflow) waiting(rows []store.Row) (out []waitingRow, left int, err error) {
	var failures []error
	for _, row := range rows {
		u := waitingRow{row: row.Key}
		err := json.Unmarshal(row.Body, &u.unsent)
		switch {
		case err != nil:
			failures = append(failures, sunset.Faultf(sunset.Internal, "reading row %s: %w", row.Key, err))
			left++
		case u.Over:
		case u.Message == nil && u.Event == nil:
			failures = append(failures, sunset.Faultf(sunset.Internal, "row %s is neither a message nor an event", row.Key))
			left++
		default:
			out = append(out, u)
		}
	}
	slices.SortStableFunc(out, func(a, b waitingRow) int {
		switch {
		case a.Event == nil && b.Event == nil:
			return a.Since.Compare(b.Since)
		case a.Event == nil:
			return -1
		case b.Event == nil:
			return 1
		}
		return cmp.Or(strings.Compare(a.Event.Chain, b.Event.Chain), cmp.Compare(a.Event.Seq, b.Event.Seq))
	})
	return out, left, errors.Join(failures...)
}

// resend tries everything in rows again that did not get out, and counts what still did not.
func (w *Workflow) resend(ctx context.Context, rows []store.Row) (left int, err error) {
	waiting, left, err := w.waiting(rows)
	failures := []error{err}
	inTime, cancel := context.WithTimeout(ctx, resendWithin)
	defer cancel()
	chains := map[string]map[int]audit.Record{}
	for i, u := range waiting {
		if inTime.Err() != nil {
			return left + len(waiting) - i, errors.Join(failures...)
		}
		if u.Event != nil {
			err = w.publishAgain(inTime, *u.Event, chains)
		} else {
			err = w.sendAgain(inTime, u.unsent)
		}
		if err != nil {
			w.Log.WarnContext(ctx, "what was not sent still can't be", "row", strings.TrimPrefix(u.row, unsentPrefix), "error", err)
			left++
			continue
		}
		failures = append(failures, w.putUnsent(ctx, u.row, func(u *unsent) { *u = unsent{Since: u.Since, Over: true} }))
	}
	return left, errors.Join(failures...)
}

// publishAgain publishes the record that e names. chains has the records of those chains that were read already.
func (w *Workflow) publishAgain(ctx context.Context, e eventRef, chains map[string]map[int]audit.Record) error {
	if w.Publish == nil {
		return nil // nobody listens any more
	}
	if chains[e.Chain] == nil {
		records, err := w.Records.Chain(ctx, e.Chain)
		if err != nil {
			return err
		}
		chains[e.Chain] = map[int]audit.Record{}
		for _, r := range records {
			chains[e.Chain][r.Seq] = r
		}
	}
	r, ok := chains[e.Chain][e.Seq]
	if !ok {
		return sunset.Faultf(sunset.Internal, "record %d of %s is not there", e.Seq, e.Chain)
	}
	return w.Publish(ctx, r)
}

// sendAgain sends the message of u, or gives it up where it is too old. nil means that it is over, and on record.
func (w *Workflow) sendAgain(ctx context.Context, u unsent) error {
	kind, text := "message-sent", "The message %q to %s was sent at last."
	others, err := w.othersNow(ctx, u)
	if err == nil && !others {
		err = w.send(ctx, u)
	}
	switch {
	case others:
		kind, text = "message-given-up", "The message %q to %s is given up: the user is somebody else's now."
	case err == nil && u.Told != "":
		if err := w.recordOwnerTold(ctx, u); err != nil || u.firstTry() {
			return err
		}
	case err != nil && w.Clock.Now().Sub(u.Since) < giveUpAfter:
		return err
	case err != nil:
		kind, text = "message-given-up", "The message %q to %s could not be sent for a week and is given up."
	}
	if u.Case.ID != "" {
		// A record about a case that never was would keep its cleanup from ending.
		var file caseFile
		_, err := load(ctx, w.Objects, caseFileKey(u.Case.ID), &file)
		switch {
		case errors.Is(err, store.ErrMissing), err == nil && file.Entry.User.ID != u.Case.UserID:
			u.Case = sunset.Case{}
		case err != nil:
			return fmt.Errorf("reading which case the message to %s is about: %w", u.Message.To, err)
		}
	}
	r := audit.Record{
		Chain: chainAbout(u.Case), Kind: kind, CleanupID: u.Case.CleanupID, CaseID: u.Case.ID, UserID: u.Case.UserID, UserName: u.Case.UserName,
		By: "iam-sunset", Text: fmt.Sprintf(text, u.Message.Subject, u.Message.To),
	}
	return w.record(ctx, r, map[string]any{"to": u.Message.To, "subject": u.Message.Subject, "since": u.Since})
}

// othersNow reports whether an owner's message would go to somebody who doesn't own the case's user, or not any more. It has
// a link, so that a row alone, which more can write than may speak for an owner, must not say to whom.
func (w *Workflow) othersNow(ctx context.Context, u unsent) (bool, error) {
	if !u.Owner {
		return false, nil
	}
	var file caseFile
	if _, err := load(ctx, w.Objects, caseFileKey(u.Case.ID), &file); err != nil {
		return false, err
	}
	s, err := w.Settings(ctx)
	if err != nil {
		return false, err
	}
	owner, err := w.ownerOf(ctx, u.Case, file, s)
	switch {
	case err != nil:
		return false, err
	case file.Entry.User.ID != u.Case.UserID || owner.Email == "":
		return false, sunset.Faultf(sunset.AccessDenied, "the message to %s is about a user whose owner can't be told today", u.Message.To)
	}
	return owner.Email != u.Message.To, nil
}
