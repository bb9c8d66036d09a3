package dashboard

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// How many of each are on the overview. The rest is on pages of their own.
const (
	fewNeeds    = 8
	fewCleanups = 10
	fewDays     = 14
	fewSignals  = 8
	fewEndings  = 8
	fewPeople   = 30
)

type overviewPage struct {
	frame
	Done     string
	Paused   string
	State    string
	Starting []string
	Start    string // the command that starts a dry run

	Needs      []need
	NeedsAll   int
	Timeline   timeline
	Open       int
	Stages     bar
	Cleanups   []cleanupRow
	Older      int
	People     []person
	MorePeople int
	Turns      []turnDay
	LaterDays  int
	LaterN     int
	Signals    []heardSignal
	HeardAll   int
	Endings    []ended
	EndedAll   int
}

type cleanupRow struct {
	workflow.CleanupStands
	Word string
	Bar  bar
}

// person is an approver and what waits for them.
type person struct {
	Email string
	Cases int
	Ends  time.Time // of the first request that ends
	User  string    // whose that is
	Case  string
}

// turnDay is a day, in UTC, on which users are to be disabled; the zero day is all that are over.
type turnDay struct {
	Day   time.Time
	N     int
	Waits int // of them wait for something beside the time
	Bar   bar
}

// heardSignal is one signal and whose it is.
type heardSignal struct {
	sunset.Signal
	Case, User string
	Open       bool
}

type ended struct {
	sunset.Case
	Class string
}

func (d *Dashboard) commands(r *http.Request) commands {
	return commands{engineAddress(r), d.cfg.Credentials, d.cfg.Region}
}

func (d *Dashboard) overview(rw http.ResponseWriter, r *http.Request) {
	now, err := d.cfg.Workflow.Watch(r.Context())
	if err != nil {
		d.fail(rw, r, err)
		return
	}
	c := d.commands(r)
	p := overviewPage{
		frame: d.frame(r, "Overview"), Done: receipt(r.URL.Query().Get("done")), Paused: now.Paused, Starting: now.Starting,
		Start: c.sunset("start"), Open: len(now.Open), Timeline: timelineOf(now, now.Open),
	}
	p.At = now.At
	all := needs(now, c, d.cfg.SettingsFile)
	p.Needs, p.NeedsAll = all[:min(len(all), fewNeeds)], len(all)
	p.State = stateOf(now)
	p.Stages = stagesOf(now.Open)
	for _, cleanup := range now.Cleanups[:min(len(now.Cleanups), fewCleanups)] {
		p.Cleanups = append(p.Cleanups, cleanupRow{cleanup, stateWord(cleanup), standing(cleanup)})
	}
	p.Older = len(now.Cleanups) - len(p.Cleanups)
	people := peopleOf(now.Open)
	p.People = people[:min(len(people), fewPeople)]
	p.MorePeople = len(people) - len(p.People)
	turns := turnsOf(now.Open, now.At)
	p.Turns = turns[:min(len(turns), fewDays)]
	for _, t := range turns[len(p.Turns):] {
		p.LaterDays++
		p.LaterN += t.N
	}
	signals := signalsOf(now.Cases)
	p.Signals, p.HeardAll = signals[:min(len(signals), fewSignals)], len(signals)
	endings := endingsOf(now.Cases, "")
	p.Endings, p.EndedAll = endings[:min(len(endings), fewEndings)], len(endings)
	d.page(rw, r, http.StatusOK, "overview", p)
}

// stateOf is how everything is, in a sentence.
func stateOf(now workflow.Watch) string {
	switch {
	case now.Paused != "":
		return "Everything is paused"
	case len(now.Open) > 0:
		return "Everything runs"
	case len(now.Starting) > 0:
		return "A cleanup is starting"
	case len(now.Cleanups) == 0:
		return "No cleanup was ever started here"
	}
	return "No case is open"
}

func stagesOf(open []workflow.CaseStands) bar {
	counts := map[sunset.Stage]int{}
	for _, c := range open {
		counts[c.Stage]++
	}
	return standing(workflow.CleanupStands{Stages: counts})
}

// peopleOf are the approvers for whom anything waits; first whose time ends first.
func peopleOf(open []workflow.CaseStands) []person {
	by := map[string]*person{}
	var out []*person
	for _, c := range open {
		for _, email := range c.For {
			p := by[email]
			if p == nil {
				p = &person{Email: email}
				by[email] = p
				out = append(out, p)
			}
			if p.Cases == 0 || c.At.Before(p.Ends) {
				p.Ends, p.User, p.Case = c.At, c.User, c.Case
			}
			p.Cases++
		}
	}
	slices.SortStableFunc(out, func(a, b *person) int {
		if n := a.Ends.Compare(b.Ends); n != 0 {
			return n
		}
		return strings.Compare(a.Email, b.Email)
	})
	people := make([]person, len(out))
	for i, p := range out {
		people[i] = *p
	}
	return people
}

// turnsOf counts the turns to come by day.
func turnsOf(open []workflow.CaseStands, at time.Time) []turnDay {
	today := at.UTC().Truncate(24 * time.Hour)
	var out []turnDay
	most := 0
	for _, c := range open { // in order of time
		if c.Stage != sunset.Waiting {
			continue
		}
		day := c.At.UTC().Truncate(24 * time.Hour)
		if day.Before(today) {
			day = time.Time{} // they were held
		}
		if n := len(out); n == 0 || !out[n-1].Day.Equal(day) {
			out = append(out, turnDay{Day: day})
		}
		t := &out[len(out)-1]
		t.N++
		if c.Waits != "" {
			t.Waits++
		}
		most = max(most, t.N)
	}
	for i := range out {
		out[i].Bar = bar{Parts: []part{{"at-turn", "0", hundredths(100 * float64(out[i].N) / float64(most))}}, Text: counted(out[i].N, "turn", "turns")}
	}
	return out
}

// signalsOf are all signals of all cases, the newest first.
func signalsOf(cases []sunset.Case) []heardSignal {
	var out []heardSignal
	for _, c := range cases {
		for _, s := range c.Signals {
			out = append(out, heardSignal{s, c.ID, c.UserName, c.Open()})
		}
	}
	slices.SortStableFunc(out, func(a, b heardSignal) int {
		if n := b.At.Compare(a.At); n != 0 {
			return n
		}
		return strings.Compare(a.Case, b.Case)
	})
	return out
}

// endingsOf are the cases that have ended, of one cleanup or of all, the newest first.
func endingsOf(cases []sunset.Case, cleanup string) []ended {
	var out []ended
	for _, c := range cases {
		if !c.Open() && (cleanup == "" || c.CleanupID == cleanup) {
			out = append(out, ended{c, outcomeClass(c.Outcome)})
		}
	}
	slices.SortStableFunc(out, func(a, b ended) int {
		if n := b.Ended.Compare(a.Ended); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}
