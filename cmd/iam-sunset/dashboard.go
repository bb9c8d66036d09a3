package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type dashboardOptions struct{ operator }

func dashboardCommand(around surroundings) *cobra.Command {
	o := dashboardOptions{operator{around: around}}
	cmd := &cobra.Command{
		Use:   "dashboard",
		Short: "Get an address that opens the dashboard of a running serve",
		Long: "Proves to a running iam-sunset serve who you are, by your AWS credentials, and prints an address that signs a browser in to its\n" +
			"dashboard: once, within five minutes, for twelve hours. The dashboard shows how the cleanups stand, what needs somebody and what\n" +
			"to do then; it can pause everything and resume. What you do there goes on record under your ARN.",
		Example: "  iam-sunset dashboard --engine http://127.0.0.1:8765\n" +
			"  xdg-open \"$(iam-sunset dashboard --engine http://127.0.0.1:8765)\"",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.dashboard(cmd.Context()) },
	}
	cmd.Flags().StringVar(&o.engine, "engine", "", "address of a running iam-sunset serve; without it $IAM_SUNSET_ENGINE")
	return cmd
}

func (o dashboardOptions) dashboard(ctx context.Context) error {
	address := o.engine
	if address == "" {
		address = os.Getenv("IAM_SUNSET_ENGINE")
	}
	if address == "" {
		return hinted{errors.New("--engine is missing"), "the dashboard is that of iam-sunset serve: name the address that it prints, such as --engine http://127.0.0.1:8765"}
	}
	at, err := engineAt(ctx, address, o.around.clock, awsConfig)
	if err != nil {
		return err
	}
	in, err := at.office.Dashboard(ctx, at.sts())
	switch {
	case sunset.KindOf(err) == sunset.AccessDenied:
		return hinted{err, "choose the right AWS_PROFILE, or the right --engine"}
	case err != nil:
		return err
	}
	if err := writeLines(o.around.stderr, []string{
		"This address signs a browser in as " + in.ARN + ", once, until " + minute(in.Until) + " UTC. Keep it to yourself.",
	}); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(o.around.stdout, strings.TrimRight(address, "/")+in.Path); err != nil {
		return fmt.Errorf("writing the address: %w", err)
	}
	return nil
}
