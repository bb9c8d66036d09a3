package dossier

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Why says in one paragraph what became of the dossier's user and why. It begins with a warning where the evidence does not
// hold. d is of one user, as Archive.User gives it; elsewhere are other cleanups that know the user.
func Why(d Dossier, elsewhere []string) string {
	var p paragraph
	if !d.Proof.Holds() {
		first := d.Proof.Problems[0]
		p.say("NOT VERIFIED: what follows comes from evidence that does not hold (%s: %s), and may have been made up", first.File, first.Text)
	}
	switch {
	case len(d.Cases) > 0:
		p.aboutCase(d, d.Cases[0])
	case len(d.Kept) > 0:
		p.aboutKept(d, d.Kept[0])
	}
	if len(elsewhere) > 0 {
		p.say("Also on record of it: %s", list(elsewhere))
	}
	return p.text.String()
}

// paragraph gathers sentences.
type paragraph struct{ text strings.Builder }

// say adds a sentence. What people wrote may end in any way, and over several lines.
func (p *paragraph) say(format string, args ...any) {
	s := strings.TrimRight(oneLine(fmt.Sprintf(format, args...)), ".")
	if s == "" {
		return
	}
	if p.text.Len() > 0 {
		p.text.WriteByte(' ')
	}
	p.text.WriteString(s + ".")
}

func (p *paragraph) aboutKept(d Dossier, e sunset.Entry) {
	c := d.Cleanup
	who := fmt.Sprintf("%s (%s) in account %s", e.User.Name, e.User.ID, c.Account)
	if !e.Verdict.Eligible {
		var why []string
		for _, r := range e.Verdict.Reasons {
			why = append(why, r.Text)
		}
		p.say("%s was kept by the cleanup %s, whose plan was made on %s: %s", who, c.ID, when(d.Cleanup.Plan.Made), list(distinct(why)))
		if strong := telling(e); len(strong) > 0 {
			p.say("What it was told by: %s", list(strong))
		}
		p.say("Nothing about it was changed")
		return
	}
	why := "no case of it is on record"
	switch {
	case c.Request.DryRun:
		why = "it was a dry run"
	case c.Refusal != "":
		why = "the cleanup was not carried out: " + c.Refusal
	}
	p.say("%s was found unused by the cleanup %s, whose plan was made on %s, and was kept all the same, because %s", who, c.ID, when(c.Plan.Made), why)
	p.unused(d, &e)
	p.say("Nothing about it was changed")
}

// telling is the evidence that keeps a user: of use, and of what could not be read.
func telling(e sunset.Entry) []string {
	var out []string
	for _, ev := range e.Evidence {
		if ev.Use == sunset.Unused {
			continue
		}
		text := ev.Source + " read on " + when(ev.Read)
		if ev.Region != "" {
			text += " in " + ev.Region
		}
		out = append(out, text)
	}
	if out = distinct(out); len(out) > 4 {
		out = append(out[:4], fmt.Sprintf("%d more", len(out)-4))
	}
	return out
}

func (p *paragraph) aboutCase(d Dossier, c Case) {
	who := fmt.Sprintf("%s (%s) in account %s", c.UserName, c.UserID, d.Cleanup.Account)
	in := "in the cleanup " + c.CleanupID
	switch c.Outcome {
	case sunset.Deleted:
		p.say("%s was deleted on %s, %s", who, when(c.Ended), in)
	case sunset.Retained:
		p.say("%s was stripped of everything it had on %s, %s, and the empty user was kept, because the settings retain users", who, when(c.Ended), in)
	case sunset.Restored:
		p.say("%s was put back as it had been on %s, %s: %s", who, when(c.Ended), in, c.Reason)
	case sunset.Rescued:
		p.say("%s was put back as it had been on %s, %s, because a person asked for it", who, when(c.Ended), in)
	case sunset.Skipped:
		p.say("%s was left alone on %s, %s: %s", who, when(c.Ended), in, c.Reason)
	case sunset.Lapsed:
		p.say("%s was disabled and not deleted, %s: nobody decided in time, until %s, and it stays disabled until somebody rescues it", who, in, when(c.Ended))
	case sunset.Failed:
		p.say("The case of %s failed on %s, %s: %s", who, when(c.Ended), in, c.Reason)
	default:
		p.say("%s has a case %s that has not ended", who, in)
	}
	p.unused(d, c.Entry)
	p.owner(c)
	p.disabled(c)
	p.decided(c)
	p.refused(c)
	p.removed(c)
	p.putBack(c)
	p.source(d, c)
}

