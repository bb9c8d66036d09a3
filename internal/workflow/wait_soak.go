package workflow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// WaitSoak is the function wait-soak, the state CheckSoak: it listens to a quarantined user once, and says when to
// listen next. What the execution carries is not trusted; the case's row is.
func (w *Workflow) WaitSoak(ctx context.Context, in Invocation) (Soak, error) {
	c, err := w.caseOf(ctx, in)
	if err != nil {
		return Soak{}, err
	}
	_, s, err := w.caseSettings(ctx, c)
	if err != nil {
		return Soak{}, err
	}
	if !c.Open() && c.Outcome != sunset.Failed {
		// A rescue has ended it meanwhile.
		return w.soak(c, s, "ended", c.Reason), nil
	}
	if c.SoakFrom.IsZero() || c.Quarantine == nil {
		return Soak{}, sunset.Faultf(sunset.Internal, "case %s is listened to but was never disabled", c.ID)
	}
	if c, err = w.reopen(ctx, c); err != nil {
		return Soak{}, err
	}
	snap, err := w.snapshotOf(ctx, c)
	if err != nil {
		return Soak{}, err
	}
	w, err = w.in(ctx, c.Account, sunset.AccessRead)
	if err != nil {
		return Soak{}, err
	}

	if c, err = w.heedDecision(ctx, c, s); err != nil {
		return Soak{}, err
	}
	if _, err := w.callerFor(ctx, c); err != nil {
		return Soak{}, err
	}
	live, found, err := w.IAM.Find(ctx, c.UserID, c.UserName)
	if err != nil {
		return Soak{}, err
	}
	if !found {
		c, err = w.end(ctx, c, sunset.Skipped, fmt.Sprintf("no user has the id %s any more: somebody else deleted it", c.UserID))
		if err != nil {
			return Soak{}, err
		}
		return w.soak(c, s, "ended", c.Reason), w.recordCase(ctx, c, "gone", "iam-sunset", "gone",
			fmt.Sprintf("%s was found gone; whoever has its name now was not touched.", c.UserName), nil)
	}
	if why, err := w.whyRestore(ctx, c, s, live); err != nil || why != "" {
		return w.soak(c, s, "restore", why), err
	}

	signals, heard, err := w.listen(ctx, c, snap, live, s)
	if err != nil {
		return Soak{}, err
	}
	before := len(c.Signals)
	if c, err = w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if !c.Open() || c.Rescue != nil {
			return nil // what was heard is the rescue itself
		}
		if until := c.SoakFrom.Add(s.Soak.Std()); until.After(c.SoakUntil) {
			c.SoakUntil = until // today's settings ask for a longer one
		}
		if len(sunset.MergeSignals(c.Signals, signals)) > len(c.Signals) {
			c.Resumed = false // something new was heard since a person let the turns go on
		}
		c.Signals, c.Heard = signals, heard
		c.Holds = len(signals) > 0 && !c.Resumed
		if len(signals) > 0 {
			c.Reason = "disturbed: " + signals[0].Detail
		}
		return nil
	}); err != nil {
		return Soak{}, err
	}
	switch {
	case !c.Open():
		return w.soak(c, s, "ended", c.Reason), nil
	case c.Rescue != nil:
		return w.soak(c, s, "restore", c.Rescue.By+" asked to have it back"), nil
	}
	now := w.Clock.Now()
	status := "soaking"
	switch {
	case len(signals) > 0:
		status = "disturbed"
	case !now.Before(c.SoakUntil):
		status = "quiet"
	}
	if err := w.recordCase(ctx, c, "listened", "iam-sunset", "listened/"+now.Format(time.RFC3339Nano), soakSentence(c, status), map[string]any{
		"status": status, "signals": signals, "new": len(signals) - before, "cloudtrail_until": heard, "soak_until": c.SoakUntil,
	}); err != nil {
		return Soak{}, err
	}
	if status == "disturbed" && before == 0 {
		if err := w.tellDisturbed(ctx, c); err != nil {
			return Soak{}, err
		}
	}
	return w.soak(c, s, status, ""), nil
}

// reopen takes up a case whose failed execution was started anew.
func (w *Workflow) reopen(ctx context.Context, c sunset.Case) (sunset.Case, error) {
	if c.Open() {
		return c, nil
	}
	return w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.Open() || c.Outcome != sunset.Failed {
			return nil // somebody else was faster: it is open again, or was put back
		}
		c.Stage, c.Outcome, c.Reason, c.Holds = sunset.Soaking, "", "", false
		c.Ended, c.Logged = time.Time{}, false
		if !c.DeletingSince.IsZero() {
			c.Stage = sunset.Deleting
		}
		return nil
	})
}

