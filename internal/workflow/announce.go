package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// remindAfter is how long an approver is left in peace between two messages.
const remindAfter = 4 * 24 * time.Hour

// announce sends each approver one message, in office hours, with everything that waits for them, where something is
// new or a reminder is due. It counts the approvers who were told, and those who could not be.
func (w *Workflow) announce(ctx context.Context, s sunset.Settings) (sent, unsent int, err error) {
	now := w.Clock.Now()
	if !sunset.NextOpen(s.OfficeHours, now).Equal(now) {
		return 0, 0, nil
	}
	waiting, err := w.Desk.Waiting(ctx)
	if err != nil {
		return 0, 0, err
	}
	byApprover := map[string][]sunset.ApprovalRequest{}
	due := map[string]bool{}
	var order []string
	for _, x := range waiting {
		if byApprover[x.Approver] == nil {
			order = append(order, x.Approver)
		}
		byApprover[x.Approver] = append(byApprover[x.Approver], x.Request)
		due[x.Approver] = due[x.Approver] || x.Announced.IsZero() || now.Sub(x.Announced) >= remindAfter
	}
	var failures []error
	for _, who := range order {
		if !due[who] {
			continue
		}
		if err := w.announceTo(ctx, who, byApprover[who]); err != nil {
			failures = append(failures, err)
			unsent++
			continue
		}
		sent++
	}
	return sent, unsent, errors.Join(failures...)
}

func (w *Workflow) announceTo(ctx context.Context, who string, requests []sunset.ApprovalRequest) error {
	var last time.Time
	for _, r := range requests {
		if r.Expires.After(last) {
			last = r.Expires
		}
	}
	secret, err := w.Desk.NewLink(ctx, who, last)
	if err != nil {
		return err
	}
	message := approval.Announcement(who, approval.LinkURL(w.PagesURL, secret), requests)
	if err := w.Messenger.Send(ctx, message); err != nil {
		// The messenger's error could repeat the message, and with it the link.
		return sunset.Faultf(sunset.Unavailable, "the announcement to %s could not be sent and will be tried again", who)
	}
	for _, r := range requests {
		if err := w.Desk.MarkAnnounced(ctx, r.ID, who); err != nil {
			return err
		}
		c := sunset.Case{ID: r.CaseID, CleanupID: r.CleanupID, UserID: r.UserID, UserName: r.UserName}
		if err := w.recordCase(ctx, c, "announced", "iam-sunset", "", fmt.Sprintf("%s was told that %s waits for a decision.", who, r.UserName), nil); err != nil {
			return err
		}
	}
	return nil
}
