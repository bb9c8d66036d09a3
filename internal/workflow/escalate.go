package workflow

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// escalate tells the team of the requests that nobody has decided: of each once, when its last two days begin (the last
// quarter of its time, where that is shorter), or at once where too few may decide. It is one message a day, with no
// link, and goes out at any hour: a request may begin and end its last days while nobody is in.
func (w *Workflow) escalate(ctx context.Context, s sunset.Settings) error {
	open, err := w.Desk.OpenRequests(ctx)
	if err != nil {
		return err
	}
	now := w.Clock.Now()
	var due []letters.Undecided
	for _, r := range open {
		u := undecided(s, r)
		endsSoon := r.Expires.Sub(now) <= min(soon, r.Expires.Sub(r.Issued)/4)
		if !now.Before(r.Expires) || (!endsSoon && u.Allowed >= u.Needed) {
			continue
		}
		told, err := w.Desk.Announced(ctx, r.ID, approval.Team)
		if err != nil {
			return err
		}
		if told.IsZero() {
			due = append(due, u)
		}
	}
	if len(due) == 0 {
		return nil
	}
	last, err := w.Desk.LastTold(ctx, approval.Team)
	if err != nil {
		return err
	}
	if sameDay(last, now) && !slices.ContainsFunc(due, func(u letters.Undecided) bool { return u.Request.Expires.Before(tomorrow(now)) }) {
		return nil
	}
	slices.SortFunc(due, func(a, b letters.Undecided) int {
		return cmp.Or(a.Request.Expires.Compare(b.Request.Expires), cmp.Compare(a.Request.UserName, b.Request.UserName), cmp.Compare(a.Request.ID, b.Request.ID))
	})
	for i := range due {
		if err := w.leaveOutDecided(ctx, &due[i]); err != nil {
			return err
		}
	}
	letter := letters.Escalation(s.Messages, due)
	// Whoever dies in between tells the team twice, and never not at all.
	if err := w.tell(ctx, sunset.Case{}, approval.Team, letter.Subject, letter.Text); err != nil {
		return err
	}
	if err := w.Desk.MarkTold(ctx, approval.Team); err != nil {
		return err
	}
	for _, u := range due {
		r := u.Request
		if err := w.recordCase(ctx, caseAskedAbout(r), "escalated", "iam-sunset", "escalated/"+r.ID,
			fmt.Sprintf("A message to the team says that nobody has decided on %s; the approvers are asked until %s.", r.UserName, r.Expires.Format(time.RFC3339)),
			map[string]any{"expires": r.Expires, "waiting_for": len(u.Asked), "allowed": u.Allowed, "needed": u.Needed}); err != nil {
			return err
		}
		if err := w.Desk.MarkAnnounced(ctx, r.ID, approval.Team); err != nil {
			return err
		}
	}
	return nil
}

// undecided says who may decide on a request by today's settings, and how many must.
func undecided(s sunset.Settings, r sunset.ApprovalRequest) letters.Undecided {
	u := letters.Undecided{Request: r, Needed: max(r.Needed, s.ApprovalsNeeded, 1)}
	if r.Disturbed {
		u.Needed = 1 // it can't be deleted, and one is enough for anything else
	}
	for _, a := range s.Approvers {
		if r.Barred(s, a.Email) == "" {
			u.Asked = append(u.Asked, a.Email)
		}
	}
	u.Allowed = len(u.Asked)
	return u
}

// leaveOutDecided takes those who have decided from those who are asked.
func (w *Workflow) leaveOutDecided(ctx context.Context, u *letters.Undecided) error {
	decisions, _, err := w.Desk.Decisions(ctx, u.Request.ID)
	if err != nil {
		return err
	}
	u.Asked = slices.DeleteFunc(u.Asked, func(who string) bool {
		return slices.ContainsFunc(decisions, func(d sunset.Decision) bool { return strings.EqualFold(d.Approver, who) })
	})
	return nil
}
