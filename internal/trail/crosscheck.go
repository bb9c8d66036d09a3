package trail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// DefaultPageBudget is how many pages of 50 events are read for a user and region before it is unknown.
const DefaultPageBudget = 20

// Query is what a cross-check asks.
type Query struct {
	Regions      []string
	Candidates   []Candidate
	Since, Until time.Time
	// PageBudget is how many pages are read for a user and region, over all its names, before it is unknown; 0 is
	// DefaultPageBudget.
	PageBudget int
	// Deadline ends the call: no request is sent at or after it. Zero is no deadline.
	Deadline time.Time
	// Cursor goes on where an earlier call of the same query stopped; nil begins.
	Cursor *Cursor
}

// Result is what one call of a cross-check found. Calls of the same query add up: see Add.
type Result struct {
	// Evidence has, by UserID, one fact for each region that was finished in this call. A user who was proven used has
	// none from regions that had not come to it yet.
	Evidence map[string][]sunset.Evidence
	// Last is the newest thing seen of a user, by UserID. The search ends at the first proof, so a newer act in
	// another region can be missing.
	Last map[string]sunset.Activity
	// Gaps are regions that can't be read at all.
	Gaps []sunset.Gap
	// Cursor is where to go on; nil when all is done.
	Cursor *Cursor
}

// Add takes in what the next call of the same query found.
func (r *Result) Add(more Result) {
	if r.Evidence == nil {
		r.Evidence, r.Last = map[string][]sunset.Evidence{}, map[string]sunset.Activity{}
	}
	for id, facts := range more.Evidence {
		r.Evidence[id] = append(r.Evidence[id], facts...)
		sortEvidence(r.Evidence[id])
	}
	for id, a := range more.Last {
		r.Last[id] = newerActivity(r.Last[id], a)
	}
	r.Gaps = append(r.Gaps, more.Gaps...)
	sortGaps(r.Gaps)
	r.Cursor = more.Cursor
}

// Crosscheck looks every candidate up in every region, a lane a region below CloudTrail's rate, and stops a candidate
// in all lanes once its use is proven in one. Used is any event of the user itself: a call, a denied call, a sign-in,
// GetSessionToken, AssumeRole, or a call of a federated session that it made. A failed sign-in is none, since anybody
// can mistype a name and could keep every user for ever; it is told as Last where nothing else is. Unknown is a region
// that denies, more pages than the budget, an event of the name that can't be read, or no region to ask at all.
//
// What passes (throttling, a server's error) is tried again and then left to the next call; it is a Throttled or
// Unavailable fault only where the whole call got nowhere. Expired credentials are an AccessDenied fault.
// progress may be nil.
func (t *Trail) Crosscheck(ctx context.Context, q Query, progress func(string)) (Result, error) {
	for _, c := range q.Candidates {
		if err := c.validate(); err != nil {
			return Result{}, err
		}
	}
	if len(q.Regions) == 0 {
		return t.nowhere(q.Candidates), nil
	}
	places, err := q.start()
	if err != nil {
		return Result{}, err
	}
	w := &walk{q: q, clock: t.clock, budget: cmp.Or(q.PageBudget, DefaultPageBudget), used: map[int]bool{}, progress: progress}
	if q.Cursor != nil {
		for _, i := range q.Cursor.Used {
			w.used[i] = true
		}
	}
	began := t.clock.Now()
	var walkers []*walker
	var all []func(context.Context) error
	for _, region := range q.Regions {
		x := &walker{walk: w, lane: t.lane(region), at: places[region], last: map[string]sunset.Activity{}}
		x.lane.holdUntil(began.Add(time.Duration(x.at.Wait) * time.Millisecond))
		x.at.Wait = 0
		walkers = append(walkers, x)
		w.done += x.at.Candidate
		all = append(all, x.run)
	}
	if err := t.clock.Together(ctx, all...); err != nil {
		return Result{}, err
	}
	return w.result(walkers)
}

