package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type rescueOptions struct {
	operator
	reason string
}

func rescueCommand(around surroundings) *cobra.Command {
	o := rescueOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "rescue USER",
		Short: "Give a disabled user back, as it was, now",
		Long: "Puts a user back as its snapshot says: each key, policy and device with its own earlier status. The wish is stored first, so that no\n" +
			"deletion gets past it. A deletion that has begun can't be turned back. USER is a name, or a UserId where several had the name.\n\n" +
			"A password that was removed when the user was disabled can't come back: give it a new one in IAM.",
		Example: "  iam-sunset rescue nightly-export --reason \"the export needs it after all\"\n" +
			"  iam-sunset rescue AIDAEXAMPLEUSERID --reason \"its owner called\"",
		Args: oneArgument("user"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.giveBack(cmd.Context(), args[0]) },
	}
	o.addFlag(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "why; it goes on record")
	return cmd
}

func (o rescueOptions) giveBack(ctx context.Context, who string) error {
	if err := needReason(o.reason); err != nil {
		return err
	}
	w, err := o.station(ctx)
	if err != nil {
		return err
	}
	c, err := w.FindCase(ctx, who)
	if err != nil {
		if sunset.KindOf(err) == sunset.Invalid {
			return hinted{err, "names are told apart by upper and lower case; iam-sunset status --all lists who has a case"}
		}
		return err
	}
	progress := newProgress(o.around.stderr)
	progress.say("giving back " + c.UserName)
	err = w.rescue(ctx, c.UserID, w.who.ARN, o.reason)
	progress.stop()
	if err != nil {
		return err
	}
	now, err := w.Cases.Get(ctx, c.UserID)
	if err != nil {
		return err
	}
	var lines []string
	switch {
	case now.ID != c.ID || now.Open() && !now.Changed:
		lines = append(lines, fmt.Sprintf("%s will be left alone. Nothing had been changed yet; its turn, %s UTC, finds that out.", c.UserName, minute(c.Turn)))
	case now.Open():
		lines = append(lines, fmt.Sprintf("The rescue of %s is stored, and its case puts it back: see iam-sunset status.", c.UserName))
	default:
		lines = append(lines, fmt.Sprintf("%s (%s) is back as it was when it was disabled.", c.UserName, c.UserID))
	}
	if c.Quarantine != nil && c.Quarantine.Lost != "" {
		lines = append(lines, "Not back: "+c.Quarantine.Lost)
	}
	return writeLines(o.around.stdout, lines)
}