// heedDecision starts a new soak where the stored decisions on the case's request say so, once a request. Signals up
// to now are forgiven then; their records stay.
func (w *Workflow) heedDecision(ctx context.Context, c sunset.Case, s sunset.Settings) (sunset.Case, error) {
	switch c.RequestID {
	case "":
		return c, nil
	case c.SoakedAgain:
		// A try that died before its record left the row alone.
		return c, w.recordCase(ctx, c, "soak-again", "iam-sunset", "soak-again/"+c.RequestID,
			fmt.Sprintf("%s is listened to again, until %s, as was decided.", c.UserName, c.SoakUntil.Format(time.RFC3339)), nil)
	}
	choice, decisions, err := w.decided(ctx, c, s)
	if err != nil || choice != sunset.ChooseSoakAgain {
		return c, err
	}
	c, err = w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.SoakedAgain == c.RequestID || !c.Open() || c.Rescue != nil {
			return nil
		}
		forgiven := map[string]time.Time{}
		for about, at := range c.Forgiven {
			forgiven[about] = at
		}
		for _, sig := range c.Signals {
			if sig.Kind == sunset.LastUsedMoved || (sig.Kind == sunset.SignIn && sig.Source == "iam:GetUser") {
				forgiven[sig.About] = sig.At
			}
		}
		c.Stage, c.SoakedAgain, c.Signals, c.Forgiven, c.Holds = sunset.Soaking, c.RequestID, nil, forgiven, false
		c.SoakFrom = w.Clock.Now()
		c.SoakUntil = c.SoakFrom.Add(s.Soak.Std())
		c.Heard = time.Time{}
		c.Reason = ""
		return nil
	})
	if err != nil || c.SoakedAgain != c.RequestID {
		return c, err
	}
	return c, w.recordCase(ctx, c, "soak-again", decisions[0].Approver, "soak-again/"+c.RequestID,
		fmt.Sprintf("An approver decided to listen to %s again, until %s.", c.UserName, c.SoakUntil.Format(time.RFC3339)), decisions)
}

// decided gives what the stored decisions on the case's request add up to, those alone whose MAC holds.
func (w *Workflow) decided(ctx context.Context, c sunset.Case, s sunset.Settings) (sunset.Choice, []sunset.Decision, error) {
	if c.RequestID == "" {
		return "", nil, nil
	}
	request, err := w.Desk.Request(ctx, c.RequestID)
	if err != nil {
		return "", nil, err
	}
	decisions, _, err := w.Desk.Decisions(ctx, c.RequestID)
	if err != nil {
		return "", nil, err
	}
	if request, err = w.withStarter(ctx, c, request); err != nil {
		return "", nil, err
	}
	return sunset.Tally(request, decisions, s), decisions, nil
}

// listen gives every signal of the soak so far, and up to when CloudTrail was read. CloudTrail is asked where
// something moved, and at the soak's end.
func (w *Workflow) listen(ctx context.Context, c sunset.Case, snap sunset.Snapshot, live sunset.User, s sunset.Settings) ([]sunset.Signal, time.Time, error) {
	now := w.Clock.Now()
	fresh := sunset.Drift(c, snap, live, now)
	inPlace, err := w.IAM.DenyInPlace(ctx, live, *c.Quarantine)
	if err != nil {
		return nil, c.Heard, err
	}
	if !inPlace {
		fresh = append(fresh, denyMissing(*c.Quarantine, now))
	}
	// What was unread last time may be readable now; it is found out anew.
	var known []sunset.Signal
	for _, sig := range c.Signals {
		if sig.Kind != sunset.NotHeard {
			known = append(known, sig)
		}
	}
	heard := c.Heard
	// A long soak is asked about before CloudTrail forgets its beginning.
	forgets := now.Sub(heardFrom(c, now)) > trailReach/2
	if len(fresh) > 0 || len(c.Signals) > 0 || !now.Before(c.SoakUntil) || forgets {
		more, until, err := w.hear(ctx, c, live, s)
		if err != nil {
			return nil, c.Heard, err
		}
		fresh, heard = append(fresh, more...), until
	}
	return sunset.MergeSignals(known, fresh), heard, nil
}

