package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// operations is the chain of what people did to the deployment rather than to one case.
const operations = audit.Operations

// StartCleanup starts a cleanup by name and gives its execution's ARN. It is an Invalid fault where the name or the
// request can't be, by today's settings, and a Conflict where a cleanup of that name was started before: names are not
// used twice, since evidence is kept by them.
func (w *Workflow) StartCleanup(ctx context.Context, name string, r sunset.Request) (arn string, err error) {
	if err := CheckCleanupName(name); err != nil {
		return "", err
	}
	s, err := w.Settings(ctx)
	if err != nil {
		return "", err
	}
	if _, err := r.Apply(s); err != nil {
		return "", err
	}
	taken := sunset.Faultf(sunset.Conflict, "a cleanup named %s was started before; choose another name", name)
	all, err := w.Cases.Cleanups(ctx)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(all, func(c sunset.Cleanup) bool { return c.ID == name }) {
		return "", taken
	}
	input, err := json.Marshal(r)
	if err != nil {
		return "", sunset.Faultf(sunset.Internal, "writing the request of cleanup %s: %w", name, err)
	}
	out, err := w.Executions.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &w.Alias, Name: &name, Input: aws.String(string(input))})
	var exists *types.ExecutionAlreadyExists
	switch {
	case errors.As(err, &exists):
		return "", taken
	case err != nil:
		return "", awsfault.Wrap(err, "states:StartExecution", "starting cleanup %s", name)
	}
	return aws.ToString(out.ExecutionArn), nil
}

// CheckCleanupName reports as an Invalid fault that a cleanup can't have this name: it becomes part of the names of
// executions, and of keys.
func CheckCleanupName(name string) error {
	outside := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}
	switch {
	case name == "":
		return sunset.Faultf(sunset.Invalid, "a cleanup needs a name")
	case len(name) > longestCleanupName:
		return sunset.Faultf(sunset.Invalid, "the name %q has %d characters; at most %d leave room for its cases' own names", name, len(name), longestCleanupName)
	case strings.ContainsFunc(name, outside) || store.CheckKey(name) != nil:
		return sunset.Faultf(sunset.Invalid, "the name %q can't be: only letters, digits and ._- may be in it", name)
	}
	return nil
}

// Plan gives the plan of a cleanup, which is the one that was put on record. It is NotReady before there is one, and a
// Conflict where the cleanup has failed without.
func (w *Workflow) Plan(ctx context.Context, cleanupID string) (sunset.Plan, error) {
	var plan sunset.Plan
	c, err := w.Cases.Cleanup(ctx, cleanupID)
	switch {
	case err != nil:
		return plan, err
	case c.PlanKey == "" && c.Settled:
		return plan, sunset.Faultf(sunset.Conflict, "cleanup %s has no plan: %s", cleanupID, c.Refusal)
	case c.PlanKey == "":
		return plan, sunset.Faultf(sunset.NotReady, "cleanup %s has no plan yet", cleanupID)
	}
	_, err = load(ctx, w.Objects, c.PlanKey, &plan)
	return plan, err
}

// Pause keeps every case from changing anything until Resume. Where everything is paused already that stands, and was
// says so.
func (w *Workflow) Pause(ctx context.Context, by, reason string) (was string, err error) {
	if was, err = w.Cases.Paused(ctx); err != nil || was != "" {
		return was, err
	}
	// The pause goes first: it is what somebody needs now, and loses nothing.
	if err := w.Cases.Pause(ctx, by, reason); err != nil {
		return "", err
	}
	if err := w.operated(ctx, "paused", "", by, fmt.Sprintf("%s paused everything: %s", by, reason), nil); err != nil {
		return "", fmt.Errorf("everything is paused, but that is not on record: %w", err)
	}
	return "", nil
}

// Resume ends the pause, and gives what it had been; empty where nothing was paused.
func (w *Workflow) Resume(ctx context.Context, by, reason string) (was string, err error) {
	if was, err = w.Cases.Paused(ctx); err != nil || was == "" {
		return "", err
	}
	if err := w.operated(ctx, "resumed", "", by, fmt.Sprintf("%s ended the pause: %s", by, reason), map[string]any{"pause": was}); err != nil {
		return "", err
	}
	return was, w.Cases.Resume(ctx, by)
}

