package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// owners is what the owners' pages work with.
func (w *Workflow) owners() approval.Owners {
	return approval.Owners{OfCase: w.ownedCase, Keep: w.ownerKeeps, HandOver: w.ownerHandsOver, Agree: w.ownerAgrees}
}

func (w *Workflow) ownedCase(ctx context.Context, caseID, userID string) (approval.OwnedCase, error) {
	doing := fmt.Sprintf("reading case %s for its owner", caseID)
	c, err := w.Cases.Get(ctx, userID)
	if err != nil {
		return approval.OwnedCase{}, fmt.Errorf("%s: %w", doing, err)
	}
	if c.ID != caseID {
		return approval.OwnedCase{Case: sunset.Case{ID: caseID, UserID: userID, UserName: c.UserName, Stage: sunset.Closed}, Over: true}, nil
	}
	out := approval.OwnedCase{Case: c}
	file, s, err := w.caseSettings(ctx, c)
	if err != nil {
		return approval.OwnedCase{}, fmt.Errorf("%s: %w", doing, err)
	}
	out.Entry, out.Settings = file.Entry, s
	if out.Word, err = w.Desk.OwnerWord(ctx, caseID); err != nil {
		return approval.OwnedCase{}, fmt.Errorf("%s: %w", doing, err)
	}
	if c.Stage == sunset.Requesting && c.RequestID != "" {
		out.Request, err = w.Desk.Request(ctx, c.RequestID)
		if err != nil && !errors.Is(err, store.ErrMissing) {
			return approval.OwnedCase{}, fmt.Errorf("%s: %w", doing, err)
		}
	}
	return out, nil
}

// ownerKeeps has a user back on the spot, and wakes its execution where that waits for approvers: nothing is left for
// them to decide. What can't be told to the execution now, reconcile tells it.
func (w *Workflow) ownerKeeps(ctx context.Context, a approval.OwnerAct) error {
	mac, unsealed := w.Desk.SealKeep(ctx, a)
	if unsealed != nil {
		w.Log.WarnContext(ctx, "a wish to keep a user can't be signed, and is carried out without saying how its owner was known", "case", a.CaseID, "error", unsealed)
	}
	err := w.Rescuer(ctx, RescueInput{UserID: a.UserID, By: a.By, Reason: a.Reason, Way: a.Way, Principal: a.Principal, CaseID: a.CaseID, MAC: mac})
	c, unread := w.Cases.Get(ctx, a.UserID)
	if unread != nil || c.ID != a.CaseID || c.RequestID == "" || c.Rescue == nil {
		return err
	}
	if undelivered := w.wake(ctx, c); undelivered != nil {
		w.Log.WarnContext(ctx, "a rescue is stored, and its execution is told later", "case", c.ID, "error", undelivered)
	}
	return err
}

// ownersTurn reads the case of an act that is possible only while the user may still go.
func (w *Workflow) ownersTurn(ctx context.Context, a approval.OwnerAct) (approval.OwnedCase, error) {
	c, err := w.ownedCase(ctx, a.CaseID, a.UserID)
	switch {
	case err != nil:
		return c, err
	case c.Over || !c.Case.Open():
		return c, sunset.Faultf(sunset.Conflict, "this case is over")
	case c.Case.Rescue != nil || c.Case.Stage == sunset.Restoring:
		return c, sunset.Faultf(sunset.Conflict, "the user is kept already")
	case c.Case.Stage == sunset.Deleting:
		return c, sunset.Faultf(sunset.Conflict, "too late: its deletion has begun")
	}
	return c, nil
}

// ownerHandsOver gives a case another owner. The new one is told by reconcile, within the hour: pages send no messages,
// so that whoever could take them over could mail nobody in the deployment's name at will.
func (w *Workflow) ownerHandsOver(ctx context.Context, a approval.OwnerAct) error {
	owned, err := w.ownersTurn(ctx, a)
	if err != nil {
		return err
	}
	word, err := w.Desk.HandOver(ctx, a)
	if err != nil {
		return err
	}
	c, again := owned.Case, "/"+word.HandedAt.Format(time.RFC3339Nano)
	if err := w.recordCase(ctx, c, "handed-over", a.By, "handed-over"+again, fmt.Sprintf("%s handed %s over to %s.", a.By, c.UserName, a.To),
		map[string]any{"from": a.By, "to": a.To, "way": a.Way, "principal": a.Principal}); err != nil {
		return fmt.Errorf("putting on record that case %s was handed over: %w", c.ID, err)
	}
	u := w.ownersLetter(c, caseFile{Entry: owned.Entry}, owned.Settings, sunset.HandedOverMessage, word.Owner, map[string]string{
		"by": a.By, "stage": string(c.Stage),
	})
	u.Told, u.Since, u.Why = string(sunset.HandedOverMessage)+again, w.Clock.Now(), "it is the next round's to send"
	err = w.putUnsent(ctx, u.key(), func(have *unsent) {
		if have.Since.IsZero() { // the same form again tells nobody twice
			*have = u
		}
	})
	if err != nil {
		return fmt.Errorf("keeping the message to the new owner of case %s: %w", c.ID, err)
	}
	return nil
}

// ownerAgrees puts on record that the owner doesn't need the user. It decides nothing.
func (w *Workflow) ownerAgrees(ctx context.Context, a approval.OwnerAct) error {
	owned, err := w.ownersTurn(ctx, a)
	if err != nil {
		return err
	}
	word, err := w.Desk.Agree(ctx, a)
	if err != nil {
		return err
	}
	principal := a.Principal
	if word.AgreedBy != a.By || word.Way != a.Way {
		principal = "" // the first agreement stands, and it was somebody else's, or came by another way
	}
	if err := w.recordCase(ctx, owned.Case, "owner-agreed", word.AgreedBy, "owner-agreed/"+word.Agreed.Format(time.RFC3339Nano),
		fmt.Sprintf("%s agreed that %s goes. That decides nothing.", word.AgreedBy, owned.Case.UserName), map[string]any{"way": word.Way, "principal": principal}); err != nil {
		return fmt.Errorf("putting on record that the owner of case %s agreed: %w", owned.Case.ID, err)
	}
	return nil
}
