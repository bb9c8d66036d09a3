package approval

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/look"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// timeline is the course of a case as text.
func timeline(item Item) []moment {
	r, s := item.Request, item.Request.Shown
	var all []moment
	add := func(at time.Time, alarm bool, format string, args ...any) {
		if !at.IsZero() {
			all = append(all, moment{At: at, Text: CleanReason(fmt.Sprintf(format, args...)), Alarm: alarm})
		}
	}
	add(r.Facts.Created, false, "The user was created")
	if a := s.LastSeen; a != nil {
		add(a.At, false, "Last seen: %s %s", a.Service, a.Call)
	}
	for _, c := range s.Credentials {
		if c.LastUsed != nil {
			add(*c.LastUsed, false, "Its %s was last used", c.Label())
		}
	}
	if s.Quarantine.At.Equal(s.SoakFrom) {
		add(s.SoakFrom, false, "Disabled (%s); the soak began", methodLabel(s.Quarantine.Method))
	} else {
		add(s.Quarantine.At, false, "Disabled (%s)", methodLabel(s.Quarantine.Method))
		add(s.SoakFrom, false, "The soak began")
	}
	for _, sig := range r.Facts.Signals {
		add(sig.At, true, "Heard: %s", sig.Detail)
	}
	add(s.SoakUntil, false, "The soak's end")
	add(s.HeardUntil, false, "CloudTrail is heard up to here")
	add(r.Issued, false, "You were asked")
	for _, d := range item.decisions() {
		add(d.At, false, "%s decided: %s", d.Approver, choiceLabel(d.Choice))
	}
	add(r.Expires, false, "The last moment to decide; without a decision the user stays disabled")
	slices.SortStableFunc(all, func(a, b moment) int { return a.At.Compare(b.At) })
	return all
}

// soakOf is the course of a case as a picture, from its disabling to the last moment to decide. What came before is years
// long, and in the text alone.
func soakOf(item Item) look.Timeline {
	r, s := item.Request, item.Request.Shown
	t := look.Timeline{
		ID: "soak-picture", Title: "The soak of " + CleanReason(r.UserName), Until: r.Expires,
		Bands: []look.Band{
			{From: s.SoakFrom, Until: s.SoakUntil, Class: "soak", Label: "The soak"},
			{From: r.Issued, Until: r.Expires, Class: "wait", Label: "Time to decide"},
		},
	}
	for _, at := range []time.Time{s.Quarantine.At, s.SoakFrom, s.SoakUntil, r.Issued} {
		if !at.IsZero() && (t.From.IsZero() || at.Before(t.From)) {
			t.From = at
		}
	}
	mark := func(at time.Time, shape look.Shape, label string) {
		t.Marks = append(t.Marks, look.Mark{At: at, Shape: shape, Label: CleanReason(label) + ", " + when(at)})
	}
	mark(s.Quarantine.At, look.Deed, "Disabled")
	checks := 0
	for at := s.SoakFrom; checks < 500 && at.Before(s.SoakUntil) && at.Before(r.Issued); checks++ {
		at = sunset.NextCheck(r.UserID, s.SoakFrom, s.SoakUntil, at)
		mark(at, look.Check, "A check was due")
	}
	for _, sig := range r.Facts.Signals {
		mark(sig.At, look.Signal, "Heard: "+sig.Detail)
	}
	mark(s.HeardUntil, look.Check, "CloudTrail is heard up to here")
	mark(r.Issued, look.Question, "You were asked")
	for _, d := range item.decisions() {
		mark(d.At, look.Answer, d.Approver+" decided: "+choiceLabel(d.Choice))
	}
	mark(r.Expires, look.End, "The last moment to decide")
	t.Text = fmt.Sprintf("Disabled %s; the soak from %s to %s with %s due; %s; asked %s; to be decided by %s.",
		when(s.Quarantine.At), when(s.SoakFrom), when(s.SoakUntil), counted(checks, "check", "checks"), heardLine(r), when(r.Issued), when(r.Expires))
	return t
}

// heardLine says what the soak heard, as a part of a sentence.
func heardLine(r sunset.ApprovalRequest) string {
	switch n := len(r.Facts.Signals); n {
	case 0:
		return "nothing was heard"
	case 1:
		return "1 signal was heard"
	default:
		return strconv.Itoa(n) + " signals were heard"
	}
}
