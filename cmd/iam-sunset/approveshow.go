package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/planreport"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// list shows what waits for an approver.
func (o approveOptions) list(all approval.AskedList) error {
	var rows []table.Row
	for _, a := range all.Requests {
		if a.Request.State != sunset.RequestOpen {
			continue
		}
		what := "your decision"
		switch {
		case a.Mine != nil:
			what = "others; you decided " + string(a.Mine.Choice)
		case a.Barred != "":
			what = "others: " + a.Barred
		case len(a.Choices) == 0:
			what = "nothing: the time to decide is over"
		case a.Request.Disturbed:
			what += "; its soak was disturbed"
		}
		rows = append(rows, table.Row{printable(a.Request.UserName), minute(a.Request.Expires), printable(what), printable(a.Request.CaseID)})
	}
	page := &pageWriter{out: o.around.stdout, width: widthOf(o.around.stdout, pageWidth)}
	page.line(printable("You are " + all.Approver + "."))
	if len(rows) == 0 {
		page.line("Nothing waits for you.")
		return page.err
	}
	page.table(table.Row{"User", "Decide until", "Waits for", "Case"}, rows, []int{32, 16, 0, 60}, 1)
	page.line("The facts of one: iam-sunset approve USER")
	return page.err
}

// show tells what a decision would be about: the facts that the digest binds, and what was said beside them.
func (o approveOptions) show(a approval.Asked) error {
	r, shown := a.Request, a.Request.Shown
	page := &pageWriter{out: o.around.stdout, width: widthOf(o.around.stdout, pageWidth)}
	field := func(name, format string, args ...any) {
		if value := printable(fmt.Sprintf(format, args...)); strings.TrimSpace(value) != "" {
			margin := fmt.Sprintf("  %-13s", name)
			for line := range strings.Lines(text.WrapSoft(value, max(page.width-len(margin), leastWhy))) {
				page.line(margin + strings.TrimRight(line, "\n "))
				margin = strings.Repeat(" ", len(margin))
			}
		}
	}
	page.line("")
	page.line(text.Bold.Sprint(printable(r.UserName)) + printable("  "+r.UserARN))
	field("case", "%s, round %d; digest %.12s", r.CaseID, r.Round, r.Digest)
	field("user", "%s, made %s", r.Facts.UserID, minute(r.Facts.Created))
	if shown.Owner.Email != "" || shown.Owner.Name != "" {
		field("owner", "%s (%s)", planreport.OwnerName(shown.Owner), shown.Owner.From)
	}
	field("class", "%s", shown.Class)
	field("code", "%s", shown.CodeManaged)
	known := map[string]sunset.Credential{}
	for _, c := range shown.Credentials {
		known[string(c.Kind)+c.ID] = c
	}
	for _, artifact := range r.Facts.Artifacts {
		line := strings.TrimSpace(artifact.Kind + " " + artifact.ID)
		if artifact.Status != "" {
			line += " " + artifact.Status
		}
		if c, ok := known[artifact.Kind+artifact.ID]; ok {
			switch {
			case c.LastUsed != nil:
				line += ", last used " + minute(*c.LastUsed)
			case !c.Kind.UseReported():
				line += ", AWS does not report its use"
			default:
				line += ", never used"
			}
		}
		field("has", "%s", line)
	}
	for _, ref := range r.Facts.References {
		field("named by", "%s (%s, %s)", ref.Resource, ref.How, ref.Weight)
	}
	if seen := shown.LastSeen; seen != nil {
		field("last seen", "%s %s %s", minute(seen.At), seen.Service, seen.Call)
	}
	unused := 0
	for _, e := range shown.Evidence {
		if e.Use == sunset.Unused {
			unused++
			continue
		}
		field("evidence", "%s: %s %s %s", e.Use, e.Source, e.Region, e.Detail)
	}
	field("evidence", "%s at the plan: unused", counted(unused, "source"))
	field("disabled", "%s by %s", minute(shown.Quarantine.At), shown.Quarantine.Method)
	field("lost", "%s", shown.Quarantine.Lost)
	field("soak", "%s to %s; CloudTrail is heard up to %s", minute(shown.SoakFrom), minute(shown.SoakUntil), minute(shown.HeardUntil))
	if len(r.Facts.Signals) == 0 {
		field("heard", "nothing")
	}
	for _, s := range r.Facts.Signals {
		field("heard", "%s %s", minute(s.At), s.Detail)
	}
	switch {
	case r.Disturbed:
		field("delete", "is not among the choices: the soak was disturbed, or something would be left without anybody who can use it")
	case r.Facts.Final == sunset.FinalRetain:
		field("delete means", "all credentials go, for good; the empty, tagged user stays")
	default:
		field("delete means", "the user and everything listed goes, for good; %s", counted(max(r.Needed, 1), "approver")+" needed")
	}
	for _, d := range a.Others {
		field("decided", "%s by %s, %s: %s", d.Choice, d.Approver, minute(d.At), d.Reason)
	}
	if a.Mine != nil {
		field("decided", "%s by you, %s: %s", a.Mine.Choice, minute(a.Mine.At), a.Mine.Reason)
	}
	if a.Forged > 0 {
		field("beware", "%s stored on it that nobody took here; tell the security team", counted(a.Forged, "decision"))
	}
	if r.Proven != "" {
		field("starter", "%s", r.Proven)
	} else {
		field("starter", "%s, as its request claims", r.Starter)
	}
	field("until", "%s", minute(r.Expires))
	if a.Barred != "" {
		field("not you", "%s", a.Barred)
	}
	return page.err
}
