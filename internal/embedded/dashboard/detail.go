package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// fact is one line of what is known.
type fact struct {
	Name, Text string
	At         time.Time // instead of Text
	Page       string    // where Text leads
}

// dayOfStory is what happened on one day, in UTC.
type dayOfStory struct {
	Day     time.Time
	Moments []workflow.Moment
}

type detailPage struct {
	frame
	pager
	Lead     string
	Facts    []fact
	Lost     string // what restoring won't bring back
	Signals  []sunset.Signal
	Timeline timeline
	Bar      bar
	Needs    []need
	Do       []step
	Held     []held
	Turns    string // the page that lets held turns go on
	Open     []workflow.CaseStands
	OpenAll  int
	Ended    []ended
	EndedAll int
	ID       string
	Story    []dayOfStory
}

// told reads what is on record of a case or a cleanup, told in brief, the newest last.
func (d *Dashboard) told(r *http.Request, id string) (workflow.Chronicle, error) {
	if err := store.CheckKey(id); err != nil || strings.Contains(id, "/") {
		return workflow.Chronicle{}, sunset.Faultf(sunset.Invalid, "nothing is known under that name")
	}
	story, err := d.cfg.Workflow.OnRecord(r.Context(), id)
	if err == nil && len(story.Moments) == 0 && story.Case == nil && story.Cleanup == nil {
		err = sunset.Faultf(sunset.Invalid, "nothing is known of %s", id)
	}
	return story, err
}

func (p *detailPage) tell(r *http.Request, story workflow.Chronicle) {
	var moments []workflow.Moment
	moments, p.pager = paged(r, story.InBrief())
	for _, m := range moments {
		day := m.At.UTC().Truncate(24 * time.Hour)
		if n := len(p.Story); n == 0 || !p.Story[n-1].Day.Equal(day) {
			p.Story = append(p.Story, dayOfStory{Day: day})
		}
		last := &p.Story[len(p.Story)-1]
		last.Moments = append(last.Moments, m)
	}
}

// one shows a case.
func (d *Dashboard) one(rw http.ResponseWriter, r *http.Request) {
	story, err := d.told(r, r.PathValue("id"))
	if err == nil && story.Cleanup != nil {
		http.Redirect(rw, r, root+"cleanup/"+story.Name, http.StatusSeeOther)
		return
	}
	var now workflow.Watch
	if err == nil {
		now, err = d.cfg.Workflow.Watch(r.Context())
	}
	if err != nil {
		d.fail(rw, r, err)
		return
	}
	c := d.commands(r)
	p := detailPage{ID: story.Name, Do: []step{c.history(story.Name)}}
	title := "Case " + story.Name
	if row := story.Case; row != nil {
		title = row.UserName
		p.Facts, p.Signals = factsOf(*row), slices.Clone(row.Signals)
		slices.Reverse(p.Signals)
		if row.Quarantine != nil {
			p.Lost = row.Quarantine.Lost
		}
		if i := slices.IndexFunc(now.Open, func(x workflow.CaseStands) bool { return x.Case == row.ID }); i >= 0 {
			open := now.Open[i]
			p.Lead = leadOf(open)
			p.Timeline = timelineOf(now, now.Open[i:i+1])
			if open.Disabled && row.Stage != sunset.Deleting {
				p.Do = append(p.Do, c.rescue(row.UserID))
			}
			if len(open.For) > 0 {
				p.Do = append(p.Do, step{Text: "Approvers with an AWS identity decide with", Command: c.sunset("approve " + row.UserID)})
			}
		} else {
			p.Lead = "Ended as " + string(row.Outcome)
			if row.Reason != "" {
				p.Lead += ": " + strings.TrimRight(row.Reason, ".")
			}
			p.Lead += "."
		}
		for _, n := range needs(now, c, d.cfg.SettingsFile) {
			if n.Case == row.ID {
				p.Needs, p.Do = append(p.Needs, n), nil
			}
		}
	} else {
		p.Lead = "It has no row any more: a newer case of the same user has followed. This is what is on record."
	}
	p.frame = d.frame(r, title)
	p.tell(r, story)
	d.page(rw, r, http.StatusOK, "case", p)
}

// leadOf says where an open case stands and what comes next.
func leadOf(c workflow.CaseStands) string {
	text := upper(stageWord(c.Stage))
	if c.Next != "" {
		text += ": " + c.Next
	}
	if before, ok := strings.CutSuffix(text, " until then"); ok && !c.At.IsZero() { // as tables have it, beside a column of times
		text = before + " until " + when(c.At)
	} else if !c.At.IsZero() {
		text += ", " + when(c.At)
	}
	text += "."
	switch {
	case strings.HasPrefix(c.Waits, "the next check"), strings.HasPrefix(c.Waits, "something was heard"):
		text += " " + upper(strings.TrimRight(c.Waits, ".")) + "."
	case c.Waits != "":
		text += " It waits for " + strings.TrimRight(c.Waits, ".") + "."
	}
	if len(c.For) > 0 {
		text += " Asked: " + strings.Join(c.For, ", ") + "."
	}
	return text
}

