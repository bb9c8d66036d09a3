package workflow

import (
	"context"
	"fmt"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Rescue gives a disabled user back at once, because a person asks: it is stored first, so that of rescue and deletion
// one wins, then carried out here and now. The execution finds out when it next wakes.
//
// It is a Conflict fault where the deletion has begun or the user has no open case.
func (w *Workflow) Rescue(ctx context.Context, userID, by, reason string) error {
	c, err := w.Cases.Rescue(ctx, userID, sunset.Rescue{By: by, Reason: reason, At: w.Clock.Now()})
	if err != nil {
		return err
	}
	if err := w.recordCase(ctx, c, "rescue", by, "rescue", fmt.Sprintf("%s asked to have %s back: %s", by, c.UserName, reason), nil); err != nil {
		return err
	}
	if !c.Changed {
		// Nothing to put back: the turn finds the rescue and leaves the user alone.
		return nil
	}
	holder := "rescue/" + c.ID
	if err := w.underLease(ctx, c, holder, func(c sunset.Case) error {
		if !c.Open() {
			return nil
		}
		return w.putBack(ctx, c, fmt.Sprintf("%s asked to have it back: %s", by, reason))
	}); err != nil {
		return err
	}
	return w.wakeRequest(ctx, c)
}

// wakeRequest lets a case that waits for its approvers go on, because there is nothing left to decide.
func (w *Workflow) wakeRequest(ctx context.Context, c sunset.Case) error {
	if c.RequestID == "" {
		return nil
	}
	token, request, ok, err := w.Desk.TakeToken(ctx, c.RequestID)
	if err != nil || !ok {
		return err
	}
	if err := w.answer(ctx, token, request, sunset.ChooseKeep); err != nil {
		return err
	}
	return w.Desk.MarkDelivered(ctx, c.RequestID, token)
}
