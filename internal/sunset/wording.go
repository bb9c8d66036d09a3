package sunset

import (
	"errors"
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

// MessageKinds lists the kinds in the order in which a case sends them.
func MessageKinds() []MessageKind {
	return []MessageKind{
		NoticeMessage, DisabledMessage, LastCallMessage, HandedOverMessage, EndedMessage, WaitingMessage, EscalationMessage, FailedMessage,
	}
}

// Wording replaces a message's subject, its text, or both, as a MessageTemplate over the fields of its kind.
type Wording struct {
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text,omitempty"`
}

// MessageFields are the names that a kind's templates may use, as in {{.user}}. Every value is a text, and empty where
// it isn't known or doesn't apply. "link" is "yes" where a page's address will follow the text, and empty where none
// does, as in whatever goes to the team.
func MessageFields() map[MessageKind][]string {
	about := []string{"user", "user_id", "account", "owner", "last_use", "class"}
	with := func(more ...string) []string { return slices.Concat(about, more) }
	return map[MessageKind][]string{
		NoticeMessage:     with("link", "turn", "soak", "keep_tag", "password"),
		DisabledMessage:   with("link", "method", "soak_until", "keep_tag", "lost", "password"),
		LastCallMessage:   with("link", "expires", "soak_from", "heard", "password"),
		EndedMessage:      with("outcome", "reason"),
		HandedOverMessage: with("link", "by", "stage", "keep_tag"),
		FailedMessage:     with("reason"),
		WaitingMessage:    {"count", "users", "new", "next_end", "link"},
		EscalationMessage: {"count", "users", "next_end"},
	}
}

// MessageExample is what a message of a kind could be about: for previews, and to try replacements on.
func MessageExample(kind MessageKind) map[string]string {
	all := map[string]string{
		"user": "nightly-export", "user_id": "AIDAEXAMPLEUSERID", "account": "111122223333", "owner": "olga@example.com",
		"last_use": "14 May 2025", "class": string(Programmatic), "link": "yes", "turn": "5 March 2026, 09:00 UTC", "soak": "14 days", "keep_tag": TagKeep,
		"password":   "Its password is removed when it is disabled and can't be put back: it would need a new one.",
		"method":     string(InlineDeny),
		"soak_until": "19 March 2026, 09:00 UTC", "soak_from": "5 March 2026", "expires": "2 April 2026, 09:00 UTC",
		"lost": "Its password can't be put back.", "heard": "its access key was tried on 9 March 2026", "outcome": string(Deleted),
		"reason": "nothing needs it", "by": "ben@example.com", "stage": string(Soaking),
		"count": "2", "new": "1", "next_end": "31 March 2026, 09:00 UTC",
		"users": "- nightly-export: nothing was heard since 3 March 2026; decide by 31 March 2026, 09:00 UTC\n" +
			"- old-batch (new): something was heard since 5 March 2026; decide by 2 April 2026, 09:00 UTC",
	}
	if kind == EscalationMessage {
		all["users"] = "- nightly-export: until 31 March 2026, 09:00 UTC; asked: ada@example.com, ben@example.com\n" +
			"- old-batch: until 2 April 2026, 09:00 UTC; nobody is left who may decide"
	}
	if kind == FailedMessage {
		all["reason"] = "reading user nightly-export: iam:GetUser: AccessDenied"
	}
	out := map[string]string{}
	for _, field := range MessageFields()[kind] {
		out[field] = all[field]
	}
	return out
}

func validateMessages(messages map[MessageKind]Wording) (field string, err error) {
	known := MessageFields()
	for _, kind := range slices.Sorted(maps.Keys(messages)) {
		wording, field := messages[kind], fmt.Sprintf("[%s]", kind)
		switch {
		case known[kind] == nil:
			return field, fmt.Errorf("there is no such message; there are %s", strings.Join(kindNames(known), ", "))
		case wording == Wording{}:
			return field, errors.New("it must say subject or text")
		case strings.ContainsAny(wording.Subject, "\r\n"):
			return field + ".subject", errors.New("a subject is one line")
		}
		for _, part := range []struct{ name, text string }{{"subject", wording.Subject}, {"text", wording.Text}} {
			if part.text == "" {
				continue
			}
			if err := tryOut(kind, part.text); err != nil {
				return field + "." + part.name, err
			}
		}
	}
	return "", nil
}

// tryOut fills a template with an example, so that what would leave nothing is refused when the settings are read.
func tryOut(kind MessageKind, text string) error {
	t, err := ParseMessage(kind, text)
	if err == nil && strings.TrimSpace(t.Fill(MessageExample(kind))) == "" {
		err = errors.New("it prints nothing")
	}
	return err
}

func kindNames(known map[MessageKind][]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(known)) {
		out = append(out, string(k))
	}
	return out
}
