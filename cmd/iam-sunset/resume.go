package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type resumeOptions struct {
	operator
	reason string
	turns  bool
	yes    bool
}

func resumeCommand(around surroundings) *cobra.Command {
	o := resumeOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "End a pause, and with --turns let held turns go on",
		Long: "Ends the pause. A case that was disturbed or failed holds the later turns of its cleanup until somebody has looked at it: --turns\n" +
			"says that you have, shows which those are, and lets the turns come. Only a new trouble holds them again.\n" +
			"It is put on record, with who and why.",
		Example: "  iam-sunset resume --reason \"the job was repaired\"\n" +
			"  iam-sunset resume --turns --reason \"old-bot's owner was asked, nothing broke\"",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.resume(cmd.Context()) },
	}
	o.addFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.reason, "reason", "", "why; it goes on record")
	f.BoolVar(&o.turns, "turns", false, "let later turns come that a disturbed or failed case holds")
	f.BoolVar(&o.yes, "yes", false, "don't ask before turns go on")
	return cmd
}

func (o resumeOptions) resume(ctx context.Context) error {
	if err := needReason(o.reason); err != nil {
		return err
	}
	w, err := o.station(ctx)
	if err != nil {
		return err
	}
	holding, err := w.Holding(ctx)
	if err != nil {
		return err
	}
	if o.turns && len(holding) > 0 {
		if err := writeLines(o.around.stderr, heldLines(holding)); err != nil {
			return err
		}
		if err := o.confirm(ctx, o.yes, "Have you looked at "+map[bool]string{true: "it", false: "them"}[len(holding) == 1]+", and shall the next users be disabled?"); err != nil {
			return err
		}
	}
	was, err := w.Resume(ctx, w.who.ARN, o.reason)
	if err != nil {
		return err
	}
	lines := []string{"Nothing was paused."}
	if was != "" {
		lines = []string{"The pause has ended. It had been: " + was, "Cases look again within the next hours."}
	}
	switch {
	case o.turns && len(holding) == 0:
		lines = append(lines, "No case held any turns.")
	case o.turns:
		if _, err := w.ResumeTurns(ctx, w.who.ARN, o.reason); err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("Turns go on in cleanup %s: held ones come due within the next hours, still only so many a day.", strings.Join(cleanupsOf(holding), ", ")))
	case len(holding) > 0:
		lines = append(lines, heldLines(holding)...)
		lines = append(lines, "Once somebody has looked: iam-sunset resume --turns")
	}
	return writeLines(o.around.stdout, lines)
}

func heldLines(holding []sunset.Case) []string {
	var lines []string
	for _, c := range holding {
		why := c.Reason
		if n := len(c.Signals); why == "" && n > 0 {
			why = c.Signals[n-1].Detail
		}
		lines = append(lines, fmt.Sprintf("%s holds the later turns of %s: %s (iam-sunset history %s)", c.UserName, c.CleanupID, why, c.ID))
	}
	return lines
}

func cleanupsOf(cases []sunset.Case) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range cases {
		if !seen[c.CleanupID] {
			seen[c.CleanupID] = true
			out = append(out, c.CleanupID)
		}
	}
	return out
}
