package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// strayHour is when, once a day, users are compared with case rows, which reads all users of the account, and those on whom
// approvers are asked are looked at again.
const strayHour = 4 // UTC

// Reconciled is what one round of reconcile did.
type Reconciled struct {
	Announced   int `json:"announced"`
	Delivered   int `json:"delivered"`
	Moved       int `json:"moved"`       // requests that are void, because their facts moved
	Undelivered int `json:"undelivered"` // messages and events that still did not get out
	Mismatches  int `json:"mismatches"`
	Closed      int `json:"closed"`
}

// Reconcile runs on a schedule, and when an execution ended in a way that no state hears of. It announces, reminds,
// escalates, looks again at users on whom approvers are asked, delivers decisions and messages that did not get through, compares users, case rows and executions, closes cleanups
// whose last case has ended, and gives the figures that alarms watch. One part's failure does not keep the others from
// running; all failures together are the error.
func (w *Workflow) Reconcile(ctx context.Context, in Round) (Reconciled, error) {
	var out Reconciled
	var failures []error
	try := func(err error) {
		if err != nil {
			failures = append(failures, err)
		}
	}
	try(w.heedEvent(ctx, in))
	figures := map[string]float64{ReconcileRuns: 1}
	defer func() {
		if w.Measured != nil {
			w.Measured(figures)
		}
	}()
	n, err := w.deliverAll(ctx)
	out.Delivered = n
	try(err)
	// Before anybody is told of a request that this finds void.
	out.Moved, err = w.lookAgain(ctx)
	try(err)
	s, err := w.Settings(ctx)
	try(err)
	if err == nil {
		out.Announced, out.Undelivered, err = w.announce(ctx, s)
		try(err)
		try(w.escalate(ctx, s))
	}
	rows, err := w.Rows.List(ctx, unsentPrefix)
	if err != nil {
		try(fmt.Errorf("listing what was not sent: %w", err))
	} else {
		n, err = w.resend(ctx, rows)
		out.Undelivered += n
		try(err)
		figures[MessagesUndelivered] = float64(out.Undelivered)
	}
	open, err := w.Cases.OpenCases(ctx)
	try(err)
	try(w.wakeRescued(ctx, open))
	try(w.proveStarters(ctx))
	n, err = w.compare(ctx, open)
	out.Mismatches = n
	try(err)
	n, err = w.closeCleanups(ctx, open)
	out.Closed = n
	try(err)
	if now := w.Clock.Now().UTC(); now.Hour() >= strayHour {
		try(w.checkEvidence(ctx, now.Format(time.DateOnly), figures))
	}
	try(w.measure(ctx, figures))
	return out, errors.Join(failures...)
}

func (w *Workflow) deliverAll(ctx context.Context) (int, error) {
	waiting, err := w.Desk.Undelivered(ctx)
	if err != nil {
		return 0, err
	}
	var failures []error
	for _, d := range waiting {
		failures = append(failures, w.deliver(ctx, d.Request.ID))
	}
	return len(waiting), errors.Join(failures...)
}

// compare looks for cases whose execution has ended without saying so (stopped, timed out, lost), and for users that
// carry the mark of a case that isn't open.
func (w *Workflow) compare(ctx context.Context, open []sunset.Case) (int, error) {
	found := 0
	var failures []error
	running, err := w.running(ctx, len(open))
	if err != nil {
		failures = append(failures, err)
	}
	for _, c := range open {
		if c.Execution == "" {
			failures = append(failures, w.adopt(ctx, c))
			continue
		}
		if running[c.Execution] {
			continue
		}
		lost, err := w.lost(ctx, c)
		switch {
		case err != nil:
			failures = append(failures, err)
		case lost != "" && c.Rescue != nil && !c.Changed:
			failures = append(failures, w.spare(ctx, c))
		case lost != "":
			found++
			failures = append(failures, w.fail(ctx, c, "ExecutionLost", lost))
		}
	}
	failures = append(failures, w.recordEnds(ctx, running))
	if w.Clock.Now().UTC().Hour() != strayHour {
		return found, errors.Join(failures...)
	}
	marked, err := w.straysEverywhere(ctx)
	return found + marked, errors.Join(append(failures, err)...)
}

