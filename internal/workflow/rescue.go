package workflow

import (
	"context"
	"errors"
	"fmt"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Rescue gives a disabled user back at once, because a person asks: it is stored first, so that of rescue and deletion
// one wins, then carried out here and now. The execution finds out when it next wakes; one that waits
// for its approvers is woken by the page that was asked on, or by reconcile, within the hour.
//
// A case that expired or failed and left its user disabled is rescued in the same way. It is a Conflict fault where the
// deletion has begun, or where the case left nothing to give back, and NotReady where the rescue is stored, so that no
// deletion gets past it, but somebody else is changing the user at this moment.
func (w *Workflow) Rescue(ctx context.Context, userID, by, reason string) error {
	return w.RescueAsked(ctx, RescueInput{UserID: userID, By: by, Reason: reason})
}

// RescueAsked is Rescue, with the way by which whoever asked on a page was known.
func (w *Workflow) RescueAsked(ctx context.Context, in RescueInput) error {
	userID := in.UserID
	in = w.asKnown(ctx, in)
	c, err := w.Cases.Rescue(ctx, userID, sunset.Rescue{By: in.By, Reason: in.Reason, At: w.Clock.Now(), Way: in.Way, Principal: in.Principal})
	if err != nil {
		return err
	}
	// The first wish stands, and a second try records that one.
	if err := w.recordCase(ctx, c, "rescue", c.Rescue.By, "rescue", fmt.Sprintf("%s asked to have %s back: %s", c.Rescue.By, c.UserName, c.Rescue.Reason),
		rescueData(*c.Rescue)); err != nil {
		return err
	}
	if !c.Changed {
		// Nothing to put back: the turn finds the rescue and leaves the user alone.
		return nil
	}
	w, err = w.in(ctx, c.Account, sunset.AccessChange)
	if err != nil {
		return err
	}
	over := !c.Open()
	holder := "rescue/" + c.ID
	why := whyRescued(*c.Rescue)
	if err := w.underLease(ctx, c, holder, func(c sunset.Case) error {
		if !c.Open() && !c.LeftDisabled() {
			return nil // an earlier try has put it back
		}
		if over {
			if gone, err := w.goneMeanwhile(ctx, c); err != nil || gone {
				return err
			}
		}
		return w.putBack(ctx, c, why)
	}); err != nil {
		if now, again := w.Cases.Get(ctx, userID); again == nil && now.ID == c.ID && now.Lease != nil && now.Lease.Holder != holder {
			return sunset.Faultf(sunset.NotReady, "the rescue of %s is stored and no deletion gets past it, but somebody else is changing the user "+
				"at this moment: its case puts it back by itself, or rescue it again in a few minutes: %w", c.UserName, err)
		}
		return err
	}
	if !over {
		return nil
	}
	// No execution is left that would say how the case ended now.
	if c, err = w.Cases.Get(ctx, userID); err != nil || c.Logged || c.Outcome != sunset.Rescued && c.Outcome != sunset.Skipped {
		return err // an earlier try has said it
	}
	if err := w.recordClosed(ctx, c); err != nil {
		return err
	}
	return w.tellEnd(ctx, c)
}

// wake has the execution of a rescued case go on where it waits for its approvers: nothing is left for them to decide, also
// where putting the user back has failed. The state Restore, which comes next, tries that for hours by itself.
func (w *Workflow) wake(ctx context.Context, c sunset.Case) error {
	if err := w.Desk.Supersede(ctx, c.ID, ""); err != nil {
		return err
	}
	return w.deliver(ctx, c.RequestID)
}

// wakeRescued wakes the cases whose rescue is stored and not carried out yet.
func (w *Workflow) wakeRescued(ctx context.Context, open []sunset.Case) error {
	var failures []error
	for _, c := range open {
		if c.Rescue != nil && c.RequestID != "" {
			failures = append(failures, w.wake(ctx, c))
		}
	}
	return errors.Join(failures...)
}

// asKnown leaves out of a rescue a way that its MAC doesn't prove. It is a rescue all the same: to keep a user is the safe side.
func (w *Workflow) asKnown(ctx context.Context, in RescueInput) RescueInput {
	if in.Way == "" && in.Principal == "" {
		return in
	}
	asked := approval.OwnerAct{CaseID: in.CaseID, UserID: in.UserID, By: in.By, Way: in.Way, Principal: in.Principal, Reason: in.Reason}
	holds, err := w.Desk.KeepHolds(ctx, asked, in.MAC)
	if err == nil && holds {
		var c sunset.Case
		if c, err = w.Cases.Get(ctx, in.UserID); err == nil && c.ID == in.CaseID {
			return in
		}
	}
	w.Log.WarnContext(ctx, "how the one was known who asked for a rescue is not proven, and is left out", "user", in.UserID, "error", err)
	in.Way, in.Principal = "", ""
	return in
}

// rescueData is what a rescue's record tells machines.
func rescueData(r sunset.Rescue) map[string]any {
	data := map[string]any{"reason": r.Reason}
	if r.Way != "" {
		data["way"] = r.Way
	}
	if r.Principal != "" {
		data["principal"] = r.Principal
	}
	return data
}

// whyRescued is the reason for which a rescued user goes back, as a sentence.
func whyRescued(r sunset.Rescue) string {
	return fmt.Sprintf("%s asked to have it back: %s", r.By, r.Reason)
}

// goneMeanwhile ends a case that had left its user disabled where somebody has deleted the user since.
func (w *Workflow) goneMeanwhile(ctx context.Context, c sunset.Case) (bool, error) {
	if _, err := w.callerFor(ctx, c); err != nil {
		return false, err
	}
	_, found, err := w.IAM.Find(ctx, c.UserID, c.UserName)
	if err != nil || found {
		return false, err
	}
	_, err = w.end(ctx, c, sunset.Skipped, "no user has the id "+c.UserID+" any more, so nothing could be put back")
	return true, err
}

// NewPassword gives a rescued user, whose login profile was removed when it was disabled, a new one with a one-time
// password. It is returned to the operator who asks, once, and stored and recorded nowhere.
func (w *Workflow) NewPassword(ctx context.Context, userID, by string) (password string, err error) {
	c, err := w.Cases.Get(ctx, userID)
	if err != nil {
		return "", err
	}
	if c.Outcome != sunset.Rescued || c.Open() {
		return "", sunset.Faultf(sunset.Conflict, "%s was not rescued; only a rescued user gets a new password", c.UserName)
	}
	snap, err := w.snapshotOf(ctx, c)
	if err != nil {
		return "", err
	}
	w, err = w.in(ctx, c.Account, sunset.AccessChange)
	if err != nil {
		return "", err
	}
	err = w.underLease(ctx, c, "rescue/"+c.ID, func(c sunset.Case) error {
		password, err = w.IAM.GiveNewPassword(ctx, snap, w.changes(c))
		return err
	})
	if err != nil {
		return "", err
	}
	return password, w.recordCase(ctx, c, "new-password", by, "", fmt.Sprintf("%s got a one-time password, to be changed at the first sign-in; %s asked for it.", c.UserName, by), nil)
}
