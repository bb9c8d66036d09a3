package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// lookAgain looks, once a day, at every user on whom approvers are asked, since nothing listens to it in that time. Where
// its facts have moved that is kept in the case's row, and its request is void: the case goes back to listening, and people
// are asked anew. It restores nobody and deletes nobody. CloudTrail is not asked: whoever deletes does.
//
// The clock bounds a round. The order is another one each day, so that of more users than fit in none is always left
// out. A case that can't be looked at is left until tomorrow; where AWS asks to slow down, so is the rest.
func (w *Workflow) lookAgain(ctx context.Context) (moved int, err error) {
	if w.Clock.Now().UTC().Hour() != strayHour {
		return 0, nil
	}
	open, err := w.Cases.OpenCases(ctx)
	if err != nil {
		return 0, err
	}
	today := w.Clock.Now().UTC().Format(time.DateOnly)
	open = slices.DeleteFunc(open, func(c sunset.Case) bool {
		return c.Stage != sunset.Requesting || c.RequestID == "" || c.Rescue != nil || c.Quarantine == nil
	})
	slices.SortFunc(open, func(a, b sunset.Case) int { return cmp.Compare(hashOf([]byte(today+a.ID)), hashOf([]byte(today+b.ID))) })
	deadline := w.deadline(ctx)
	var failures []error
	for i, c := range open {
		if !w.Clock.Now().Before(deadline) {
			w.Log.WarnContext(ctx, "not every user on whom approvers are asked was looked at again today", "left", len(open)-i)
			break
		}
		void, err := w.lookAt(ctx, c)
		if void {
			moved++
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return moved, errors.Join(append(failures, err)...)
		case awsfault.IsDenied(err) || sunset.KindOf(err).Passing():
			w.Log.WarnContext(ctx, "a user on whom approvers are asked could not be looked at again", "case", c.ID, "error", err)
		default:
			failures = append(failures, fmt.Errorf("looking at %s again while approvers are asked: %w", c.UserName, err))
		}
		if sunset.KindOf(err) == sunset.Throttled {
			break
		}
	}
	return moved, errors.Join(failures...)
}

// lookAt voids the request on one case where its user isn't as the request says.
func (w *Workflow) lookAt(ctx context.Context, c sunset.Case) (void bool, err error) {
	r, err := w.Desk.Request(ctx, c.RequestID)
	if err != nil || r.State != sunset.RequestOpen || !w.Clock.Now().Before(r.Expires) {
		return false, err
	}
	news, err := w.newsOf(ctx, c, r)
	if err != nil || len(news) == 0 {
		return false, err
	}
	if c, err = w.heardMeanwhile(ctx, c, news); err != nil {
		return false, err
	}
	var what []string
	for _, sig := range news {
		what = append(what, sig.Detail)
	}
	// The record comes before the request's end: it is true whatever becomes of the request in this moment.
	if err := w.recordCase(ctx, c, "facts-moved", "iam-sunset", "facts-moved/"+r.ID,
		fmt.Sprintf("While the approvers were asked about %s its facts moved: %s. Nobody is deleted on what they were shown.", c.UserName, strings.Join(what, "; ")),
		map[string]any{"signals": news}); err != nil {
		return false, err
	}
	if err := w.Desk.Supersede(ctx, c.ID, ""); err != nil {
		return false, err
	}
	return true, w.deliver(ctx, r.ID)
}

// heardMeanwhile keeps in the case's row what was heard while its approvers were asked, and tells of it where nothing was
// before: it stays heard, also where it is gone again before anybody listens. A user that is gone is heard of no more.
func (w *Workflow) heardMeanwhile(ctx context.Context, c sunset.Case, news []sunset.Signal) (sunset.Case, error) {
	if news[0].Kind == sunset.OtherUserID {
		return c, nil
	}
	if len(c.Signals) == 0 {
		heard := c
		heard.Signals = news
		if err := w.tellDisturbed(ctx, heard); err != nil {
			return c, err
		}
	}
	return w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if all := sunset.MergeSignals(c.Signals, news); c.Open() && c.Rescue == nil && len(all) > len(c.Signals) {
			c.Signals, c.Resumed, c.Holds, c.Reason = all, false, true, "disturbed: "+all[0].Detail
		}
		return nil
	})
}

// newsOf is what a live look finds, or the case's row has, beyond what the request's facts have. Another try of a credential whose tries are
// known is no news: a stolen key that is tried every day must not put off the end of each request.
func (w *Workflow) newsOf(ctx context.Context, c sunset.Case, r sunset.ApprovalRequest) ([]sunset.Signal, error) {
	snap, err := w.snapshotOf(ctx, c)
	if err != nil {
		return nil, err
	}
	there, err := w.in(ctx, c.Account, sunset.AccessRead)
	if err != nil {
		return nil, err
	}
	if _, err := there.callerFor(ctx, c); err != nil {
		return nil, err
	}
	live, found, err := there.IAM.Find(ctx, c.UserID, c.UserName)
	if err != nil {
		return nil, err
	}
	now := w.Clock.Now()
	if !found {
		return []sunset.Signal{{Kind: sunset.OtherUserID, About: c.UserID, At: now, Source: "iam:GetUser", Detail: "no user has its id any more"}}, nil
	}
	inPlace, err := there.IAM.DenyInPlace(ctx, live, *c.Quarantine)
	if err != nil {
		return nil, err
	}
	fresh := sunset.Drift(c, snap, live, now)
	if !inPlace {
		fresh = append(fresh, denyMissing(*c.Quarantine, now))
	}
	return slices.DeleteFunc(sunset.MergeSignals(c.Signals, fresh), func(sig sunset.Signal) bool {
		return slices.ContainsFunc(r.Facts.Signals, func(k sunset.Signal) bool { return k.Kind == sig.Kind && k.About == sig.About })
	}), nil
}

func denyMissing(q sunset.Quarantine, now time.Time) sunset.Signal {
	return sunset.Signal{Kind: sunset.DenyMissing, At: now, Source: "iam:GetUserPolicy", Detail: fmt.Sprintf("what disabled it (%s) is not in place any more", q.Method)}
}
