package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Chronicle is all that is known of one case or cleanup, in order of time.
type Chronicle struct {
	// Name is the case's or the cleanup's id. Case is the row of a case where it still has that row.
	Name    string          `json:"name"`
	Case    *sunset.Case    `json:"case,omitempty"`
	Cleanup *sunset.Cleanup `json:"cleanup,omitempty"`
	// Execution is its ARN, and Status what Step Functions says of it; empty where it is not there any more.
	Execution string `json:"execution"`
	Status    string `json:"status,omitempty"`
	// Note says why the execution's own history is not in here, or is empty.
	Note    string   `json:"note,omitempty"`
	Moments []Moment `json:"moments"`
}

// Moment is one thing that happened.
type Moment struct {
	At time.Time `json:"at"`
	// From is where it is known from: "evidence", or "execution" for Step Functions' history.
	From string `json:"from"`
	// Kind is the record's, or the type of the history's event.
	Kind  string `json:"kind"`
	State string `json:"state,omitempty"` // the definition's, of an execution's event
	By    string `json:"by,omitempty"`
	Text  string `json:"text"`
	// Trouble says that a person should look at it.
	Trouble bool `json:"trouble,omitempty"`
}

// historyPace keeps below the 20 requests a second that the whole account and region has for GetExecutionHistory.
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const historyPace = 100 * time.Millisecond

// Chronicle tells of a case, a cleanup or a user's newest case what is on record and what its execution's history says.
// what is a case's or cleanup's id, the ARN of an execution, a UserId or a user's name; faults are those of FindCase.
//
// Step Functions keeps a history for 90 days after the end; the evidence tells of older ones.
func (w *Workflow) Chronicle(ctx context.Context, what string) (Chronicle, error) {
	out, err := w.OnRecord(ctx, what)
	if err != nil {
		return out, err
	}
	if err := w.executionTells(ctx, &out); err != nil {
		return out, err
	}
	if len(out.Moments) == 0 {
		return out, sunset.Faultf(sunset.Invalid, "nothing is known of %q", what)
	}
	slices.SortStableFunc(out.Moments, func(a, b Moment) int { return a.At.Compare(b.At) })
	return out, nil
}

// OnRecord is a Chronicle by the evidence alone: Status and Note are empty, and there may be no moment yet.
func (w *Workflow) OnRecord(ctx context.Context, what string) (Chronicle, error) {
	out, err := w.meant(ctx, what)
	if err != nil {
		return out, err
	}
	cleanup, chain := out.Name, sunset.CleanupChain(out.Name)
	if out.Cleanup == nil {
		cleanup, chain = sunset.CleanupOf(out.Name), sunset.ChainOf(out.Name)
	}
	records, err := w.Records.Chain(ctx, chain)
	if err != nil {
		return out, err
	}
	for _, r := range records {
		out.Moments = append(out.Moments, momentOf(r))
	}
	if err := w.operationsAround(ctx, cleanup, &out); err != nil {
		return out, err
	}
	slices.SortStableFunc(out.Moments, func(a, b Moment) int { return a.At.Compare(b.At) })
	return out, nil
}

