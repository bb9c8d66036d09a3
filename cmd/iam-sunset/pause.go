package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

type pauseOptions struct {
	operator
	reason string
}

func pauseCommand(around surroundings) *cobra.Command {
	o := pauseOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Keep every case from changing anything, until resume",
		Long: "Keeps every case of every cleanup from disabling and deleting anybody until iam-sunset resume. Users that are disabled stay so and\n" +
			"are listened to, decisions are taken, and rescues go on. It is put on record, with who and why.",
		Example: "  iam-sunset pause --reason \"the nightly job broke, we are looking\"",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.pause(cmd.Context()) },
	}
	o.addFlag(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "why; it goes on record")
	return cmd
}

func (o pauseOptions) pause(ctx context.Context) error {
	if err := needReason(o.reason); err != nil {
		return err
	}
	w, err := o.station(ctx)
	if err != nil {
		return err
	}
	was, err := w.Pause(ctx, w.who.ARN, o.reason)
	if err != nil {
		return err
	}
	if was != "" {
		fmt.Fprintf(o.around.stdout, "Everything was paused before: %s. That stands.\n", printable(was))
		return nil
	}
	return writeLines(o.around.stdout, []string{
		"Everything is paused: nobody is disabled or deleted until iam-sunset resume.",
		"A deletion that had begun goes on to its end. Users that are disabled stay so; iam-sunset rescue USER gives one back.",
	})
}
