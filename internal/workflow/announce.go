package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// remindAfter is how long an approver is left in peace where nothing is new and nothing ends.
const remindAfter = 4 * 24 * time.Hour

// announce sends each approver, in office hours, at most one message a day with everything that waits for them. It
// counts the approvers who were told, and those who could not be.
func (w *Workflow) announce(ctx context.Context, s sunset.Settings) (sent, unsent int, err error) {
	now := w.Clock.Now()
	if !sunset.NextOpen(s.OfficeHours, now).Equal(now) {
		return 0, 0, nil
	}
	all, err := w.Desk.Waiting(ctx)
	if err != nil {
		return 0, 0, err
	}
	byApprover := map[string][]approval.Waiting{}
	var order []string
	for _, x := range all {
		if byApprover[x.Approver] == nil {
			order = append(order, x.Approver)
		}
		byApprover[x.Approver] = append(byApprover[x.Approver], x)
	}
	var failures []error
	for _, who := range order {
		waiting := byApprover[who]
		slices.SortFunc(waiting, func(a, b approval.Waiting) int {
			return cmp.Or(a.Request.Expires.Compare(b.Request.Expires), cmp.Compare(a.Request.UserName, b.Request.UserName), cmp.Compare(a.Request.ID, b.Request.ID))
		})
		told, err := w.Desk.LastTold(ctx, who)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		if !dueNow(s, now, told, waiting) {
			continue
		}
		if err := w.announceTo(ctx, s, who, waiting); err != nil {
			failures = append(failures, err)
			unsent++
			continue
		}
		sent++
	}
	return sent, unsent, errors.Join(failures...)
}

// dueNow reports whether an approver who was last told at told is to be told now of what waits, given in order of ends:
// once a day where something is new, where the first of them ends within two days, or where nothing was said for four.
//
// What comes after the day's message waits for the next day that has office hours, unless half of its time would be over
// by then.
func dueNow(s sunset.Settings, now, told time.Time, waiting []approval.Waiting) bool {
	isNew := func(x approval.Waiting) bool { return x.Announced.IsZero() }
	for _, x := range waiting {
		// Whoever was told by a version that kept no such day was told of one of these.
		if x.Announced.After(told) {
			told = x.Announced
		}
	}
	if !sameDay(told, now) {
		return now.Sub(told) >= remindAfter || waiting[0].Request.Expires.Sub(now) < soon || slices.ContainsFunc(waiting, isNew)
	}
	next := sunset.NextOpen(s.OfficeHours, tomorrow(now))
	return slices.ContainsFunc(waiting, func(x approval.Waiting) bool {
		r := x.Request
		return isNew(x) && (next.IsZero() || next.After(r.Issued.Add(r.Expires.Sub(r.Issued)/2)))
	})
}

// Days are UTC's: approvers may sit anywhere, and the office hours say when their messages come.
func sameDay(a, b time.Time) bool {
	return a.UTC().Format(time.DateOnly) == b.UTC().Format(time.DateOnly)
}

func tomorrow(now time.Time) time.Time {
	return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

func (w *Workflow) announceTo(ctx context.Context, s sunset.Settings, who string, waiting []approval.Waiting) error {
	last := waiting[len(waiting)-1].Request.Expires
	secret, err := w.Desk.NewLink(ctx, who, last)
	if err != nil {
		return err
	}
	asked := make([]letters.Asked, len(waiting))
	for i, x := range waiting {
		asked[i] = letters.Asked{Request: x.Request, New: x.Announced.IsZero()}
	}
	letter := letters.Waiting(s.Messages, asked, true)
	message := approval.Message{To: who, Subject: letter.Subject, Text: letter.Text, Link: approval.LinkURL(w.PagesURL, secret)}
	if err := w.Messenger.Send(ctx, message); err != nil {
		// The messenger's error could repeat the message, and with it the link.
		return sunset.Faultf(sunset.Unavailable, "the announcement to %s could not be sent and will be tried again", who)
	}
	if err := w.Desk.MarkTold(ctx, who); err != nil {
		return err
	}
	for _, x := range waiting {
		r := x.Request
		if err := w.Desk.MarkAnnounced(ctx, r.ID, who); err != nil {
			return err
		}
		if err := w.recordCase(ctx, caseAskedAbout(r), "announced", "iam-sunset", "", fmt.Sprintf("%s was told that %s waits for a decision.", who, r.UserName), nil); err != nil {
			return err
		}
	}
	return nil
}

// caseAskedAbout is as much of a request's case as its records name.
func caseAskedAbout(r sunset.ApprovalRequest) sunset.Case {
	return sunset.Case{ID: r.CaseID, CleanupID: r.CleanupID, UserID: r.UserID, UserName: r.UserName}
}
