package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// leaseTime is longer than any handler may run.
const leaseTime = 20 * time.Minute

// caseOf reads the row of the case that an execution is about. The input alone proves nothing: the row must be of a
// case with the execution's own name.
func (w *Workflow) caseOf(ctx context.Context, in Invocation) (sunset.Case, error) {
	if in.State.Case == nil || in.State.Case.UserID == "" {
		return sunset.Case{}, sunset.Faultf(sunset.Invalid, "execution %s has no case in its input", in.Name)
	}
	c, err := w.Cases.Get(ctx, in.State.Case.UserID)
	if err != nil {
		return sunset.Case{}, err
	}
	if c.ID != in.Name {
		return sunset.Case{}, sunset.Faultf(sunset.Invalid, "execution %s is not of the case %s that user %s has", in.Name, c.ID, c.UserID)
	}
	return c, nil
}

// caseSettings reads what the plan knew of the case's user and today's settings as its cleanup's request tightens them.
func (w *Workflow) caseSettings(ctx context.Context, c sunset.Case) (caseFile, sunset.Settings, error) {
	var file caseFile
	if _, err := load(ctx, w.Objects, caseFileKey(c.ID), &file); err != nil {
		return caseFile{}, sunset.Settings{}, err
	}
	if file.Account != c.Account {
		return caseFile{}, sunset.Settings{}, sunset.Faultf(sunset.Internal, "case %s was opened in account %s, but its row says %s; somebody has changed it", c.ID, file.Account, c.Account)
	}
	s, err := w.liveSettings(ctx, file.Request)
	return file, s, err
}

// underLease calls f while the case's lease is held by holder, and gives it back.
func (w *Workflow) underLease(ctx context.Context, c sunset.Case, holder string, f func(sunset.Case) error) error {
	c, err := w.Cases.Lease(ctx, c.UserID, c.ID, holder, leaseTime)
	if err != nil {
		return err
	}
	err = f(c)
	// After an error as well: the holder changes nothing more, and a rescue, or the case's own restore, must not fail for
	// a lease that nobody uses.
	if released := w.Cases.Release(context.WithoutCancel(ctx), c.UserID, c.ID, holder); err == nil {
		err = released
	}
	return err
}

// end writes a case's outcome into its row. The first outcome stays, unless it left the user disabled with nobody to
// decide: a rescue or a second try may come after that.
func (w *Workflow) end(ctx context.Context, c sunset.Case, outcome sunset.Outcome, reason string) (sunset.Case, error) {
	return w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.Outcome == "" || c.Outcome == sunset.Failed || c.Outcome == sunset.Lapsed {
			c.Outcome, c.Reason = outcome, reason
		}
		c.Stage, c.Ended, c.Holds = sunset.Closed, w.Clock.Now(), false
		return nil
	})
}

// recordClosed puts on record how a case ended, once an outcome. Where its cleanup has ended before, with another
// outcome counted for the case, the cleanup is told.
func (w *Workflow) recordClosed(ctx context.Context, c sunset.Case) error {
	if err := w.recordCase(ctx, c, "closed", "iam-sunset", "closed/"+string(c.Outcome), fmt.Sprintf("The case ended: %s was %s. %s", c.UserName, c.Outcome, c.Reason),
		map[string]any{"outcome": c.Outcome, "reason": c.Reason, "signals": len(c.Signals)}); err != nil {
		return err
	}
	if _, err := w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error { c.Logged = true; return nil }); err != nil {
		return err
	}
	return w.recount(ctx, c)
}

// snapshotOf reads the snapshot that was written before the first change.
func (w *Workflow) snapshotOf(ctx context.Context, c sunset.Case) (sunset.Snapshot, error) {
	var snap sunset.Snapshot
	if c.SnapshotKey == "" {
		return snap, sunset.Faultf(sunset.Internal, "case %s has no snapshot", c.ID)
	}
	digest, err := load(ctx, w.Objects, c.SnapshotKey, &snap)
	if err != nil {
		return sunset.Snapshot{}, err
	}
	if digest != c.SnapshotSHA256 {
		return sunset.Snapshot{}, sunset.Faultf(sunset.Internal, "the snapshot %s is not the one that was written before %s was changed; "+
			"nothing more is done to the user by it: compare the case's record of kind snapshot, and take the deny off by hand if it has to be back", c.SnapshotKey, c.UserName)
	}
	if snap.User.ID != c.UserID || snap.CaseID != c.ID || snap.Account != c.Account {
		return sunset.Snapshot{}, sunset.Faultf(sunset.Internal, "the snapshot %s is of user %s in case %s and account %s, not of this case", c.SnapshotKey, snap.User.ID, snap.CaseID, snap.Account)
	}
	return snap, nil
}

// sentence says what a Catch caught. Lambda wraps its message into JSON.
func (e CaughtError) sentence() string {
	cause := e.Cause
	var wrapped struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(cause), &wrapped) == nil && wrapped.ErrorMessage != "" {
		cause = wrapped.ErrorMessage
	}
	cause = strings.TrimSpace(cause)
	if cause == "" {
		return e.Error
	}
	return e.Error + ": " + cause
}
