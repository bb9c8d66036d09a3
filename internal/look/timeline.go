package look

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"
)

// Timeline is a course of time, drawn from left to right. Positions are shares of the width and shapes have a size of their
// own, so that it reads on a phone as on paper. What it shows must be in the text beside it as well.
type Timeline struct {
	ID          string // sets its title apart from others on the page; letters and dashes
	Title, Text string // what a screen reader says: the name, and what is to be seen
	From, Until time.Time
	Bands       []Band
	Marks       []Mark
}

// Band is a stretch of time. Class is "soak", "wait" or another of the stylesheet.
type Band struct {
	From, Until time.Time
	Class       string
	Label       string
}

// Mark is a moment.
type Mark struct {
	At    time.Time
	Shape Shape
	Label string
}

// Shape is how a mark looks. No two differ by colour alone.
type Shape string

// The shapes: something done to the user, something heard, a time at which was listened, a question to people, their
// answer, and a last moment.
const (
	Deed     Shape = "deed"
	Signal   Shape = "signal"
	Check    Shape = "check"
	Question Shape = "question"
	Answer   Shape = "answer"
	End      Shape = "end"
)

// shapes are drawn around a point; their order is that in which they lie over each other, and in which the key names them.
var shapes = []struct {
	shape Shape
	name  string
	path  string
}{
	{Check, "listened", "M-1-6h2V6h-2z"},
	{Deed, "done", "M-6-6H6V6H-6z"},
	{Question, "asked", "M0 7-7-6H7z"},
	{End, "last moment", "M-1.5-14h3v28h-3z"},
	{Answer, "decided", "M7 0A7 7 0 1 1-7 0 7 7 0 1 1 7 0z"},
	{Signal, "heard", "M0-10 9 0 0 10-9 0z"},
}

// SVG is the picture, with its title, its text, days and a date at each end. Moments outside From and Until are left out.
func (t Timeline) SVG() template.HTML {
	var b strings.Builder
	esc := template.HTMLEscapeString
	fmt.Fprintf(&b, `<svg class="course" width="100%%" height="76" role="img" aria-labelledby="%s-title %s-text"><title id="%s-title">%s</title><desc id="%s-text">%s</desc>`,
		t.ID, t.ID, t.ID, esc(t.Title), t.ID, esc(t.Text))
	b.WriteString(`<line class="axis" x1="2%" x2="98%" y1="34" y2="34"/>`)
	t.bands(&b, 24, 20)
	t.days(&b)
	for _, s := range shapes {
		for _, m := range t.Marks {
			if x, ok := t.at(m.At); ok && m.Shape == s.shape {
				fmt.Fprintf(&b, `<svg x="%s%%" y="34" overflow="visible"><path class="mark-%s" d="%s"><title>%s</title></path></svg>`, x, s.shape, s.path, esc(m.Label))
			}
		}
	}
	fmt.Fprintf(&b, `<text x="2%%" y="70">%s</text><text x="98%%" y="70" text-anchor="end">%s</text></svg>`, day(t.From), day(t.Until))
	return template.HTML(b.String()) //nolint:gosec // what isn't ours is escaped
}

// Strip is the picture for a line of a list: bands, and what was heard. It says nothing to a screen reader.
func (t Timeline) Strip() template.HTML {
	var b strings.Builder
	b.WriteString(`<svg class="strip" width="100%" height="14" aria-hidden="true">`)
	t.bands(&b, 4, 6)
	drawn := map[string]bool{}
	for _, m := range t.Marks {
		// Hundreds of signals at one place are one mark.
		if x, ok := t.at(m.At); ok && m.Shape == Signal && !drawn[x] {
			drawn[x] = true
			fmt.Fprintf(&b, `<svg x="%s%%" y="7" overflow="visible"><path class="mark-signal" d="M0-6 5 0 0 6-5 0z"/></svg>`, x)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // it holds numbers and our own words
}

// Key explains the shapes that are in the picture.
func (t Timeline) Key() template.HTML {
	var b strings.Builder
	b.WriteString(`<ul class="key">`)
	for _, s := range shapes {
		if slices.ContainsFunc(t.Marks, func(m Mark) bool { _, ok := t.at(m.At); return ok && m.Shape == s.shape }) {
			fmt.Fprintf(&b, `<li><svg width="20" height="28" viewBox="-10 -14 20 28" aria-hidden="true"><path class="mark-%s" d="%s"/></svg> %s</li>`, s.shape, s.path, s.name)
		}
	}
	b.WriteString(`</ul>`)
	return template.HTML(b.String()) //nolint:gosec // it holds our own words alone
}

func (t Timeline) bands(b *strings.Builder, y, height int) {
	for _, band := range t.Bands {
		from, until := band.From, band.Until
		if from.Before(t.From) {
			from = t.From
		}
		if until.After(t.Until) {
			until = t.Until
		}
		if !from.Before(until) {
			continue
		}
		left, _ := t.share(from)
		right, _ := t.share(until)
		fmt.Fprintf(b, `<rect class="band-%s" x="%.1f%%" y="%d" width="%.1f%%" height="%d"`, template.HTMLEscapeString(band.Class), left, y, right-left, height)
		if band.Label == "" {
			b.WriteString(`/>`)
			continue
		}
		fmt.Fprintf(b, `><title>%s</title></rect>`, template.HTMLEscapeString(band.Label))
	}
}

// days are ticks, a day apart where that can be seen, otherwise a week or more.
func (t Timeline) days(b *strings.Builder) {
	step := 24 * time.Hour
	for t.Until.Sub(t.From)/step > 60 {
		step *= 7
	}
	first := t.From.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	for at := first; at.Before(t.Until); at = at.Add(step) {
		if x, ok := t.at(at); ok {
			fmt.Fprintf(b, `<line class="axis" x1="%s%%" x2="%s%%" y1="46" y2="51"/>`, x, x)
		}
	}
}

// at is where a moment is, in per cent of the width.
func (t Timeline) at(moment time.Time) (string, bool) {
	share, ok := t.share(moment)
	return fmt.Sprintf("%.1f", share), ok
}

func (t Timeline) share(moment time.Time) (float64, bool) {
	whole := t.Until.Sub(t.From)
	if whole <= 0 || moment.IsZero() || moment.Before(t.From) || moment.After(t.Until) {
		return 0, false
	}
	return 2 + 96*float64(moment.Sub(t.From))/float64(whole), true
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006")
}
