package workflow

import (
	"context"
	"fmt"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// DeleteAllArtifacts is the state of that name. Everything that decides is read at this moment; the first thing that
// speaks against it sends the case elsewhere. After the point of no return a second try goes on with what is left.
func (w *Workflow) DeleteAllArtifacts(ctx context.Context, in Invocation) (Deletion, error) {
	c, err := w.caseOf(ctx, in)
	if err != nil {
		return Deletion{}, err
	}
	if !c.Open() && c.Outcome != sunset.Failed {
		return Deletion{Status: "ended", Reason: c.Reason}, nil
	}
	if c, err = w.reopen(ctx, c); err != nil {
		return Deletion{}, err
	}
	w, err = w.in(ctx, c.Account, sunset.AccessDelete)
	if err != nil {
		return Deletion{}, err
	}
	var out Deletion
	err = w.underLease(ctx, c, in.Execution, func(c sunset.Case) error {
		out, err = w.deleteUnderLease(ctx, c, in.Execution)
		return err
	})
	if err != nil && sunset.KindOf(err) == sunset.Conflict && c.DeletingSince.IsZero() {
		if now, again := w.Cases.Get(ctx, c.UserID); again == nil && now.Lease != nil && now.Lease.Holder != in.Execution {
			return Deletion{Status: "wait", Reason: err.Error(), AgainAt: w.Clock.Now().Add(leaseTime).Truncate(time.Second)}, nil
		}
	}
	return out, err
}

func (w *Workflow) deleteUnderLease(ctx context.Context, c sunset.Case, holder string) (Deletion, error) {
	file, s, err := w.caseSettings(ctx, c)
	if err != nil {
		return Deletion{}, err
	}
	if err := file.fits(c); err != nil {
		return Deletion{}, err
	}
	snap, err := w.snapshotOf(ctx, c)
	if err != nil {
		return Deletion{}, err
	}
	resuming := !c.DeletingSince.IsZero()
	if resuming {
		if _, err := w.callerFor(ctx, c); err != nil {
			return Deletion{}, err
		}
		if done, err := w.finishGone(ctx, c, snap, s); err != nil || done.Status != "" {
			return done, err
		}
	}
	facts, err := w.deletionFacts(ctx, c, file, snap, holder, resuming)
	if err != nil {
		return Deletion{}, err
	}
	s = facts.Settings
	if refusals := sunset.RefuseDeletion(facts); len(refusals) > 0 {
		return w.refuse(ctx, c, facts, refusals)
	}

	if c, err = w.Cases.BeginDeleting(ctx, c.UserID, c.ID, holder); err != nil {
		return Deletion{}, err
	}
	if c, err = w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.DeletingSince.IsZero() {
			c.DeletingSince = w.Clock.Now()
		}
		return nil
	}); err != nil {
		return Deletion{}, err
	}
	if !resuming {
		// Others may have begun since the cap was counted. Of two who see each other both step back.
		if facts.Deleted, facts.Users, err = w.deletedBy(ctx, c); err != nil {
			return Deletion{}, err
		}
		if refusals := sunset.RefuseDeletion(facts); len(refusals) > 0 {
			return w.refuse(ctx, c, facts, refusals)
		}
	}
	if err := w.recordCase(ctx, c, "deleting", "iam-sunset", "", fmt.Sprintf(
		"%s will now be deleted: it is the planned user, its quarantine is in place, nothing was heard up to %s, and the decisions hold.",
		c.UserName, facts.Heard.Format(time.RFC3339)), map[string]any{
		"request": facts.Request.ID, "digest": facts.Request.Digest, "decisions": facts.Decisions, "cloudtrail_until": facts.Heard,
		"not_covered": "CloudTrail's last two hours, and data events", "settings_digest": s.Digest(), "resumed": resuming,
	}); err != nil {
		return Deletion{}, err
	}
	if s.Final == sunset.FinalRetain {
		if err := w.IAM.Strip(ctx, snap, *c.Quarantine, w.changes(c)); err != nil {
			return Deletion{}, err
		}
		return w.deleted(ctx, c, sunset.Retained, "its credentials, policies and groups are gone; the empty user stays, denied everything")
	}
	if err := w.IAM.Delete(ctx, snap, *c.Quarantine, w.changes(c)); err != nil {
		return Deletion{}, err
	}
	return w.proveGone(ctx, c, snap)
}

