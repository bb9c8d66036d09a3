// Package clock is the time that the product lives in: handed in, never taken from the air.
//
// Two forms exist. Wall is real time. Virtual stands still while anybody works and jumps to the next timer
// when nobody does, so that a fortnight's soak takes no real seconds and still happens in order.
package clock

import (
	"context"
	"time"
)

// Clock is what a handler may know of time.
type Clock interface {
	// Now is the present, in UTC.
	Now() time.Time
	// Sleep waits for d, or until ctx is done and then returns ctx's error.
	Sleep(ctx context.Context, d time.Duration) error
	// Together runs all fns at once and returns when the last has, with the first error. That error cancels
	// the ctx given to the others. A goroutine that sleeps must come from here: a virtual clock has to know
	// who is at work.
	Together(ctx context.Context, fns ...func(context.Context) error) error
}

// Timers is what an engine needs beside: to be called at a time, and to say that it is at work.
type Timers interface {
	Now() time.Time
	// AfterFunc calls f in a goroutine of its own once t has come (at once for a t in the past). stop reports
	// whether it kept f from running. While f runs, a virtual clock stands still.
	AfterFunc(t time.Time, f func()) (stop func() bool)
	// Hold keeps a virtual clock where it is until release is called (once; later calls do nothing).
	Hold() (release func())
}
