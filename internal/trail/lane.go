package trail

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
)

const (
	lookupAction = "cloudtrail:LookupEvents"
	pageSize     = 50
	// gap keeps a lane at 1.89 requests a second, under the 2 that AWS answers.
	gap = 530 * time.Millisecond
	// Others use up the same two requests a second, so waits grow; after patience refusals in a row, about two
	// minutes, somebody else has to decide.
	firstWait = time.Second
	mostWait  = 30 * time.Second
	patience  = 8
)

var (
	// errNoTime says that the next request would not be before the deadline.
	errNoTime = errors.New("the time for this call is over")
	// errNeedless says that the answer is known already.
	errNeedless = errors.New("the answer is known already")
)

// lane is the one way to CloudTrail in a region.
type lane struct {
	region string
	client *cloudtrail.Client
	clock  clock.Clock
	*pace
}

// pace is what lanes of one account and region have in common, whatever role they ask in.
type pace struct {
	mu sync.Mutex
	// due is when the next request may be sent.
	due time.Time
}

// lookup is one question: an attribute's events from since to until, a page at a time.
type lookup struct {
	key          types.LookupAttributeKey
	value        string
	since, until time.Time
	token        string
	// needless, if set, is asked right before a request is sent: the look-up may have become so while it waited.
	needless func() bool
}

// turn waits until the lane may send its next request. Where that is not before deadline (zero: none) it takes no turn
// and returns errNoTime; where the request has become needless by then it gives the turn back and returns errNeedless.
func (l *lane) turn(ctx context.Context, deadline time.Time, needless func() bool) error {
	l.mu.Lock()
	now := l.clock.Now()
	at := latest(now, l.due)
	if !deadline.IsZero() && !at.Before(deadline) {
		l.mu.Unlock()
		return errNoTime
	}
	l.due = at.Add(gap)
	l.mu.Unlock()
	if err := l.clock.Sleep(ctx, at.Sub(now)); err != nil {
		return err
	}
	if needless != nil && needless() {
		l.giveBack(at)
		return errNeedless
	}
	// A late wake-up must not bring two requests close together.
	l.holdUntil(l.clock.Now().Add(gap))
	return nil
}

// holdUntil lets nothing through before at.
func (l *lane) holdUntil(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due = latest(l.due, at)
}

// giveBack lets somebody else have the turn at at, unless later ones are taken.
func (l *lane) giveBack(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.due.Equal(at.Add(gap)) {
		l.due = at
	}
}

// wait is how long the lane has to wait at now.
func (l *lane) wait(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.due.Sub(now))
}

// page asks for one page and tries again, in the lane's turn and with growing waits, while the answer is one that
// passes. It gives up at the deadline or when its patience is over, with AWS's last answer or else errNoTime; the question
// stays where it was.
func (l *lane) page(ctx context.Context, q lookup, deadline time.Time) (*cloudtrail.LookupEventsOutput, error) {
	in := &cloudtrail.LookupEventsInput{
		MaxResults:       aws.Int32(pageSize),
		LookupAttributes: []types.LookupAttribute{{AttributeKey: q.key, AttributeValue: aws.String(q.value)}},
		StartTime:        aws.Time(q.since),
		EndTime:          aws.Time(q.until),
	}
	if q.token != "" {
		in.NextToken = aws.String(q.token)
	}
	wait := firstWait
	var last error
	for range patience {
		if err := l.turn(ctx, deadline, q.needless); err != nil {
			if errors.Is(err, errNoTime) && last != nil {
				return nil, last
			}
			return nil, err
		}
		out, err := l.client.LookupEvents(ctx, in)
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if missing(err) || !awsfault.KindOf(err).Passing() {
			return nil, err
		}
		last = err
		l.holdUntil(l.clock.Now().Add(wait))
		wait = min(2*wait, mostWait)
	}
	return nil, last
}

// fault words an error of page for the caller's own caller.
func (l *lane) fault(err error) error {
	return awsfault.Wrap(err, lookupAction, "reading CloudTrail in %s", l.region)
}

// unreadable tells an answer that closes the region to us from one that ends everything: credentials that have expired
// say nothing about the region.
func unreadable(err error) (gap, fatal bool) {
	switch code := awsfault.Code(err); {
	case code == "ExpiredToken" || code == "ExpiredTokenException":
		return false, true
	case awsfault.IsDenied(err), missing(err):
		return true, false
	}
	return false, false
}

// missing reports whether there is nobody to ask: no such host name, or an endpoint that doesn't know the operation.
func missing(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound || awsfault.IsNotOffered(err)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
