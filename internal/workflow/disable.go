package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// staleAfter is the age of a plan from which CloudTrail and ownership are asked again before anything changes.
const staleAfter = 24 * time.Hour

// approvalGrace is how much longer a task token lives than its request, so that a decision of the last minute can
// still be delivered.
const approvalGrace = 2 * time.Hour

// Disable is the state of that name. Whatever speaks against disabling leaves the user as it is.
func (w *Workflow) Disable(ctx context.Context, in Invocation) (Disabled, error) {
	c, err := w.caseOf(ctx, in)
	if err != nil {
		return Disabled{}, err
	}
	if !c.Open() && !(c.Outcome == sunset.Failed && c.DeletingSince.IsZero()) {
		return Disabled{Status: "skipped", Reason: c.Reason}, nil
	}
	file, s, err := w.caseSettings(ctx, c)
	if err != nil {
		return Disabled{}, err
	}
	w, err = w.in(ctx, c.Account, sunset.AccessChange)
	if err != nil {
		return Disabled{}, err
	}
	if !c.SoakFrom.IsZero() {
		// An earlier try got through to the end.
		return w.disabled(c, s), nil
	}
	if c.Rescue != nil && !c.Changed {
		return w.skip(ctx, c, sunset.Rescued, c.Rescue.By+" asked to keep it before anything was changed: "+c.Rescue.Reason)
	}
	if c.Stage == sunset.Waiting || c.Outcome == sunset.Failed {
		held, err := w.held(ctx, c, s)
		if err != nil || held.Status != "" {
			return held, err
		}
	}

	var out Disabled
	err = w.underLease(ctx, c, in.Execution, func(c sunset.Case) error {
		if c.Rescue != nil && c.Changed {
			out, err = w.giveUp(ctx, c, fmt.Sprintf("%s asked to have it back: %s", c.Rescue.By, c.Rescue.Reason))
			return err
		}
		// Also where an earlier try died half-way: that may be weeks ago, and the user be in use.
		reasons, err := w.recheck(ctx, c, file, s)
		if err != nil {
			return err
		}
		if len(reasons) > 0 {
			why := "its facts have moved since the plan: " + reasons[0].Text
			if c.Changed {
				out, err = w.giveUp(ctx, c, why)
			} else {
				out, err = w.skip(ctx, c, sunset.Skipped, why)
			}
			return err
		}
		if !c.Changed {
			// Turns are planned, but held ones all come due at once: what counts is how many users are disabled a day.
			ok, err := w.Cases.TakeTurn(ctx, c.ID, s.Batch)
			if err != nil {
				return err
			}
			if !ok {
				tomorrow := w.Clock.Now().UTC().Truncate(24 * time.Hour).Add(24*time.Hour + sinceMidnight(c.Turn))
				if next := sunset.NextOpen(s.Windows, tomorrow); !next.IsZero() {
					tomorrow = next
				}
				out, err = w.hold(ctx, c, fmt.Sprintf("all %d turns of the day are taken", s.Batch), tomorrow)
				return err
			}
		}
		c, err = w.snapshotAndQuarantine(ctx, c, file, s)
		if err != nil {
			return err
		}
		if c.Rescue != nil {
			// It came while the user was being disabled, when nobody else could change it.
			out, err = w.giveUp(ctx, c, fmt.Sprintf("%s asked to have it back: %s", c.Rescue.By, c.Rescue.Reason))
			return err
		}
		out = w.disabled(c, s)
		return nil
	})
	return out, err
}

// giveUp puts back what was changed of a user who is not to be disabled after all. Where it is gone, nothing can be.
func (w *Workflow) giveUp(ctx context.Context, c sunset.Case, why string) (Disabled, error) {
	name, err := w.IAM.NameNow(ctx, c.UserID, c.UserName)
	if err != nil {
		return Disabled{}, err
	}
	if name == "" {
		return w.skip(ctx, c, sunset.Skipped, "no user has the id "+c.UserID+" any more")
	}
	return Disabled{Status: "skipped", Reason: why}, w.putBack(ctx, c, why)
}

// held says why the turn can't be taken now. The zero value says that it can.
func (w *Workflow) held(ctx context.Context, c sunset.Case, s sunset.Settings) (Disabled, error) {
	now := w.Clock.Now()
	paused, err := w.Cases.Paused(ctx)
	if err != nil {
		return Disabled{}, err
	}
	holder, holding, err := w.Cases.Holding(ctx, c.CleanupID)
	if err != nil {
		return Disabled{}, err
	}
	// A wait grows with the time held, so that a long hold costs few events.
	again := now.Add(min(6*time.Hour, max(time.Hour, now.Sub(c.Turn)/4)))
	var why string
	switch open := sunset.NextOpen(s.Windows, now); {
	case now.Before(c.Turn):
		why, again = "its turn has not come", c.Turn
	case paused != "":
		why = "everything is paused: " + paused
	case holding && holder.ID != c.ID:
		why = fmt.Sprintf("case %s on %s (%s) holds the turns that follow until somebody resumes", holder.ID, holder.UserName, holder.Reason)
	case open.IsZero():
		why = "no window ever opens"
	case !open.Equal(now):
		why, again = "outside the windows in which anything changes", open
	default:
		return Disabled{}, nil
	}
	return w.hold(ctx, c, why, again)
}

func (w *Workflow) hold(ctx context.Context, c sunset.Case, why string, again time.Time) (Disabled, error) {
	again = ceilSecond(again)
	return Disabled{Status: "held", Reason: why, AgainAt: again}, w.recordCase(ctx, c, "held", "iam-sunset", "held/"+w.Clock.Now().Format(time.RFC3339),
		fmt.Sprintf("The turn of %s was held: %s.", c.UserName, why), map[string]any{"again_at": again})
}