// hear asks CloudTrail in every open region about the time since the soak began, up to where its events have settled.
// A region that can't be read is a signal itself: silence there proves nothing.
func (w *Workflow) hear(ctx context.Context, c sunset.Case, live sunset.User, s sunset.Settings) ([]sunset.Signal, time.Time, error) {
	regions, gap, err := w.openRegions(ctx, s)
	if err != nil {
		return nil, c.Heard, err
	}
	now := w.Clock.Now()
	var gaps []sunset.Gap
	if gap != nil {
		gaps = append(gaps, *gap)
	}
	who := trail.Candidate{UserID: c.UserID, Name: live.Name}
	if live.Name != c.UserName {
		who.FormerNames = []string{c.UserName}
	}
	until := now.Add(-sunset.Settle)
	if until.Before(c.SoakFrom) {
		until = c.SoakFrom
	}
	from := heardFrom(c, now)
	if now.Sub(from) > trailReach {
		gaps = append(gaps, sunset.Gap{Action: "cloudtrail:LookupEvents", Why: "the event history no longer reaches back to " + from.UTC().Format(time.DateOnly)})
	}
	// Events later than until are taken too where they have come: only silence needs time to settle.
	signals, more, _, err := w.Trail.Heard(ctx, who, regions, from, now)
	if err != nil {
		return nil, c.Heard, err
	}
	gaps = append(gaps, more...)
	if len(gaps) > 0 {
		until = c.Heard // what was not heard stays to be heard, from where it was last whole
	}
	for _, g := range gaps {
		signals = append(signals, sunset.Signal{
			Kind: sunset.NotHeard, About: g.Action, Region: g.Region, At: now, Source: g.Action,
			Detail: fmt.Sprintf("%s could not be read in %s: %s", g.Action, orAll(g.Region), g.Why),
		})
	}
	return signals, until, nil
}

// heardFrom is since when CloudTrail has to be asked: since the soak began or, where its history would soon not reach
// back to that, since it was last read. What was heard before is in the row.
func heardFrom(c sunset.Case, now time.Time) time.Time {
	if now.Sub(c.SoakFrom) > trailReach/2 && c.Heard.After(c.SoakFrom) {
		return c.Heard
	}
	return c.SoakFrom
}

func orAll(region string) string {
	if region == "" {
		return "any region"
	}
	return region
}

// soak is what the definition goes on with.
func (w *Workflow) soak(c sunset.Case, s sunset.Settings, status, reason string) Soak {
	now := w.Clock.Now()
	return Soak{
		Status: status, Reason: reason, Until: c.SoakUntil.Truncate(time.Second),
		NextCheckAt:     ceilSecond(sunset.NextCheck(c.UserID, c.SoakFrom, c.SoakUntil, now)),
		ApprovalSeconds: int((s.ApprovalOpen.Std() + approvalGrace) / time.Second),
	}
}

// ceilSecond rounds up, because a timestamp in a definition has whole seconds and a soak must not end early.
func ceilSecond(t time.Time) time.Time {
	if r := t.Truncate(time.Second); r.Before(t) {
		return r.Add(time.Second)
	}
	return t
}

func soakSentence(c sunset.Case, status string) string {
	switch status {
	case "quiet":
		return fmt.Sprintf("Nothing was heard of %s in its soak; CloudTrail was read up to %s.", c.UserName, c.Heard.Format(time.RFC3339))
	case "disturbed":
		return fmt.Sprintf("Something was heard of %s: %s.", c.UserName, c.Signals[len(c.Signals)-1].Detail)
	default:
		return fmt.Sprintf("Nothing was heard of %s so far.", c.UserName)
	}
}

func (w *Workflow) tellDisturbed(ctx context.Context, c sunset.Case) error {
	var file caseFile
	if _, err := load(ctx, w.Objects, caseFileKey(c.ID), &file); err != nil {
		return err
	}
	text := fmt.Sprintf("Somebody or something still tries to use the disabled IAM user %s in account %s: %s. It stays disabled until an approver "+
		"decides, because a stolen key must not switch itself back on. If it is yours, tag the user %s or tell your security team.",
		c.UserName, c.Account, c.Signals[0].Detail, sunset.TagKeep)
	s, err := w.Settings(ctx)
	if err != nil {
		return err
	}
	owner, err := w.ownersAddress(ctx, c, file, s)
	if err != nil {
		return err
	}
	for _, to := range slices.Compact([]string{owner, approval.Team}) {
		if err := w.tell(ctx, c, to, fmt.Sprintf("IAM user %s: its soak was disturbed", c.UserName), text); err != nil {
			return err
		}
	}
	return nil
}
