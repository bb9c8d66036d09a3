package rehearsal

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
)

// record appends to the rehearsal's chain.
func (r *Rehearsal) record(ctx context.Context, kind, text string, data any) error {
	rec := audit.Record{Chain: r.Chain(), Kind: kind, UserID: r.user.ID, UserName: r.name, By: r.By, Text: text}
	if data != nil {
		b, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("writing the record %q: %w", kind, err)
		}
		rec.Data = b
	}
	if _, err := r.Record(ctx, rec); err != nil {
		return fmt.Errorf("recording %q of the rehearsal: %w", kind, err)
	}
	return nil
}

// change is the recorder of what iamaccount changes: intent before, outcome after.
func (r *Rehearsal) change(ctx context.Context, c iamaccount.Change) error {
	data := map[string]any{"action": c.Action, "target": c.Target}
	what := c.Action + " on " + c.Target
	switch c.Phase {
	case iamaccount.Intent:
		return r.record(ctx, "intent", "About to do "+what+".", data)
	case iamaccount.Failed:
		data["failed"] = true
		if c.Err != nil {
			data["error"] = c.Err.Error()
		}
		return r.record(ctx, "outcome", "Could not do "+what+".", data)
	}
	return r.record(ctx, "outcome", "Did "+what+".", data)
}

// make makes one call that makes something, on record as every change is.
func (r *Rehearsal) make(ctx context.Context, action, target, doing string, call func() error) error {
	c := iamaccount.Change{Phase: iamaccount.Intent, Action: action, Target: target}
	if err := r.change(ctx, c); err != nil {
		return err
	}
	err := awsfault.Wrap(call(), action, "%s %s", doing, r.name)
	c.Phase = iamaccount.Done
	if err != nil {
		c.Phase, c.Err = iamaccount.Failed, err
	}
	if recorded := r.change(ctx, c); err == nil {
		err = recorded
	}
	return err
}
