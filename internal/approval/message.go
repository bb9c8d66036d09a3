package approval

import "context"

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
