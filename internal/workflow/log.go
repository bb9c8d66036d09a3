package workflow

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// LogStage is the function log: it runs where a stage ends, as the states LogPlan, LogClosed and LogFailed.
func (w *Workflow) LogStage(ctx context.Context, in Invocation) (any, error) {
	switch in.Stage {
	case "plan":
		return w.logPlan(ctx, in)
	case "closed":
		return w.logClosed(ctx, in)
	case "failed":
		return w.logFailed(ctx, in)
	case "halted":
		return w.halted(ctx, in)
	}
	return nil, sunset.Faultf(sunset.Invalid, "log: stage %q is none of plan, closed, failed, halted", in.Stage)
}

// logPlan puts the plan on record by its hash, and refuses it where it goes over the cap.
func (w *Workflow) logPlan(ctx context.Context, in Invocation) (Planned, error) {
	if in.State.Ownership == nil || in.State.Ownership.Plan == "" {
		return Planned{}, sunset.Faultf(sunset.Invalid, "cleanup %s reached LogPlan without a plan", in.Name)
	}
	var plan sunset.Plan
	digest, err := load(ctx, w.Objects, in.State.Ownership.Plan, &plan)
	if err != nil {
		return Planned{}, err
	}
	live, err := w.liveSettings(ctx, plan.Request)
	if err != nil {
		return Planned{}, err
	}
	out := Planned{Users: len(plan.Entries), Eligible: len(plan.Eligible()), Key: in.State.Ownership.Plan, Digest: digest}
	capped := plan
	capped.Settings.CapPercent = min(plan.Settings.CapPercent, live.CapPercent)
	out.Refusal = capped.Refusal()
	out.Refused = out.Refusal != "" && !plan.Request.DryRun
	out.Open = !out.Refused && !plan.Request.DryRun && out.Eligible > 0

	reasons := map[sunset.ReasonCode]int{}
	for _, e := range plan.Entries {
		for _, r := range e.Verdict.Reasons {
			reasons[r.Code]++
		}
	}
	text := fmt.Sprintf("%d users were discovered; %d are eligible, %d are kept.", out.Users, out.Eligible, out.Users-out.Eligible)
	if out.Refusal != "" {
		text += " The plan is over its cap: " + out.Refusal + "."
	}
	if err := w.record(ctx, audit.Record{
		Chain: sunset.CleanupChain(in.Name), Kind: "plan", CleanupID: in.Name, By: "iam-sunset", Key: "plan", Text: text,
	}, map[string]any{
		"plan": out.Key, "sha256": digest, "users": out.Users, "eligible": out.Eligible, "kept_for": reasons, "gaps": plan.Gaps,
		"idle_exemptions": plan.IdleExemptions, "unknown_names": plan.UnknownNames, "dry_run": plan.Request.DryRun, "settings_digest": plan.SettingsDigest,
	}); err != nil {
		return Planned{}, err
	}
	_, err = w.Cases.UpdateCleanup(ctx, in.Name, func(c *sunset.Cleanup) error {
		c.PlanKey, c.Users, c.Eligible, c.Refusal = out.Key, out.Users, out.Eligible, out.Refusal
		c.Settled = !out.Open
		return nil
	})
	if err != nil || out.Open {
		return out, err
	}
	return out, w.tellPlan(ctx, in.Name, plan, out)
}

// tellPlan tells the team of a plan that opens no case: what a dry run found, or why nothing will happen.
func (w *Workflow) tellPlan(ctx context.Context, cleanup string, plan sunset.Plan, out Planned) error {
	text := fmt.Sprintf("Of %d IAM users in account %s, %d look unused and may go; %d are kept. ", out.Users, plan.Account, out.Eligible, out.Users-out.Eligible)
	subject := "IAM cleanup " + cleanup + ": "
	switch {
	case out.Refused:
		subject += "refused"
		text += "The cleanup was refused, and nothing was changed: " + out.Refusal + "."
	case plan.Request.DryRun:
		subject += fmt.Sprintf("dry run found %d", out.Eligible)
		text += "This was a dry run; nothing was changed."
		if out.Refusal != "" {
			text += " A cleanup would be refused: " + out.Refusal + "."
		}
	default:
		subject += "nobody to disable"
		text += "Nothing was changed."
	}
	return w.tell(ctx, sunset.Case{CleanupID: cleanup}, approval.Team, subject, text)
}

