package trail

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// mostSignals is how many signals of a region are told one by one.
const mostSignals = 20

// Heard lists everything that who did from since to until in the regions, as signals in order of time: the oldest 20 of
// a region one by one, the rest in one sentence. A failed sign-in with the user's name is a signal too: in a soak it is
// for people to judge. A region that denies, has too many pages or an unreadable event is a gap, and the soak proves
// nothing there. heardUntil is until: choose it sunset.Settle before now, since events arrive late.
//
// Throttling and servers' errors that don't pass are faults.
func (t *Trail) Heard(ctx context.Context, who Candidate, regions []string, since, until time.Time) (signals []sunset.Signal, gaps []sunset.Gap, heardUntil time.Time, err error) {
	if err := who.validate(); err != nil {
		return nil, nil, time.Time{}, err
	}
	if len(regions) == 0 {
		return nil, []sunset.Gap{noRegion()}, until, nil
	}
	if !until.After(since) {
		return nil, nil, until, nil
	}
	heard := make([][]sunset.Signal, len(regions))
	missed := make([][]sunset.Gap, len(regions))
	var all []func(context.Context) error
	for i, region := range regions {
		all = append(all, func(ctx context.Context) error {
			var err error
			heard[i], missed[i], err = t.lane(region).heard(ctx, who, since, until)
			return err
		})
	}
	if err := t.clock.Together(ctx, all...); err != nil {
		return nil, nil, time.Time{}, fmt.Errorf("listening for user %s: %w", who.Name, err)
	}
	return sunset.MergeSignals(slices.Concat(heard...), nil), slices.Concat(missed...), until, nil
}

func (l *lane) heard(ctx context.Context, who Candidate, since, until time.Time) ([]sunset.Signal, []sunset.Gap, error) {
	var signals []sunset.Signal
	var gaps []sunset.Gap
	missed := func(why string) { gaps = append(gaps, sunset.Gap{Action: lookupAction, Region: l.region, Why: why}) }
	pages := 0
	for _, name := range who.names() {
		q := lookup{key: types.LookupAttributeKeyUsername, value: name, since: since, until: until}
		for {
			if pages == DefaultPageBudget {
				missed(fmt.Sprintf("more than %d pages of events under the name %s", DefaultPageBudget, name))
				return told(signals), gaps, nil
			}
			page, err := l.page(ctx, q, time.Time{})
			if err != nil {
				closed, _ := unreadable(err)
				if ctx.Err() != nil || !closed {
					return nil, nil, l.fault(err)
				}
				return told(signals), append(gaps, awsfault.Gap(err, lookupAction, l.region)), nil
			}
			pages++
			for _, raw := range page.Events {
				e, err := readEvent(raw)
				relation := unclear
				if err == nil {
					relation = e.of(who.UserID)
				}
				switch relation {
				case theirs, attempted:
					signals = append(signals, l.signal(e))
				case unclear:
					missed(fmt.Sprintf("CloudTrail event %s under the name %s can't be read or doesn't say whose it is", aws.ToString(raw.EventId), name))
				case others:
				}
			}
			if q.token = aws.ToString(page.NextToken); q.token == "" {
				break
			}
		}
	}
	return told(signals), gaps, nil
}

func (l *lane) signal(e event) sunset.Signal {
	kind := sunset.Call
	switch {
	case e.signIn():
		kind = sunset.SignIn
	case e.denied():
		kind = sunset.DeniedCall
	}
	return sunset.Signal{
		Kind: kind, About: e.EventName, At: e.EventTime, Source: lookupAction, Region: l.region,
		Detail: fmt.Sprintf("%s in %s", e.sentence(), l.region),
	}
}

// told keeps the oldest signals, which later readings tell again, and counts the others.
func told(signals []sunset.Signal) []sunset.Signal {
	signals = sunset.MergeSignals(signals, nil)
	if len(signals) <= mostSignals {
		return signals
	}
	rest := signals[mostSignals]
	rest.Detail = fmt.Sprintf("%s, and %d more events until %s", rest.Detail, len(signals)-mostSignals-1, signals[len(signals)-1].At.Format(time.RFC3339))
	return append(signals[:mostSignals:mostSignals], rest)
}
