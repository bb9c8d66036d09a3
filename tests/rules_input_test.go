package tests

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// startWith starts an execution with any input, as everybody can who may start one.
func (b *breaker) startWith(name string, input any) string {
	b.t.Helper()
	body, err := json.Marshal(input)
	require.NoError(b.t, err)
	out, err := b.machine.Executions.StartExecution(b.t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &b.machine.StateMachine, Name: &name, Input: aws.String(string(body)),
	})
	require.NoError(b.t, err)
	return aws.ToString(out.ExecutionArn)
}

// Whoever starts a cleanup hands in what an earlier one's cross-check found in a region that can't be read today. Nothing
// but a request may be in an input.
func TestAnInputBringsNoEvidence(t *testing.T) {
	for _, key := range []string{"crosscheck", "ownership", "plan", "opening", "error"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t)
			b.account.Fail(fakeaws.Fault{
				Service: "cloudtrail", Action: "LookupEvents", Match: func(c fakeaws.Call) bool { return c.Region == "eu-west-1" },
				Code: "AccessDeniedException", Status: 403, Message: "not authorized",
			})
			old := "plans/winter/crosscheck-0001.json"
			b.putObject(old, map[string]any{"regions": []string{"eu-west-1"}, "found": map[string]any{"Evidence": map[string]any{
				b.user.ID: []sunset.Evidence{{Source: "cloudtrail:LookupEvents", Region: "eu-west-1", Read: begin(), Use: sunset.Unused}},
			}}})
			arn := b.startWith(cleanup, map[string]any{"starter": starter, key: map[string]any{"round": 0, "parts": []string{old}}})
			b.until(func() bool {
				x, _ := b.machine.Engine.Execution(arn)
				return x.Status != "RUNNING"
			})
			x, _ := b.machine.Engine.Execution(arn)
			require.EqualValues(t, "FAILED", x.Status)
			require.Contains(t, x.Cause, key)
			require.Empty(t, b.writes())
			_, err := b.machine.Cases.Cleanup(t.Context(), cleanup)
			require.Equal(t, sunset.Invalid, sunset.KindOf(err), "there is a row of a cleanup")
		})
	}
}

// Ninety days after its end the name of an execution is free again. Who starts it anew, an approver this time, is not who
// is on record for that name.
func TestANameIsNotUsedTwice(t *testing.T) {
	b := newBreaker(t)
	b.settings.Approvers[0].Principals = []string{alicesRole}
	arn := "arn:aws:states:us-east-1:123456789012:execution:iam-sunset:" + cleanup
	census := workflow.Invocation{Execution: arn, Name: cleanup}
	require.NoError(t, json.Unmarshal([]byte(`{"starter":"`+starter+`"}`), &census.State))
	b.account.Fail(fakeaws.Fault{Service: "iam", Action: "GenerateCredentialReport", Times: 1, Code: "AccessDenied", Status: 403, Message: "not authorized"})
	_, err := invoke(b.world, b.machine.Discover, census)
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err), "%v", err)

	// A redrive, two weeks after.
	require.NoError(t, b.clock.RunUntil(t.Context(), after(b, 14*day)))
	_, err = invoke(b.world, b.machine.Discover, census)
	require.NoError(t, err)

	require.NoError(t, b.clock.RunUntil(t.Context(), after(b, 100*day)))
	_, err = invoke(b.world, b.machine.Discover, census)
	require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "names are not used twice")
}

// after is when some time has passed from now on.
func after(b *breaker, d time.Duration) func() bool {
	at := b.clock.Now().Add(d)
	b.at(at, func() {})
	return func() bool { return !b.clock.Now().Before(at) }
}

// The name of a case's execution can be guessed, and somebody starts it before its cleanup does. Its owner is told all the
// same before anything changes.
func TestTheOwnerIsToldWhoeverStartedTheCase(t *testing.T) {
	b := newBreaker(t)
	id := sunset.CaseID(cleanup, b.user.ID)
	b.startWith(id, map[string]any{"case": map[string]any{"id": id, "user_id": b.user.ID, "cleanup_id": cleanup, "turn_at": begin().Add(7 * day)}})
	b.clean(sunset.Request{})
	b.until(func() bool {
		c, err := b.machine.Cases.Get(t.Context(), b.user.ID)
		return err == nil && c.Stage == sunset.Soaking
	})
	var told []string
	for _, m := range b.mail {
		told = append(told, m.Subject)
	}
	require.Len(t, told, 2, "%q", told)
	require.Contains(t, told[0], "will be disabled on")
	require.Contains(t, told[1], "was disabled")
	require.True(t, b.clock.Now().After(begin().Add(b.settings.Notice.Std())), "the turn is the row's")
}
