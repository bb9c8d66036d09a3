package workflow

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// The clock of a test stands years away from the one by which contexts end.
func anotherTime() time.Time { return time.Date(2031, 6, 2, 9, 0, 0, 0, time.UTC) }

// A handler stops by its budget or a while before its context's end, whichever comes first. Real time passes while the
// test looks, so that what is left of a context is known from above, and from below with much room.
func TestDeadline(t *testing.T) {
	for _, c := range []struct {
		name          string
		budget, left  time.Duration // 0: none
		least, atMost time.Duration
	}{
		{"neither", 0, 0, 10 * time.Minute, 10 * time.Minute},
		{"budget alone", time.Minute, 0, time.Minute, time.Minute},
		{"context far off", 0, 24 * time.Hour, 10 * time.Minute, 10 * time.Minute},
		{"budget before the context's end", time.Minute, 15 * time.Minute, time.Minute, time.Minute},
		{"a minute before the context's end", 0, 10 * time.Minute, 8 * time.Minute, 9 * time.Minute},
		{"context ends before the budget", time.Hour, 10 * time.Minute, 8 * time.Minute, 9 * time.Minute},
		{"a quarter of a short time is left over", 0, 2 * time.Minute, time.Minute, 90 * time.Second},
		{"context over", 0, -time.Second, -time.Hour, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			if c.left != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.left)
				defer cancel()
			}
			w := &Workflow{Budget: c.budget, Clock: clock.NewVirtual(anotherTime())}
			got := w.deadline(ctx).Sub(anotherTime())
			require.GreaterOrEqual(t, got, c.least)
			require.LessOrEqual(t, got, c.atMost)
		})
	}
}

const manyUsers = 50

// rounds makes a plan of an account with many users, each call of a handler within a context of its own.
type rounds struct {
	t       *testing.T
	flow    *Workflow
	within  time.Duration
	reading context.Context // of the call under way
	in      Invocation

	discoveries, crosschecks int
}

func newRounds(t *testing.T, within time.Duration) *rounds {
	t.Helper()
	virtual := clock.NewVirtual(anotherTime())
	account := fakeaws.New(fakeaws.Config{Now: virtual.Now, Seed: 3, Regions: []string{"us-east-1"}})
	for i := range manyUsers {
		_, err := account.Join(fmt.Sprintf("old-%02d", i), fakeaws.Dead())
		require.NoError(t, err)
	}
	server, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	dir, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	r := &rounds{t: t, within: within, in: Invocation{Name: "in-rounds", State: State{Request: sunset.Request{DryRun: true}}}}
	require.NoError(t, r.in.State.keepInput())
	r.flow = New(World{
		AWS: server.Config("us-east-1"), Objects: dir.Objects(), Rows: dir.Rows(), Clock: virtual, Log: slog.New(slog.DiscardHandler),
		Settings: func(context.Context) (sunset.Settings, error) { return sunset.DefaultSettings(), nil },
		Progress: func(what string) {
			if strings.HasPrefix(what, "reading old-") { // a user takes a second, as the workflow's clock goes
				_ = virtual.Sleep(r.reading, time.Second)
			}
		},
	})
	return r
}

func (r *rounds) call(f func(context.Context) error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), r.within)
	defer cancel()
	require.NoError(r.t, r.flow.Clock.(*clock.Virtual).Run(ctx, func(ctx context.Context) error {
		r.reading = ctx
		return f(ctx)
	}))
}

// plan calls each handler until it is done. Every call has to get on.
func (r *rounds) plan() (plan sunset.Plan) {
	r.t.Helper()
	for next := -1; r.in.State.Discovery == nil || !r.in.State.Discovery.Done; r.discoveries++ {
		r.call(func(ctx context.Context) error {
			out, err := r.flow.Discover(ctx, r.in)
			r.in.State.Discovery = &out
			return err
		})
		require.Greater(r.t, r.in.State.Discovery.Next, next)
		next = r.in.State.Discovery.Next
	}
	for cursor := ""; r.in.State.Crosscheck == nil || !r.in.State.Crosscheck.Done; r.crosschecks++ {
		r.call(func(ctx context.Context) error {
			out, err := r.flow.CrosscheckCloudTrail(ctx, r.in)
			r.in.State.Crosscheck = &out
			return err
		})
		require.True(r.t, r.in.State.Crosscheck.Done || string(r.in.State.Crosscheck.Cursor) != cursor)
		cursor = string(r.in.State.Crosscheck.Cursor)
	}
	r.call(func(ctx context.Context) error {
		out, err := r.flow.CheckOwnership(ctx, r.in)
		if err != nil {
			return err
		}
		_, err = load(ctx, r.flow.Objects, out.Plan, &plan)
		return err
	})
	return plan
}

// Where a context ends long before everything is read, each round of a handler on a cursor reads some of it and says
// where to go on; the rounds together find what one long round finds.
func TestRoundsUnderAShortContext(t *testing.T) {
	long := newRounds(t, time.Hour)
	whole := long.plan()
	require.Len(t, whole.Entries, manyUsers)
	require.Equal(t, []int{2, 1}, []int{long.discoveries, long.crosschecks}, "the census, and one round for everything")

	// Three quarters of 20 seconds are some 15 users a round, and some 28 look-ups.
	short := newRounds(t, 20*time.Second)
	parts := short.plan()
	require.Greater(t, short.discoveries, 3)
	require.Greater(t, short.crosschecks, 1)
	require.Len(t, parts.Entries, manyUsers)
	for i, e := range parts.Entries {
		require.Equal(t, whole.Entries[i].User.Name, e.User.Name)
		require.True(t, e.Detailed && e.TrailRead && e.OwnershipRead, e.User.Name)
		require.Equal(t, whole.Entries[i].Verdict, e.Verdict)
		require.True(t, e.Verdict.Eligible, "%+v", e.Verdict)
	}
}
