package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Pages is the function approval-web: what approvers and owners open, as an HTTP handler.
func (w *Workflow) Pages() http.Handler {
	return approval.NewWeb(approval.Pages{
		Desk: w.Desk, RecordDecision: w.recordDecision, Owners: w.owners(), BaseURL: w.PagesURL, SignIn: w.SignIn, Log: w.Log,
		OnDecided: func(ctx context.Context, r sunset.ApprovalRequest, _ sunset.Choice) error {
			return w.deliver(ctx, r.ID)
		},
	})
}

func (w *Workflow) recordDecision(ctx context.Context, r sunset.ApprovalRequest, d sunset.Decision) error {
	c := sunset.Case{ID: r.CaseID, CleanupID: r.CleanupID, UserID: r.UserID, UserName: r.UserName}
	return w.recordCase(ctx, c, "decision", d.Approver, "decision/"+r.ID+"/"+d.Approver,
		fmt.Sprintf("%s decided on %s: %s. Reason: %s", d.Approver, r.UserName, d.Choice, d.Reason), d)
}

// deliver answers the task token of a decided request with a hint. The decision is stored before, so that an answer
// that doesn't get through is given again by reconcile.
func (w *Workflow) deliver(ctx context.Context, requestID string) error {
	waits, ok, err := w.Desk.Delivery(ctx, requestID)
	if err != nil || !ok {
		return err
	}
	// A decision whose record did not get through is put on record before it has any effect.
	decisions, _, err := w.Desk.Decisions(ctx, requestID)
	if err != nil {
		return err
	}
	for _, d := range decisions {
		if err := w.recordDecision(ctx, waits.Request, d); err != nil {
			return err
		}
	}
	if err := w.answer(ctx, waits.Token, waits.Request, waits.Choice); err != nil {
		return err
	}
	return w.Desk.MarkDelivered(ctx, requestID, waits.Token)
}

// answer sends a hint to whoever waits with the token. A token that is used, over or unknown is no error: the task has
// ended in another way.
func (w *Workflow) answer(ctx context.Context, token string, r sunset.ApprovalRequest, choice sunset.Choice) error {
	output, err := json.Marshal(Approved{Choice: choice, RequestID: r.ID})
	if err != nil {
		return sunset.Faultf(sunset.Internal, "writing the answer on request %s: %w", r.ID, err)
	}
	_, err = w.Executions.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(string(output))})
	var timedOut *types.TaskTimedOut
	var unknown *types.TaskDoesNotExist
	if errors.As(err, &timedOut) || errors.As(err, &unknown) {
		return nil
	}
	if err != nil {
		// The SDK's error could repeat its input; the kind and the code are enough.
		return sunset.Faultf(awsfault.KindOf(err), "answering case %s: states:SendTaskSuccess: %s", r.CaseID, awsfault.Code(err))
	}
	return nil
}