// unused says why the user was taken for unused, and whose it was.
func (p *paragraph) unused(d Dossier, e *sunset.Entry) {
	if e == nil {
		p.say("Why it was taken for unused is not among the records that could be read")
		return
	}
	var uses []string
	for _, c := range e.User.Credentials {
		switch {
		case !c.Kind.UseReported():
			uses = append(uses, "of its "+c.Label()+" AWS does not report the use")
		case c.LastUsed != nil:
			uses = append(uses, "its "+c.Label()+" was last used on "+day(*c.LastUsed))
		default:
			uses = append(uses, "its "+c.Label()+", made on "+day(c.Created)+", was never used")
		}
	}
	if len(uses) == 0 {
		uses = []string{"it had no credential at all"}
	}
	limit := ""
	if s := d.Cleanup.Settings.Unused; s > 0 {
		limit = " for the " + span(max(s, longer(d.Cleanup.Request.Unused))) + " that count"
	}
	text := fmt.Sprintf("It was held unused%s: %s", limit, list(uses))
	if n := silentRegions(*e); n > 0 {
		text += fmt.Sprintf("; CloudTrail, asked in %s, knew of no use", number(n, "region"))
	}
	p.say("%s", text)
	switch o := e.Owner; {
	case o.Email != "" || o.Name != "":
		p.say("Its owner was %s (by %s)", cmp.Or(o.Email, o.Name), cmp.Or(o.From, "a source that is not on record"))
	default:
		p.say("No owner was known")
	}
}

// owner says whether whoever has the user was told, and what they said.
func (p *paragraph) owner(c Case) {
	var told []string
	for _, t := range c.Told {
		told = append(told, t.To)
	}
	if n := len(told); n > 0 {
		p.say("%s was told %s, first on %s", list(distinct(told)), times(n), when(c.Told[0].At))
	}
	for _, words := range c.Words {
		p.say("%s", words)
	}
}

func longer(d *sunset.Duration) sunset.Duration {
	if d == nil {
		return 0
	}
	return *d
}

// silentRegions counts the regions in which CloudTrail knew nothing.
func silentRegions(e sunset.Entry) int {
	regions := map[string]bool{}
	for _, ev := range e.Evidence {
		if strings.HasPrefix(ev.Source, "cloudtrail:") && ev.Use == sunset.Unused {
			regions[ev.Region] = true
		}
	}
	return len(regions)
}

// disabled says how it was disabled and what its soak heard.
func (p *paragraph) disabled(c Case) {
	if c.Disabled.IsZero() {
		if len(c.Changes) == 0 {
			p.say("Nothing about it was changed")
		}
		return
	}
	how := "disabled"
	if c.Quarantine != nil {
		how = map[sunset.Method]string{
			sunset.InlineDeny:   "disabled by an inline policy that denies everything",
			sunset.ManagedDeny:  "disabled by AWS's own policy that denies everything",
			sunset.Deactivation: "disabled by switching off its credentials",
		}[c.Quarantine.Method]
	}
	p.say("It was %s on %s and listened to since, in %s%s", how, when(c.Disabled), number(len(c.Checks), "check"), c.listenedUntil())
	if c.Quarantine != nil {
		p.say("%s", c.Quarantine.Lost)
	}
	switch heard := c.Signals; {
	case len(c.Checks) == 0:
	case len(heard) == 0:
		p.say("Nothing was heard")
	default:
		var texts []string
		for _, s := range heard[:min(len(heard), 3)] {
			texts = append(texts, s.Detail)
		}
		if more := len(heard) - len(texts); more > 0 {
			texts = append(texts, fmt.Sprintf("%d more", more))
		}
		p.say("What was heard: %s", list(texts))
	}
}

func (c Case) listenedUntil() string {
	if len(c.Checks) == 0 {
		return ""
	}
	last := c.Checks[len(c.Checks)-1]
	text := ", the last on " + when(last.At)
	if last.Until.Year() > 1 {
		text += ", when CloudTrail was read up to " + clock(last.At, last.Until)
	}
	return text
}

func (p *paragraph) source(d Dossier, c Case) {
	if c.Execution != "" {
		p.say("It was the work of the execution %s", c.Execution)
	}
	if d.Proof.Holds() {
		sealed := "none of it is sealed, so that this shows that the records fit together, not who wrote them"
		switch {
		case d.Proof.Seals > 0 && d.Proof.Named:
			sealed = "they are sealed by the key that was named"
		case d.Proof.Seals > 0:
			sealed = "they are sealed by a key that was not checked against yours"
		}
		p.say("All this is from %s of case %s, whose chain is whole; %s", number(c.Records, "record"), c.ID, sealed)
		if chain := sunset.ChainOf(c.ID); slices.Contains(d.Proof.Open, c.CleanupID) || slices.Contains(d.Proof.Later, chain) {
			p.say("No manifest counts the end of that chain yet, so that records missing from it%s would not show", d.Proof.sinceCheckpoint())
		}
	}
}
