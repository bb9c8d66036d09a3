// Package letters words the messages to people: plain text in calm English, which settings can replace. It knows neither
// whom a letter goes to nor the address of a page: whoever sends it puts the link below the text.
package letters

import (
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Each file has the subject in its first line, an empty line, and the text. A paragraph is one line: where it breaks is
// up to the screen that it is read on.
//
//go:embed *.txt
var files embed.FS

// Letter is a message's words.
type Letter struct{ Subject, Text string }

// Write words a message. A field of sunset.MessageFields that values don't have is empty. Values are cleaned of line
// breaks, control characters and what changes the direction of writing; only "users", the list of users, keeps its
// lines.
//
// It never fails, because a message must get out: a replacement that can't be read, or leaves nothing, gives way
// to the wording of the product. It panics on a kind that sunset.MessageKinds doesn't list.
func Write(kind sunset.MessageKind, replaced map[sunset.MessageKind]sunset.Wording, values map[string]string) Letter {
	subject, text := product(kind)
	clean := map[string]string{}
	for field, value := range values {
		switch field {
		case "users":
			clean[field] = approval.CleanReason(value)
		case "reason", "heard":
			clean[field] = strings.TrimRight(oneLine(value), ".") // the wording ends the sentence
		default:
			clean[field] = oneLine(value)
		}
	}
	wording := replaced[kind]
	return Letter{
		Subject: oneLine(fill(kind, wording.Subject, subject, clean)),
		Text:    paragraphs(fill(kind, wording.Text, text, clean)),
	}
}

// product is the wording that comes with the product. A test fills in every one of them.
func product(kind sunset.MessageKind) (subject, text string) {
	b, err := files.ReadFile(string(kind) + ".txt")
	if err != nil {
		panic(fmt.Sprintf("there is no message %q: %v", kind, err))
	}
	subject, text, _ = strings.Cut(string(b), "\n")
	return subject, text
}

func fill(kind sunset.MessageKind, replaced, standard string, values map[string]string) string {
	if replaced != "" {
		t, err := sunset.ParseMessage(kind, replaced)
		if out := t.Fill(values); err == nil && strings.TrimSpace(out) != "" {
			return out
		}
	}
	t, err := sunset.ParseMessage(kind, standard)
	if err != nil {
		panic(fmt.Sprintf("the wording of message %q can't be filled in: %v", kind, err))
	}
	return t.Fill(values)
}

// oneLine keeps a value from making headers, lists or paragraphs of its own.
func oneLine(s string) string { return strings.Join(strings.Fields(approval.CleanReason(s)), " ") }

// paragraphs leaves no holes where a condition printed nothing.
func paragraphs(s string) string {
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(s), "\n") {
		line = strings.TrimRight(line, " \t\r")
		if line != "" || len(out) > 0 && out[len(out)-1] != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n") + "\n"
}

// When writes a moment as letters do, to the minute, and nothing for none: "5 March 2026, 09:00 UTC".
func When(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

// Day writes a day as letters do, and nothing for none: "5 March 2026".
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006")
}

// Span writes a duration in words: "14 days", "1 hour".
func Span(d sunset.Duration) string {
	short := d.String()
	number, unit := short[:len(short)-1], map[byte]string{'d': "day", 'h': "hour", 'm': "minute", 's': "second"}[short[len(short)-1]]
	if number != "1" {
		unit += "s"
	}
	return number + " " + unit
}
