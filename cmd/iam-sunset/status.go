package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

type statusOptions struct {
	operator
	output     string
	watch, all bool
	every      time.Duration
}

func statusCommand(around surroundings) *cobra.Command {
	o := statusOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the cleanups stand, who is next and when, and what waits for whom",
		Long:  "Shows cleanups, open cases by stage, who is next and when, what waits for whom, and who was left disabled. It only reads.\nTimes are UTC.",
		Example: "  iam-sunset status\n" +
			"  iam-sunset status --watch\n" +
			"  iam-sunset status --output json | jq '.open[] | select(.for)'",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.status(cmd.Context()) },
	}
	o.addFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.output, "output", "table", "table or json")
	f.BoolVar(&o.watch, "watch", false, "show it again and again, until interrupted")
	f.DurationVar(&o.every, "every", 10*time.Second, "with --watch: how often, at least 2s")
	f.BoolVar(&o.all, "all", false, "list ended cleanups, and every open case")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

func (o statusOptions) status(ctx context.Context) error {
	switch {
	case o.output != "table" && o.output != "json":
		return hinted{fmt.Errorf("--output: %q is not a form of output", o.output), "choose table or json"}
	case o.every < 2*time.Second:
		return hinted{fmt.Errorf("--every: %s is too often", o.every), "choose 2s or more: every look reads all cases"}
	}
	w, err := o.station(ctx)
	if err != nil {
		return err
	}
	if !o.watch {
		return o.look(ctx, w, o.around.stdout)
	}
	for {
		var page bytes.Buffer
		switch err := o.look(ctx, w, &page); {
		case ctx.Err() != nil:
			return nil // the ordinary end of watching
		case sunset.KindOf(err).Passing():
			fmt.Fprintf(&page, "%s; trying again\n", printable(err.Error()))
		case err != nil:
			return err
		}
		clear := ""
		if isTerminal(o.around.stdout) {
			clear = "\x1b[H\x1b[2J"
		}
		if _, err := fmt.Fprintf(o.around.stdout, "%s%s\n", clear, page.Bytes()); err != nil {
			return fmt.Errorf("writing how everything stands: %w", err)
		}
		if o.around.clock.Sleep(ctx, o.every) != nil {
			return nil
		}
	}
}

func (o statusOptions) look(ctx context.Context, w station, out io.Writer) error {
	view, err := w.Overview(ctx)
	if err != nil {
		return err
	}
	if o.output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(view)
	}
	return o.write(&pageWriter{out: out, width: widthOf(o.around.stdout, pageWidth)}, view)
}

// fewCases are as many open cases as a screen shows without --all.
const fewCases = 15

func (o statusOptions) write(page *pageWriter, v workflow.Overview) error {
	page.line(minute(v.At) + " UTC")
	if v.Paused != "" {
		page.line(text.FgHiRed.Sprint("PAUSED: ") + printable(v.Paused) + ". Nothing is changed until iam-sunset resume.")
	}
	o.cleanups(page, v)
	o.cases(page, v)
	o.left(page, v)
	return page.err
}

func (o statusOptions) cleanups(page *pageWriter, v workflow.Overview) {
	var rows []table.Row
	ended := 0
	for _, c := range v.Cleanups {
		if c.State == workflow.CleanupEnded && !o.all {
			ended++
			continue
		}
		rows = append(rows, table.Row{printable(c.ID), minute(c.Began), stateText(c), progressText(c)})
	}
	for _, name := range v.Starting {
		rows = append(rows, table.Row{printable(name), "just now", "starting", ""})
	}
	if len(rows) > 0 {
		page.line("")
		page.table(table.Row{"Cleanup", "Began", "State", "How far"}, rows, []int{32, 16, 30, 0}, 1)
	}
	if ended > 0 {
		page.line(counted(ended, "ended cleanup") + " not listed; --all lists everything.")
	}
	if len(rows) == 0 && ended == 0 {
		page.line("No cleanup was ever started here. iam-sunset start makes a dry run.")
	}
	for _, c := range v.Cleanups {
		for _, h := range c.HeldBy {
			page.line(text.FgYellow.Sprint("Held: ") + printable(fmt.Sprintf("later turns of %s wait until somebody has looked at %s (%s) and runs iam-sunset resume --turns.", c.ID, h.User, h.Case)))
		}
	}
}

