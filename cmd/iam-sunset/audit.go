package main

import "github.com/spf13/cobra"

func auditCommand(around surroundings) *cobra.Command {
	if around.reach.station == nil {
		around.reach = deployment(around.clock)
	}
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "Work with the evidence that cleanups leave",
		Example: "  iam-sunset audit verify out/evidence",
		Args:    func(cmd *cobra.Command, args []string) error { return knownCommand(cmd, args) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		auditVerifyCommand(), auditExportCommand(around), auditReportCommand(around), auditWhyCommand(around), auditRecreateCommand(around),
	)
	return cmd
}
