package dossier

import (
	"bytes"
	_ "embed" // the template and the stylesheet
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/look"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var (
	//go:embed report.html
	reportHTML string
	//go:embed dossier.css
	css string
)

var report = template.Must(template.New("report").Funcs(template.FuncMap{
	"plain": approval.CleanReason,
	"when":  stamp,
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"known": func(t time.Time) bool { return t.Year() > 1 },
	"way":   way,
	"changes": func(title, user string, rows []Change) any {
		return struct {
			Title, User string
			Rows        []Change
		}{title, user, rows}
	},
	"number": number,
}).Parse(reportHTML))

// MostKept is how many users without a case a report lists one by one; of more it gives their number by reason.
const MostKept = 10_000

// WriteReport writes the dossier as one self-contained HTML file, which names made as the time at which it was made.
//
// Its size goes with what happened: about 300 bytes for each user without a case, of which MostKept are listed, and about
// 20 kB for each case, whose quiet checks are times in a row.
func WriteReport(w io.Writer, d Dossier, made time.Time) error {
	var b bytes.Buffer
	v := viewOf(d, made)
	if err := report.Execute(&b, v); err != nil {
		return fmt.Errorf("writing the report of %s: %w", d.Cleanup.ID, err)
	}
	// What nobody can see must not turn the order of what everybody reads, wherever in a record it is.
	body := strings.Map(func(c rune) rune {
		if unicode.Is(unicode.Bidi_Control, c) || unicode.IsControl(c) && c != '\n' {
			return -1
		}
		return c
	}, b.String())
	return look.WriteFile(w, oneLine(v.Title), css, template.HTML(body))
}

// reportView is what the template shows.
type reportView struct {
	Dossier
	Title      string
	Made       time.Time
	Holds      bool
	OwnFiles   []audit.Problem // what is wrong with what this report tells
	Elsewhere  int             // other problems
	Vouched    string
	Outcomes   []outcomeRow
	Reconciled bool
	Balance    string
	Unlisted   int
	ByReason   []outcomeRow
	Views      []caseView
}

type outcomeRow struct {
	Name    string
	Meaning string
	Users   int
}

type caseView struct {
	Case
	Why      string
	Evidence []evidenceRow
	Quiet    []Check // checks that heard nothing new
	Heard    []Check
	Before   []Change // changes before the deletion began
	Deletion []Change
	Named    []sunset.Reference
	// Course is the soak as a picture, with the key to it; both are empty where there was no soak.
	Course, Key template.HTML
}

// evidenceRow is the same fact from several regions.
type evidenceRow struct {
	sunset.Evidence
	Regions []string
}

var meanings = map[sunset.Outcome]string{
	sunset.Kept: "never got a case", sunset.Deleted: "gone with everything it had", sunset.Retained: "stripped; the empty user stays",
	sunset.Restored: "put back as it was, by decision or rule", sunset.Rescued: "put back because a person asked",
	sunset.Skipped: "left alone: the facts had moved", sunset.Lapsed: "nobody decided; still disabled", sunset.Failed: "an error; its records say how it stands",
}

func viewOf(d Dossier, made time.Time) reportView {
	v := reportView{Dossier: d, Title: "Cleanup " + d.Cleanup.ID, Made: made, Holds: d.Proof.Holds(), Vouched: d.Proof.vouched()}
	if d.User != "" {
		v.Title = fmt.Sprintf("%s in the cleanup %s", d.name(), d.Cleanup.ID)
	}
	v.OwnFiles = slices.Clone(d.Cleanup.Problems)
	for i, c := range d.Cases {
		v.OwnFiles = append(v.OwnFiles, c.Problems...)
		v.Views = append(v.Views, viewOfCase(d, c, fmt.Sprintf("course-%d", i)))
	}
	v.Elsewhere = len(d.Proof.Problems) - len(v.OwnFiles)
	v.Reconciled, v.Balance = d.Cleanup.Reconciled()
	for _, o := range sunset.Outcomes() {
		v.Outcomes = append(v.Outcomes, outcomeRow{string(o), meanings[o], d.Cleanup.Outcomes[o]})
	}
	if d.Cleanup.Outcomes == nil {
		v.Outcomes = nil
	}
	if v.Unlisted = max(len(d.Kept)-MostKept, 0); v.Unlisted > 0 {
		v.Kept = d.Kept[:MostKept]
	}
	reasons := map[string]int{}
	for _, e := range d.Kept {
		for _, r := range e.Verdict.Reasons {
			reasons[string(r.Code)]++
		}
	}
	for code, n := range reasons {
		v.ByReason = append(v.ByReason, outcomeRow{Name: code, Users: n})
	}
	slices.SortFunc(v.ByReason, func(a, b outcomeRow) int { return strings.Compare(a.Name, b.Name) })
	return v
}

