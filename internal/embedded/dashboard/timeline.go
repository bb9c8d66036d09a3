package dashboard

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const (
	// rowsAtMost is how many cases get a line of their own; more are shown day by day.
	rowsAtMost = 40
	// columnsAtMost is how many columns a picture has; where there are more days a column is several.
	columnsAtMost = 60
)

// timeline is where open cases stand and what is still to come for them.
type timeline struct {
	Rows []timelineRow
	// Columns are instead of Rows where there are many cases, Days how many days one has, and Most the highest number.
	Columns   []column
	Days      int
	Most      int
	Width     int
	Ends      [3]time.Time // the beginning, the middle and the end
	Now       string       // where the present is, in hundredths of the width
	NowAt     string       // the same among the columns
	Described string
}

// timelineRow is one case. Places and widths are hundredths of the whole time.
type timelineRow struct {
	workflow.CaseStands
	Parts []part
	Heard []string
	Text  string // what the picture says
}

type part struct{ Class, X, Width string }

// column is one day, or some.
type column struct {
	From                  time.Time
	X                     int
	Wait, Soak, Decide    int
	WaitY, SoakY, DecideY string
	WaitH, SoakH, DecideH string
}

// course is when an open case's parts begin and end, as far as is known or planned today.
type course struct{ claimed, turn, soaked, end time.Time }

