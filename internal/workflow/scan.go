package workflow

import (
	"context"
	"fmt"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Scan makes a plan without a state machine: the states Discover, CrosscheckCloudTrail and CheckOwnership, each until
// it is done. It only reads. The request's DryRun is set. An
// error begins with the state's name.
func (w *Workflow) Scan(ctx context.Context, name string, request sunset.Request) (sunset.Plan, error) {
	request.DryRun = true
	in := Invocation{Name: name, State: State{Request: request}}
	if err := in.State.keepInput(); err != nil {
		return sunset.Plan{}, err
	}
	for in.State.Discovery == nil || !in.State.Discovery.Done {
		out, err := w.Discover(ctx, in)
		if err != nil {
			return sunset.Plan{}, fmt.Errorf("discover: %w", err)
		}
		in.State.Discovery = &out
	}
	for in.State.Crosscheck == nil || !in.State.Crosscheck.Done {
		out, err := w.CrosscheckCloudTrail(ctx, in)
		if err != nil {
			return sunset.Plan{}, fmt.Errorf("cross-check CloudTrail: %w", err)
		}
		in.State.Crosscheck = &out
	}
	for in.State.Ownership == nil || !in.State.Ownership.Done {
		out, err := w.CheckOwnership(ctx, in)
		if err != nil {
			return sunset.Plan{}, fmt.Errorf("check ownership: %w", err)
		}
		in.State.Ownership = &out
	}
	var plan sunset.Plan
	_, err := load(ctx, w.Objects, in.State.Ownership.Plan, &plan)
	return plan, err
}