// spare ends the case of a user who was asked to have back before anything was done to it, and whose execution is gone:
// all that was asked for is so already.
func (w *Workflow) spare(ctx context.Context, c sunset.Case) error {
	c, err := w.end(ctx, c, sunset.Rescued, fmt.Sprintf("%s asked to have it back before anything was changed: %s", c.Rescue.By, c.Rescue.Reason))
	if err != nil {
		return err
	}
	return w.recordClosed(ctx, c)
}

// running are the ARNs of the executions that run: a page for 1,000 cases instead of a call for each. What the list
// doesn't have yet, or any more, is looked at one by one.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html: "eventually consistent"
func (w *Workflow) running(ctx context.Context, cases int) (map[string]bool, error) {
	out := map[string]bool{}
	if cases == 0 {
		return out, nil
	}
	pages := sfn.NewListExecutionsPaginator(w.Executions, &sfn.ListExecutionsInput{
		StateMachineArn: &w.StateMachine, StatusFilter: types.ExecutionStatusRunning, MaxResults: 1000,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return out, awsfault.Wrap(err, "states:ListExecutions", "listing the executions that run")
		}
		for _, x := range page.Executions {
			out[aws.ToString(x.ExecutionArn)] = true
		}
	}
	return out, nil
}

// lost says why the execution of an open case will never end it, or is empty.
func (w *Workflow) lost(ctx context.Context, c sunset.Case) (string, error) {
	over, err := w.executionOver(ctx, c)
	if err != nil || over == "" {
		return "", err
	}
	// It may have ended between our two reads; its row knows then.
	now, err := w.Cases.Get(ctx, c.UserID)
	if err != nil || now.ID != c.ID || !now.Open() {
		return "", err
	}
	if over == executionGone {
		return "its execution is not there any more", nil
	}
	return fmt.Sprintf("its execution ended as %s without closing the case", over), nil
}

// executionGone stands for the status of an execution that Step Functions doesn't know.
const executionGone = "GONE"

// executionOver is how a case's execution ended, and empty while it goes on.
func (w *Workflow) executionOver(ctx context.Context, c sunset.Case) (string, error) {
	x, err := w.Executions.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &c.Execution})
	var gone *types.ExecutionDoesNotExist
	switch {
	case errors.As(err, &gone):
		return executionGone, nil
	case err != nil:
		return "", awsfault.Wrap(err, "states:DescribeExecution", "looking for the execution of case %s", c.ID)
	case x.Status == types.ExecutionStatusRunning || x.Status == types.ExecutionStatusPendingRedrive:
		return "", nil
	}
	return string(x.Status), nil
}

