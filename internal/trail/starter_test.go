package trail_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

const execution = "arn:aws:states:eu-west-1:123456789012:execution:iam-sunset:spring"

func session(role, name string) fakeaws.UserIdentity {
	return fakeaws.UserIdentity{Type: "AssumedRole", PrincipalID: "AROA:" + name, ARN: "arn:aws:sts::123456789012:assumed-role/" + role + "/" + name}
}

func (w *world) startedBy(execution string, began time.Time) (who string, err error) {
	w.t.Helper()
	err = w.run(func(ctx context.Context) (err error) {
		who, err = w.trail().StartedBy(ctx, execution, began)
		return err
	})
	return who, err
}

func TestStartedBy(t *testing.T) {
	alice, bob := session("Security", "alice"), session("Security", "bob")
	root := fakeaws.UserIdentity{Type: "Root", PrincipalID: "123456789012", ARN: "arn:aws:iam::123456789012:root"}
	type start struct {
		by        fakeaws.UserIdentity
		ago       time.Duration // before the first state ran
		execution string
		region    string
		refused   string
	}
	for _, row := range []struct {
		name   string
		starts []start
		who    string
	}{
		{"nobody", nil, ""},
		{"a session", []start{{by: alice}}, alice.ARN},
		{"root", []start{{by: root}}, root.ARN},
		{"a user", []start{{by: fakeaws.UserIdentity{Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/ann"}}}, "arn:aws:iam::123456789012:user/ann"},
		{"a while before", []start{{by: alice, ago: 14 * time.Minute}}, alice.ARN},
		{"by a clock that is late", []start{{by: alice, ago: -10 * time.Minute}}, alice.ARN},
		{"too long before", []start{{by: alice, ago: 16 * time.Minute}}, ""},
		{"too long after", []start{{by: alice, ago: -16 * time.Minute}}, ""},
		{"another execution", []start{{by: alice, execution: execution + "2"}}, ""},
		{"another execution of the name", []start{{by: alice, execution: "arn:aws:states:eu-west-1:123456789012:execution:other:spring"}}, ""},
		{"another region", []start{{by: alice, region: "us-east-1"}}, ""},
		{"refused", []start{{by: alice, refused: "AccessDenied"}}, ""},
		{"refused first", []start{{by: alice, ago: time.Minute, refused: "AccessDenied"}, {by: bob}}, bob.ARN},
		{"once more by another", []start{{by: alice, ago: time.Minute}, {by: bob}}, alice.ARN},
		{"once more much later", []start{{by: alice, ago: time.Minute}, {by: bob, ago: -10 * time.Minute}}, alice.ARN},
		{"written down in another order", []start{{by: bob}, {by: alice, ago: time.Minute}}, alice.ARN},
		{"by the same twice", []start{{by: alice}, {by: alice}}, alice.ARN},
		{"by two within a second", []start{{by: alice}, {by: bob}}, ""},
		{"by two within a second, later by a third", []start{{by: alice, ago: time.Minute}, {by: bob, ago: time.Minute}, {by: root}}, ""},
		{"by nobody that is named", []start{{by: fakeaws.UserIdentity{Type: "AWSService"}}}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, "eu-west-1", "us-east-1")
			began := w.clock.Now().Add(-day)
			for _, s := range row.starts {
				started := fakeaws.Started{Execution: execution, Region: "eu-west-1", At: began.Add(-s.ago), By: s.by, ErrorCode: s.refused}
				if s.execution != "" {
					started.Execution = s.execution
				}
				if s.region != "" {
					started.Region = s.region
				}
				w.AddStartExecution(started)
			}
			who, err := w.startedBy(execution, began)
			require.NoError(t, err)
			require.Equal(t, row.who, who)
			for _, c := range w.lookups() {
				require.Equal(t, "eu-west-1", c.Region)
			}
			require.NotEmpty(t, w.lookups())
		})
	}
}

// The event comes minutes after the start.
func TestStartedByWaitsForTheEvent(t *testing.T) {
	w := newWorld(t, "eu-west-1")
	w.SetDeliveryDelay(time.Hour)
	began := w.clock.Now()
	w.AddStartExecution(fakeaws.Started{Execution: execution, Region: "eu-west-1", At: began, By: session("Security", "alice")})
	who, err := w.startedBy(execution, began)
	require.NoError(t, err)
	require.Empty(t, who)
	require.NoError(t, w.run(func(ctx context.Context) error { return w.clock.Sleep(ctx, time.Hour) }))
	who, err = w.startedBy(execution, began)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/Security/alice", who)
}

// Where others start many, the right one is found behind them, at the pace that CloudTrail allows.
func TestStartedByReadsOn(t *testing.T) {
	w := newWorld(t, "eu-west-1")
	began := w.clock.Now().Add(-day)
	for i := range 170 {
		w.AddStartExecution(fakeaws.Started{Execution: fmt.Sprintf("%s-%d", execution, i), Region: "eu-west-1", At: began.Add(-time.Duration(i) * time.Second), By: session("Batch", "jobs")})
	}
	w.AddStartExecution(fakeaws.Started{Execution: execution, Region: "eu-west-1", At: began.Add(-10 * time.Minute), By: session("Security", "alice")})
	who, err := w.startedBy(execution, began)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/Security/alice", who)
	require.Len(t, w.lookups(), 4)
	for i := range 3 {
		require.Greater(t, w.lookups()[i+1].At.Sub(w.lookups()[i].At), 500*time.Millisecond)
	}
}

func TestStartedByGivesFaults(t *testing.T) {
	for _, row := range []struct {
		name string
		arn  string
		deny string
		kind sunset.Kind
	}{
		{"throttled on and on", execution, "ThrottlingException", sunset.Throttled},
		{"denied", execution, "AccessDeniedException", sunset.AccessDenied},
		{"not an execution", "spring", "", sunset.Invalid},
		{"nothing", "", "", sunset.Invalid},
		{"a role", "arn:aws:iam::123456789012:role/x", "", sunset.Invalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, "eu-west-1")
			w.AddStartExecution(fakeaws.Started{Execution: execution, Region: "eu-west-1", At: w.clock.Now().Add(-day), By: session("Security", "alice")})
			if row.deny != "" {
				w.Fail(fakeaws.Fault{Action: "LookupEvents", Code: row.deny, Status: 400})
			}
			who, err := w.startedBy(row.arn, w.clock.Now().Add(-day))
			require.Equal(t, row.kind, sunset.KindOf(err), "%v", err)
			require.Empty(t, who)
		})
	}
}

// Two roles of one account ask in turn, not side by side.
func TestRolesOfAnAccountShareItsPace(t *testing.T) {
	w := newWorld(t, "eu-west-1")
	w.SetLookupRate(2)
	first := w.trail()
	second := first.As(w.server.Config("us-east-1"))
	began := w.clock.Now().Add(-day)
	require.NoError(t, w.run(func(ctx context.Context) error {
		ask := func(by *trail.Trail) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := by.StartedBy(ctx, execution, began)
				return err
			}
		}
		return w.clock.Together(ctx, ask(first), ask(second), ask(first), ask(second))
	}))
	calls := w.lookups()
	require.Len(t, calls, 8)
	for i, c := range calls {
		require.Empty(t, c.Error)
		if i > 0 {
			require.GreaterOrEqual(t, c.At.Sub(calls[i-1].At), 500*time.Millisecond)
		}
	}
}