// logClosed ends a case. What became of the user was written into its row by whoever did it.
func (w *Workflow) logClosed(ctx context.Context, in Invocation) (Closing, error) {
	c, err := w.caseOf(ctx, in)
	if err != nil {
		return Closing{}, err
	}
	if in.State.Expired != nil && c.Outcome == "" && c.RequestID != "" {
		if err := w.Desk.Expire(ctx, c.RequestID); err != nil {
			return Closing{}, err
		}
	}
	c, err = w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.Outcome == "" {
			if in.State.Expired == nil {
				return sunset.Faultf(sunset.Internal, "case %s came to its end without an outcome", c.ID)
			}
			c.Outcome, c.Reason = sunset.Lapsed, "nobody decided in time; the user stays quarantined"
		}
		if c.Open() {
			c.Stage, c.Ended = sunset.Closed, w.Clock.Now()
		}
		return nil
	})
	if err != nil {
		return Closing{}, err
	}
	if err := w.recordClosed(ctx, c); err != nil {
		return Closing{}, err
	}
	return Closing{Outcome: c.Outcome}, w.tellEnd(ctx, c)
}

// tellEnd tells the owner what became of the user, and the team of what needs somebody.
func (w *Workflow) tellEnd(ctx context.Context, c sunset.Case) error {
	s, err := w.Settings(ctx)
	if err != nil {
		return err
	}
	var file caseFile
	if _, err := load(ctx, w.Objects, caseFileKey(c.ID), &file); err != nil {
		return err
	}
	owner, err := w.ownersAddress(ctx, c, file, s)
	if err != nil {
		return err
	}
	kind := sunset.EndedMessage
	to := []string{owner}
	if c.Outcome == sunset.Failed {
		kind = sunset.FailedMessage
	}
	if c.Outcome == sunset.Failed || c.Outcome == sunset.Lapsed {
		to = append(to, approval.Team)
		for _, a := range s.Approvers {
			to = append(to, a.Email)
		}
	}
	fields := aboutCase(c, file)
	fields["outcome"], fields["reason"] = string(c.Outcome), strings.TrimRight(c.Reason, ". ")
	letter := letters.Write(kind, s.Messages, fields)
	told := map[string]bool{}
	for _, address := range to {
		if told[address] {
			continue
		}
		told[address] = true
		// No link: those of before lead to the page that says how it ended, and from where a user that was left disabled can be
		// had back.
		if err := w.tell(ctx, c, address, letter.Subject, letter.Text); err != nil {
			return err
		}
	}
	return nil
}

// logFailed records an error that needs a person, of a case or of a cleanup.
func (w *Workflow) logFailed(ctx context.Context, in Invocation) (Closing, error) {
	caught := CaughtError{Error: "unknown"}
	if in.State.Error != nil {
		caught = *in.State.Error
	}
	if in.State.Case == nil {
		if err := w.record(ctx, audit.Record{
			Chain: sunset.CleanupChain(in.Name), Kind: "failed", CleanupID: in.Name, By: "iam-sunset", Key: "failed",
			Text: "The cleanup failed and opens no more cases; those that it has opened go on. " + caught.sentence(),
		}, caught); err != nil {
			return Closing{}, err
		}
		_, err := w.Cases.UpdateCleanup(ctx, in.Name, func(c *sunset.Cleanup) error {
			c.Settled, c.Refusal = true, caught.sentence()
			return nil
		})
		if sunset.KindOf(err) == sunset.Invalid {
			err = nil // it failed before it had a row
		}
		return Closing{Outcome: sunset.Failed}, err
	}
	c, err := w.caseOf(ctx, in)
	if err != nil {
		return Closing{}, err
	}
	if !c.Open() && c.Outcome != sunset.Failed {
		return Closing{Outcome: c.Outcome}, nil
	}
	if _, err := w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error { c.Redrives = in.Redrives; return nil }); err != nil {
		return Closing{}, err
	}
	return Closing{Outcome: sunset.Failed}, w.fail(ctx, c, caught.Error, caught.sentence())
}

