package sunset

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// MessageKind is a kind of message to people, whose text settings can replace.
type MessageKind string

// The kinds. The first four go to a user's owner, or to the team where none is known.
const (
	NoticeMessage     MessageKind = "notice"      // it will be disabled; nothing has been changed
	DisabledMessage   MessageKind = "disabled"    // it was disabled
	LastCallMessage   MessageKind = "last-call"   // the approvers are asked; it may be deleted from now on
	EndedMessage      MessageKind = "ended"       // what became of it
	HandedOverMessage MessageKind = "handed-over" // to its new owner
	WaitingMessage    MessageKind = "waiting"     // to an approver: what waits
	EscalationMessage MessageKind = "escalation"  // to the team: what nobody has decided
	FailedMessage     MessageKind = "failed"      // a case failed
)

// Wording replaces a message's subject, its text, or both, as Go templates over the fields of its kind.
type Wording struct {
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text,omitempty"`
}

// MessageFields are the names that a kind's templates may use, as in {{.user}}.
func MessageFields() map[MessageKind][]string {
	about := []string{"user", "user_id", "account", "owner", "last_use", "class"}
	with := func(more ...string) []string { return slices.Concat(about, more) }
	return map[MessageKind][]string{
		NoticeMessage:     with("turn", "soak", "keep_tag", "password"),
		DisabledMessage:   with("method", "soak_until", "keep_tag", "lost", "password"),
		LastCallMessage:   with("expires", "soak_from", "heard", "password"),
		EndedMessage:      with("outcome", "reason"),
		HandedOverMessage: with("by", "stage", "keep_tag"),
		FailedMessage:     with("reason"),
		WaitingMessage:    {"count", "users", "new", "next_end"},
		EscalationMessage: {"count", "users", "next_end"},
	}
}

func validateMessages(messages map[MessageKind]Wording) (field string, err error) {
	known := MessageFields()
	for _, kind := range slices.Sorted(maps.Keys(messages)) {
		if known[kind] == nil {
			return fmt.Sprintf("[%s]", kind), fmt.Errorf("there is no such message; there are %s", strings.Join(kindNames(known), ", "))
		}
	}
	return "", nil
}

func kindNames(known map[MessageKind][]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(known)) {
		out = append(out, string(k))
	}
	return out
}
