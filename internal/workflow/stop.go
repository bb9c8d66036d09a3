package workflow

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// stopLanes is how many users are given back at once: IAM's rates are shared with everybody in the account.
const stopLanes = 4

// Rescuer gives a user back. It is (*Workflow).Rescue where the caller may change the account itself.
type Rescuer func(ctx context.Context, userID, by, reason string) error

// Stop is how a cleanup is stopped.
type Stop struct {
	CleanupID string
	By        string
	Reason    string
	// LeaveDisabled ends the executions and leaves every user as it is.
	LeaveDisabled bool
	Rescue        Rescuer
}

// Stopped is what came of stopping a cleanup.
type Stopped struct {
	// Execution says that the cleanup's own execution was running, and is stopped.
	Execution bool
	// Back are users put back as they were, and Spared those whom nothing had been done to and nothing will be.
	Back, Spared []sunset.Case
	// Left stay disabled, as was asked for.
	Left []sunset.Case
	// Failed are the cases that go on, each with its reason.
	Failed []StopFailure
}

// StopFailure is a case that could not be stopped.
type StopFailure struct {
	Case sunset.Case
	Err  error
}

// StopCleanup stops a cleanup: it opens no more cases, and every user whose case is open is given back, or with
// LeaveDisabled left as it is with its execution ended. One case's failure keeps no other from being stopped; done again,
// it takes up what is left. The error is of what concerns the cleanup as a whole.
//
// The opening of cases ends first, or users would be claimed behind its back. A handler that is at work at that moment
// may still open some.
func (w *Workflow) StopCleanup(ctx context.Context, stop Stop) (Stopped, error) {
	var out Stopped
	cleanup, err := w.Cases.Cleanup(ctx, stop.CleanupID)
	if err != nil {
		return out, err
	}
	how := "its users are given back"
	if stop.LeaveDisabled {
		how = "its users stay as they are, and nobody decides on them any more"
	}
	if err := w.operated(ctx, "stop", cleanup.ID, stop.By, fmt.Sprintf("%s stops cleanup %s; %s. Reason: %s", stop.By, cleanup.ID, how, stop.Reason),
		map[string]any{"leave_disabled": stop.LeaveDisabled}); err != nil {
		return out, err
	}
	if out.Execution, err = w.stopExecution(ctx, cleanup.Execution, stop); err != nil {
		return out, err
	}
	done := map[string]bool{}
	for {
		cases, err := w.OpenCasesOf(ctx, cleanup.ID)
		if err != nil {
			return out, err
		}
		var next []sunset.Case
		for _, c := range cases {
			if !done[c.ID] {
				done[c.ID] = true
				next = append(next, c)
			}
		}
		if len(next) == 0 {
			break
		}
		if err := w.stopCases(ctx, next, stop, &out); err != nil {
			return out, err
		}
	}
	failed := []string{}
	for _, f := range out.Failed {
		failed = append(failed, f.Case.ID)
	}
	return out, w.operated(ctx, "stopped", cleanup.ID, stop.By,
		fmt.Sprintf("Cleanup %s was stopped. Users put back: %d; left alone before anything was done: %d; left as they are: %d. Cases that could not be stopped: %d.", cleanup.ID, len(out.Back), len(out.Spared), len(out.Left), len(out.Failed)),
		map[string]any{"failed": failed})
}

// OpenCasesOf are the open cases of a cleanup.
func (w *Workflow) OpenCasesOf(ctx context.Context, cleanupID string) ([]sunset.Case, error) {
	open, err := w.Cases.OpenCases(ctx)
	if err != nil {
		return nil, err
	}
	var out []sunset.Case
	for _, c := range open {
		if c.CleanupID == cleanupID {
			out = append(out, c)
		}
	}
	return out, nil
}

func (w *Workflow) stopCases(ctx context.Context, cases []sunset.Case, stop Stop, out *Stopped) error {
	errs := make([]error, len(cases))
	var lanes []func(context.Context) error
	for lane := range stopLanes {
		lanes = append(lanes, func(ctx context.Context) error {
			for i := lane; i < len(cases); i += stopLanes {
				if err := ctx.Err(); err != nil {
					return err
				}
				errs[i] = w.stopCase(ctx, cases[i], stop)
			}
			return nil
		})
	}
	if err := w.Clock.Together(ctx, lanes...); err != nil {
		return err
	}
	for i, c := range cases {
		switch {
		case errs[i] != nil:
			out.Failed = append(out.Failed, StopFailure{c, errs[i]})
		case stop.LeaveDisabled:
			out.Left = append(out.Left, c)
		case !c.Changed:
			out.Spared = append(out.Spared, c)
		default:
			out.Back = append(out.Back, c)
		}
	}
	return nil
}

func (w *Workflow) stopCase(ctx context.Context, c sunset.Case, stop Stop) error {
	if !stop.LeaveDisabled {
		if c.Rescue != nil && !c.Changed {
			return nil // an earlier try has stored it
		}
		return stop.Rescue(ctx, c.UserID, stop.By, fmt.Sprintf("the cleanup was stopped by %s: %s", stop.By, stop.Reason))
	}
	// Its row is read at the last moment: an execution that is stopped in the middle of a deletion or of a restore would
	// leave a user that is neither.
	now, err := w.Cases.Get(ctx, c.UserID)
	switch {
	case err != nil:
		return err
	case now.ID != c.ID || !now.Open():
		return nil
	case now.Stage == sunset.Deleting:
		return sunset.Faultf(sunset.Conflict, "the deletion of %s has begun and goes on: half-deleted it would serve nobody", c.UserName)
	case now.Stage == sunset.Restoring || now.Stage == sunset.Disabling:
		return sunset.Faultf(sunset.NotReady, "%s is being changed at this moment (%s); stop the cleanup again in a few minutes", c.UserName, now.Stage)
	}
	_, err = w.stopExecution(ctx, now.Execution, stop)
	return err
}

// stopExecution ends an execution that runs.
func (w *Workflow) stopExecution(ctx context.Context, arn string, stop Stop) (stopped bool, err error) {
	if arn == "" {
		return false, nil
	}
	x, err := w.Executions.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	var gone *types.ExecutionDoesNotExist
	switch {
	case errors.As(err, &gone):
		return false, nil
	case err != nil:
		return false, awsfault.Wrap(err, "states:DescribeExecution", "looking for the execution %s", arn)
	case x.Status != types.ExecutionStatusRunning && x.Status != types.ExecutionStatusPendingRedrive:
		return false, nil
	}
	if _, err := w.Executions.StopExecution(ctx, &sfn.StopExecutionInput{
		ExecutionArn: &arn, Error: aws.String("Stopped"), Cause: aws.String(fmt.Sprintf("%s stopped the cleanup: %s", stop.By, stop.Reason)),
	}); err != nil {
		return false, awsfault.Wrap(err, "states:StopExecution", "stopping the execution %s", arn)
	}
	return true, nil
}
