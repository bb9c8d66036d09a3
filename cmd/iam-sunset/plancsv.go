package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// writePlanCSV is for spreadsheets: a line a user, all of them. What does not concern one user goes to stderr.
func writePlanCSV(w, stderr io.Writer, p sunset.Plan) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"user", "user_id", "created", "class", "last_use", "verdict", "codes", "why", "owner", "code_managed", "credentials", "references"}}
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
		rows = append(rows, []string{
			e.User.Name, e.User.ID, e.User.Created.UTC().Format(time.RFC3339), string(e.Class), lastUse(e), verdict,
			strings.Join(codes, " "), why(p, e), ownerName(e.Owner), e.CodeManaged, strings.Join(credentials, "; "), strings.Join(references, "; "),
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
	return writeRemarks(stderr, p)
}

// plainCell keeps a spreadsheet from taking a name or a tag for a formula.
func plainCell(s string) string {
	s = printable(s)
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