func upper(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func factsOf(c sunset.Case) []fact {
	facts := []fact{
		{Name: "UserId", Text: c.UserID},
		{Name: "Account", Text: c.Account},
		{Name: "Cleanup", Text: c.CleanupID, Page: root + "cleanup/" + c.CleanupID},
		{Name: "Claimed", At: c.Claimed},
		{Name: "Turn", At: c.Turn},
	}
	if q := c.Quarantine; q != nil {
		facts = append(facts, fact{Name: "Disabled", Text: fmt.Sprintf("%s, by %s", when(q.At), q.Method)})
	}
	if !c.SoakFrom.IsZero() {
		facts = append(facts, fact{Name: "Soak", Text: when(c.SoakFrom) + " to " + when(c.SoakUntil)}, fact{Name: "Heard up to", At: c.Heard})
	}
	if c.Round > 1 {
		facts = append(facts, fact{Name: "Requests", Text: fmt.Sprintf("%d: it was asked about again", c.Round)})
	}
	if s := c.Rescue; s != nil {
		facts = append(facts, fact{Name: "Rescue", Text: fmt.Sprintf("%s, %s: %s", s.By, when(s.At), s.Reason)})
	}
	if !c.DeletingSince.IsZero() {
		facts = append(facts, fact{Name: "Deletion began", At: c.DeletingSince})
	}
	if !c.Ended.IsZero() {
		facts = append(facts, fact{Name: "Ended", At: c.Ended})
	}
	facts = append(facts, fact{Name: "Started by", Text: c.Starter}, fact{Name: "Execution", Text: c.Execution})
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Text == "" && f.At.IsZero() })
}

// cleanup shows a cleanup and its cases.
func (d *Dashboard) cleanup(rw http.ResponseWriter, r *http.Request) {
	story, err := d.told(r, r.PathValue("id"))
	if err == nil && story.Cleanup == nil {
		err = sunset.Faultf(sunset.Invalid, "no cleanup is called %s", r.PathValue("id"))
	}
	var now workflow.Watch
	if err == nil {
		now, err = d.cfg.Workflow.Watch(r.Context())
	}
	if err != nil {
		d.fail(rw, r, err)
		return
	}
	c := d.commands(r)
	id := story.Name
	p := detailPage{frame: d.frame(r, "Cleanup "+id), ID: id, Do: []step{c.history(id)}}
	i := slices.IndexFunc(now.Cleanups, func(x workflow.CleanupStands) bool { return x.ID == id })
	if i < 0 { // it was begun between two looks
		d.fail(rw, r, sunset.Faultf(sunset.NotReady, "cleanup %s has just begun; look again", id))
		return
	}
	stands := now.Cleanups[i]
	p.Lead, p.Bar, p.Facts = upper(stateWord(stands))+".", standing(stands), cleanupFacts(stands)
	if stands.Refusal != "" {
		p.Lead = strings.TrimRight(p.Lead, ".") + ": " + strings.TrimRight(stands.Refusal, ".") + "."
	}
	for _, h := range stands.HeldBy {
		p.Held = append(p.Held, held{h.Case, h.User, ""})
	}
	for j, h := range p.Held {
		if k := slices.IndexFunc(now.Cases, func(x sunset.Case) bool { return x.ID == h.ID }); k >= 0 {
			p.Held[j].Why = whyHeld(now.Cases[k])
		}
	}
	if len(p.Held) > 0 {
		p.Turns = root + "cleanup/" + id + "/turns"
	}
	open, ends := openOf(now.Open, id), endingsOf(now.Cases, id)
	p.Timeline = timelineOf(now, open)
	p.Open, p.OpenAll = open[:min(len(open), aPage)], len(open)
	p.Ended, p.EndedAll = ends[:min(len(ends), aPage)], len(ends)
	if stands.State != workflow.CleanupEnded {
		p.Do = append(p.Do, step{Text: "End it, and give every user back that is disabled", Command: c.sunset("stop "+id) + ` --reason "…"`})
	}
	p.tell(r, story)
	d.page(rw, r, http.StatusOK, "cleanup", p)
}

func cleanupFacts(c workflow.CleanupStands) []fact {
	facts := []fact{{Name: "Account", Text: c.Account}, {Name: "Began", At: c.Began}, {Name: "Ended", At: c.Ended}}
	if c.PlanKey != "" {
		facts = append(facts, fact{Name: "Plan", Text: fmt.Sprintf("%s, %d eligible", counted(c.Users, "user", "users"), c.Eligible)})
	}
	starter := fact{Name: "Started by", Text: c.Proven}
	if c.Proven == "" && c.Starter != "" {
		starter.Text = c.Starter + ", as its request claims"
	}
	facts = append(facts, starter, fact{Name: "Execution", Text: c.Execution})
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Text == "" && f.At.IsZero() })
}
