package main

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// A deletion that has begun goes on, and so does what is being changed at this moment: neither its execution is ended nor
// is it taken for stopped.
func TestStopLeavesAChangeAlone(t *testing.T) {
	s := siteFor(t, "old-a", "old-b")
	ctx := t.Context()
	s.does(t, 0, "start", "--open-cases", "--name", "spring", "--yes")
	require.NoError(t, s.pass(ctx, 5*day))
	a, err := s.machine.Cases.Get(ctx, s.users["old-a"].ID)
	require.NoError(t, err)
	_, err = s.machine.Cases.Lease(ctx, a.UserID, a.ID, "test", time.Hour)
	require.NoError(t, err)
	_, err = s.machine.Cases.BeginDeleting(ctx, a.UserID, a.ID, "test")
	require.NoError(t, err)
	b, err := s.machine.Cases.Get(ctx, s.users["old-b"].ID)
	require.NoError(t, err)
	_, err = s.machine.Cases.Update(ctx, b.UserID, b.ID, func(c *sunset.Case) error { c.Stage = sunset.Restoring; return nil })
	require.NoError(t, err)

	out, errs := s.does(t, 2, "stop", "spring", "--leave-disabled", "--reason", "by hand", "--yes")
	require.Contains(t, out, "not stopped: old-a: the deletion of old-a has begun and goes on")
	require.Contains(t, out, "not stopped: old-b: old-b is being changed at this moment (restoring)")
	require.Contains(t, errs, "A deletion that has begun goes on")
	require.Contains(t, errs, "not all of cleanup spring is stopped: 2 cases left")
	out, _ = s.does(t, 2, "stop", "spring", "--reason", "by hand", "--yes")
	require.Contains(t, out, "not stopped: old-a: the rescue of old-a comes too late: its deletion has begun and goes on")
	require.Contains(t, out, "1 user put back as they were: old-b")
	x, err := s.machine.Executions.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &a.Execution})
	require.NoError(t, err)
	require.Equal(t, "RUNNING", string(x.Status))
}

// A cleanup that is still reading the account is ended before it has claimed anybody.
func TestStopWhileItPlans(t *testing.T) {
	s := siteFor(t, "old-a")
	out, _ := s.does(t, 0, "start", "--open-cases", "--name", "spring", "--yes")
	arn := out[:len(out)-1]
	require.NoError(t, s.clock.RunUntil(t.Context(), func() bool {
		_, err := s.machine.Cases.Cleanup(t.Context(), "spring")
		return err == nil
	}))
	out, _ = s.does(t, 0, "stop", "spring", "--reason", "wrong account", "--yes")
	x, err := s.machine.Executions.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	require.NoError(t, err)
	if string(x.Status) == "ABORTED" {
		require.Contains(t, out, "The cleanup opens no more cases.")
		require.Contains(t, aws.ToString(x.Cause), "wrong account")
	} else {
		require.Contains(t, out, "untouched so far: old-a") // it had been quicker
	}
	require.NoError(t, s.pass(t.Context(), 10*day))
	for _, u := range s.account.Users() {
		require.NotContains(t, u.Inline, sunset.DenyPolicyName)
	}
	status, _ := s.does(t, 0, "status", "--all")
	require.Contains(t, status, "spring")
	require.NotContains(t, status, "soaking")
}

// What can't be put on record is not done, but for a pause, which loses nothing.
func TestNothingIsLoosenedOffTheRecord(t *testing.T) {
	s := siteFor(t, "old-a")
	s.does(t, 0, "start", "--open-cases", "--name", "spring", "--yes")
	require.NoError(t, s.pass(t.Context(), time.Hour))
	s.does(t, 0, "pause", "--reason", "an incident")
	s.refuse = errors.New("the store is full")
	_, errs := s.does(t, 2, "resume", "--reason", "it is over")
	require.Contains(t, errs, `recording "resumed" in account/operations`)
	_, errs = s.does(t, 2, "stop", "spring", "--reason", "enough", "--yes")
	require.Contains(t, errs, `recording "stop" in account/operations`)
	s.refuse = nil
	paused, err := s.machine.Cases.Paused(t.Context())
	require.NoError(t, err)
	require.Contains(t, paused, "an incident")
	open, err := s.machine.OpenCasesOf(t.Context(), "spring")
	require.NoError(t, err)
	require.Len(t, open, 1)
	require.Nil(t, open[0].Rescue)

	s.does(t, 0, "resume", "--reason", "it is over")
	s.refuse = errors.New("the store is full")
	_, errs = s.does(t, 2, "pause", "--reason", "again")
	require.Contains(t, errs, "everything is paused, but that is not on record")
	s.refuse = nil
	paused, err = s.machine.Cases.Paused(t.Context())
	require.NoError(t, err)
	require.Contains(t, paused, "again")
}
