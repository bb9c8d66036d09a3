package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func planWriter(output string, all bool) (func(io.Writer, sunset.Plan) error, error) {
	switch output {
	case "table":
		return func(w io.Writer, p sunset.Plan) error { return writePlanTable(w, p, all) }, nil
	case "json":
		return func(w io.Writer, p sunset.Plan) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(p)
		}, nil
	case "csv":
		return writePlanCSV, nil
	}
	return nil, hinted{fmt.Errorf("--output: %q is not a form of output", output), "choose table, json or csv"}
}

func writePlanTable(w io.Writer, p sunset.Plan, all bool) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.SeparateRows = false
	t.AppendHeader(table.Row{"User", "Class", "Last use", "Verdict", "Why", "Owner"})
	width := 160
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 60 {
			width = n
		}
	}
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 1, WidthMax: 32}, {Number: 5, WidthMax: max(30, width-95)}, {Number: 6, WidthMax: 30}})
	for _, e := range p.Entries {
		if !e.Verdict.Eligible && !all && (e.Verdict.Has(sunset.IsActive) || e.Verdict.Has(sunset.NotRequested)) {
			continue
		}
		verdict := text.FgYellow.Sprint("kept")
		if e.Verdict.Eligible {
			verdict = text.FgGreen.Sprint("eligible")
		}
		t.AppendRow(table.Row{printable(e.User.Name), e.Class, lastUse(e), verdict, printable(why(e)), printable(ownerName(e.Owner))})
	}
	if _, err := fmt.Fprintln(w, t.Render()); err != nil {
		return err
	}
	counts := map[sunset.ReasonCode]int{}
	for _, e := range p.Entries {
		if len(e.Verdict.Reasons) > 0 {
			counts[e.Verdict.Reasons[0].Code]++
		}
	}
	line := fmt.Sprintf("%d users in account %s: %d eligible", len(p.Entries), p.Account, len(p.Eligible()))
	for _, code := range []sunset.ReasonCode{
		sunset.IsActive, sunset.TooYoung, sunset.Exempt, sunset.IsUnknown, sunset.Blocked, sunset.InCase, sunset.NotCrosschecked, sunset.NotRequested,
	} {
		if counts[code] > 0 {
			line += fmt.Sprintf(", %d %s", counts[code], code)
		}
	}
	fmt.Fprintln(w, line+".")
	if !all && counts[sunset.IsActive] > 0 {
		fmt.Fprintln(w, "Active users are not listed; --all lists everybody.")
	}
	for _, name := range p.UnknownNames {
		fmt.Fprintf(w, "warning: there is no user named %s\n", printable(name))
	}
	for _, x := range p.IdleExemptions {
		fmt.Fprintf(w, "warning: the exemption by %s keeps nobody: it is over, or matches no user\n", printable(x))
	}
	for _, g := range p.Gaps {
		region := ""
		if g.Region != "" {
			region = " in " + g.Region
		}
		fmt.Fprintf(w, "not read: %s%s: %s\n", g.Action, region, printable(g.Why))
	}
	if refusal := p.Refusal(); refusal != "" {
		fmt.Fprintf(w, "warning: a cleanup would be refused: %s\n", refusal)
	}
	return nil
}

func writePlanCSV(w io.Writer, p sunset.Plan) error {
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
			strings.Join(codes, " "), why(e), ownerName(e.Owner), e.CodeManaged, strings.Join(credentials, "; "), strings.Join(references, "; "),
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

// plainCell keeps a spreadsheet from taking a name or a tag for a formula.
func plainCell(s string) string {
	s = printable(s)
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// printable leaves out what could move a terminal's cursor: tags are other people's words.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}

func lastUse(e sunset.Entry) string {
	if last := e.User.LastUse(); last.After(e.User.Created) {
		return last.UTC().Format(time.DateOnly)
	}
	return "never"
}

func why(e sunset.Entry) string {
	var parts []string
	for _, r := range e.Verdict.Reasons {
		parts = append(parts, r.Text)
	}
	if e.Verdict.Eligible {
		parts = append(parts, "nothing shows any use")
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

func ownerName(o sunset.Owner) string {
	if o.Email != "" {
		return o.Email
	}
	return o.Name
}
