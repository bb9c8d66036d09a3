package workflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// outcomes counts how the cases of a cleanup ended, where all have, and gives their chains.
func (w *Workflow) outcomes(ctx context.Context, cleanup sunset.Cleanup) (chains []string, outcomes map[sunset.Outcome]int, ended bool, err error) {
	found, err := w.Records.Chains(ctx, sunset.ChainOf(cleanup.ID+"-"))
	if err != nil {
		return nil, nil, false, err
	}
	outcomes = map[sunset.Outcome]int{}
	for _, chain := range found {
		if sunset.CleanupOf(strings.TrimPrefix(chain, sunset.ChainOf(""))) != cleanup.ID {
			continue // of a cleanup whose name begins as this one's
		}
		outcome, ended, err := w.outcomeOf(ctx, chain)
		if err != nil || !ended {
			return nil, nil, false, err
		}
		chains = append(chains, chain)
		outcomes[outcome]++
	}
	outcomes[sunset.Kept] += cleanup.Users - len(chains)
	return chains, outcomes, true, nil
}

// recount tells a cleanup that has ended of a case that ended anew since: one redriven after it failed, or rescued after
// nobody had decided. The manifest stands; the cleanup's chain goes on behind it.
func (w *Workflow) recount(ctx context.Context, c sunset.Case) error {
	cleanup, err := w.Cases.Cleanup(ctx, c.CleanupID)
	if err != nil || cleanup.Ended.IsZero() {
		return err
	}
	_, outcomes, ended, err := w.outcomes(ctx, cleanup)
	if err != nil || !ended || maps.Equal(outcomes, cleanup.Outcomes) {
		return err
	}
	if err := w.record(ctx, audit.Record{
		Chain: sunset.CleanupChain(cleanup.ID), Kind: "recounted", CleanupID: cleanup.ID, By: "iam-sunset", Key: "recounted/" + c.ID + "/" + string(c.Outcome),
		Text: fmt.Sprintf("After the cleanup's end %s became %s.", c.UserName, c.Outcome),
	}, map[string]any{"case": c.ID, "outcomes": outcomes}); err != nil {
		return err
	}
	_, err = w.Cases.UpdateCleanup(ctx, cleanup.ID, func(c *sunset.Cleanup) error { c.Outcomes = outcomes; return nil })
	return err
}

// settleLost ends the opening of cases where the cleanup's execution has ended without saying so: stopped, or failed
// where not even that could be recorded.
func (w *Workflow) settleLost(ctx context.Context, c sunset.Cleanup) error {
	if c.Execution == "" {
		return nil
	}
	x, err := w.Executions.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &c.Execution})
	var gone *types.ExecutionDoesNotExist
	status := "LOST"
	switch {
	case errors.As(err, &gone):
	case err != nil:
		return awsfault.Wrap(err, "states:DescribeExecution", "looking for the execution of cleanup %s", c.ID)
	case x.Status == types.ExecutionStatusRunning || x.Status == types.ExecutionStatusPendingRedrive || x.Status == types.ExecutionStatusSucceeded:
		return nil // a succeeded one has settled the row between our two reads
	default:
		status = string(x.Status)
	}
	why := fmt.Sprintf("its execution ended as %s before all cases were open", status)
	if err := w.record(ctx, audit.Record{
		Chain: sunset.CleanupChain(c.ID), Kind: "mismatch", CleanupID: c.ID, By: "iam-sunset", Key: "execution-lost",
		Text: "The cleanup opens no more cases: " + why + ". Cases that it had opened go on.",
	}, nil); err != nil {
		return err
	}
	_, err = w.Cases.UpdateCleanup(ctx, c.ID, func(c *sunset.Cleanup) error {
		c.Settled, c.Refusal = true, why
		return nil
	})
	return err
}

// adopt looks after a case whose open-cases died between the claim and writing down the execution's ARN. While that is
// still tried again there is nothing to do; after that the execution is found by its name, or there is none and the user
// is let go. The owner may not have been told yet, and is told, for the second time at worst.
func (w *Workflow) adopt(ctx context.Context, c sunset.Case) error {
	cleanup, err := w.Cases.Cleanup(ctx, c.CleanupID)
	if err != nil || !cleanup.Settled {
		return err
	}
	arn := w.executionARN(c.ID)
	_, err = w.Executions.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	var gone *types.ExecutionDoesNotExist
	switch {
	case err == nil:
		if c.Stage == sunset.Waiting && c.Rescue == nil {
			file, s, err := w.caseSettings(ctx, c)
			if err != nil {
				return err
			}
			if err := w.tellNotice(ctx, c, file, s); err != nil {
				return err
			}
		}
		_, err = w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error { c.Execution = arn; return nil })
		return err
	case !errors.As(err, &gone):
		return awsfault.Wrap(err, "states:DescribeExecution", "looking for the execution of case %s", c.ID)
	}
	if c, err = w.end(ctx, c, sunset.Skipped, "its execution was never started; nothing was changed"); err != nil {
		return err
	}
	return w.recordClosed(ctx, c)
}
