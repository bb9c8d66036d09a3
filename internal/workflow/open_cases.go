package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// OpenCases is the state of that name: it claims each eligible user, tells its owner, gives it a turn and starts its
// case by name.
func (w *Workflow) OpenCases(ctx context.Context, in Invocation) (Opening, error) {
	if in.State.Plan == nil || !in.State.Plan.Open {
		return Opening{}, sunset.Faultf(sunset.Invalid, "cleanup %s reached OpenCases without a plan that may be carried out", in.Name)
	}
	var plan sunset.Plan
	digest, err := load(ctx, w.Objects, in.State.Plan.Key, &plan)
	switch {
	case err != nil:
		return Opening{}, err
	case digest != in.State.Plan.Digest || plan.CleanupID != in.Name:
		return Opening{}, sunset.Faultf(sunset.Internal, "the plan %s of cleanup %s is not the one that was put on record; no case is opened", in.State.Plan.Key, in.Name)
	}
	cleanup, err := w.Cases.Cleanup(ctx, in.Name)
	if err != nil {
		return Opening{}, err
	}
	if err := notAgain(in.Name, cleanup.Began, w.Clock.Now()); err != nil {
		return Opening{}, err
	}
	settings, err := w.liveSettings(ctx, plan.Request)
	if err != nil {
		return Opening{}, err
	}
	w, err = w.in(ctx, plan.Account, sunset.AccessRead)
	if err != nil {
		return Opening{}, err
	}
	caller, err := w.IAM.Caller(ctx)
	if err != nil {
		return Opening{}, err
	}
	taken, err := w.Cases.TurnsTaken(ctx)
	if err != nil {
		return Opening{}, err
	}
	at := Opening{}
	if in.State.Opening != nil {
		at = *in.State.Opening
	}
	eligible, deadline := plan.Eligible(), w.deadline(ctx)
	for ; at.Next < len(eligible) && w.Clock.Now().Before(deadline); at.Next++ {
		e := eligible[at.Next]
		turns := sunset.Turns(1, settings.Batch, w.Clock.Now().Add(settings.Notice.Std()), settings.Windows, taken)
		if len(turns) == 0 {
			return Opening{}, sunset.Faultf(sunset.Invalid, "settings: windows: none of them ever opens, so no user can get a turn")
		}
		c := sunset.Case{
			ID: sunset.CaseID(in.Name, e.User.ID), CleanupID: in.Name, Account: plan.Account, UserID: e.User.ID, UserName: e.User.Name,
			Starter: cleanup.Starter, Stage: sunset.Waiting, Claimed: w.Clock.Now(), Turn: turns[0].Truncate(time.Second),
		}
		file := caseFile{
			CaseID: c.ID, CleanupID: in.Name, Account: plan.Account, Caller: caller, Starter: cleanup.Starter,
			PlanMade: plan.Made, Request: plan.Request, Entry: e, Users: len(plan.Entries),
		}
		opened, err := w.openCase(ctx, c, file, settings)
		if err != nil {
			return Opening{}, err
		}
		if opened.ID != "" {
			taken[opened.Turn.UTC().Format(time.DateOnly)]++
			at.Opened++
		}
	}
	at.Done = at.Next >= len(eligible)
	if at.Done {
		if _, err := w.Cases.UpdateCleanup(ctx, in.Name, func(c *sunset.Cleanup) error { c.Settled = true; return nil }); err != nil {
			return Opening{}, err
		}
	}
	return at, nil
}

// openCase claims one user and starts its case. It gives an empty case where another one on the user is open: the user
// is kept then.
func (w *Workflow) openCase(ctx context.Context, c sunset.Case, file caseFile, s sunset.Settings) (sunset.Case, error) {
	digest, err := keep(ctx, w.Objects, caseFileKey(c.ID), &file)
	if err != nil {
		return sunset.Case{}, err
	}
	row, claimed, err := w.Cases.Claim(ctx, c)
	if err != nil {
		return sunset.Case{}, err
	}
	if !claimed {
		w.Log.InfoContext(ctx, "user has another open case", "user", c.UserID, "case", row.ID)
		return sunset.Case{}, nil
	}
	if err := w.recordCase(ctx, row, "claimed", "iam-sunset", "claimed",
		fmt.Sprintf("%s was claimed for this case; its turn to be disabled is %s.", row.UserName, row.Turn.Format(time.RFC3339)),
		map[string]any{"turn": row.Turn, "entry": file.Entry, "settings_digest": s.Digest(), "case_file": caseFileKey(c.ID), "sha256": digest}); err != nil {
		return sunset.Case{}, err
	}
	input, err := json.Marshal(map[string]any{"case": CaseInput{ID: row.ID, UserID: row.UserID, CleanupID: row.CleanupID, TurnAt: row.Turn}})
	if err != nil {
		return sunset.Case{}, sunset.Faultf(sunset.Internal, "writing the input of case %s: %w", row.ID, err)
	}
	_, err = w.Executions.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &w.Alias, Name: &row.ID, Input: aws.String(string(input))})
	var exists *types.ExecutionAlreadyExists
	if err != nil && !errors.As(err, &exists) { // one that exists an earlier try has started
		return sunset.Case{}, awsfault.Wrap(err, "states:StartExecution", "starting case %s", row.ID)
	}
	if row.Execution != "" || !row.Open() {
		return row, nil
	}
	// Whoever dies in between tells the owner twice, and never not at all.
	if err := w.tellNotice(ctx, row, file, s); err != nil {
		return sunset.Case{}, err
	}
	return w.Cases.Update(ctx, row.UserID, row.ID, func(c *sunset.Case) error {
		c.Execution = w.executionARN(row.ID)
		return nil
	})
}

// executionARN is that of an execution of ours, by its name.
func (w *Workflow) executionARN(name string) string {
	return strings.Replace(w.StateMachine, ":stateMachine:", ":execution:", 1) + ":" + name
}

func (w *Workflow) tellNotice(ctx context.Context, c sunset.Case, file caseFile, s sunset.Settings) error {
	method := sunset.InlineDeny
	if s.Disable == sunset.ByDeactivation {
		method = sunset.Deactivation
	}
	return w.tellOwner(ctx, c, file, s, sunset.NoticeMessage, "", map[string]string{
		"turn": letters.When(c.Turn), "soak": letters.Span(s.Soak), "password": passwordLoss(file.Entry.User, method, false),
	})
}