// recordEnds puts on record the ends of cases that have an outcome and no execution left to record it: whoever wrote the
// outcome died, or was stopped, right after. Without the record their cleanup would never end, and nobody look at their
// users again.
func (w *Workflow) recordEnds(ctx context.Context, running map[string]bool) error {
	all, err := w.Cases.Cases(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, c := range all {
		if c.Open() || c.Logged || c.Outcome == "" || running[c.Execution] {
			continue
		}
		if c.Execution != "" {
			over, err := w.executionOver(ctx, c)
			if err != nil || over == "" {
				failures = append(failures, err)
				continue
			}
		}
		if c.Outcome == sunset.Failed {
			failures = append(failures, w.fail(ctx, c, "ExecutionLost", c.Reason))
			continue
		}
		if err := w.recordClosed(ctx, c); err != nil {
			failures = append(failures, err)
			continue
		}
		failures = append(failures, w.tellEnd(ctx, c))
	}
	return errors.Join(failures...)
}

// strays records users that carry the mark of a case although no such case is open and left quarantined on purpose.
func (w *Workflow) strays(ctx context.Context) (int, error) {
	tagged, err := w.IAM.Tagged(ctx, sunset.TagCase)
	if err != nil {
		if awsfault.IsDenied(err) || sunset.KindOf(err).Passing() {
			w.Log.WarnContext(ctx, "users with the mark of a case could not be listed", "error", err)
			return 0, nil
		}
		return 0, err
	}
	found := 0
	for _, u := range tagged {
		id := u.Tags[sunset.TagCase]
		c, err := w.Cases.Get(ctx, u.ID)
		if err == nil && c.ID == id && (c.Open() || c.Outcome == sunset.Lapsed || c.Outcome == sunset.Retained || c.Outcome == sunset.Failed) {
			continue
		}
		if err != nil && sunset.KindOf(err) != sunset.Invalid {
			return found, err
		}
		found++
		if err := w.record(ctx, audit.Record{
			Chain: "account/strays", Kind: "mismatch", UserID: u.ID, UserName: u.Name, By: "iam-sunset", Key: "stray/" + u.ID + "/" + id,
			Text: fmt.Sprintf("%s carries the mark of case %q, which is not open. A person should look: it may be disabled without anybody waiting for it.", u.Name, id),
		}, nil); err != nil {
			return found, err
		}
	}
	return found, nil
}

// closeCleanups ends the cleanups whose every case has ended: it counts outcomes, and writes the manifest by which a
// cut chain shows. A cleanup of one of the open cases is left for later without reading its chains.
func (w *Workflow) closeCleanups(ctx context.Context, open []sunset.Case) (int, error) {
	cleanups, err := w.Cases.Cleanups(ctx)
	if err != nil {
		return 0, err
	}
	goesOn := map[string]bool{}
	for _, c := range open {
		goesOn[c.CleanupID] = true
	}
	closed := 0
	var failures []error
	for _, c := range cleanups {
		if c.Ended.IsZero() && !c.Settled {
			failures = append(failures, w.settleLost(ctx, c))
		}
		if !c.Settled || !c.Ended.IsZero() || goesOn[c.ID] {
			continue
		}
		done, err := w.closeCleanup(ctx, c)
		if err != nil {
			failures = append(failures, fmt.Errorf("closing cleanup %s: %w", c.ID, err))
		}
		if done {
			closed++
		}
	}
	return closed, errors.Join(failures...)
}

func (w *Workflow) closeCleanup(ctx context.Context, cleanup sunset.Cleanup) (bool, error) {
	chains, outcomes, ended, err := w.outcomes(ctx, cleanup)
	if err != nil || !ended {
		return false, err
	}
	text := fmt.Sprintf("The cleanup ended: of %d users discovered,", cleanup.Users)
	for i, o := range sunset.Outcomes() {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %d %s", outcomes[o], o)
	}
	if err := w.record(ctx, audit.Record{
		Chain: sunset.CleanupChain(cleanup.ID), Kind: "closed", CleanupID: cleanup.ID, By: "iam-sunset", Key: "closed", Text: text + ".",
	}, map[string]any{"discovered": cleanup.Users, "outcomes": outcomes, "refusal": cleanup.Refusal}); err != nil {
		return false, err
	}
	if err := w.Records.WriteManifest(ctx, cleanup.ID, append(chains, sunset.CleanupChain(cleanup.ID)), outcomes, cleanup.Users); err != nil {
		return false, err
	}
	if err := w.publishManifest(ctx, cleanup.ID); err != nil {
		return false, err
	}
	_, err = w.Cases.UpdateCleanup(ctx, cleanup.ID, func(c *sunset.Cleanup) error {
		c.Ended, c.Outcomes = w.Clock.Now(), outcomes
		return nil
	})
	return err == nil, err
}

// publishManifest tells the world outside of the record that the manifest left, the one kind that package audit writes by
// itself.
func (w *Workflow) publishManifest(ctx context.Context, cleanup string) error {
	if w.Publish == nil {
		return nil
	}
	records, err := w.Records.Chain(ctx, sunset.CleanupChain(cleanup))
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Kind == "manifest" {
			w.publish(ctx, r)
		}
	}
	return nil
}

// outcomeOf reads from a case's chain how it ended, if it has.
func (w *Workflow) outcomeOf(ctx context.Context, chain string) (sunset.Outcome, bool, error) {
	records, err := w.Records.Chain(ctx, chain)
	if err != nil {
		return "", false, err
	}
	var outcome sunset.Outcome
	for _, r := range records {
		switch r.Kind {
		case "closed", "failed":
			var data struct {
				Outcome sunset.Outcome `json:"outcome"`
			}
			if err := json.Unmarshal(r.Data, &data); err != nil {
				return "", false, sunset.Faultf(sunset.Internal, "reading record %d of %s: %w", r.Seq, chain, err)
			}
			outcome = data.Outcome
		}
	}
	return outcome, outcome != "", nil
}
