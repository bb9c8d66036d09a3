package workflow

import (
	"context"
	"fmt"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Round is reconcile's input: empty on its schedule, or what EventBridge tells of an execution that ended as FAILED,
// TIMED_OUT or ABORTED. The last two reach no state of the definition, so that this alone puts them on record.
// https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
type Round struct {
	DetailType string         `json:"detail-type"`
	Detail     ExecutionEnded `json:"detail"`
}

// ExecutionEnded is the part of the event that is used. Its input and output are left alone.
type ExecutionEnded struct {
	Execution    string `json:"executionArn"`
	StateMachine string `json:"stateMachineArn"`
	Name         string `json:"name"`
	Status       string `json:"status"`
	StopDate     int64  `json:"stopDate"` // milliseconds since 1970
	Error        string `json:"error"`
}

// statusChange is the detail-type of EventBridge's event about an execution.
const statusChange = "Step Functions Execution Status Change"

// heedEvent records what an event tells of. An event that reconcile should not have got is a fault, so that somebody mends
// the rule; the round's work is done all the same.
func (w *Workflow) heedEvent(ctx context.Context, in Round) error {
	switch in.DetailType {
	case "", "Scheduled Event": // nothing but the hour
		return nil
	case statusChange:
		return w.recordEnd(ctx, in.Detail)
	}
	return sunset.Faultf(sunset.Invalid, "reconcile was told of a %q, which is no business of its", in.DetailType)
}

// recordEnd puts the end of an execution on record, once however often the event comes.
func (w *Workflow) recordEnd(ctx context.Context, e ExecutionEnded) error {
	// Events of other state machines have no business here.
	executions := strings.Replace(w.StateMachine, ":stateMachine:", ":execution:", 1) + ":"
	if name, ours := strings.CutPrefix(e.Execution, executions); !ours || name == "" || name != e.Name {
		return sunset.Faultf(sunset.Invalid, "reconcile was told of the execution %q, named %q, which is not of %s", e.Execution, e.Name, w.StateMachine)
	}
	switch e.Status {
	case "FAILED", "TIMED_OUT", "ABORTED":
	default:
		return sunset.Faultf(sunset.Invalid, "reconcile was told that the execution %s is %q, which is no end that it records", e.Name, e.Status)
	}
	r := audit.Record{
		Chain: "account/executions", Kind: "execution-ended", By: "iam-sunset", Key: fmt.Sprintf("execution/%s/%s/%d", e.Name, e.Status, e.StopDate),
		Text: fmt.Sprintf("The execution %s ended as %s.", e.Name, e.Status),
	}
	cases, err := w.Cases.Cases(ctx)
	if err != nil {
		return err
	}
	for _, c := range cases {
		if c.ID == e.Name {
			r.Chain, r.CleanupID, r.CaseID, r.UserID, r.UserName = sunset.ChainOf(c.ID), c.CleanupID, c.ID, c.UserID, c.UserName
		}
	}
	if r.CaseID == "" {
		switch _, err := w.Cases.Cleanup(ctx, e.Name); {
		case err == nil:
			r.Chain, r.CleanupID = sunset.CleanupChain(e.Name), e.Name
		case sunset.KindOf(err) != sunset.Invalid: // Invalid: there is none, and it never got as far as having one
			return err
		}
	}
	return w.record(ctx, r, map[string]any{"execution": e.Execution, "status": e.Status, "error": e.Error})
}