func viewOfCase(d Dossier, c Case, id string) caseView {
	v := caseView{Case: c, Deletion: c.Deletion(), Named: c.references()}
	alone := d
	alone.Cases = []Case{c}
	v.Why = Why(alone, nil)
	v.Course, v.Key = course(c, id)
	v.Before = c.Changes[:len(c.Changes)-len(v.Deletion)]
	for _, check := range c.Checks {
		if check.New == 0 && check.Status != "disturbed" {
			v.Quiet = append(v.Quiet, check)
		} else {
			v.Heard = append(v.Heard, check)
		}
	}
	if c.Entry == nil {
		return v
	}
	for _, ev := range c.Entry.Evidence {
		i := slices.IndexFunc(v.Evidence, func(r evidenceRow) bool {
			return r.Source == ev.Source && r.About == ev.About && r.Use == ev.Use && r.Detail == ev.Detail && ev.Last == nil && r.Last == nil
		})
		if i < 0 {
			v.Evidence, i = append(v.Evidence, evidenceRow{Evidence: ev}), len(v.Evidence)
		}
		if ev.Region != "" {
			v.Evidence[i].Regions = append(v.Evidence[i].Regions, ev.Region)
		}
		if ev.Read.After(v.Evidence[i].Read) {
			v.Evidence[i].Read = ev.Read
		}
	}
	return v
}

// vouched says who stands for the evidence, and how far to its end that goes.
func (p Proof) vouched() string {
	text := fmt.Sprintf("%s in %s were read and verified", number(p.Records, "record"), number(p.Chains, "chain"))
	switch {
	case p.Seals == 0:
		text += "; nothing is sealed, so that this proves that the records fit together, not who wrote them."
	case p.Named:
		text += fmt.Sprintf(", sealed %s by the key that was named (%s).", times(p.Seals), strings.Join(p.Keys, ", "))
	default:
		text += fmt.Sprintf(", sealed %s by key %s. That key came with the evidence and was not checked against one from elsewhere.", times(p.Seals), strings.Join(p.Keys, ", "))
	}
	if p.Until != "" {
		text += " The newest daily checkpoint is of " + p.Until + "."
	}
	return text
}

// Open reports whether the cleanup has no manifest yet, so that records cut off its end might not show.
func (v reportView) Open() bool { return slices.Contains(v.Proof.Open, v.Cleanup.ID) }

// Result says how a change went.
func (ch Change) Result() string {
	switch {
	case ch.Failed:
		return "not done: " + ch.Error
	case ch.Done.IsZero():
		return "nothing says whether it was done"
	}
	return "done"
}

// Whose is the owner as people read it.
func (v caseView) Whose() string {
	if v.Entry == nil || v.Entry.Owner == (sunset.Owner{}) {
		return ""
	}
	o := v.Entry.Owner
	name := o.Email
	if name == "" {
		name = o.Name
	}
	if o.From != "" {
		name += " (by " + o.From + ")"
	}
	return name
}

func stamp(t time.Time) string {
	if t.Year() <= 1 {
		return "not known"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// course draws the soak. All that it shows is in the tables beside it as well.
func course(c Case, id string) (picture, key template.HTML) {
	if c.Disabled.IsZero() {
		return "", ""
	}
	t := look.Timeline{ID: id, Title: "The soak of " + c.UserName, From: c.Claimed, Until: c.last}
	if t.From.IsZero() {
		t.From = c.Disabled
	}
	if c.SoakUntil.After(t.Until) {
		t.Until = c.SoakUntil
	}
	t.Bands = []look.Band{{From: c.Disabled, Until: c.SoakUntil, Class: "soak", Label: "Soak"}, {From: t.From, Until: c.Disabled, Class: "wait", Label: "Notice"}}
	mark := func(at time.Time, shape look.Shape, label string) {
		t.Marks = append(t.Marks, look.Mark{At: at, Shape: shape, Label: oneLine(label)})
	}
	mark(c.Disabled, look.Deed, "disabled")
	for _, check := range c.Checks {
		mark(check.At, look.Check, "listened")
	}
	for _, s := range c.Signals {
		mark(s.At, look.Signal, s.Detail)
	}
	for _, r := range c.Requests {
		mark(r.At, look.Question, "the approvers were asked")
	}
	for _, d := range c.Decisions {
		mark(d.At, look.Answer, d.Approver+": "+string(d.Choice))
	}
	if !c.Ended.IsZero() {
		mark(c.Ended, look.Deed, string(c.Outcome))
	}
	t.Text = fmt.Sprintf("Disabled on %s; %s; %s heard; %s.", when(c.Disabled), number(len(c.Checks), "check"), number(len(c.Signals), "signal"), number(len(c.Decisions), "decision"))
	return t.SVG(), t.Key()
}
