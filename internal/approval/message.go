package approval

import (
	"context"
	"fmt"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Message is a letter to one person. Link stands apart from Text, so that logs and records can leave it out.
type Message struct {
	To      string
	Subject string
	Text    string
	Link    string
}

// Team is the security team as an addressee. Each Messenger knows by itself how the team is reached; where it is not to be
// reached at all, messages to it are dropped without an error. It is no e-mail address, so that nobody else can have it.
const Team = "team"

// Messenger carries messages. A demo prints them, a deployment mails them.
type Messenger interface {
	Send(ctx context.Context, m Message) error
}

// Announcement is the one message that tells an approver of all that waits for them.
func Announcement(to, link string, waiting []sunset.ApprovalRequest) Message {
	subject := "1 unused IAM user waits for your decision"
	if len(waiting) != 1 {
		subject = fmt.Sprintf("%d unused IAM users wait for your decision", len(waiting))
	}
	var text strings.Builder
	text.WriteString("These users were disabled and listened to. Please decide on each whether it is deleted, kept or listened to again:\n\n")
	for _, r := range waiting {
		heard := "nothing was heard"
		if r.Disturbed {
			heard = "something was heard"
		}
		fmt.Fprintf(&text, "- %s: %s since %s; decide by %s\n", CleanReason(r.UserName), heard,
			r.Shown.SoakFrom.UTC().Format("2 January 2006"), r.Expires.UTC().Format("2 January 2006 15:04 MST"))
	}
	text.WriteString("\nThe link below is yours alone. Opening it changes nothing.\n")
	return Message{To: to, Subject: subject, Text: text.String(), Link: link}
}