// finishGone ends a deletion that an earlier try has carried out without living to say so. What can outlive a user, a
// virtual MFA device that nobody has, is looked for once more.
func (w *Workflow) finishGone(ctx context.Context, c sunset.Case, snap sunset.Snapshot, s sunset.Settings) (Deletion, error) {
	_, found, err := w.IAM.Find(ctx, c.UserID, c.UserName)
	if err != nil || found || s.Final == sunset.FinalRetain {
		return Deletion{}, err
	}
	if err := w.IAM.DeleteSpare(ctx, snap, w.changes(c)); err != nil {
		return Deletion{}, err
	}
	return w.proveGone(ctx, c, snap)
}

// proveGone lists what could be left of the user and ends the case where that is nothing.
func (w *Workflow) proveGone(ctx context.Context, c sunset.Case, snap sunset.Snapshot) (Deletion, error) {
	left, err := w.IAM.Leftovers(ctx, snap)
	if err != nil {
		return Deletion{}, err
	}
	if len(left) > 0 {
		return Deletion{}, sunset.Faultf(sunset.Conflict, "after the deletion of %s something is left of it: %v", c.UserName, left)
	}
	return w.deleted(ctx, c, sunset.Deleted, "it is gone with everything it had, and nothing is left of it")
}

func (w *Workflow) deleted(ctx context.Context, c sunset.Case, outcome sunset.Outcome, why string) (Deletion, error) {
	if err := w.recordCase(ctx, c, "deleted", "iam-sunset", "deleted", fmt.Sprintf("%s was %s: %s.", c.UserName, outcome, why),
		map[string]any{"outcome": outcome}); err != nil {
		return Deletion{}, err
	}
	_, err := w.end(ctx, c, outcome, why)
	return Deletion{Status: string(outcome), Reason: why}, err
}

// deletionFacts reads everything that decides, now: what takes long first, and last what somebody may change at any
// moment to keep the user.
func (w *Workflow) deletionFacts(ctx context.Context, c sunset.Case, file caseFile, snap sunset.Snapshot, holder string, resuming bool) (sunset.DeletionFacts, error) {
	f := sunset.DeletionFacts{Case: c, Snapshot: snap, Holder: holder}
	s, err := w.liveSettings(ctx, file.Request)
	if err != nil {
		return f, err
	}
	f.Settings = s
	caller, err := w.callerFor(ctx, c)
	if err != nil {
		return f, err
	}
	story, err := w.storyOf(ctx, c)
	if err != nil {
		return f, err
	}
	f.Disabled, f.Signals = story.listening, story.heard
	c.Forgiven = story.forgiven(c.Forgiven)
	began, err := w.prove(ctx, c.CleanupID)
	if err != nil {
		return f, err
	}
	f.Starter, f.Began = began.starter, began.at
	name, err := w.IAM.NameNow(ctx, c.UserID, c.UserName)
	if err != nil {
		return f, err
	}
	if f.Found = name != ""; f.Found {
		if resuming && story.lifted && c.Quarantine != nil {
			// A try that died between taking the deny off and deleting the user left it without one.
			if err := w.IAM.PutDenyBack(ctx, snap, *c.Quarantine, w.changes(c)); err != nil {
				return f, err
			}
		}
		if f.References, f.OwnershipGaps, err = w.askOwnership(ctx, snap.User, s); err != nil {
			return f, err
		}
		heard, until, err := w.hear(ctx, c, sunset.User{ID: c.UserID, Name: name}, s)
		if err != nil {
			return f, err
		}
		f.Signals, f.Heard = append(f.Signals, heard...), until
		if f.Live, f.Found, err = w.IAM.Find(ctx, c.UserID, name); err != nil {
			return f, err
		}
	}
	if f.Found {
		if f.Own = w.own(f.Live, s, caller); f.Own == "" {
			f.Own = w.own(snap.User, s, caller)
		}
		if c.Quarantine != nil {
			if f.DenyInPlace, err = w.IAM.DenyInPlace(ctx, f.Live, *c.Quarantine); err != nil {
				return f, err
			}
		}
		drift := sunset.Drift(c, snap, f.Live, w.Clock.Now())
		if resuming {
			drift = additions(drift, snap, f.Live)
		}
		f.Signals = append(f.Signals, drift...)
	}
	if c.RequestID != "" {
		if f.Request, err = w.Desk.Request(ctx, c.RequestID); err != nil {
			return f, err
		}
		if f.Decisions, f.Forged, err = w.Desk.Decisions(ctx, c.RequestID); err != nil {
			return f, err
		}
	}
	if f.Paused, err = w.Cases.Paused(ctx); err != nil {
		return f, err
	}
	if f.Deleted, f.Users, err = w.deletedBy(ctx, c); err != nil {
		return f, err
	}
	switch now, err := w.liveSettings(ctx, file.Request); {
	case err != nil:
		return f, err
	case now.Digest() != s.Digest():
		return f, sunset.Faultf(sunset.Conflict, "the settings were changed while everything about %s was read; it is read again", c.UserName)
	}
	// The row again, last: a rescue or a lost lease since the first read counts.
	if f.Case, err = w.Cases.Get(ctx, c.UserID); err != nil {
		return f, err
	}
	if f.Case.Rescue == nil {
		f.Case.Rescue = story.rescue // a row put back from a backup has forgotten it
	}
	f.Signals = sunset.MergeSignals(f.Case.Signals, f.Signals)
	f.Now = w.Clock.Now()
	return f, nil
}