// halted is the state Failed. It fails by itself, because AWS starts a redriven execution at the state that failed, and a
// Fail state would only fail again (inferred). Once somebody has redriven the execution of a case it says where to go
// on: every state there reads anew all that decides.
// https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
func (w *Workflow) halted(ctx context.Context, in Invocation) (Redrive, error) {
	caught := CaughtError{Error: string(sunset.Internal)}
	if in.State.Error != nil {
		caught = *in.State.Error
	}
	kind := sunset.Kind(caught.Error)
	if kind != sunset.AccessDenied && kind != sunset.Invalid {
		kind = sunset.Internal
	}
	if in.State.Case == nil {
		return Redrive{}, sunset.Faultf(kind, "the cleanup failed; put right what its record names and start a new one. %s", caught.sentence())
	}
	c, err := w.caseOf(ctx, in)
	if err != nil {
		return Redrive{}, sunset.Faultf(kind, "the case failed and its row can't be read. %s: %w", caught.sentence(), err)
	}
	switch {
	case in.Redrives <= c.Redrives:
		return Redrive{}, sunset.Faultf(kind, "the case failed; put right what its record names and redrive this execution. %s", caught.sentence())
	case !c.Open() && c.Outcome != sunset.Failed:
		return Redrive{Next: "close"}, nil
	}
	next := Redrive{Next: "disable"}
	if !c.SoakFrom.IsZero() {
		next.Next = "listen"
		_, s, err := w.caseSettings(ctx, c)
		if err != nil {
			return Redrive{}, err
		}
		choice, _, err := w.decided(ctx, c, s)
		if err != nil {
			return Redrive{}, err
		}
		if choice == sunset.ChooseDelete || !c.DeletingSince.IsZero() {
			next.Next = "delete"
		}
	}
	return next, w.recordCase(ctx, c, "redriven", "iam-sunset", fmt.Sprintf("redriven/%d", in.Redrives),
		fmt.Sprintf("Somebody redrove the failed case of %s; it goes on and reads everything anew.", c.UserName), next)
}

// fail ends a case with an error. The user stays as it stands, and later turns wait until a person resumes them. Whoever
// dies before the end is on record leaves the case for reconcile to find, because it isn't logged.
func (w *Workflow) fail(ctx context.Context, c sunset.Case, name, why string) error {
	c, err := w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.Outcome == "" || c.Outcome == sunset.Failed {
			c.Outcome, c.Reason, c.Holds, c.Resumed, c.Logged = sunset.Failed, why, true, false, false
		}
		if c.Open() {
			c.Stage, c.Ended = sunset.Closed, w.Clock.Now()
		}
		return nil
	})
	if err != nil {
		return err
	}
	when, err := w.whenFailed(ctx, c)
	if err != nil {
		return err
	}
	then := "Once that is put right, redrive its execution: it goes on from here."
	if c.Changed && c.DeletingSince.IsZero() {
		then = "Once that is put right, redrive its execution: it goes on from here. Or rescue the user to have it back."
	}
	if err := w.recordCase(ctx, c, "failed", "iam-sunset", "failed/"+c.Ended.UTC().Format(time.RFC3339Nano), fmt.Sprintf("The case of %s failed %s. %s %s", c.UserName, when, sentence("%s", why), then), map[string]any{
		"error": name, "cause": why, "changed": c.Changed, "deleting": !c.DeletingSince.IsZero(), "outcome": c.Outcome,
	}); err != nil {
		return err
	}
	if _, err := w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error { c.Logged = true; return nil }); err != nil {
		return err
	}
	return w.tellEnd(ctx, c)
}

// whenFailed says how the user of a failed case stands.
func (w *Workflow) whenFailed(ctx context.Context, c sunset.Case) (string, error) {
	switch {
	case !c.DeletingSince.IsZero():
		return "in the middle of its deletion", nil
	case !c.Changed:
		return "before any change to the user", nil
	case c.SoakFrom.IsZero():
		return "while the user was being disabled, so that it may not be disabled yet", nil
	}
	story, err := w.storyOf(ctx, c)
	if err != nil {
		return "", err
	}
	if story.lifted {
		return "while the user was being put back, so that it may not be disabled any more", nil
	}
	return "after the user was changed; it stays disabled", nil
}
