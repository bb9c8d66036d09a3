// Package planreport writes a scan's plan for those who were not there: a report to forward, a sheet for spreadsheets, and
// findings for security tools. It reads the plan alone, and asks AWS nothing.
package planreport

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// LastUse is the day, in UTC, of the latest use that AWS reports of any credential, or "never".
func LastUse(e sunset.Entry) string {
	if last, used := lastUsed(e); used {
		return last.UTC().Format(time.DateOnly)
	}
	return "never"
}

// lastUsed is the latest use that AWS reports; without one it is the user's creation, from which its idleness counts.
func lastUsed(e sunset.Entry) (last time.Time, used bool) {
	last = e.User.LastUse()
	return last, last.After(e.User.Created)
}

// Why gives the reasons for a verdict. Of an eligible user it says for how long nothing was seen of it.
func Why(p sunset.Plan, e sunset.Entry) string {
	var parts []string
	for _, r := range e.Verdict.Reasons {
		parts = append(parts, r.Text)
	}
	if e.Verdict.Eligible {
		last, used := lastUsed(e)
		idle := counted(days(last, p.Made), "day")
		if used {
			parts = append(parts, "unused for "+idle)
		} else {
			parts = append(parts, fmt.Sprintf("never used, made %s ago", idle))
		}
		if e.CodeManaged != "" {
			parts = append(parts, e.CodeManaged+" made it")
		}
	}
	for _, r := range e.References {
		if r.Service == "code" {
			parts = append(parts, "named in "+r.Resource)
		}
	}
	return strings.Join(parts, "; ")
}

// OwnerName is an owner's address, or else its name; empty where no owner is known.
func OwnerName(o sunset.Owner) string {
	if o.Email != "" {
		return o.Email
	}
	return o.Name
}

// Foremost is the one reason under which a kept user is counted, so that counts add up; empty of an eligible one. Whether
// it was asked about and whether it is active come before whatever else is true of it.
func Foremost(e sunset.Entry) sunset.ReasonCode {
	switch {
	case e.Verdict.Has(sunset.NotRequested):
		return sunset.NotRequested
	case e.Verdict.Has(sunset.IsActive):
		return sunset.IsActive
	case len(e.Verdict.Reasons) > 0:
		return e.Verdict.Reasons[0].Code
	}
	return ""
}

// GapText says what could not be read, where and why.
func GapText(g sunset.Gap) string {
	if g.Region == "" {
		return g.Action + ": " + g.Why
	}
	return g.Action + " in " + g.Region + ": " + g.Why
}

// RefusedReads says once for all users which reads of single users were refused.
func RefusedReads(p sunset.Plan) []string {
	users := map[string]int{}
	for _, e := range p.Entries {
		said := map[string]bool{}
		for _, ev := range e.Evidence {
			_, why, refused := strings.Cut(ev.Detail, ev.Source+": ")
			if ev.Use != sunset.Unknown || !refused || said[ev.Source] || slices.ContainsFunc(p.Gaps, func(g sunset.Gap) bool { return g.Action == ev.Source }) {
				continue
			}
			said[ev.Source] = true
			users[ev.Source+": "+why]++
		}
	}
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(users)) {
		lines = append(lines, fmt.Sprintf("not read for %s: %s", counted(users[what], "user"), what))
	}
	return lines
}

// standing is what a verdict comes to for somebody who looks at many users at once.
type standing int

const (
	eligible standing = iota
	unclear           // looks unused, and is kept because that isn't shown or something would break
	kept
)

func standingOf(e sunset.Entry) standing {
	switch Foremost(e) {
	case "":
		if e.Verdict.Eligible {
			return eligible
		}
		return unclear
	case sunset.IsUnknown, sunset.Blocked, sunset.NotCrosschecked:
		return unclear
	}
	return kept
}

// keyID fits the ids of access keys and service-specific credentials wherever a sentence has one.
var keyID = regexp.MustCompile(`\b(?:AKIA|ASIA|ABIA|ACCA|APKA)[A-Z0-9]{12,}\b`)

// masked leaves of a credential's id what tells two apart.
func masked(id string) string {
	if len(id) < 12 {
		return id
	}
	return id[:4] + "…" + id[len(id)-4:]
}

// clean leaves out of other people's text what nobody sees and what could steer a screen or a program: control characters,
// marks of direction, zero widths. It stays on one line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// plain is clean text for a page, key ids masked.
func plain(s string) string { return keyID.ReplaceAllStringFunc(clean(s), masked) }

// days are those that have passed whole.
func days(from, to time.Time) int { return int(to.Sub(from).Hours() / 24) }

// counted is a number and what there are so many of.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
