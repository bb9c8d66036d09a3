package clock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
)

func start() time.Time { return time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC) }

func TestVirtualJumpsToTheNextTimerInOrder(t *testing.T) {
	v := clock.NewVirtual(start())
	var seen []time.Duration
	note := func() { seen = append(seen, v.Now().Sub(start())) }
	v.AfterFunc(start().Add(48*time.Hour), note)
	v.AfterFunc(start().Add(time.Hour), note)
	v.AfterFunc(start().Add(-time.Hour), note)
	require.NoError(t, v.RunUntil(t.Context(), func() bool { return len(seen) == 3 }))
	require.Equal(t, []time.Duration{0, time.Hour, 48 * time.Hour}, seen)
}

func TestVirtualStandsStillWhileSomebodyWorks(t *testing.T) {
	v := clock.NewVirtual(start())
	fired := false
	v.AfterFunc(start().Add(time.Hour), func() { fired = true })
	release := v.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { cancel() }()
	require.ErrorIs(t, v.RunUntil(ctx, func() bool { return fired }), context.Canceled)
	require.False(t, fired)
	require.Equal(t, start(), v.Now())
	release()
	require.NoError(t, v.RunUntil(t.Context(), func() bool { return fired }))
}

func TestVirtualTogetherSleepsSideBySide(t *testing.T) {
	v := clock.NewVirtual(start())
	sleep := func(d time.Duration) func(context.Context) error {
		return func(ctx context.Context) error { return v.Sleep(ctx, d) }
	}
	require.NoError(t, v.Run(t.Context(), func(ctx context.Context) error {
		return v.Together(ctx, sleep(time.Hour), sleep(3*time.Hour), sleep(2*time.Hour))
	}))
	require.Equal(t, start().Add(3*time.Hour), v.Now())
}

func TestVirtualTogetherStopsTheOthersAtTheFirstError(t *testing.T) {
	v := clock.NewVirtual(start())
	boom := errors.New("boom")
	err := v.Run(t.Context(), func(ctx context.Context) error {
		return v.Together(ctx,
			func(ctx context.Context) error { return v.Sleep(ctx, 1000*time.Hour) },
			func(ctx context.Context) error {
				if err := v.Sleep(ctx, time.Hour); err != nil {
					return err
				}
				return boom
			})
	})
	require.ErrorIs(t, err, boom)
	require.Equal(t, start().Add(time.Hour), v.Now())
}

func TestVirtualSaysWhenNothingIsLeft(t *testing.T) {
	v := clock.NewVirtual(start())
	require.ErrorIs(t, v.RunUntil(t.Context(), func() bool { return false }), clock.ErrStalled)
}

func TestVirtualStoppedTimerNeverFires(t *testing.T) {
	v := clock.NewVirtual(start())
	fired := false
	stop := v.AfterFunc(start().Add(time.Hour), func() { fired = true })
	require.True(t, stop())
	require.False(t, stop())
	require.ErrorIs(t, v.RunUntil(t.Context(), func() bool { return fired }), clock.ErrStalled)
}
