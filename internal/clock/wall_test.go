package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
)

// laptop is a machine whose wall clock and timers part: it sleeps, and its clock is set.
type laptop struct {
	wall  time.Time
	armed time.Duration // what the one timer has left, of time awake
	f     func()
}

func (l *laptop) now() time.Time { return l.wall }

func (l *laptop) after(d time.Duration, f func()) func() bool {
	l.armed, l.f = d, f
	return func() bool { was := l.f != nil; l.f = nil; return was }
}

// awake lets time pass while the machine runs.
func (l *laptop) awake(d time.Duration) {
	for l.f != nil && l.armed <= d {
		d -= max(l.armed, 0)
		l.wall = l.wall.Add(max(l.armed, 0))
		f := l.f
		l.f = nil
		f()
	}
	l.armed -= d
	l.wall = l.wall.Add(d)
}

func TestWallTimerFollowsTheWallClock(t *testing.T) {
	const wait = 10 * time.Hour
	for name, tt := range map[string]struct {
		happens func(l *laptop)
		late    time.Duration // after it was due, at most
	}{
		"nothing":            {func(*laptop) {}, 0},
		"it slept past":      {func(l *laptop) { l.awake(time.Hour); l.wall = l.wall.Add(20 * time.Hour) }, 11*time.Hour + time.Minute},
		"it slept until 5 s": {func(l *laptop) { l.awake(time.Hour); l.wall = l.wall.Add(9*time.Hour - 5*time.Second) }, time.Minute},
		"the clock was late": {func(l *laptop) { l.awake(30 * time.Second); l.wall = l.wall.Add(3 * time.Hour) }, time.Minute},
		"the clock was early": {func(l *laptop) {
			l.awake(9*time.Hour + 59*time.Minute + 59*time.Second)
			l.wall = l.wall.Add(-3 * time.Hour)
		}, 0},
		"the clock was set":    {func(l *laptop) { l.awake(time.Hour); l.wall = l.wall.Add(wait) }, time.Hour + time.Minute},
		"it was set back once": {func(l *laptop) { l.wall = l.wall.Add(-time.Hour) }, 0},
	} {
		l := &laptop{wall: start()}
		var fired []time.Time
		due := start().Add(wait)
		stop := clock.AfterFuncOf(l.now, l.after, due, func() { fired = append(fired, l.wall) })
		tt.happens(l)
		woke := l.wall
		for range 24 * 60 {
			l.awake(time.Minute)
		}
		require.Len(t, fired, 1, name)
		require.False(t, fired[0].Before(due), name)
		require.LessOrEqual(t, fired[0].Sub(due), tt.late, name)
		if woke.After(due) {
			require.LessOrEqual(t, fired[0].Sub(woke), time.Minute, name)
		}
		require.False(t, stop(), name)
	}
}

func TestWallTimerStops(t *testing.T) {
	l := &laptop{wall: start()}
	fired := false
	stop := clock.AfterFuncOf(l.now, l.after, start().Add(time.Hour), func() { fired = true })
	l.awake(30 * time.Minute)
	require.True(t, stop())
	require.False(t, stop())
	l.awake(2 * time.Hour)
	require.False(t, fired)

	done := make(chan struct{})
	stop = clock.Wall{}.AfterFunc(time.Now().Add(-time.Hour), func() { close(done) })
	<-done
	require.False(t, stop())
}

// While a machine sleeps, the monotonic reading of a process stands still, and what was seen before seems to be fresh.
func TestWallTimeIsTheWallsAlone(t *testing.T) {
	now := clock.Wall{}.Now()
	require.Equal(t, now.Round(0).String(), now.String())
	require.Equal(t, time.UTC, now.Location())
}
