package fakeaws

import (
	"cmp"
	"net/http"
	"time"
)

// Fault is something that goes wrong on demand, for authenticated calls over the wire that fit.
type Fault struct {
	// Service and Action name the calls; empty fits all.
	Service, Action string
	// Match narrows further; it must not call the account.
	Match func(Call) bool
	// After lets the first n fitting calls through; Times then ends the fault after as many (0: never).
	After, Times int
	// Code, Message and Status are the error that the caller gets; none where Code is empty.
	Code, Message string
	Status        int
	// Throttle answers with the service's own throttling error.
	Throttle bool
	// Delay holds the answer back, in real time.
	Delay time.Duration
	// CutPage answers with the shortest page and says that there is more.
	CutPage bool
	// Truncate does the work, sends half of the answer and closes the connection.
	Truncate bool
	// Drop closes the connection without an answer, and without having done anything unless ApplyFirst is set.
	Drop bool
	// ApplyFirst does the work and then fails: the answer is lost.
	ApplyFirst bool
}

type armedFault struct {
	Fault
	seen int
}

// Fail arms a fault. Of several that fit, the one armed first happens. remove disarms it.
func (a *Account) Fail(f Fault) (remove func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	armed := &armedFault{Fault: f}
	a.faults = append(a.faults, armed)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for i, other := range a.faults {
			if other == armed {
				a.faults = append(a.faults[:i:i], a.faults[i+1:]...)
				return
			}
		}
	}
}

func (a *Account) nextFault(c Call) *Fault {
	for _, f := range a.faults {
		if f.Service != "" && f.Service != c.Service || f.Action != "" && f.Action != c.Action || f.Match != nil && !f.Match(c) {
			continue
		}
		f.seen++
		if f.seen > f.After && (f.Times == 0 || f.seen <= f.After+f.Times) {
			return &f.Fault
		}
	}
	return nil
}

// failure is the error that the fault answers with, or nil.
func (f *Fault) failure(p protocol) *apiError {
	switch {
	case f.Throttle:
		return throttled(p)
	case f.Drop:
		return refuse(http.StatusInternalServerError, "ConnectionClosed", "the connection was closed")
	case f.Code != "":
		message := f.Message
		if message == "" {
			message = "The fake account was asked to answer " + f.Code + "."
		}
		return refuse(cmp.Or(f.Status, http.StatusBadRequest), f.Code, "%s", message)
	}
	return nil
}

func throttled(p protocol) *apiError {
	switch p {
	case queryXML:
		return refuse(http.StatusBadRequest, "Throttling", "Rate exceeded")
	case restXML:
		return refuse(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	case restJSON:
		return refuse(http.StatusTooManyRequests, "TooManyRequestsException", "Rate exceeded")
	default:
		return refuse(http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
	}
}

// Rate is how often a service, or one of its actions, may be called in a region, by the account's clock.
type Rate struct {
	Service, Action string
	PerSecond       float64
	// Burst is how many calls may come at once; 1 where smaller.
	Burst int
}

type limit struct {
	Rate
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	last   time.Time
}

// Limit throttles calls beyond a rate. remove lifts it.
func (a *Account) Limit(r Rate) (remove func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &limit{Rate: r, buckets: map[string]*bucket{}}
	l.Burst = max(l.Burst, 1)
	a.limits = append(a.limits, l)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for i, other := range a.limits {
			if other == l {
				a.limits = append(a.limits[:i:i], a.limits[i+1:]...)
				return
			}
		}
	}
}

func (a *Account) overLimit(r *request) *apiError {
	for _, l := range a.limits {
		if l.Service != "" && l.Service != r.service.name || l.Action != "" && l.Action != r.action {
			continue
		}
		if !l.take(r.region, a.now()) {
			return throttled(r.service.protocol)
		}
	}
	return nil
}

func (l *limit) take(region string, now time.Time) bool {
	b := l.buckets[region]
	if b == nil {
		b = &bucket{tokens: float64(l.Burst), last: now}
		l.buckets[region] = b
	}
	if passed := now.Sub(b.last); passed > 0 {
		b.tokens = min(float64(l.Burst), b.tokens+passed.Seconds()*l.PerSecond)
		b.last = now
	}
	// Rounding of times must not cost a caller who waits exactly long enough.
	if b.tokens < 1-1e-6 {
		return false
	}
	b.tokens--
	return true
}
