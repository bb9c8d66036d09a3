package deployed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// Operator is the world of somebody who looks after a deployment with credentials of their own. It can read cases and
// evidence, start and stop executions and pause, and what it puts on record it publishes; it has no key to make decisions
// with and signs nothing.
func Operator(cfg aws.Config, d Deployment, c clock.Clock) workflow.World {
	d.SealingKey = "" // reconcile alone seals
	w := worldOf(cfg, environment{Deployment: d}, c)
	w.Log = slog.New(slog.DiscardHandler)
	return w
}

// Rescue asks the function restore to give a user back at once: operators need no right to change users themselves. It
// is a fault of the kind that workflow.Rescue names.
func Rescue(ctx context.Context, cfg aws.Config, d Deployment, c clock.Clock, r workflow.RescueInput) error {
	doing := "asking for the rescue of " + r.UserID
	if d.RestoreFunction == "" {
		return sunset.Faultf(sunset.Invalid, "%s: the deployment's document has no restore_function", doing)
	}
	payload, err := json.Marshal(workflow.Invocation{Rescue: &r})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	out, err := lambda.NewFromConfig(ownServices(cfg, d, c)).Invoke(ctx, &lambda.InvokeInput{FunctionName: &d.RestoreFunction, Payload: payload})
	if errors.Is(err, context.DeadlineExceeded) {
		return sunset.Faultf(sunset.NotReady, "%s: the function restore has not answered yet, and works on by itself", doing)
	}
	if err != nil {
		return awsfault.Wrap(err, "lambda:InvokeFunction", "%s", doing)
	}
	if out.FunctionError == nil {
		return nil
	}
	var failed struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(out.Payload, &failed); err != nil || failed.Message == "" {
		return sunset.Faultf(sunset.Unavailable, "%s: the function restore failed without saying why (%s); see its log", doing, aws.ToString(out.FunctionError))
	}
	for _, kind := range sunset.Kinds() {
		if string(kind) == failed.Type {
			return sunset.Faultf(kind, "%s", failed.Message)
		}
	}
	return sunset.Faultf(sunset.Internal, "%s: %s: %s", doing, failed.Type, failed.Message)
}
