package planreport

import (
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// columns are documented in docs/scan.md. They keep their names and order; new ones come last.
var columns = []string{
	"user", "user_id", "created", "class", "last_use", "verdict", "codes", "why", "owner", "code_managed", "credentials", "references",
	"account", "arn", "mfa", "last_use_days", "evidence_used", "evidence_unused", "evidence_unknown", "unread_regions",
}

// WriteCSV writes a line a user, all of them, in the plan's order. No cell is taken for a formula by a spreadsheet.
func WriteCSV(w io.Writer, p sunset.Plan) error {
	c := csv.NewWriter(w)
	rows := [][]string{columns}
	for _, e := range p.Entries {
		verdict := "kept"
		if e.Verdict.Eligible {
			verdict = "eligible"
		}
		var codes, credentials, references []string
		for _, r := range e.Verdict.Reasons {
			codes = append(codes, string(r.Code))
		}
		for _, k := range e.User.Credentials {
			credentials = append(credentials, k.Label()+" "+string(k.Status))
		}
		for _, r := range e.References {
			references = append(references, string(r.Weight)+" "+r.Resource)
		}
		idle := ""
		if last, wasUsed := lastUsed(e); wasUsed {
			idle = strconv.Itoa(days(last, p.Made))
		}
		used, unused, unknown := uses(e)
		rows = append(rows, []string{
			e.User.Name, e.User.ID, e.User.Created.UTC().Format(time.RFC3339), string(e.Class), LastUse(e), verdict,
			strings.Join(codes, " "), Why(p, e), OwnerName(e.Owner), e.CodeManaged, strings.Join(credentials, "; "), strings.Join(references, "; "),
			p.Account, e.User.ARN, hasMFA(e), idle, strconv.Itoa(used), strconv.Itoa(unused), strconv.Itoa(unknown), unreadRegions(p, e),
		})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = plainCell(row[i])
		}
	}
	if err := c.WriteAll(rows); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// unreadRegions are those in which something could not be read, for everybody or for this user.
func unreadRegions(p sunset.Plan, e sunset.Entry) string {
	var regions []string
	seen := map[string]bool{"": true}
	add := func(region string) {
		if !seen[region] {
			seen[region] = true
			regions = append(regions, region)
		}
	}
	for _, g := range p.Gaps {
		add(g.Region)
	}
	for _, ev := range e.Evidence {
		if ev.Use == sunset.Unknown {
			add(ev.Region)
		}
	}
	return strings.Join(regions, " ")
}

// leads are what a formula begins with, in the wide forms of East Asian keyboards too.
const leads = "=+-@＝＋－＠"

// within finds a formula behind a separator: where semicolons part columns, one cell of ours becomes several.
var within = regexp.MustCompile(`([;|]\s*)([` + regexp.QuoteMeta(leads) + `])`)

// plainCell keeps a spreadsheet from taking a name or a tag for a formula: an apostrophe before it says that it is text.
func plainCell(s string) string {
	s = within.ReplaceAllString(clean(s), "$1'$2")
	// Some programs skip blanks before they look.
	if first := strings.TrimLeftFunc(s, unicode.IsSpace); first != "" && strings.ContainsRune(leads, []rune(first)[0]) {
		return "'" + s
	}
	return s
}
