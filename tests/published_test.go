package tests

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// bus is what listens to the records of a world.
type bus struct {
	mu   sync.Mutex
	took []audit.Record
	// down, where set, refuses.
	down func(audit.Record) error
}

func (w *world) listenedTo() *bus {
	b := &bus{}
	w.machine.Publish = func(_ context.Context, r audit.Record) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.down != nil {
			if err := b.down(r); err != nil {
				return err
			}
		}
		b.took = append(b.took, r)
		return nil
	}
	return b
}

// all is every record of the world.
func (w *world) all() map[string][]string {
	w.t.Helper()
	chains, err := w.machine.Records.Chains(w.t.Context(), "")
	require.NoError(w.t, err)
	var all []audit.Record
	for _, chain := range chains {
		records, err := w.machine.Records.Chain(w.t.Context(), chain)
		require.NoError(w.t, err)
		all = append(all, records...)
	}
	require.Greater(w.t, len(all), 20)
	return listed(all, false)
}

// listed says in few words which records these are, by chain.
func listed(records []audit.Record, once bool) map[string][]string {
	out, seen := map[string][]string{}, map[string]bool{}
	for _, r := range records {
		line := fmt.Sprintf("%d %s %s", r.Seq, r.Kind, r.Prev)
		if !once || !seen[r.Chain+line] {
			out[r.Chain] = append(out[r.Chain], line)
		}
		seen[r.Chain+line] = true
	}
	return out
}

// Every record of a whole cleanup is published, in its chain's order. Only what is recorded by more than one, who then
// find the first one's record, is published by each.
func TestEveryRecordIsPublished(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	b := w.listenedTo()
	w.clean(sunset.Request{})
	w.finish()
	require.Equal(t, sunset.Deleted, w.caseOf(user.ID).Outcome)
	require.Equal(t, w.all(), listed(b.took, true))
	seen := map[string]bool{}
	for _, r := range b.took {
		id := fmt.Sprint(r.Chain, r.Seq)
		require.False(t, seen[id] && r.Key == "", "%s came twice, and no retry could have been the cause: %s", id, r.Kind)
		seen[id] = true
	}
}

// While nobody takes events the cleanup goes on, and when somebody does again they get all.
func TestEventsAreMadeUpFor(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	b := w.listenedTo()
	rounds := w.measured()
	up := turn().Add(30 * time.Hour)
	b.down = func(audit.Record) error {
		if now := w.clock.Now(); now.After(begin().Add(time.Hour)) && now.Before(up) {
			return errors.New("the bus is down")
		}
		return nil
	}
	w.clean(sunset.Request{})
	w.finish()
	require.Equal(t, sunset.Deleted, w.caseOf(user.ID).Outcome)
	require.False(t, w.recorded(w.caseOf(user.ID), "failed"))
	got := listed(b.took, true)
	for chain, want := range w.all() {
		require.ElementsMatch(t, want, got[chain])
	}
	most := 0.0
	for _, r := range *rounds {
		most = max(most, r.figures[workflow.MessagesUndelivered])
	}
	require.Greater(t, most, 5.0)
	require.Zero(t, (*rounds)[len(*rounds)-1].figures[workflow.MessagesUndelivered])
	w.proven()
}

// lockedRows are rows in which nothing can be written down that was not sent.
type lockedRows struct{ store.Rows }

func (l lockedRows) Put(ctx context.Context, key string, version int64, body []byte) (int64, error) {
	if strings.HasPrefix(key, "unsent/") {
		return 0, errors.New("the table is locked")
	}
	return l.Rows.Put(ctx, key, version, body)
}

// Not even if what was not sent can't be written down does a case fail for it: only the log tells of it then.
func TestNeitherSentNorWrittenDown(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	b := w.listenedTo()
	w.machine.Rows = lockedRows{w.machine.Rows}
	b.down = func(audit.Record) error { return errors.New("the bus is down") }
	w.mute = func(m approval.Message) error {
		if noAnnouncement(m) {
			return errors.New("the mail system is down")
		}
		return nil
	}
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Deleted, c.Outcome)
	require.NotEmpty(t, w.every(sunset.ChainOf(c.ID), "message-failed"))
	require.Contains(t, w.log.String(), "what was not sent could not be written down either")
	require.Empty(t, b.took)
	w.proven()
}

// inTimeRows are rows as a client keeps them who heeds the end of a context.
type inTimeRows struct{ store.Rows }

func (r inTimeRows) Put(ctx context.Context, key string, version int64, body []byte) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return r.Rows.Put(ctx, key, version, body)
}

// An event that is not published because the function's time is over is not lost with it.
func TestAnEventIsKeptWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	w, _ := one(t)
	arn := w.clean(sunset.Request{DryRun: true})
	w.finish()
	b := w.listenedTo()
	w.machine.Rows = inTimeRows{w.machine.Rows}
	require.NoError(t, w.clock.Run(t.Context(), func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		b.down = func(audit.Record) error { cancel(); return ctx.Err() }
		_, _ = w.machine.Functions()["reconcile"](ctx, ended(arn, "FAILED", w.clock.Now())) // most of the round is cut off
		return nil
	}))
	require.Len(t, w.ofKind(sunset.CleanupChain(cleanup), "execution-ended"), 1)
	require.Empty(t, b.took)
	b.down = nil
	next := w.clock.Now().Add(2 * time.Hour)
	w.until(func() bool { return w.clock.Now().After(next) })
	require.Len(t, b.took, 1)
	require.Equal(t, "execution-ended", b.took[0].Kind)
}