func stateText(c workflow.CleanupStands) string {
	state := map[string]string{
		workflow.CleanupPlanning: "reading the account", workflow.CleanupOpening: "opening cases", workflow.CleanupRunning: "cases are open",
		workflow.CleanupEnding: "its end is being written down", workflow.CleanupEnded: "ended " + minute(c.Ended),
	}[c.State]
	switch {
	case c.Refusal != "" && len(c.Stages) == 0:
		return "refused or failed"
	case c.DryRun:
		return "dry run, " + state
	}
	return state
}

// progressText counts a cleanup's users by where they stand.
func progressText(c workflow.CleanupStands) string {
	if c.Refusal != "" && len(c.Stages) == 0 && len(c.Outcomes) == 0 {
		return printable(c.Refusal)
	}
	if c.PlanKey == "" {
		return ""
	}
	parts := []string{fmt.Sprintf("%s, %d eligible", counted(c.Users, "user"), c.Eligible)}
	for _, stage := range []sunset.Stage{sunset.Waiting, sunset.Disabling, sunset.Soaking, sunset.Requesting, sunset.Deleting, sunset.Restoring} {
		if n := c.Stages[stage]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, stage))
		}
	}
	outcomes := c.Closed
	if len(c.Outcomes) > 0 {
		outcomes = c.Outcomes
	}
	for _, outcome := range sunset.Outcomes() {
		if n := outcomes[outcome]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, outcome))
		}
	}
	return strings.Join(parts, ", ")
}

func (o statusOptions) cases(page *pageWriter, v workflow.Overview) {
	if len(v.Open) == 0 {
		return
	}
	// What waits for people comes first: the rest comes by itself.
	open := slices.Clone(v.Open)
	slices.SortStableFunc(open, func(a, b workflow.CaseStands) int { return cmp.Compare(rank(a), rank(b)) })
	var rows []table.Row
	for i, c := range open {
		if i >= fewCases && !o.all && len(c.For) == 0 && c.Signals == 0 {
			continue
		}
		waits := printable(c.Waits)
		if len(c.For) > 0 {
			waits += ": " + printable(strings.Join(c.For, ", "))
		}
		stage := string(c.Stage)
		if c.Signals > 0 {
			stage = text.FgYellow.Sprint(stage + " !")
		}
		rows = append(rows, table.Row{printable(c.User), minute(c.At), stage, c.Next, waits})
	}
	page.line("")
	page.table(table.Row{"User", "When", "Stage", "What is next", "Waits for"}, rows, []int{24, 16, 12, 24, 0}, 2)
	if hidden := len(v.Open) - len(rows); hidden > 0 {
		page.line(counted(hidden, "later case") + " not listed; --all lists everything, --output json with ids.")
	}
}

func rank(c workflow.CaseStands) int {
	if len(c.For) > 0 || c.Signals > 0 || c.Holds {
		return 0
	}
	return 1
}

func (o statusOptions) left(page *pageWriter, v workflow.Overview) {
	if len(v.Left) == 0 {
		return
	}
	var rows []table.Row
	for _, c := range v.Left {
		rows = append(rows, table.Row{printable(c.User), string(c.Outcome), printable(c.UserID), printable(c.Reason + ". It waits for " + c.Waits)})
	}
	page.line("")
	page.line("Left disabled, and nobody decides any more. iam-sunset rescue USER gives one back, iam-sunset history USER tells all of it.")
	page.table(table.Row{"User", "Ended as", "UserId", "Why"}, rows, []int{24, 10, 24, 0}, 1)
}

// pageWriter keeps the first error of many writes.
type pageWriter struct {
	out   io.Writer
	width int
	err   error
}

func (p *pageWriter) line(s string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.out, text.WrapSoft(s, p.width))
	}
}

// table gives every column what it needs, up to its most. Where the page is narrow, columns from the fixed one on become
// one, so that nothing is lost.
func (p *pageWriter) table(header table.Row, rows []table.Row, most []int, fixed int) {
	if p.err != nil {
		return
	}
	if p.width < narrow {
		for i, row := range rows {
			var rest []string
			for _, cell := range row[fixed:] {
				if text := fmt.Sprint(cell); text != "" {
					rest = append(rest, text)
				}
			}
			rows[i] = append(slices.Clone(row[:fixed]), strings.Join(rest, "; "))
		}
		header = append(slices.Clone(header[:fixed]), "What")
		most = append(slices.Clone(most[:fixed]), 0)
	}
	_, p.err = fmt.Fprintln(p.out, renderRows(header, rows, most, p.width))
}