// meant finds out which case or cleanup somebody means.
func (w *Workflow) meant(ctx context.Context, what string) (Chronicle, error) {
	out := Chronicle{Name: what, Moments: []Moment{}}
	executions := strings.Replace(w.StateMachine, ":stateMachine:", ":execution:", 1) + ":"
	if strings.HasPrefix(what, "arn:") {
		name, ours := strings.CutPrefix(what, executions)
		if !ours || name == "" {
			return out, sunset.Faultf(sunset.Invalid, "%q is not the ARN of an execution of this deployment, which begins with %s", what, executions)
		}
		out.Name = name
	}
	arnOf := func(known string) string { return cmp.Or(known, executions+out.Name) }
	cleanups, err := w.Cases.Cleanups(ctx)
	if err != nil {
		return out, err
	}
	if i := slices.IndexFunc(cleanups, func(c sunset.Cleanup) bool { return c.ID == out.Name }); i >= 0 {
		out.Cleanup, out.Execution = &cleanups[i], arnOf(cleanups[i].Execution)
		return out, nil
	}
	c, err := w.FindCase(ctx, out.Name)
	if err == nil {
		out.Name, out.Case = c.ID, &c
		out.Execution = arnOf(c.Execution)
		return out, nil
	}
	if sunset.KindOf(err) != sunset.Invalid {
		return out, err
	}
	// An earlier case of a user that has a newer one has no row any more, but its records.
	if strings.HasPrefix(what, "arn:") {
		out.Execution = arnOf("") // one that began a moment ago has neither yet
		return out, nil
	}
	if sunset.CleanupOf(out.Name) == "" || strings.Contains(out.Name, "/") {
		return out, err
	}
	chains, listed := w.Records.Chains(ctx, sunset.ChainOf(out.Name))
	if listed != nil {
		return out, listed
	}
	if !slices.Contains(chains, sunset.ChainOf(out.Name)) {
		return out, err
	}
	out.Execution = arnOf("")
	return out, nil
}

func momentOf(r audit.Record) Moment {
	m := Moment{At: r.At, From: "evidence", Kind: r.Kind, By: r.By, Text: strings.TrimSpace(r.Text)}
	switch r.Kind {
	case "failed", "mismatch", "deletion-refused", "message-failed":
		m.Trouble = true
	case "listened":
		m.Trouble = strings.HasPrefix(r.Text, "Something")
	case "outcome":
		m.Trouble = strings.HasPrefix(r.Text, "Could not")
	}
	return m
}

// operationsAround adds what people did to the cleanup, and when everything was paused meanwhile.
func (w *Workflow) operationsAround(ctx context.Context, cleanup string, out *Chronicle) error {
	if len(out.Moments) == 0 {
		return nil
	}
	records, err := w.Records.Chain(ctx, operations)
	if err != nil {
		return err
	}
	first, last := out.Moments[0].At, w.Clock.Now()
	switch {
	case out.Case != nil && !out.Case.Open():
		last = out.Moments[len(out.Moments)-1].At
	case out.Cleanup != nil && !out.Cleanup.Ended.IsZero():
		last = out.Cleanup.Ended
	}
	for _, r := range records {
		if r.CleanupID == cleanup || r.CleanupID == "" && !r.At.Before(first) && !r.At.After(last) {
			out.Moments = append(out.Moments, momentOf(r))
		}
	}
	return nil
}

// executionTells adds what Step Functions remembers.
func (w *Workflow) executionTells(ctx context.Context, out *Chronicle) error {
	x, err := w.Executions.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &out.Execution})
	var gone *types.ExecutionDoesNotExist
	switch {
	case errors.As(err, &gone):
		out.Note = "Step Functions does not know the execution (any more): it keeps histories for 90 days. This is what the evidence tells."
		return nil
	case err != nil:
		return awsfault.Wrap(err, "states:DescribeExecution", "looking for the execution %s", out.Execution)
	}
	out.Status = string(x.Status)
	pages := sfn.NewGetExecutionHistoryPaginator(w.Executions, &sfn.GetExecutionHistoryInput{ExecutionArn: &out.Execution, MaxResults: 1000})
	told, err := newTeller()
	if err != nil {
		return err
	}
	for first := true; pages.HasMorePages(); first = false {
		if !first {
			if err := w.Clock.Sleep(ctx, historyPace); err != nil {
				return err
			}
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return awsfault.Wrap(err, "states:GetExecutionHistory", "reading the history of %s", out.Execution)
		}
		for _, e := range page.Events {
			if m, ok := told.moment(e); ok {
				m.At, m.From, m.Kind = aws.ToTime(e.Timestamp).UTC(), "execution", string(e.Type)
				out.Moments = append(out.Moments, m)
			}
		}
	}
	return nil
}

// sentence ends with one full stop.
func sentence(format string, args ...any) string {
	return strings.TrimRight(strings.TrimSpace(fmt.Sprintf(format, args...)), ".") + "."
}
