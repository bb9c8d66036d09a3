package ownership

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// gap keeps a region's lane at ten requests a second, under what each of the services answers.
	gap       = 100 * time.Millisecond
	firstWait = time.Second
	mostWait  = 20 * time.Second
	patience  = 7
	// mostNamed is how many unreadable resources of a service and region are named.
	mostNamed = 5
)

// service is one service in one region, or S3 in all.
type service struct {
	name string
	// listing is the action of list, as in a policy.
	listing string
	// list gives a page of resources, from a token on ("": the first).
	list func(ctx context.Context, token string) (page []item, next string, err error)
}

// item is one resource. read asks about it and may give references only when all of it is read.
type item struct {
	id string
	// region is where it is, if not in the lane's.
	region string
	read   func(ctx context.Context, into references) error
}

// actionError is an error that knows the action it is of.
type actionError struct {
	action string
	err    error
}

func (e *actionError) Error() string { return e.action + ": " + e.err.Error() }
func (e *actionError) Unwrap() error { return e.err }

var (
	errNoTime = errors.New("the time for this call is over")
	errPolicy = errors.New("a policy that is not JSON as policies are")
)

// lane reads the services of a region one after the other.
type lane struct {
	region   string
	services []service
	world    *world
	clock    clock.Clock
	deadline time.Time
	due      time.Time
	at       place
	progress func(string)

	found    references
	gaps     []sunset.Gap
	refused  map[string]int
	advanced bool
	// stopped is the fault that ended the lane before its end, for the next call to try again, and broken its call.
	stopped error
	broken  sunset.Gap
}

func (s *Survey) lane(w *world, q Query, region string, services func(*lane) []service) *lane {
	l := &lane{region: region, world: w, clock: s.clock, deadline: q.Deadline, found: references{}, refused: map[string]int{}}
	if q.Cursor != nil {
		l.at = q.Cursor.Regions[region]
	}
	l.services = services(l)
	return l
}

// run reads until the end or the deadline. Only what ends the whole survey is an error.
func (l *lane) run(ctx context.Context) error {
	for l.at.Service < len(l.services) {
		s := l.services[l.at.Service]
		err := l.page(ctx, s)
		switch {
		case err == nil:
			l.advanced = true
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errNoTime):
			return nil
		case expired(err):
			return l.fault(err)
		case passing(err):
			action := s.listing
			var named *actionError
			if errors.As(err, &named) {
				action = named.action
			}
			l.stopped, l.broken = l.fault(err), gapOn(err, action, l.region, "")
			return nil
		default:
			// Only listing gets here: the service as a whole can't be read.
			l.gaps = append(l.gaps, gapOn(err, s.listing, l.region, ""))
			l.nextService()
		}
	}
	return nil
}

func (l *lane) nextService() {
	l.at = place{Service: l.at.Service + 1}
	l.advanced = true
}

// page reads what the cursor's page still has.
func (l *lane) page(ctx context.Context, s service) error {
	if l.at.Page == "" && l.at.After == "" {
		where := l.region
		if where == "" {
			where = "all regions"
		}
		l.progress(fmt.Sprintf("ownership: %s in %s", s.name, where))
	}
	items, next, err := s.list(ctx, l.at.Page)
	if err != nil {
		return err
	}
	// Where the resource is gone, the page is read again from its start: twice is better than never.
	done := slices.IndexFunc(items, func(i item) bool { return i.id == l.at.After })
	for _, i := range items[done+1:] {
		found := references{}
		err := i.read(ctx, found)
		switch {
		case err == nil:
			for id, refs := range found {
				l.found[id] = append(l.found[id], refs...)
			}
		case ctx.Err() != nil, errors.Is(err, errNoTime), expired(err), passing(err):
			return err
		case awsfault.IsNotFound(err):
			// It has no policy, or is gone since it was listed.
		default:
			l.refuse(err, i)
		}
		l.at.After = i.id
		l.advanced = true
	}
	if next == "" {
		l.nextService()
	} else {
		l.at.Page, l.at.After = next, ""
	}
	return nil
}

// refuse notes one resource that can't be read, by name while they are few.
func (l *lane) refuse(err error, i item) {
	action, region := "", l.region
	var named *actionError
	if errors.As(err, &named) {
		action = named.action
	}
	if i.region != "" {
		region = i.region
	}
	key := action + " " + region
	l.refused[key]++
	switch n := l.refused[key]; {
	case n > mostNamed:
		l.gaps = append(l.gaps, sunset.Gap{Action: action, Region: region, Why: "and others there"})
	case errors.Is(err, errPolicy):
		l.gaps = append(l.gaps, unreadablePolicy(action, region, i.id))
	default:
		l.gaps = append(l.gaps, gapOn(err, action, region, i.id))
	}
}

// call makes one request in the lane's turn, and again with growing waits while the answer is one that passes.
func (l *lane) call(ctx context.Context, action string, f func() error) error {
	wait := firstWait
	var last error
	for range patience {
		at := l.clock.Now()
		if l.due.After(at) {
			at = l.due
		}
		if !l.deadline.IsZero() && !at.Before(l.deadline) {
			if last != nil {
				return &actionError{action, last}
			}
			return errNoTime
		}
		if err := l.clock.Sleep(ctx, at.Sub(l.clock.Now())); err != nil {
			return err
		}
		l.due = l.clock.Now().Add(gap)
		err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !passing(err):
			return &actionError{action, err}
		}
		last = err
		l.due = l.clock.Now().Add(wait)
		wait = min(2*wait, mostWait)
	}
	return &actionError{action, last}
}

// policy judges the policy of a resource; action is what read it.
func (l *lane) policy(at where, action, text string, into references) error {
	if err := l.world.policy(at, text, into); err != nil {
		return &actionError{action, errPolicy}
	}
	return nil
}

func (l *lane) fault(err error) error {
	action := ""
	var named *actionError
	if errors.As(err, &named) {
		action, err = named.action, named.err
	}
	where := "in " + l.region
	if l.region == "" {
		where = "of all buckets"
	}
	return awsfault.Wrap(err, action, "reading what names users %s", where)
}

// passing reports whether the same call may succeed later. A host name that doesn't exist is a service that the region
// doesn't have.
func passing(err error) bool {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return false
	}
	return awsfault.KindOf(err).Passing()
}

// expired credentials say nothing about a service; they end the survey.
func expired(err error) bool {
	code := awsfault.Code(err)
	return code == "ExpiredToken" || code == "ExpiredTokenException"
}

// once makes progress safe for lanes side by side; nil is silence.
func once(progress func(string)) func(string) {
	if progress == nil {
		return func(string) {}
	}
	var mu sync.Mutex
	return func(s string) {
		mu.Lock()
		defer mu.Unlock()
		progress(s)
	}
}
