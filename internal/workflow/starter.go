package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// begun is how a cleanup began, as its records say: its row can be overwritten, records can't.
type begun struct {
	at        time.Time
	execution string
	claimed   string
	// starter is who started it by CloudTrail, and empty while nobody knows.
	starter string
}

const starterRecord = "starter"

// begunOf reads the records of a cleanup. The first of a kind counts. It is the zero value where there are none.
func (w *Workflow) begunOf(ctx context.Context, cleanup string) (begun, error) {
	records, err := w.Records.Chain(ctx, sunset.CleanupChain(cleanup))
	if err != nil {
		return begun{}, err
	}
	var b begun
	for _, r := range records {
		var data struct {
			Execution string `json:"execution"`
			Proven    string `json:"proven"`
		}
		if r.Kind != "begun" && r.Kind != starterRecord {
			continue
		}
		if err := json.Unmarshal(r.Data, &data); err != nil {
			return begun{}, sunset.Faultf(sunset.Internal, "reading record %d of cleanup %s: %w", r.Seq, cleanup, err)
		}
		switch {
		case r.Kind == starterRecord && b.starter == "":
			b.starter = data.Proven
		case r.Kind == "begun" && b.execution == "":
			b.at, b.execution, b.claimed = r.At, data.Execution, r.By
		}
	}
	return b, nil
}

// prove gives how a cleanup began. Where its records don't say who started it, CloudTrail is asked about the execution
// that they name, and what it says goes on record, once. A starter whom it doesn't know stays empty; an answer that it
// doesn't give is a fault.
func (w *Workflow) prove(ctx context.Context, cleanup string) (begun, error) {
	b, err := w.begunOf(ctx, cleanup)
	if err != nil || b.starter != "" || b.execution == "" {
		return b, err
	}
	who, err := w.StartedBy(ctx, b.execution, b.at)
	if err != nil {
		return b, fmt.Errorf("asking who started cleanup %s: %w", cleanup, err)
	}
	if who == "" {
		return b, nil
	}
	fits := sunset.FitsClaim(b.claimed, who)
	text := fmt.Sprintf("The cleanup was started by %s, as its request claims.", who)
	if !fits {
		text = fmt.Sprintf("The cleanup was started by %s, while its request claims %s.", who, b.claimed)
	}
	if err := w.record(ctx, audit.Record{
		Chain: sunset.CleanupChain(cleanup), Kind: starterRecord, CleanupID: cleanup, By: "iam-sunset", Key: starterRecord, Text: text,
	}, map[string]any{"claimed": b.claimed, "proven": who, "equal": fits, "execution": b.execution}); err != nil {
		return b, err
	}
	// Somebody else may have been faster; what is on record counts.
	return w.begunOf(ctx, cleanup)
}

// proveStarters asks about every cleanup that goes on and whose starter isn't known: before CloudTrail forgets, and
// before the approvers are asked.
func (w *Workflow) proveStarters(ctx context.Context) error {
	cleanups, err := w.Cases.Cleanups(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, c := range cleanups {
		if c.Proven == "" && !c.DryRun && c.Ended.IsZero() {
			failures = append(failures, w.proveStarter(ctx, c))
		}
	}
	return errors.Join(failures...)
}

func (w *Workflow) proveStarter(ctx context.Context, c sunset.Cleanup) error {
	b, err := w.prove(ctx, c.ID)
	if err != nil || b.starter == "" {
		return err
	}
	_, err = w.Cases.UpdateCleanup(ctx, c.ID, func(c *sunset.Cleanup) error { c.Proven = b.starter; return nil })
	return err
}

// withStarter puts who started the case's cleanup, by its records, into a request: whoever it is doesn't count among
// those who decide.
func (w *Workflow) withStarter(ctx context.Context, c sunset.Case, r sunset.ApprovalRequest) (sunset.ApprovalRequest, error) {
	b, err := w.begunOf(ctx, c.CleanupID)
	r.Proven = b.starter
	return r, err
}

// whyOnRecord says why a user goes back by what the case's records say and its row doesn't, or is empty: somebody asked for
// it, or its deletion was refused last because nobody knows who started the cleanup, which has to be so still.
func (w *Workflow) whyOnRecord(ctx context.Context, c sunset.Case) (string, error) {
	story, err := w.storyOf(ctx, c)
	switch {
	case err != nil:
		return "", err
	case story.rescue != nil:
		return whyRescued(*story.rescue), nil
	case !story.unproven || len(c.Signals) > 0:
		return "", nil
	}
	b, err := w.begunOf(ctx, c.CleanupID)
	if err != nil || b.starter != "" {
		return "", err
	}
	return sunset.UnprovenStarter, nil
}
