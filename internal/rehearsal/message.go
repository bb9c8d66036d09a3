package rehearsal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// write sends each approver what an announcement looks like, marked as rehearsed and without a link: there is nothing to
// decide. One that can't be sent is told, and ends nothing.
func (r *Rehearsal) write(ctx context.Context) error {
	var failed []string
	for _, to := range r.Approvers {
		if err := r.Messenger.Send(ctx, r.message(to)); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			failed = append(failed, fmt.Sprintf("%s: %v", to, err))
		}
	}
	f := Finding{About: Writing, OK: len(failed) == 0 && len(r.Approvers) > 0}
	switch {
	case len(r.Approvers) == 0:
		f.Text = "Nobody was written to: the settings name no approver"
	case f.OK:
		f.Text = "Sent to the approvers, marked as a rehearsal: " + strings.Join(r.Approvers, ", ")
	default:
		f.Text = "Not sent to every approver: " + strings.Join(failed, "; ")
	}
	r.found.add(f)
	return r.record(ctx, "rehearsal-written", f.Text+".", map[string]any{"to": r.Approvers, "failed": len(failed)})
}

func (r *Rehearsal) message(to string) approval.Message {
	now := r.Clock.Now().UTC()
	like := letters.Waiting(nil, []letters.Asked{{Request: sunset.ApprovalRequest{
		UserName: r.name, Disturbed: r.found.OK(LastUsed) || len(r.found.Heard) > 0, Expires: now.Add(14 * 24 * time.Hour), Shown: sunset.Shown{SoakFrom: r.q.At},
	}}}, false)
	text := "This is a rehearsal. Nothing waits for you, and there is nothing to decide: the user named here is a decoy, and is deleted in any case.\n" +
		"It shows that messages of IAM Sunset reach you. A real one looks like what follows, and has a link of your own at its end.\n\n" +
		like.Text
	return approval.Message{To: to, Subject: "[Rehearsal] " + like.Subject, Text: text}
}
