package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

type historyOptions struct {
	operator
	output string
	all    bool
}

func historyCommand(around surroundings) *cobra.Command {
	o := historyOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "history CASE | CLEANUP | USER | EXECUTION",
		Short: "Tell what happened to a user, a case or a cleanup, from the evidence and the execution's history",
		Long: "Tells in order of time what is on record of a case, a cleanup or a user's newest case, together with what Step Functions remembers\n" +
			"of its execution. Step Functions forgets 90 days after the end; the evidence doesn't. Times are UTC. It only reads.",
		Example: "  iam-sunset history old-jenkins\n" +
			"  iam-sunset history spring-2026\n" +
			"  iam-sunset history spring-2026-AIDAEXAMPLE --all\n" +
			"  iam-sunset history arn:aws:states:eu-west-1:111122223333:execution:iam-sunset:spring-2026",
		Args: oneArgument("case, cleanup, user or execution"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.history(cmd.Context(), args[0]) },
	}
	o.addFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.output, "output", "text", "text or json")
	f.BoolVar(&o.all, "all", false, "every state entered, every intent, and each quiet check")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

func (o historyOptions) history(ctx context.Context, what string) error {
	if o.output != "text" && o.output != "json" {
		return hinted{fmt.Errorf("--output: %q is not a form of output", o.output), "choose text or json"}
	}
	w, err := o.station(ctx)
	if err != nil {
		return err
	}
	story, err := w.Chronicle(ctx, what)
	if err != nil {
		return err
	}
	if !o.all {
		story.Moments = story.InBrief()
	}
	if o.output == "json" {
		e := json.NewEncoder(o.around.stdout)
		e.SetIndent("", "  ")
		return e.Encode(story)
	}
	return writeHistory(o.around.stdout, story, o.all)
}

func writeHistory(out io.Writer, c workflow.Chronicle, all bool) error {
	width := widthOf(out, pageWidth)
	page := &pageWriter{out: out, width: width}
	page.line(printable(headline(c)))
	if c.Note != "" {
		page.line(printable(c.Note))
	}
	page.line("")
	day := ""
	for _, m := range c.Moments {
		if today := m.At.UTC().Format("Monday, 2 January 2006"); today != day {
			day = today
			page.line(text.Bold.Sprint(day))
		}
		at := m.At.UTC().Format("15:04:05") + "  "
		color := text.Reset
		switch {
		case m.Trouble:
			color = text.FgHiRed
		case m.From == "execution":
			color = text.Faint
		}
		for line := range strings.Lines(text.WrapSoft(printable(m.Text), max(width-len(at)-2, leastWhy))) {
			words := strings.TrimSpace(line)
			if color != text.Reset {
				words = color.Sprint(words)
			}
			page.line("  " + at + words)
			at = strings.Repeat(" ", len(at))
		}
	}
	page.line("")
	if c.Cleanup != nil && !c.Cleanup.DryRun {
		page.line("Each case has a history of its own: iam-sunset history USER.")
	}
	if !all {
		page.line("Told in brief; --all tells every state, intent and quiet check.")
	}
	return page.err
}

func headline(c workflow.Chronicle) string {
	switch {
	case c.Cleanup != nil && !c.Cleanup.Ended.IsZero():
		return fmt.Sprintf("Cleanup %s of account %s, ended %s.", c.Name, c.Cleanup.Account, minute(c.Cleanup.Ended))
	case c.Cleanup != nil:
		return fmt.Sprintf("Cleanup %s of account %s, not ended.", c.Name, c.Cleanup.Account)
	case c.Case != nil && !c.Case.Open():
		return fmt.Sprintf("Case %s of %s in account %s, ended %s as %s.", c.Name, c.Case.UserName, c.Case.Account, minute(c.Case.Ended), c.Case.Outcome)
	case c.Case != nil:
		return fmt.Sprintf("Case %s of %s in account %s, open: %s.", c.Name, c.Case.UserName, c.Case.Account, c.Case.Stage)
	}
	return fmt.Sprintf("Execution %s. It has no row: it began a moment ago, or a newer case of the same user has followed.", c.Name)
}