func sinceMidnight(t time.Time) time.Duration {
	t = t.UTC()
	return t.Sub(t.Truncate(24 * time.Hour))
}

// recheck reads the user live and judges it again; where the plan has grown old, CloudTrail and ownership too. It
// gives the reasons that now keep the user.
func (w *Workflow) recheck(ctx context.Context, c sunset.Case, file caseFile, s sunset.Settings) ([]sunset.Reason, error) {
	now := w.Clock.Now()
	caller, err := w.callerFor(ctx, c)
	if err != nil {
		return nil, err
	}
	live, found, err := w.IAM.Find(ctx, c.UserID, c.UserName)
	if err != nil {
		return nil, err
	}
	if !found {
		return []sunset.Reason{{Code: sunset.IsUnknown, Text: "no user has the id " + c.UserID + " any more"}}, nil
	}
	if !live.Created.Equal(file.Entry.User.Created) {
		return []sunset.Reason{{Code: sunset.IsUnknown, Text: "its creation date is not the planned one"}}, nil
	}
	e := file.Entry
	e.User, e.Detailed = live, true
	e.Evidence = nil
	var gaps []sunset.Gap
	if now.Sub(file.PlanMade) > staleAfter {
		evidence, err := w.askTrail(ctx, e, s)
		if err != nil {
			return nil, err
		}
		e.Evidence, e.TrailRead = evidence, true
		if e.References, gaps, err = w.askOwnership(ctx, live, s); err != nil {
			return nil, err
		}
		e.OwnershipRead = true
	}
	verdict := sunset.Judge(e, sunset.Around{
		Now: now, Settings: s, Request: file.Request, Gaps: gaps, Due: true, Formerly: []string{c.UserName},
		Marks: func(string) []string { return []string{c.ID, file.Entry.User.Tags[sunset.TagCase]} },
		Own:   func(u sunset.User) string { return w.own(u, s, caller) },
	})
	return verdict.Reasons, w.recordCase(ctx, c, "re-checked", "iam-sunset", "", fmt.Sprintf("%s was read live before being disabled.", c.UserName),
		map[string]any{"eligible": verdict.Eligible, "reasons": verdict.Reasons, "evidence": e.Evidence, "gaps": gaps})
}

func (w *Workflow) skip(ctx context.Context, c sunset.Case, outcome sunset.Outcome, why string) (Disabled, error) {
	c, err := w.end(ctx, c, outcome, why)
	if err != nil {
		return Disabled{}, err
	}
	return Disabled{Status: "skipped", Reason: why}, w.recordCase(ctx, c, "skipped", "iam-sunset", "skipped",
		fmt.Sprintf("%s was left as it is: %s.", c.UserName, why), map[string]any{"outcome": outcome})
}

// snapshotAndQuarantine writes the snapshot before the first change, and then changes.
func (w *Workflow) snapshotAndQuarantine(ctx context.Context, c sunset.Case, file caseFile, s sunset.Settings) (sunset.Case, error) {
	var snap sunset.Snapshot
	key := snapshotKey(c.ID)
	digest, err := load(ctx, w.Objects, key, &snap)
	if errors.Is(err, store.ErrMissing) {
		if snap, err = w.IAM.Snapshot(ctx, c.ID, c.Account, c.UserID, c.UserName); err != nil {
			return c, err
		}
		digest, err = keep(ctx, w.Objects, key, &snap)
	}
	if err != nil {
		return c, err
	}
	if err := w.recordCase(ctx, c, "snapshot", "iam-sunset", "snapshot", fmt.Sprintf("Everything needed to put %s back was written down.", c.UserName),
		map[string]any{"snapshot": key, "sha256": digest, "artifacts": snap.User.Artifacts()}); err != nil {
		return c, err
	}
	if c, err = w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.Rescue != nil {
			return sunset.Faultf(sunset.Conflict, "%s was rescued while it was about to be disabled", c.UserName)
		}
		c.SnapshotSHA256 = digest
		c.Stage, c.SnapshotKey, c.Changed, c.Outcome, c.Reason, c.Ended = sunset.Disabling, key, true, "", "", time.Time{}
		c.Logged = false
		return nil
	}); err != nil {
		return c, err
	}
	q, err := w.IAM.Quarantine(ctx, snap, s.Disable, w.changes(c))
	if err != nil {
		return c, err
	}
	from := w.Clock.Now()
	until := from.Add(s.Soak.Std())
	// The row comes last: a try that finds the soak in it takes the record and the message for done. Without the record
	// no deletion would believe in the soak.
	if err := w.recordCase(ctx, c, "disabled", "iam-sunset", "disabled",
		fmt.Sprintf("%s was disabled by %s and is listened to until %s. %s", c.UserName, q.Method, until.Format(time.RFC3339), q.Lost),
		map[string]any{"quarantine": q, "soak_until": until}); err != nil {
		return c, err
	}
	if err := w.tellOwner(ctx, c, file, s, sunset.DisabledMessage, "", map[string]string{
		"method": string(q.Method), "soak_until": letters.When(until), "lost": q.Lost, "password": passwordLoss(snap.User, q.Method, true),
	}); err != nil {
		return c, err
	}
	return w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		c.Stage, c.Quarantine = sunset.Soaking, &q
		c.SoakFrom, c.SoakUntil = from, until
		c.Holds = false
		return nil
	})
}

// disabled is what the definition goes on with.
func (w *Workflow) disabled(c sunset.Case, s sunset.Settings) Disabled {
	soak := w.soak(c, s, "soaking", "")
	return Disabled{Status: "disabled", Soak: &soak}
}
