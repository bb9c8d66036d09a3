package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// show prints what the settings say and what the request makes of it.
func (o startOptions) show(out io.Writer, r sunset.Request, s, tightened sunset.Settings) error {
	how := "a dry run: it ends with its plan, and nothing is changed"
	if o.openCases {
		how = text.FgYellow.Sprint("in earnest: every eligible user gets a case")
	}
	var rows []table.Row
	line := func(what, have, want string) {
		if want == have {
			rows = append(rows, table.Row{what, have, ""})
			return
		}
		rows = append(rows, table.Row{what, have, text.FgYellow.Sprint(want)})
	}
	both := func(what string, of func(sunset.Settings) string) { line(what, of(s), of(tightened)) }
	both("unused after", func(s sunset.Settings) string { return s.Unused.String() })
	both("at least as old as", func(s sunset.Settings) string { return s.MinAge.String() })
	both("notice to the owner", func(s sunset.Settings) string { return s.Notice.String() })
	both("disabled a day", func(s sunset.Settings) string { return fmt.Sprint(s.Batch) })
	both("soak", func(s sunset.Settings) string { return s.Soak.String() })
	both("refused above", func(s sunset.Settings) string { return fmt.Sprintf("%d %% of all users", s.CapPercent) })
	line("disabled by", string(s.Disable), string(s.Disable))
	line("in the end", string(s.Final), string(s.Final))
	line("changes", windowsText(s.Windows), windowsText(s.Windows))
	everybody := "everybody"
	if len(r.Users) > 0 {
		line("looks at", everybody, counted(len(r.Users), "named user"))
	} else {
		line("looks at", everybody, everybody)
	}
	line("exempt by", counted(len(s.Exemptions), "rule"), counted(len(s.Exemptions), "rule"))
	line("approvals needed", fmt.Sprint(s.ApprovalsNeeded), fmt.Sprint(s.ApprovalsNeeded))
	head := []string{
		fmt.Sprintf("Cleanup %s, %s.", o.name, how),
		fmt.Sprintf("Started by %s.", printable(r.Starter)),
	}
	if r.Account != "" {
		head = append(head, fmt.Sprintf("In account %s.", printable(r.Account)))
	}
	head = append(head, fmt.Sprintf("By settings %.12s:", s.Digest()))
	if _, err := fmt.Fprintln(out, strings.Join(head, "\n")); err != nil {
		return fmt.Errorf("writing what will be started: %w", err)
	}
	if _, err := fmt.Fprintln(out, renderRows(table.Row{"", "Settings", "This cleanup"}, rows, []int{20, 30, 0}, widthOf(out, pageWidth))); err != nil {
		return fmt.Errorf("writing what will be started: %w", err)
	}
	var approvers []string
	for _, a := range s.Approvers {
		name := printable(a.Email)
		if a.Is(r.Starter) {
			name += " (you; your decision won't count here)"
		}
		approvers = append(approvers, name)
	}
	if len(approvers) == 0 {
		approvers = []string{"nobody"}
	}
	return writeLines(out, []string{"Approvers: " + strings.Join(approvers, ", ")})
}

func windowsText(windows []sunset.Window) string {
	if len(windows) == 0 {
		return "at any time"
	}
	var all []string
	for _, w := range windows {
		all = append(all, fmt.Sprintf("%s %s–%s %s", strings.Join(w.Days, " "), w.From, w.To, w.Zone))
	}
	return strings.TrimSpace(strings.Join(all, "; "))
}
