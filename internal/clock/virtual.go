package clock

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"
)

// ErrStalled says that a virtual clock has no timer left and what it was run for has not come about.
var ErrStalled = errors.New("nothing is left to wait for, and the end has not come")

// Virtual is time that passes only inside Run and RunUntil, and only while nobody works: no function started by
// Run, Together or AfterFunc is running (sleeping is not running) and no Hold is open. It then jumps to the next
// timer and lets that one go alone, so that equal inputs meet in the same order in every run.
type Virtual struct {
	mu     sync.Mutex
	idle   *sync.Cond
	now    time.Time
	busy   int
	seq    int
	timers timerHeap
	// sleepers are the timers of Sleep: one whose context is done wakes before time passes.
	sleepers map[*timer]struct{}
}

var (
	_ Clock  = (*Virtual)(nil)
	_ Timers = (*Virtual)(nil)
)

// NewVirtual is a clock that stands at start.
func NewVirtual(start time.Time) *Virtual {
	v := &Virtual{now: start.UTC(), sleepers: map[*timer]struct{}{}}
	v.idle = sync.NewCond(&v.mu)
	return v
}

// Now is where the clock stands.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// Hold keeps the clock where it is until release is called.
func (v *Virtual) Hold() (release func()) {
	v.mu.Lock()
	v.busy++
	v.mu.Unlock()
	return sync.OnceFunc(v.done)
}

func (v *Virtual) done() {
	v.mu.Lock()
	v.busy--
	if v.busy == 0 {
		v.idle.Broadcast()
	}
	v.mu.Unlock()
}

// Sleep lets others work for d. Only a goroutine that Run, Together or AfterFunc started, or that has an open Hold
// of its own, may sleep.
func (v *Virtual) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	woken := make(chan struct{})
	v.mu.Lock()
	t := v.add(v.now.Add(d), func() { close(woken) })
	t.cancelled = ctx.Err
	v.sleepers[t] = struct{}{}
	v.busy--
	v.idle.Broadcast()
	v.mu.Unlock()
	<-woken // the clock counted us as busy again before it closed woken
	return ctx.Err()
}

// Together runs all fns at once and returns when the last has, with the first error.
func (v *Virtual) Together(ctx context.Context, fns ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if len(fns) == 0 {
		return nil
	}
	var (
		mu    sync.Mutex
		first error
		left  = len(fns)
		all   = make(chan struct{})
	)
	v.mu.Lock()
	v.busy += len(fns)
	v.mu.Unlock()
	for _, f := range fns {
		go func() {
			err := f(ctx)
			mu.Lock()
			if err != nil && first == nil {
				first = err
				cancel()
			}
			left--
			last := left == 0
			mu.Unlock()
			if last {
				close(all) // the last one's place among the busy passes to the caller
				return
			}
			v.done()
		}()
	}
	v.done()
	<-all
	return first
}

// AfterFunc calls f in a goroutine of its own once t has come.
func (v *Virtual) AfterFunc(t time.Time, f func()) (stop func() bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.add(t, func() {
		go func() {
			defer v.done()
			f()
		}()
	})
	return func() bool { return v.stop(e) }
}

// Run calls f and lets time pass until it returns.
func (v *Virtual) Run(ctx context.Context, f func(context.Context) error) error {
	release := v.Hold()
	var err error
	finished := make(chan struct{})
	go func() {
		defer release()
		err = f(ctx)
		close(finished)
	}()
	stalled := v.RunUntil(ctx, func() bool {
		select {
		case <-finished:
			return true
		default:
			return false
		}
	})
	if stalled != nil {
		return stalled
	}
	return err
}

// RunUntil lets time pass until end reports true. It asks whenever nobody works. It returns ctx's error, or
// ErrStalled where no timer is left.
func (v *Virtual) RunUntil(ctx context.Context, end func() bool) error {
	stopWatching := context.AfterFunc(ctx, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.idle.Broadcast()
	})
	defer stopWatching()
	for {
		v.mu.Lock()
		for v.busy > 0 && ctx.Err() == nil {
			v.idle.Wait()
		}
		v.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
		if end() {
			return nil
		}
		v.mu.Lock()
		if v.busy == 0 {
			t := v.next()
			if t == nil {
				v.mu.Unlock()
				return ErrStalled
			}
			v.busy++
			t.fire()
		}
		v.mu.Unlock()
	}
}

// next takes the timer whose turn it is and moves the clock to it.
func (v *Virtual) next() *timer {
	var t *timer
	for s := range v.sleepers {
		if s.cancelled() != nil && (t == nil || s.seq < t.seq) {
			t = s
		}
	}
	if t == nil {
		if len(v.timers) == 0 {
			return nil
		}
		t = v.timers[0]
		if t.at.After(v.now) {
			v.now = t.at
		}
	}
	heap.Remove(&v.timers, t.index)
	t.index = -1
	delete(v.sleepers, t)
	return t
}

func (v *Virtual) add(at time.Time, fire func()) *timer {
	v.seq++
	t := &timer{at: at.UTC(), seq: v.seq, fire: fire}
	heap.Push(&v.timers, t)
	return t
}

func (v *Virtual) stop(t *timer) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t.index < 0 {
		return false
	}
	heap.Remove(&v.timers, t.index)
	t.index = -1
	return true
}

type timer struct {
	at    time.Time
	seq   int
	fire  func()
	index int
	// cancelled is set for a sleeper: its context's error.
	cancelled func() error
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}