// nowhere makes everybody unknown: where nothing is asked, nothing is heard.
func (t *Trail) nowhere(candidates []Candidate) Result {
	r := Result{Evidence: map[string][]sunset.Evidence{}, Last: map[string]sunset.Activity{}, Gaps: []sunset.Gap{noRegion()}}
	for _, c := range candidates {
		r.Evidence[c.UserID] = []sunset.Evidence{{
			Source: lookupAction, About: c.Name, Read: t.clock.Now(), Use: sunset.Unknown, Detail: "CloudTrail could not be read: " + noRegion().Why,
		}}
	}
	return r
}

func noRegion() sunset.Gap {
	return sunset.Gap{Action: lookupAction, Why: "there is no region to ask"}
}

// walk is what the lanes of one call share.
type walk struct {
	q        Query
	clock    clock.Clock
	budget   int
	progress func(string)

	mu sync.Mutex
	// used are candidates proven used, by index.
	used map[int]bool
	// done counts candidates of all lanes.
	done, told int
}

// walker goes through the candidates in one region.
type walker struct {
	*walk
	lane     *lane
	at       place
	evidence []found
	last     map[string]sunset.Activity
	gaps     []sunset.Gap
	// advanced says that this call got somewhere; stopped is the passing error that ended it.
	advanced bool
	stopped  error
}

type found struct {
	userID string
	fact   sunset.Evidence
}

