package main

import (
	"time"

	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
)

// rightTime is this machine's time where it is also AWS's: whatever waits for a moment to come goes on only once AWS has
// agreed that it has come. A clock that is set wrong for a minute would otherwise end waits and run out approvals, durably.
type rightTime struct {
	onemachine.Time
	s *serving
}

// AfterFunc calls f once it is t for AWS as well; while AWS can't be reached, not yet. What is due already is no matter of
// time, and is called at once.
func (r rightTime) AfterFunc(t time.Time, f func()) (stop func() bool) {
	if !t.After(r.Now()) {
		return r.Time.AfterFunc(t, f)
	}
	return r.Time.AfterFunc(t, func() {
		if r.s.agreed() {
			f()
		}
	})
}

// agreed waits until AWS has this machine's time. It is false once nothing is to be done any more.
func (s *serving) agreed() bool {
	for {
		err := s.to.clock.Check(s.life, s.askAWS)
		switch {
		case s.life.Err() != nil:
			return false
		case s.to.clock.Err() != nil:
			s.halt(s.life, err)
			return false
		case err == nil:
			return true
		}
		if s.around.clock.Sleep(s.life, lookAgain) != nil {
			return false
		}
	}
}
