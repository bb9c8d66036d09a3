package workflow

import (
	"context"
	"fmt"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Restore is the state of that name. It needs a stored reason: a rescue, an exemption in today's settings, or stored
// decisions that add up to keep; or that the deletion was refused because nobody knows who started the cleanup. Without one it says so and changes nothing.
//
// An operator's rescue comes here too, so that operators need no right to change users themselves.
func (w *Workflow) Restore(ctx context.Context, in Invocation) (Restoration, error) {
	if in.Rescue != nil {
		return Restoration{Status: "restored", Reason: in.Rescue.Reason}, w.RescueAsked(ctx, *in.Rescue)
	}
	c, err := w.caseOf(ctx, in)
	if err != nil {
		return Restoration{}, err
	}
	if !c.Open() && c.Outcome != sunset.Failed {
		return Restoration{Status: "ended", Reason: c.Reason}, nil
	}
	_, s, err := w.caseSettings(ctx, c)
	if err != nil {
		return Restoration{}, err
	}
	w, err = w.in(ctx, c.Account, sunset.AccessChange)
	if err != nil {
		return Restoration{}, err
	}
	if _, err := w.callerFor(ctx, c); err != nil {
		return Restoration{}, err
	}
	live, found, err := w.IAM.Find(ctx, c.UserID, c.UserName)
	if err != nil {
		return Restoration{}, err
	}
	if !found {
		c, err = w.end(ctx, c, sunset.Skipped, "no user has the id "+c.UserID+" any more, so nothing could be put back")
		return Restoration{Status: "ended", Reason: c.Reason}, err
	}
	why, err := w.whyRestore(ctx, c, s, live)
	if err != nil {
		return Restoration{}, err
	}
	if why == "" {
		why, err = w.whyOnRecord(ctx, c)
		if err != nil {
			return Restoration{}, err
		}
	}
	if why == "" {
		return Restoration{Status: "undecided", Reason: "no stored decision, rescue or exemption asks for it"},
			w.recordCase(ctx, c, "restore-refused", "iam-sunset", "", fmt.Sprintf("%s was not restored: nothing stored asks for it.", c.UserName), nil)
	}
	err = w.underLease(ctx, c, in.Execution, func(c sunset.Case) error { return w.putBack(ctx, c, why) })
	return Restoration{Status: "restored", Reason: why}, err
}

// whyRestore says in a sentence why the user has to be put back, or is empty.
func (w *Workflow) whyRestore(ctx context.Context, c sunset.Case, s sunset.Settings, live sunset.User) (string, error) {
	if c.Rescue != nil {
		return whyRescued(*c.Rescue), nil
	}
	caller, err := w.IAM.Caller(ctx)
	if err != nil {
		return "", err
	}
	if why := w.own(live, s, caller); why != "" {
		return why, nil
	}
	if x, ok := s.ExemptionFor(live, w.Clock.Now(), c.UserName); ok {
		return fmt.Sprintf("it is exempt by today's settings: %s (%s)", x.Reason, x), nil
	}
	choice, decisions, err := w.decided(ctx, c, s)
	if err != nil || choice != sunset.ChooseKeep {
		return "", err
	}
	for _, d := range decisions {
		if d.Choice == sunset.ChooseKeep {
			return fmt.Sprintf("%s decided to keep it: %s", d.Approver, d.Reason), nil
		}
	}
	return "", nil
}

// putBack restores the snapshot and ends the case. The caller holds the lease.
func (w *Workflow) putBack(ctx context.Context, c sunset.Case, why string) error {
	snap, err := w.snapshotOf(ctx, c)
	if err != nil {
		return err
	}
	if c, err = w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.Stage == sunset.Deleting && c.Outcome != sunset.Failed {
			return sunset.Faultf(sunset.Conflict, "the deletion of %s has begun and can't be turned back", c.UserName)
		}
		c.Stage, c.Logged = sunset.Restoring, false
		return nil
	}); err != nil {
		return err
	}
	report, err := w.IAM.Restore(ctx, snap, c.Quarantine, w.changes(c))
	if err != nil {
		return err
	}
	outcome := sunset.Restored
	if c.Rescue != nil {
		outcome = sunset.Rescued
	}
	if err := w.Desk.Supersede(ctx, c.ID, ""); err != nil {
		return err
	}
	// The record goes first: a try that dies in between is repeated, and a closed case's would not be.
	if err := w.recordCase(ctx, c, "restored", "iam-sunset", "restored", fmt.Sprintf("%s was put back as its snapshot says: %s. %s", c.UserName, why, report.Lost),
		map[string]any{"outcome": outcome, "differences": report.Differences, "lost": report.Lost}); err != nil {
		return err
	}
	_, err = w.end(ctx, c, outcome, why)
	return err
}
