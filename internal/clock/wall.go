package clock

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// glance is how often a wall timer looks at the clock. A machine that sleeps stops the timers of its processes, and a
// clock that is set moves their end: neither shows in a duration measured beforehand.
const glance = time.Minute

// Wall is real time.
type Wall struct{}

var (
	_ Clock  = Wall{}
	_ Timers = Wall{}
)

// Now is the present, in UTC, without the process's own monotonic reading: that one stands still while a machine sleeps, and
// what was seen before would seem to be fresh.
func (Wall) Now() time.Time { return time.Now().Round(0).UTC() }

// Sleep waits for d, or until ctx is done.
func (Wall) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Together runs all fns at once and returns when the last has, with the first error.
func (Wall) Together(ctx context.Context, fns ...func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range fns {
		g.Go(func() error { return f(ctx) })
	}
	return g.Wait()
}

// AfterFunc calls f once the wall clock shows t: never before, and within a minute of that even where the clock was set
// or the machine has slept.
func (Wall) AfterFunc(t time.Time, f func()) func() bool {
	return source{now: time.Now, after: func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }}.afterFunc(t, f)
}

// Hold does nothing: nobody stops the real clock.
func (Wall) Hold() func() { return func() {} }

// source is what a wall timer is made from.
type source struct {
	now   func() time.Time
	after func(d time.Duration, f func()) (stop func() bool)
}

func (s source) afterFunc(t time.Time, f func()) (stop func() bool) {
	w := &wallTimer{source: s, at: t.Round(0), f: f}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arm()
	return w.halt
}

// wallTimer waits for a time of the wall clock, a glance at a time.
type wallTimer struct {
	source
	at time.Time
	f  func()

	mu      sync.Mutex
	stop    func() bool
	stopped bool
	fired   bool
}

// arm waits until t, or a glance. Without its monotonic reading a time is the wall's. w.mu is held.
func (w *wallTimer) arm() {
	w.stop = w.after(min(w.at.Sub(w.now().Round(0)), glance), w.look)
}

func (w *wallTimer) look() {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return
	}
	if w.now().Round(0).Before(w.at) {
		w.arm()
		w.mu.Unlock()
		return
	}
	w.fired = true
	w.mu.Unlock()
	w.f()
}

// halt reports whether it kept f from running.
func (w *wallTimer) halt() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || w.fired {
		return false
	}
	w.stopped = true
	w.stop()
	return true
}
