package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/iam-sunset/iam-sunset/internal/planreport"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// narrow is where a terminal has no room for class and owner.
	narrow = 110
	// pageWidth is how wide a table is that no terminal bounds.
	pageWidth = 160
	// leastWhy keeps reasons readable where names are long.
	leastWhy = 24
)

func writePlanTable(w io.Writer, p sunset.Plan, all bool) error {
	width := widthOf(w, pageWidth)
	header := table.Row{"User", "Last use", "Verdict", "Why", "Class", "Owner"}
	most := []int{32, 10, 8, 0, 12, 30} // 0: what is left
	if width < narrow {
		header, most[0] = header[:4], 24
	}
	var rows []table.Row
	for _, e := range p.Entries {
		if !e.Verdict.Eligible && !all && (e.Verdict.Has(sunset.IsActive) || e.Verdict.Has(sunset.NotRequested)) {
			continue
		}
		verdict := text.FgYellow.Sprint("kept")
		if e.Verdict.Eligible {
			verdict = text.FgGreen.Sprint("eligible")
		}
		row := table.Row{printable(e.User.Name), planreport.LastUse(e), verdict, printable(planreport.Why(p, inShort(p, e))), string(e.Class), printable(planreport.OwnerName(e.Owner))}
		rows = append(rows, row[:len(header)])
	}
	if len(rows) > 0 {
		if _, err := fmt.Fprintln(w, renderRows(header, rows, most, width)); err != nil {
			return fmt.Errorf("writing the plan: %w", err)
		}
	}
	below := []string{countsLine(p)}
	if left := len(p.Entries) - len(rows); left > 0 {
		below = append(below, counted(left, "user")+" not listed, being active or not asked about; --all lists everybody.")
	}
	if width < narrow {
		below = append(below, fmt.Sprintf("Class and owner take %d columns, or --output csv.", narrow))
	}
	if err := writeLines(w, below); err != nil {
		return err
	}
	return writeRemarks(w, p)
}

// renderRows gives every column what it needs, up to its most, and the rest of the width to the one without a most.
func renderRows(header table.Row, rows []table.Row, most []int, width int) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(header)
	t.AppendRows(rows)
	left := width - 3*len(header) - 1 // lines and spaces between columns
	var columns []table.ColumnConfig
	elastic := 0
	for i := range header {
		if most[i] == 0 {
			elastic = i
			continue
		}
		need := len(fmt.Sprint(header[i]))
		for _, row := range rows {
			need = max(need, text.StringWidthWithoutEscSequences(fmt.Sprint(row[i])))
		}
		columns = append(columns, table.ColumnConfig{Number: i + 1, WidthMax: most[i]})
		left -= min(need, most[i])
	}
	columns = append(columns, table.ColumnConfig{Number: elastic + 1, WidthMax: max(leastWhy, left), WidthMaxEnforcer: text.WrapSoft})
	t.SetColumnConfigs(columns)
	return t.Render()
}

// inShort leaves out reasons that a reader of the table can do without: whatever else is true of an active user, and
// what is the same for everybody and stands below the table anyway.
func inShort(p sunset.Plan, e sunset.Entry) sunset.Entry {
	for _, r := range e.Verdict.Reasons {
		if r.Code == sunset.IsActive {
			e.Verdict.Reasons = []sunset.Reason{r}
			return e
		}
	}
	reasons := slices.DeleteFunc(slices.Clone(e.Verdict.Reasons), func(r sunset.Reason) bool {
		return slices.ContainsFunc(p.Gaps, func(g sunset.Gap) bool { return strings.HasSuffix(r.Text, planreport.GapText(g)) })
	})
	if len(reasons) < len(e.Verdict.Reasons) {
		reasons = append(reasons, sunset.Reason{Code: sunset.IsUnknown, Text: "something could not be read, see below"})
	}
	e.Verdict.Reasons = reasons
	return e
}

// countsLine counts every user once: who is active or not asked about as that, others by their first reason.
func countsLine(p sunset.Plan) string {
	return fmt.Sprintf("%s in account %s: %d eligible%s.", counted(len(p.Entries), "user"), p.Account, len(p.Eligible()), reasonCounts(p))
}

// reasonCounts lists, each after a comma, how many are kept for what.
func reasonCounts(p sunset.Plan) string {
	counts := map[sunset.ReasonCode]int{}
	for _, e := range p.Entries {
		if code := planreport.Foremost(e); code != "" {
			counts[code]++
		}
	}
	line := ""
	for _, code := range []sunset.ReasonCode{
		sunset.IsActive, sunset.TooYoung, sunset.Exempt, sunset.IsUnknown, sunset.Blocked, sunset.InCase, sunset.NotCrosschecked, sunset.NotRequested,
	} {
		if counts[code] > 0 {
			line += fmt.Sprintf(", %d %s", counts[code], code)
		}
	}
	return line
}

// writeRemarks says what concerns the plan as a whole.
func writeRemarks(w io.Writer, p sunset.Plan) error {
	var lines []string
	for _, name := range p.UnknownNames {
		lines = append(lines, "warning: there is no user named "+name)
	}
	for _, x := range p.IdleExemptions {
		lines = append(lines, fmt.Sprintf("warning: the exemption by %s keeps nobody: it is over, or matches no user", x))
	}
	for _, g := range p.Gaps {
		lines = append(lines, "not read: "+planreport.GapText(g))
	}
	lines = append(lines, planreport.RefusedReads(p)...)
	if refusal := p.Refusal(); refusal != "" {
		lines = append(lines, "warning: a cleanup would be refused: "+refusal)
	}
	return writeLines(w, lines)
}

// writeLines wraps at words, where a terminal would wrap in them.
func writeLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		line = printable(line)
		if width := widthOf(w, 0); width > 0 {
			line = text.WrapSoft(line, width)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
	}
	return nil
}
