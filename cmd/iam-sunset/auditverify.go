package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/audit"
)

func auditVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Check, offline, that no record is missing, changed, re-ordered or cut off",
		Long: "Reads the evidence in DIR and checks every chain of records, and every finished cleanup's manifest.\n" +
			"Exits with 0 where all holds, with 1 where a record is bad (the first one is named), and with 2 where DIR can't be read.",
		Example: "  iam-sunset audit verify out/evidence",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hinted{errors.New("audit verify needs one directory"), "for example: iam-sunset audit verify out/evidence"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := evidenceDir(args[0])
			if info, err := os.Stat(dir); err != nil {
				return hinted{fmt.Errorf("reading the evidence: %w", err), "name the directory that holds the folders case and cleanup"}
			} else if !info.IsDir() {
				return hinted{fmt.Errorf("reading the evidence: %s is not a directory", dir), "name the directory that holds the folders case and cleanup"}
			}
			report, err := audit.Verify(os.DirFS(dir))
			if err != nil {
				return fmt.Errorf("reading the evidence in %s: %w", dir, err)
			}
			if report.Records == 0 && len(report.Problems) == 0 {
				return hinted{fmt.Errorf("there is no evidence in %s", dir), "name the directory that holds the folders case and cleanup"}
			}
			if len(report.Problems) > 0 {
				first := report.Problems[0]
				text := fmt.Sprintf("bad: %s: %s", filepath.Join(dir, filepath.FromSlash(first.File)), first.Text)
				if more := len(report.Problems) - 1; more > 0 {
					text += fmt.Sprintf(" (and %d more)", more)
				}
				return verdictNo{text}
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "ok: %s in %s, %s closed\n", counted(report.Records, "record"), counted(report.Chains, "chain"), counted(report.Cleanups, "cleanup"))
			for _, open := range report.Open {
				fmt.Fprintf(out, "open: cleanup %s has no manifest yet, so that records missing from the end of its chains would not show\n", open)
			}
			for _, later := range report.Later {
				fmt.Fprintf(out, "open: chain %s went on after its cleanup's manifest, so that records missing from its end would not show\n", later)
			}
			return nil
		},
	}
}

// evidenceDir takes the data directory as well as the evidence in it.
func evidenceDir(dir string) string {
	inner := filepath.Join(dir, "objects", "evidence")
	if _, err := os.Stat(inner); err != nil {
		return dir
	}
	return inner
}
