// Package guard stands between `iam-sunset serve` and AWS, where one wrong thing about the machine would be wrong about every
// user: its clock, and whose credentials it has. What it finds out ends the process; there is nothing that a
// single call could do about it.
package guard

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// MostSkew is how far this machine's clock may be from AWS's. Windows, soaks and the two hours that CloudTrail may be
	// late bear it.
	MostSkew = 5 * time.Minute
	// freshFor is how long an answer vouches for the clock, and askAgain how long it is taken for granted that AWS can't be
	// reached once it could not: whoever asks would wait for that each time.
	freshFor = time.Minute
	askAgain = 10 * time.Second
)

// Skew is a clock that is too far from AWS's for anything to go by it.
type Skew struct {
	By time.Duration // positive: this machine's clock is ahead
}

func (s Skew) Error() string {
	way := "ahead of"
	if s.By < 0 {
		way = "behind"
	}
	return fmt.Sprintf("this machine's clock is %s %s AWS's", s.By.Abs().Round(time.Minute), way)
}

// RetryableError keeps the SDK from trying again.
func (Skew) RetryableError() bool { return false }

// Clock is an HTTP client for AWS that compares the Date of each answer with this machine's clock. Once they differ by more
// than MostSkew every call fails, as an Unavailable fault of a Skew, the one that found it out included: the SDK
// itself would only adjust its signatures.
//
// An answer without a Date says nothing.
type Clock struct {
	inner aws.HTTPClient
	now   func() time.Time

	mu     sync.Mutex
	off    error
	agreed time.Time
	failed error // of the last Check that could not ask
	tried  time.Time
	halt   Halt
}

// Halt is told why nothing is sent any more, at each call that would have been. The call fails when it returns: where it
// waits for the call's context, whatever called has no error to act upon before it is stopped itself.
type Halt func(ctx context.Context, why error)

// NewClock makes a client that sends by inner, and reads this machine's clock by now.
func NewClock(inner aws.HTTPClient, now func() time.Time) *Clock {
	return &Clock{inner: inner, now: now}
}

// OnHalt sets who is told; nobody is before.
func (c *Clock) OnHalt(h Halt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halt = h
}

// Do sends the request, unless the clocks are known to differ.
func (c *Clock) Do(r *http.Request) (*http.Response, error) {
	if err := c.Err(); err != nil {
		return nil, c.halted(r.Context(), err)
	}
	before := c.now().Round(0) // a reading of wall time alone: what jumps is that
	answer, err := c.inner.Do(r)
	if err != nil {
		return answer, err
	}
	if err := c.compare(answer.Header.Get("Date"), before, c.now().Round(0)); err != nil {
		_ = answer.Body.Close() // nobody reads it
		return nil, c.halted(r.Context(), err)
	}
	return answer, nil
}

// compare takes the Date for right where it fits any moment of the call.
func (c *Clock) compare(date string, before, after time.Time) error {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return nil
	}
	var skew Skew
	switch {
	case before.Sub(theirs) > MostSkew:
		skew.By = before.Sub(theirs)
	case theirs.Sub(after) > MostSkew:
		skew.By = after.Sub(theirs)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if skew.By == 0 {
		c.agreed = after
	} else if c.off == nil {
		c.off = &sunset.Fault{Kind: sunset.Unavailable, Err: skew}
	}
	return c.off
}

func (c *Clock) halted(ctx context.Context, why error) error {
	c.mu.Lock()
	halt := c.halt
	c.mu.Unlock()
	if halt != nil {
		halt(ctx, why)
	}
	return why
}

// Err is the Skew that was found, as a fault, or nil.
func (c *Clock) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off
}

// Agreed is when an answer of AWS last had this machine's time; zero: none had yet.
func (c *Clock) Agreed() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agreed
}

// Check makes sure that the clocks were compared in the last minute: where they were not, ask calls AWS by way of c. Its
// error is that of ask, unless there is a Skew; it stands for ten seconds, in which nobody is asked again.
func (c *Clock) Check(ctx context.Context, ask func(context.Context) error) error {
	now := c.now().Round(0)
	within := func(since time.Time, d time.Duration) bool { return !now.Before(since) && now.Sub(since) < d }
	c.mu.Lock()
	off, agreed, failed, tried := c.off, c.agreed, c.failed, c.tried
	c.mu.Unlock()
	switch {
	case off != nil || within(agreed, freshFor):
		return off
	case failed != nil && within(tried, askAgain):
		return failed
	}
	err := ask(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off != nil {
		return c.off
	}
	if ctx.Err() == nil { // otherwise it says nothing of AWS
		c.failed, c.tried = err, now
	}
	return err
}
