package workflow

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// A machine is closed in the middle of a deletion and opened the next day. Whoever was at work makes no change by what was
// read the day before; what was done is still put on record.
func TestNoChangeOnceTheLeaseHasRunOut(t *testing.T) {
	kept, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	now := clock.NewVirtual(anotherTime())
	w := New(World{Objects: kept.Objects(), Rows: kept.Rows(), Clock: now, Log: slog.New(slog.DiscardHandler)})
	c := sunset.Case{
		ID: "spring-AIDAEXAMPLE", CleanupID: "spring", UserID: "AIDAEXAMPLE", UserName: "old-a",
		Lease: &sunset.Lease{Holder: "an execution", Until: anotherTime().Add(leaseTime)},
	}
	require.NoError(t, now.Run(t.Context(), func(ctx context.Context) error {
		rec := w.changes(c)
		change := iamaccount.Change{Phase: iamaccount.Intent, Action: "iam:DeleteAccessKey", Target: "AKIAEXAMPLE of old-a"}
		require.NoError(t, rec(ctx, change))
		if err := now.Sleep(ctx, leaseTime-time.Second); err != nil {
			return err
		}
		require.NoError(t, rec(ctx, change))
		if err := now.Sleep(ctx, time.Second); err != nil {
			return err
		}
		err := rec(ctx, change)
		require.EqualError(t, err, "the lease of old-a ran out before iam:DeleteAccessKey; everything about the user is read again")
		require.Equal(t, sunset.Unavailable, sunset.KindOf(err))
		change.Phase = iamaccount.Failed
		require.NoError(t, rec(ctx, change))
		c.Lease = nil
		change.Phase = iamaccount.Intent
		require.Error(t, w.changes(c)(ctx, change), "nobody's")
		return nil
	}))
}
