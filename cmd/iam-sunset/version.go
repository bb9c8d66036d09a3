package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version and what it was built from",
		Example: "  iam-sunset version",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, revision := buildVersion(), ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = " " + s.Value
					}
				}
				fmt.Fprintf(cmd.OutOrStdout(), "iam-sunset %s%s %s\n", version, revision, info.GoVersion)
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "iam-sunset %s\n", version)
			return nil
		},
	}
}

// buildVersion is the module's version that this was built from.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
