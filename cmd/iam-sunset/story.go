package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// story tells a cleanup by its records, as they are written: what is told is what is on record. What happens to many
// users at once is told once.
type story struct {
	out io.Writer
	// live tells each decision at once: a person has just made it, and may be looking.
	live bool

	mu      sync.Mutex
	pending []telling // of one kind
}

// telling is a record to be told. Those with equal headlines in a row are told together.
type telling struct {
	audit.Record
	color    text.Color
	headline func(users string) string // nil: the record's own sentence
	kin      string
}

// recorded is a store that tells the story of what is put into it.
type recorded struct {
	store.Objects
	story *story
}

// Put writes the object, and tells of it where it is a record worth telling.
func (r recorded) Put(ctx context.Context, key string, body []byte) error {
	if err := r.Objects.Put(ctx, key, body); err != nil {
		return err
	}
	var record audit.Record
	if strings.HasPrefix(key, "evidence/") && json.Unmarshal(body, &record) == nil {
		r.story.hear(record)
	}
	return nil
}

func (s *story) hear(r audit.Record) {
	t, worth := tellingOf(r)
	if !worth {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) > 0 && s.pending[0].kin != t.kin {
		s.flush()
	}
	s.pending = append(s.pending, t)
	if t.headline == nil || (s.live && r.Kind == "decision") {
		s.flush()
	}
}

// say prints something that is no record, after all that was heard before.
func (s *story) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	fmt.Fprintf(s.out, format, args...)
}

const moment = "Mon 02 Jan 15:04"

// flush expects mu to be held.
func (s *story) flush() {
	if len(s.pending) == 0 {
		return
	}
	first := s.pending[0]
	at := first.At.Format(moment) + "  "
	told := strings.TrimSpace(first.Text)
	var names []string
	if first.headline != nil {
		for _, t := range s.pending {
			names = append(names, t.UserName)
		}
		told = first.headline(counted(len(names), "user"))
	}
	if len(names) == 1 {
		told, names = first.headline(names[0]), nil
	}
	width := min(widthOf(s.out, pageWidth), 120) - len(at)
	print := func(margin, words string, color text.Color) {
		for line := range strings.Lines(text.WrapSoft(printable(words), max(width, leastWhy))) {
			fmt.Fprintln(s.out, margin+color.Sprint(strings.TrimSpace(line)))
			margin = strings.Repeat(" ", len(at))
		}
	}
	print(at, told, first.color)
	if len(names) > 0 {
		print(strings.Repeat(" ", len(at)), strings.Join(names, ", "), text.Faint)
	}
	s.pending = nil
}

// tellingOf says how a record is told, if it is worth telling.
func tellingOf(r audit.Record) (telling, bool) {
	t := telling{Record: r, kin: r.Kind}
	switch r.Kind {
	case "plan":
		t.color = text.FgCyan
	case "closed":
		t.color = text.FgCyan
		t.Text = "The cleanup ended." // its counts follow in a table
		return t, r.CaseID == ""      // a case's end was told by what ended it
	case "claimed":
		var data struct {
			Turn time.Time `json:"turn"`
		}
		t.color = text.FgBlue
		if json.Unmarshal(r.Data, &data) == nil {
			turn := data.Turn.Format(moment)
			t.kin += turn
			t.headline = func(users string) string { return users + " claimed, to be disabled " + turn }
		}
	case "disabled":
		var data struct {
			Quarantine sunset.Quarantine `json:"quarantine"`
			Until      time.Time         `json:"soak_until"`
		}
		t.color = text.FgYellow
		if json.Unmarshal(r.Data, &data) == nil && data.Quarantine.Lost == "" {
			how := fmt.Sprintf("disabled by %s and listened to until %s", data.Quarantine.Method, data.Until.Format(moment))
			t.kin += how
			t.headline = func(users string) string { return users + " " + how }
		}
	case "listened":
		t.color = text.FgHiYellow
		return t, strings.HasPrefix(r.Text, "Something")
	case "decision":
		var d sunset.Decision
		t.color = text.FgMagenta
		if json.Unmarshal(r.Data, &d) == nil {
			t.kin += d.Approver + string(d.Choice) + d.Reason
			t.headline = func(users string) string {
				return fmt.Sprintf("%s decided to %s %s: %s", d.Approver, sayChoice(d.Choice), users, d.Reason)
			}
		}
	case "deleted":
		const gone = " was deleted: it is gone with everything it had"
		t.color = text.FgRed
		if strings.HasPrefix(r.Text, r.UserName+gone) {
			t.headline = func(users string) string { return users + " deleted with everything there was, and nothing is left" }
		}
	case "restored", "skipped":
		t.color = text.FgGreen
	case "failed", "deletion-refused":
		t.color = text.FgHiRed
	default:
		return t, false
	}
	return t, true
}

func sayChoice(c sunset.Choice) string {
	if c == sunset.ChooseDelete || c == sunset.ChooseKeep {
		return string(c)
	}
	return "listen again to"
}
