package casebook_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/casebook"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type hands struct{ at atomic.Int64 }

func (h *hands) Now() time.Time       { return time.Unix(h.at.Load(), 0).UTC() }
func (h *hands) pass(d time.Duration) { h.at.Add(int64(d / time.Second)) }
func aCase(cleanup, id string) sunset.Case {
	return sunset.Case{ID: sunset.CaseID(cleanup, id), CleanupID: cleanup, UserID: id, UserName: "ci-old"}
}

func newBook(t *testing.T) (*casebook.Book, *hands) {
	t.Helper()
	d, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	h := &hands{}
	h.at.Store(1_767_600_000)
	return casebook.New(d.Rows(), h), h
}

func claimed(t *testing.T, b *casebook.Book, c sunset.Case) {
	t.Helper()
	_, ok, err := b.Claim(t.Context(), c)
	require.NoError(t, err)
	require.True(t, ok)
}

func TestOneOpenCaseAUser(t *testing.T) {
	b, _ := newBook(t)
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, ok, err := b.Claim(t.Context(), aCase(fmt.Sprintf("c%d", i), "AIDA1"))
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
}

func TestClaimAgainAndAfterTheEnd(t *testing.T) {
	b, h := newBook(t)
	claimed(t, b, aCase("c1", "AIDA1"))
	claimed(t, b, aCase("c1", "AIDA1"))
	_, err := b.Lease(t.Context(), "AIDA1", "c1-AIDA1", "one", time.Hour)
	require.NoError(t, err)
	_, err = b.Update(t.Context(), "AIDA1", "c1-AIDA1", func(c *sunset.Case) error { c.Stage = sunset.Closed; return nil }, casebook.By("one"))
	require.NoError(t, err)
	row, ok, err := b.Claim(t.Context(), aCase("c2", "AIDA1"))
	require.NoError(t, err)
	require.False(t, ok, "somebody still holds the lease")
	require.Equal(t, "c1-AIDA1", row.ID)
	h.pass(time.Hour)
	claimed(t, b, aCase("c2", "AIDA1"))
	_, err = b.Update(t.Context(), "AIDA1", "c1-AIDA1", func(*sunset.Case) error { return nil })
	require.Equal(t, sunset.Conflict, sunset.KindOf(err))
	_, err = b.Get(t.Context(), "AIDA2")
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
}

func TestLeaseEndsByTheClockWhenItsHolderDies(t *testing.T) {
	b, h := newBook(t)
	claimed(t, b, aCase("c1", "AIDA1"))
	lease := func(holder string) error {
		_, err := b.Lease(t.Context(), "AIDA1", "c1-AIDA1", holder, time.Minute)
		return err
	}
	stage := func(by string) error {
		_, err := b.Update(t.Context(), "AIDA1", "c1-AIDA1", func(c *sunset.Case) error { c.Stage = sunset.Restoring; return nil }, casebook.By(by))
		return err
	}
	require.NoError(t, lease("first"))
	require.NoError(t, lease("first"))
	require.ErrorContains(t, lease("second"), "first")
	require.Equal(t, sunset.Conflict, sunset.KindOf(stage("second")))
	require.NoError(t, b.Release(t.Context(), "AIDA1", "c1-AIDA1", "second"))
	require.Error(t, lease("second"), "another one's lease is not given back")
	h.pass(time.Minute)
	require.NoError(t, lease("second"))
	require.Equal(t, sunset.Conflict, sunset.KindOf(stage("first")))
	require.NoError(t, stage("second"))
}

func TestOfRescueAndDeletionOneWins(t *testing.T) {
	b, _ := newBook(t)
	for i := range 200 {
		id := fmt.Sprintf("AIDA%d", i)
		claimed(t, b, aCase("c1", id))
		_, err := b.Lease(t.Context(), id, "c1-"+id, "deleter", time.Hour)
		require.NoError(t, err)
		var rescue, deletion error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, rescue = b.Rescue(t.Context(), id, sunset.Rescue{By: "owner@example.com", Reason: "needed"})
		})
		wg.Go(func() { _, deletion = b.BeginDeleting(t.Context(), id, "c1-"+id, "deleter") })
		wg.Wait()
		require.NotEqual(t, rescue == nil, deletion == nil, "%v, %v", rescue, deletion)
		if rescue != nil {
			require.Equal(t, sunset.Conflict, sunset.KindOf(rescue))
			require.ErrorContains(t, rescue, "deletion has begun")
		} else {
			require.Equal(t, sunset.Conflict, sunset.KindOf(deletion))
			require.ErrorContains(t, deletion, "owner@example.com asked")
		}
	}
}

func TestDeletionBeginsUnderItsLeaseAlone(t *testing.T) {
	b, h := newBook(t)
	claimed(t, b, aCase("c1", "AIDA1"))
	begin := func() error { _, err := b.BeginDeleting(t.Context(), "AIDA1", "c1-AIDA1", "deleter"); return err }
	require.Equal(t, sunset.Conflict, sunset.KindOf(begin()))
	_, err := b.Lease(t.Context(), "AIDA1", "c1-AIDA1", "deleter", time.Minute)
	require.NoError(t, err)
	_, err = b.Update(t.Context(), "AIDA1", "c1-AIDA1", func(c *sunset.Case) error { c.Stage = sunset.Deleting; return nil })
	require.Error(t, err)
	h.pass(time.Minute)
	require.Equal(t, sunset.Conflict, sunset.KindOf(begin()), "the lease is over")
}

func TestPauseTurnsAndHolds(t *testing.T) {
	b, h := newBook(t)
	require.NoError(t, b.Pause(t.Context(), "alice", "incident"))
	why, err := b.Paused(t.Context())
	require.NoError(t, err)
	require.Contains(t, why, "incident")
	require.NoError(t, b.Resume(t.Context(), "alice"))
	why, err = b.Paused(t.Context())
	require.NoError(t, err)
	require.Empty(t, why)

	c := aCase("c1", "AIDA1")
	c.Turn, c.Holds = h.Now(), true
	claimed(t, b, c)
	taken, err := b.TurnsTaken(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int{h.Now().Format(time.DateOnly): 1}, taken)
	_, holds, err := b.Holding(t.Context(), "c1")
	require.NoError(t, err)
	require.True(t, holds)
	require.NoError(t, b.ResumeTurns(t.Context(), "c1", "alice"))
	_, holds, err = b.Holding(t.Context(), "c1")
	require.NoError(t, err)
	require.False(t, holds)
}