// Holding are the cases, of all cleanups, that keep later turns waiting.
func (w *Workflow) Holding(ctx context.Context) ([]sunset.Case, error) {
	all, err := w.Cases.Cases(ctx)
	return slices.DeleteFunc(all, func(c sunset.Case) bool { return !c.Holds }), err
}

// ResumeTurns lets later turns come in every cleanup where a disturbed or failed case held them, and gives those cases.
// Only a new trouble holds turns again.
func (w *Workflow) ResumeTurns(ctx context.Context, by, reason string) ([]sunset.Case, error) {
	holding, err := w.Holding(ctx)
	if err != nil {
		return nil, err
	}
	done := map[string]bool{}
	for _, c := range holding {
		if done[c.CleanupID] {
			continue
		}
		done[c.CleanupID] = true
		if err := w.resumeTurnsOf(ctx, c.CleanupID, by, reason, heldIn(holding, c.CleanupID)); err != nil {
			return nil, err
		}
	}
	return holding, nil
}

// ResumeTurnsOf lets later turns come in one cleanup, for somebody who has looked at the cases that are in seen. It is a
// Conflict, and nothing is changed, where another case holds turns by now that was not looked at. Where nothing holds them
// any more there is nothing to do, and done says so.
func (w *Workflow) ResumeTurnsOf(ctx context.Context, cleanup, by, reason string, seen []string) (done bool, err error) {
	holding, err := w.Holding(ctx)
	if err != nil {
		return false, err
	}
	held := heldIn(holding, cleanup)
	for _, id := range held {
		if !slices.Contains(seen, id) {
			return false, sunset.Faultf(sunset.Conflict, "case %s holds the turns of cleanup %s as well by now: look at it first", id, cleanup)
		}
	}
	if len(held) == 0 {
		return false, nil
	}
	return true, w.resumeTurnsOf(ctx, cleanup, by, reason, held)
}

// heldIn are the ids of those cases that are a cleanup's.
func heldIn(holding []sunset.Case, cleanup string) []string {
	var held []string
	for _, c := range holding {
		if c.CleanupID == cleanup {
			held = append(held, c.ID)
		}
	}
	return held
}

func (w *Workflow) resumeTurnsOf(ctx context.Context, cleanup, by, reason string, held []string) error {
	if err := w.operated(ctx, "turns-resumed", cleanup, by, fmt.Sprintf("%s let the turns of cleanup %s go on: %s", by, cleanup, reason),
		map[string]any{"held_by": held}); err != nil {
		return err
	}
	return w.Cases.ResumeTurns(ctx, cleanup, by)
}

// FindCase gives the newest case of whom is meant: a UserId, a case's id, or a user's name. A name that several users
// had is a Conflict that names their UserIds: only one of them can be meant. It is an Invalid fault where there is none.
func (w *Workflow) FindCase(ctx context.Context, who string) (sunset.Case, error) {
	all, err := w.Cases.Cases(ctx)
	if err != nil {
		return sunset.Case{}, err
	}
	var named []sunset.Case
	for _, c := range all {
		if c.UserID == who || c.ID == who {
			return c, nil
		}
		if c.UserName == who {
			named = append(named, c)
		}
	}
	// Users that are gone, or back, don't stand in the way of the one that a case still has.
	if at := slices.DeleteFunc(slices.Clone(named), func(c sunset.Case) bool { return !c.Open() && !c.LeftDisabled() }); len(at) > 0 {
		named = at
	}
	switch len(named) {
	case 0:
		return sunset.Case{}, sunset.Faultf(sunset.Invalid, "no case is known of %q: it is neither a UserId, nor a case, nor the name of a user that has one", who)
	case 1:
		return named[0], nil
	}
	var ids []string
	for _, c := range named {
		ids = append(ids, fmt.Sprintf("%s (account %s, case %s)", c.UserID, c.Account, c.ID))
	}
	return sunset.Case{}, sunset.Faultf(sunset.Conflict, "%d users were called %s: %s; name one by its UserId", len(named), who, strings.Join(ids, ", "))
}

// operated puts on record what a person did.
func (w *Workflow) operated(ctx context.Context, kind, cleanup, by, text string, data any) error {
	return w.record(ctx, audit.Record{Chain: operations, Kind: kind, CleanupID: cleanup, By: by, Text: text}, data)
}