func courseOf(c sunset.Case, at time.Time, now time.Time, s sunset.Settings) course {
	out := course{claimed: c.Claimed, turn: c.Turn}
	if c.Quarantine != nil {
		out.turn = c.Quarantine.At
	} else if out.turn.Before(now) {
		out.turn = now // held, or late
	}
	from := out.turn
	if !c.SoakFrom.IsZero() {
		from = c.SoakFrom
	}
	out.soaked = c.SoakUntil
	if out.soaked.IsZero() {
		out.soaked = from.Add(s.Soak.Std())
	}
	out.end = out.soaked.Add(s.ApprovalOpen.Std())
	if c.Stage == sunset.Requesting {
		out.soaked = earlier(out.soaked, now)
		out.end = at
	}
	if out.claimed.After(out.turn) {
		out.claimed = out.turn
	}
	return out
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// timelineOf draws the open cases of open, whose rows are among now's.
func timelineOf(now workflow.Watch, open []workflow.CaseStands) timeline {
	if len(open) == 0 {
		return timeline{}
	}
	rows := map[string]sunset.Case{}
	for _, c := range now.Cases {
		rows[c.ID] = c
	}
	courses := make([]course, len(open))
	first, last := now.At, now.At
	for i, c := range open {
		courses[i] = courseOf(rows[c.Case], c.At, now.At, now.Settings)
		first = earlier(first, courses[i].claimed)
		if courses[i].end.After(last) {
			last = courses[i].end
		}
	}
	first = first.UTC().Truncate(24 * time.Hour)
	last = last.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	t := timeline{Ends: [3]time.Time{first, first.Add(last.Sub(first) / 2), last}}
	place := func(at time.Time) float64 { return 100 * float64(at.Sub(first)) / float64(last.Sub(first)) }
	t.Now = hundredths(place(now.At))
	if len(open) > rowsAtMost {
		t.columns(courses, first, last, place(now.At))
		return t
	}
	for i, c := range open {
		k := courses[i]
		row := timelineRow{CaseStands: c}
		for _, p := range []struct {
			class    string
			from, to time.Time
		}{{"at-turn", k.claimed, k.turn}, {"at-soak", k.turn, k.soaked}, {"at-people", k.soaked, k.end}} {
			if p.to.After(p.from) {
				row.Parts = append(row.Parts, part{p.class, hundredths(place(p.from)), hundredths(place(p.to) - place(p.from))})
			}
		}
		for _, s := range rows[c.Case].Signals {
			if !s.At.Before(first) {
				row.Heard = append(row.Heard, hundredths(place(s.At)))
			}
		}
		row.Text = fmt.Sprintf("Turn %s, soak until %s, ends %s at the latest", day(k.turn), day(k.soaked), day(k.end))
		t.Rows = append(t.Rows, row)
	}
	return t
}

// columns counts by day what the cases will be at, as planned today. at is where the present is, in hundredths.
func (t *timeline) columns(courses []course, first, last time.Time, at float64) {
	days := int(last.Sub(first) / (24 * time.Hour))
	t.Days = (days + columnsAtMost - 1) / columnsAtMost
	for i := 0; i < days; i += t.Days {
		col := column{From: first.AddDate(0, 0, i), X: len(t.Columns) * 10}
		noon := col.From.Add(time.Duration(t.Days) * 12 * time.Hour)
		for _, k := range courses {
			switch {
			case noon.Before(k.claimed) || !noon.Before(k.end):
			case noon.Before(k.turn):
				col.Wait++
			case noon.Before(k.soaked):
				col.Soak++
			default:
				col.Decide++
			}
		}
		t.Most = max(t.Most, col.Wait+col.Soak+col.Decide)
		t.Columns = append(t.Columns, col)
	}
	high := func(n int) float64 { return 100 * float64(n) / float64(max(t.Most, 1)) }
	for i := range t.Columns {
		c := &t.Columns[i]
		c.DecideH, c.SoakH, c.WaitH = hundredths(high(c.Decide)), hundredths(high(c.Soak)), hundredths(high(c.Wait))
		c.DecideY = hundredths(100 - high(c.Decide))
		c.SoakY = hundredths(100 - high(c.Decide+c.Soak))
		c.WaitY = hundredths(100 - high(c.Decide+c.Soak+c.Wait))
	}
	t.Width = len(t.Columns) * 10
	t.NowAt = hundredths(at * float64(t.Width) / 100)
	t.Described = fmt.Sprintf("How many of %d open cases wait, are in the soak and are with approvers, from %s to %s, as planned today; %d at most at once. The table below has the numbers.",
		len(courses), day(first), day(last), t.Most)
}

func hundredths(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }

func day(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// bar is one line of counts side by side.
type bar struct {
	Parts []part
	Text  string
}

// amount is one count of a bar.
type amount struct {
	class, word string
	n           int
}

func barOf(amounts []amount) bar {
	total := 0
	for _, a := range amounts {
		total += a.n
	}
	var b bar
	x := 0.0
	for _, a := range amounts {
		if a.n == 0 {
			continue
		}
		width := 100 * float64(a.n) / float64(total)
		b.Parts = append(b.Parts, part{a.class, hundredths(x), hundredths(width)})
		x += width
		if b.Text != "" {
			b.Text += ", "
		}
		b.Text += strconv.Itoa(a.n) + " " + a.word
	}
	return b
}

// standing is the bar of a cleanup: its open cases by stage, its ended ones by outcome.
func standing(c workflow.CleanupStands) bar {
	var amounts []amount
	for _, s := range stages() {
		class := map[sunset.Stage]string{sunset.Waiting: "at-turn", sunset.Disabling: "at-soak", sunset.Soaking: "at-soak", sunset.Requesting: "at-people", sunset.Deleting: "at-gone", sunset.Restoring: "at-back"}[s]
		amounts = append(amounts, amount{class, stageWord(s), c.Stages[s]})
	}
	closed := c.Closed
	if len(c.Outcomes) > 0 {
		closed = c.Outcomes
	}
	for _, o := range sunset.Outcomes() {
		if o != sunset.Kept { // they never got a case
			amounts = append(amounts, amount{outcomeClass(o), string(o), closed[o]})
		}
	}
	return barOf(amounts)
}

func outcomeClass(o sunset.Outcome) string {
	switch {
	case o == sunset.Deleted || o == sunset.Retained:
		return "at-gone"
	case slices.Contains([]sunset.Outcome{sunset.Failed, sunset.Lapsed}, o):
		return "at-trouble"
	}
	return "at-back"
}
