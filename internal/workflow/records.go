package workflow

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// record appends r with data to its chain, and publishes it.
func (w *Workflow) record(ctx context.Context, r audit.Record, data any) error {
	if data != nil {
		b, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("writing the record %q: %w", r.Kind, err)
		}
		r.Data = b
	}
	if _, err := w.Append(ctx, r); err != nil {
		return fmt.Errorf("recording %q in %s: %w", r.Kind, r.Chain, err)
	}
	return nil
}

// Append puts r on record and publishes it, and gives it as it was stored. The error is of the record alone: an event
// that can't be published is left for reconcile.
func (w *Workflow) Append(ctx context.Context, r audit.Record) (audit.Record, error) {
	stored, err := w.Records.Append(ctx, r)
	if err != nil {
		return audit.Record{}, err
	}
	w.publish(ctx, stored)
	return stored, nil
}

// recordCase appends a record about a case. key, where not empty, lets a second try find the first one's record.
func (w *Workflow) recordCase(ctx context.Context, c sunset.Case, kind, by, key, text string, data any) error {
	return w.record(ctx, audit.Record{
		Chain: sunset.ChainOf(c.ID), Kind: kind, CleanupID: c.CleanupID, CaseID: c.ID, UserID: c.UserID, UserName: c.UserName,
		By: by, Key: key, Text: text,
	}, data)
}

// changes gives a recorder that writes intent before and outcome after every change to the case's user. Once the lease has
// run out it refuses: what was read under it is old, and the user may be somebody else's to change. A machine that was asleep
// in the middle of a function wakes there.
func (w *Workflow) changes(c sunset.Case) iamaccount.Recorder {
	return func(ctx context.Context, ch iamaccount.Change) error {
		data := map[string]any{"action": ch.Action, "target": ch.Target}
		text := fmt.Sprintf("%s on %s", ch.Action, ch.Target)
		kind := "outcome"
		switch ch.Phase {
		case iamaccount.Intent:
			if c.Lease == nil || !w.Clock.Now().Before(c.Lease.Until) {
				return sunset.Faultf(sunset.Unavailable, "the lease of %s ran out before %s; everything about the user is read again", c.UserName, ch.Action)
			}
			kind = "intent"
			text = "About to do " + text + "."
		case iamaccount.Failed:
			text = "Could not do " + text + "."
			data["failed"] = true
			if ch.Err != nil {
				data["error"] = ch.Err.Error()
			}
		default:
			text = "Did " + text + "."
		}
		return w.recordCase(ctx, c, kind, "iam-sunset", "", text, data)
	}
}