// deletedBy counts what the cap is about: users whom this cleanup has deleted or is deleting, and those whom others in
// the account have since it looked, because its number of users is of then.
func (w *Workflow) deletedBy(ctx context.Context, c sunset.Case) (deleted, users int, err error) {
	cleanup, err := w.Cases.Cleanup(ctx, c.CleanupID)
	if err != nil {
		return 0, 0, err
	}
	all, err := w.Cases.Cases(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, other := range all {
		switch {
		case other.UserID == c.UserID, other.Account != c.Account:
		case other.Stage == sunset.Deleting:
			deleted++
		case other.Outcome != sunset.Deleted && other.Outcome != sunset.Retained:
		case other.CleanupID == c.CleanupID, other.Ended.After(cleanup.Began):
			deleted++
		}
	}
	return deleted, cleanup.Users, nil
}

// additions leaves out what a deletion that was broken off has itself taken away: after the point of no return a
// missing artifact is our own doing, while anything new, changed or used is still somebody's.
func additions(drift []sunset.Signal, snap sunset.Snapshot, live sunset.User) []sunset.Signal {
	taken := map[string]bool{}
	for _, a := range snap.User.Artifacts() {
		taken[a.ID] = true
	}
	for _, a := range live.Artifacts() {
		delete(taken, a.ID)
	}
	var out []sunset.Signal
	for _, sig := range drift {
		if (sig.Kind == sunset.CredentialDrift || sig.Kind == sunset.ArtifactDrift) && taken[sig.About] {
			continue
		}
		out = append(out, sig)
	}
	return out
}

// refuse records why the user may not be deleted now and says where the case goes.
func (w *Workflow) refuse(ctx context.Context, c sunset.Case, f sunset.DeletionFacts, refusals []sunset.Refusal) (Deletion, error) {
	first := refusals[0]
	out := Deletion{Status: string(first.Then), Reason: first.Text}
	switch first.Then {
	case sunset.ThenAsk:
		// The approvers have to be asked again, which the soak's check leads to.
		out.Status = string(sunset.ThenRecheck)
	case sunset.ThenWait:
		for _, r := range refusals {
			if r.At.After(out.AgainAt) {
				out.AgainAt = r.At
			}
		}
		out.AgainAt = ceilSecond(out.AgainAt)
	}
	if err := w.recordCase(ctx, c, "deletion-refused", "iam-sunset", "", fmt.Sprintf("%s was not deleted: %s.", c.UserName, first.Text),
		map[string]any{"refusals": refusals, "next": out.Status, "forged_decisions": f.Forged}); err != nil {
		return Deletion{}, err
	}
	if first.Then == sunset.ThenStop {
		_, err := w.end(ctx, c, sunset.Skipped, first.Text)
		return Deletion{Status: "ended", Reason: first.Text}, err
	}
	if out.Status == string(sunset.ThenRecheck) {
		if err := w.Desk.Supersede(ctx, c.ID, ""); err != nil {
			return Deletion{}, err
		}
	}
	// A deletion that was begun and does not go on now holds nobody: a rescue or a restore may come first.
	_, err := w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.Open() {
			c.Stage = sunset.Soaking
		}
		if f.Case.DeletingSince.IsZero() {
			c.DeletingSince = time.Time{}
		}
		return nil
	})
	return out, err
}
