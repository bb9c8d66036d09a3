package planreport

import (
	"bytes"
	_ "embed" // the page and its stylesheet
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/look"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// maxDetailed bounds how many users have their evidence in a report: with more of them it would be too big to mail and too slow
// to open. Those left out are the last in byAttention's order, most of them active.
const maxDetailed = 1000

//go:embed page/report.html
var pageText string

//go:embed page/report.css
var pageCSS string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"plain": plain,
	"when":  func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") },
	"day":   func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"count": counted,
	"join":  strings.Join,
}).Parse(pageText))

// WriteHTML writes one file with everything in it, for people who were not there: what may go and why, what was not read, and
// each user's evidence. Key ids are masked, since it is made to be passed on. version names the product's build.
func WriteHTML(w io.Writer, p sunset.Plan, version string) error {
	v, err := viewOf(p, version)
	if err != nil {
		return fmt.Errorf("writing the report on account %s: %w", p.Account, err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		return fmt.Errorf("writing the report on account %s: %w", p.Account, err)
	}
	return look.WriteFile(w, "IAM users of account "+plain(p.Account), look.BarsCSS()+pageCSS, template.HTML(b.String())) // from a template that escapes
}

type view struct {
	Plan                sunset.Plan
	Version             string
	Headline, Besides   string
	Figures             figures
	Limit               string // as people say it: "90 days"
	Unread, Remarks     []string
	Skipped             []string
	Charts              []template.HTML
	Users               []user
	Detailed, Left      int
	Refusal             string
	Soak, Notice, Young string
}

// user is one line of the table, and a section where there is room for it.
type user struct {
	sunset.Entry
	Anchor  string // empty without a section
	Verdict string
	Mood    string // a class of the stylesheet
	Why     string
	Owner   string
	Last    string // the day, or never
	Idle    string // for how long, or empty
	MFA     string
	Creds   []credential
	Answers []answerRow
	Uses    string
}

type credential struct {
	What, Status, Made, Used string
}

type answerRow struct {
	answer
	Where string
}

func viewOf(p sunset.Plan, version string) (view, error) {
	f := figuresOf(p)
	v := view{
		Plan: p, Version: version, Figures: f, Limit: inDays(p.Settings.Unused), Soak: inDays(p.Settings.Soak), Notice: inDays(p.Settings.Notice),
		Young: inDays(p.Settings.MinAge), Skipped: p.Request.Skip, Refusal: p.Refusal(),
	}
	v.Headline, v.Besides = headline(f, v.Limit)
	for _, g := range p.Gaps {
		v.Unread = append(v.Unread, GapText(g))
	}
	for _, line := range RefusedReads(p) {
		v.Unread = append(v.Unread, strings.TrimPrefix(line, "not read "))
	}
	for _, name := range p.UnknownNames {
		v.Remarks = append(v.Remarks, "There is no user named "+name+".")
	}
	for _, x := range p.IdleExemptions {
		v.Remarks = append(v.Remarks, fmt.Sprintf("The exemption by %s keeps nobody: it is over, or matches no user.", x))
	}
	for _, c := range charts(p) {
		drawn, err := c.HTML()
		if err != nil {
			return view{}, err
		}
		v.Charts = append(v.Charts, drawn)
	}
	for i, e := range byAttention(p) {
		u := userOf(p, e)
		if i < maxDetailed {
			u.Anchor = fmt.Sprintf("user-%d", i+1)
			u.Creds, u.Answers = credentials(p, e), answerRows(p, e)
			v.Detailed++
		} else {
			v.Left++
		}
		v.Users = append(v.Users, u)
	}
	return v, nil
}

// headline says in a sentence what the report comes to, and in another what looks unused as well and stays.
func headline(f figures, limit string) (first, second string) {
	of := counted(f.Users, "IAM user")
	if f.Asked < f.Users {
		of = counted(f.Asked, "IAM user") + " asked about"
	}
	switch {
	case f.Eligible == 0:
		first = fmt.Sprintf("Of %s, none can go: each was used within %s, or something speaks for keeping it.", of, limit)
	case f.Eligible == 1:
		first = fmt.Sprintf("1 of %s has not been used for %s, and nothing that could be read depends on it.", of, limit)
	default:
		first = fmt.Sprintf("%d of %s have not been used for %s, and nothing that could be read depends on them.", f.Eligible, of, limit)
	}
	if f.Unclear == 0 {
		return first, ""
	}
	show, them := "show", "them: they are kept"
	if f.Unclear == 1 {
		show, them = "shows", "it: it is kept"
	}
	either := "of them " + show + " no use"
	if f.Eligible > 0 {
		either = "more " + show + " no use either"
	}
	second = fmt.Sprintf("%d %s, but that is not proven or something would break without %s.", f.Unclear, either, them)
	return first, second
}

func userOf(p sunset.Plan, e sunset.Entry) user {
	u := user{Entry: e, Verdict: "kept", Why: Why(p, brief(e)), Owner: OwnerName(e.Owner), Last: LastUse(e), MFA: hasMFA(e)}
	// Ids of certificates have no form of their own: whatever is an id of this user's is masked.
	ids := make([]string, 0, 2*len(e.User.Credentials))
	for _, c := range e.User.Credentials {
		if c.ID != "" {
			ids = append(ids, c.ID, masked(c.ID))
		}
	}
	u.Why = strings.NewReplacer(ids...).Replace(u.Why)
	switch standingOf(e) {
	case eligible:
		u.Verdict, u.Mood = "eligible", "ask"
	case unclear:
		u.Mood = "alarm"
		u.Verdict = "kept: " + string(Foremost(e))
	case kept:
		u.Verdict = "kept: " + string(Foremost(e))
	}
	if last, used := lastUsed(e); used {
		u.Idle = ago(last, p.Made)
	}
	used, unused, unknown := uses(e)
	u.Uses = fmt.Sprintf("%d used, %d unused, %d unknown", used, unused, unknown)
	return u
}

// brief says of an active user only by what it is active, and says it once: the report and the user's own reads repeat each other.
func brief(e sunset.Entry) sunset.Entry {
	if e.Verdict.Has(sunset.IsActive) {
		i := slices.IndexFunc(e.Verdict.Reasons, func(r sunset.Reason) bool { return r.Code == sunset.IsActive })
		e.Verdict.Reasons = e.Verdict.Reasons[i : i+1]
	}
	return e
}

func credentials(p sunset.Plan, e sunset.Entry) []credential {
	var out []credential
	for _, c := range e.User.Credentials {
		label := c
		label.ID = masked(c.ID)
		line := credential{What: label.Label(), Status: string(c.Status), Made: "not known", Used: "never"}
		if !c.Created.IsZero() {
			line.Made = c.Created.UTC().Format(time.DateOnly)
		}
		switch {
		case !c.Kind.UseReported():
			line.Used = "AWS does not report it"
		case c.LastUsed != nil:
			line.Used = c.LastUsed.UTC().Format(time.DateOnly) + ", " + ago(*c.LastUsed, p.Made)
			if c.Service != "" {
				line.Used += ", " + c.Service
			}
		}
		out = append(out, line)
	}
	return out
}

func answerRows(p sunset.Plan, e sunset.Entry) []answerRow {
	var out []answerRow
	for _, a := range answers(e) {
		row := answerRow{answer: a, Where: strings.Join(a.Regions, ", ")}
		for _, c := range e.User.Credentials {
			if c.ID != "" {
				row.About = strings.ReplaceAll(row.About, c.ID, masked(c.ID))
				row.Detail = strings.ReplaceAll(row.Detail, c.ID, masked(c.ID))
			}
		}
		if len(a.Regions) > 3 && len(a.Regions) == len(p.Regions) {
			row.Where = fmt.Sprintf("all %d regions", len(p.Regions))
		}
		out = append(out, row)
	}
	return out
}

func ago(then, now time.Time) string {
	if n := days(then, now); n > 0 {
		return counted(n, "day") + " ago"
	}
	return "within a day"
}

// inDays is a duration as people say it.
func inDays(d sunset.Duration) string {
	if days := d.Std() / (24 * time.Hour); d.Std()%(24*time.Hour) == 0 {
		return counted(int(days), "day")
	}
	return d.String()
}
