package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/packaging"
)

func packageCommand() *cobra.Command {
	var o packaging.Options
	cmd := &cobra.Command{
		Use:   "package",
		Short: "Build the Lambda functions' zips from the source",
		Long: "Builds every function for Lambda and packs each into a zip. The same source and toolchain give the same bytes on every machine,\n" +
			"so that a zip's SHA-256 says what is in it. Run it in the source tree; it needs Go.",
		Example: "  iam-sunset package --out dist\n" +
			"  iam-sunset package --arch amd64 --version 1.4.0 --function log",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return packageFunctions(cmd, o)
		},
	}
	cmd.Flags().StringVar(&o.Out, "out", "dist", "folder for the zips; earlier ones of the same functions are replaced")
	cmd.Flags().StringVar(&o.Arch, "arch", "arm64", "processor of the functions: arm64 or amd64 (Lambda's x86_64)")
	cmd.Flags().StringVar(&o.Version, "version", "", "version that the functions' log lines carry")
	cmd.Flags().StringSliceVar(&o.Functions, "function", nil, "only this function; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]cobra.Completion{"arm64", "amd64"}, cobra.ShellCompDirectiveNoFileComp)) // it fails for unknown flags only
	return cmd
}

func packageFunctions(cmd *cobra.Command, o packaging.Options) error {
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the source: %w", err)
	}
	if o.Source, err = packaging.Source(here); err != nil {
		return hintedPackaging(err)
	}
	packages, err := packaging.Build(cmd.Context(), o)
	if err != nil {
		return hintedPackaging(err)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Function", "Size", "SHA-256"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}})
	for _, p := range packages {
		t.AppendRow(table.Row{p.Function, fmt.Sprintf("%.2f MB", float64(p.Bytes)/1e6), p.SHA256})
	}
	fmt.Fprintln(cmd.OutOrStdout(), t.Render())
	fmt.Fprintf(cmd.OutOrStdout(), "%d functions for linux/%s in %s\n", len(packages), o.Arch, printable(o.Out))
	return nil
}

// hintedPackaging adds what to do where the text alone does not say it.
func hintedPackaging(err error) error {
	switch {
	case errors.Is(err, packaging.ErrNoToolchain):
		return hinted{err, "install Go (https://go.dev/dl/), in the version that go.mod names or later"}
	case errors.Is(err, packaging.ErrNoSource):
		return hinted{err, "run it in a clone of the repository"}
	}
	return err
}
