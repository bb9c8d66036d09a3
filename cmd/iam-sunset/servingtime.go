package main

import (
	"sync/atomic"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// rightTime is this machine's time where it is also AWS's: whatever waits for a moment to come goes on only once AWS has
// agreed that it has come. A clock that is set wrong for a minute would otherwise end waits and run out approvals, durably.
type rightTime struct {
	onemachine.Time
	s    *serving
	away *atomic.Bool // AWS can't be reached, and that was said
}

// AfterFunc calls f once it is t for AWS as well; while AWS can't be reached, not yet. What is due already is no matter of
// time, and is called at once.
func (r rightTime) AfterFunc(t time.Time, f func()) (stop func() bool) {
	if !t.After(r.Now()) {
		return r.Time.AfterFunc(t, f)
	}
	return r.Time.AfterFunc(t, func() {
		if r.agreed() {
			f()
		}
	})
}

// agreed waits until AWS has this machine's time. It is false once nothing is to be done any more.
func (r rightTime) agreed() bool {
	s := r.s
	for {
		err := s.to.clock.Check(s.life, s.askAWS)
		switch {
		case s.life.Err() != nil:
			return false
		case s.to.clock.Err() != nil, sunset.KindOf(err) == sunset.AccessDenied:
			s.halt(s.life, err)
			return false
		case err == nil:
			r.away.Store(false)
			return true
		}
		if !r.away.Swap(true) { // a crowd may wait here
			s.log.Warn("nothing that is due begins until AWS can be reached again", "error", err)
		}
		if s.around.clock.Sleep(s.life, lookAgain) != nil {
			return false
		}
	}
}