// run walks until the end or the deadline. Only what ends the whole call is an error.
func (x *walker) run(ctx context.Context) error {
	for x.at.Candidate < len(x.q.Candidates) {
		err := x.step(ctx)
		switch {
		case err == nil:
			x.advanced = true
		case errors.Is(err, errNeedless):
			x.finish(nil)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errNoTime), !missing(err) && awsfault.KindOf(err).Passing():
			x.stopped = err
			return nil
		default:
			if err := x.refused(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// step reads the next page about the candidate in hand.
func (x *walker) step(ctx context.Context) error {
	who := x.q.Candidates[x.at.Candidate]
	names := who.names()
	page, err := x.lane.page(ctx, lookup{
		key: types.LookupAttributeKeyUsername, value: names[x.at.Name], since: x.q.Since, until: x.q.Until, token: x.at.Token,
		needless: func() bool { return x.isUsed(x.at.Candidate) },
	}, x.q.Deadline)
	if err != nil {
		return err
	}
	x.at.Pages++
	for _, raw := range page.Events {
		e, err := readEvent(raw)
		if err != nil {
			x.at.Unclear++
			continue
		}
		switch e.of(who.UserID) {
		case theirs:
			x.saw(who, e)
			x.finish(x.fact(sunset.Used, names[x.at.Name], &e.EventTime, e.sentence()))
			return nil
		case attempted:
			x.saw(who, e)
		case unclear:
			x.at.Unclear++
		case others:
		}
	}
	x.at.Token = aws.ToString(page.NextToken)
	if x.at.Token == "" {
		x.at.Name++
	}
	switch {
	case x.at.Name == len(names) && x.at.Unclear > 0:
		x.finish(x.fact(sunset.Unknown, who.Name, nil, fmt.Sprintf("%d CloudTrail events under its name can't be read or don't say whose they are", x.at.Unclear)))
	case x.at.Name == len(names):
		x.finish(x.fact(sunset.Unused, strings.Join(names, ", "), nil, fmt.Sprintf("nothing since %s", x.q.Since.UTC().Format(time.DateOnly))))
	case x.at.Pages >= x.budget:
		x.finish(x.fact(sunset.Unknown, names[x.at.Name], nil,
			fmt.Sprintf("CloudTrail has more than %d pages of events under its name; those read are not its own, the rest was not read", x.budget)))
	}
	return nil
}

// refused deals with an answer that no trying again changes.
func (x *walker) refused(err error) error {
	closed, fatal := unreadable(err)
	switch {
	case fatal:
		return x.lane.fault(err)
	case closed:
		g := awsfault.Gap(err, lookupAction, x.lane.region)
		x.gaps = append(x.gaps, g)
		for x.at.Candidate < len(x.q.Candidates) {
			if x.isUsed(x.at.Candidate) {
				x.finish(nil)
				continue
			}
			x.finish(x.fact(sunset.Unknown, x.q.Candidates[x.at.Candidate].Name, nil, "CloudTrail could not be read: "+g.Why))
		}
	case x.at.Token != "" && awsfault.Code(err) == "InvalidNextTokenException":
		// Tokens don't live for ever; the name is read again from its newest event, on the same budget.
		x.at.Token = ""
		x.at.Pages++
	default:
		g := awsfault.Gap(err, lookupAction, x.lane.region)
		x.finish(x.fact(sunset.Unknown, x.q.Candidates[x.at.Candidate].Name, nil, "CloudTrail could not be asked about it: "+g.Why))
	}
	x.advanced = true
	return nil
}

func (x *walker) fact(use sunset.Use, about string, last *time.Time, detail string) *sunset.Evidence {
	return &sunset.Evidence{
		Source: lookupAction, About: about, Region: x.lane.region, Read: x.clock.Now(), Last: last, Use: use, Detail: detail,
	}
}

func (x *walker) saw(who Candidate, e event) {
	x.last[who.UserID] = newerActivity(x.last[who.UserID], e.activity(x.lane.region))
}

// finish ends the candidate in hand, with evidence or, where another lane proved its use, without.
func (x *walker) finish(fact *sunset.Evidence) {
	if fact != nil {
		x.evidence = append(x.evidence, found{x.q.Candidates[x.at.Candidate].UserID, *fact})
	}
	x.mu.Lock()
	if fact != nil && fact.Use == sunset.Used {
		x.used[x.at.Candidate] = true
	}
	x.done++
	all := len(x.q.Candidates) * len(x.q.Regions)
	percent := 100 * x.done / all
	if x.progress != nil && percent > x.told {
		x.told = percent
		x.progress(fmt.Sprintf("CloudTrail: %d of %d look-ups of users in regions", x.done, all))
	}
	x.mu.Unlock()
	x.advanced = true
	x.at.next()
}

func (w *walk) isUsed(i int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used[i]
}

func (w *walk) result(walkers []*walker) (Result, error) {
	r := Result{Evidence: map[string][]sunset.Evidence{}, Last: map[string]sunset.Activity{}}
	now := w.clock.Now()
	cursor := &Cursor{Of: w.q.checksum(), Regions: map[string]place{}}
	least, open, advanced := len(w.q.Candidates), false, false
	var stopped error
	for _, x := range walkers {
		for _, f := range x.evidence {
			r.Evidence[f.userID] = append(r.Evidence[f.userID], f.fact)
		}
		for id, a := range x.last {
			r.Last[id] = newerActivity(r.Last[id], a)
		}
		r.Gaps = append(r.Gaps, x.gaps...)
		if x.at.Candidate < len(w.q.Candidates) {
			open = true
			x.at.Wait = (x.lane.wait(now) + time.Millisecond - 1).Milliseconds()
		}
		cursor.Regions[x.lane.region] = x.at
		least = min(least, x.at.Candidate)
		advanced = advanced || x.advanced
		if x.stopped != nil && !errors.Is(x.stopped, errNoTime) && stopped == nil {
			stopped = x.lane.fault(x.stopped)
		}
	}
	if stopped != nil && !advanced {
		return Result{}, stopped
	}
	for id := range r.Evidence {
		sortEvidence(r.Evidence[id])
	}
	sortGaps(r.Gaps)
	for i := range w.used {
		if i >= least {
			cursor.Used = append(cursor.Used, i)
		}
	}
	slices.Sort(cursor.Used)
	if open {
		r.Cursor = cursor
	}
	return r, nil
}

func sortEvidence(facts []sunset.Evidence) {
	slices.SortStableFunc(facts, func(a, b sunset.Evidence) int { return cmp.Compare(a.Region, b.Region) })
}

func sortGaps(gaps []sunset.Gap) {
	slices.SortStableFunc(gaps, func(a, b sunset.Gap) int { return cmp.Compare(a.Region, b.Region) })
}
