package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/audit"
)

func auditVerifyCommand() *cobra.Command {
	var keyFiles []string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check, offline, that no record is missing, changed, re-ordered or cut off",
		Long: `Reads the evidence in DIR and checks every chain of records, every finished cleanup's manifest, every daily
checkpoint, and the seals of these. Exits with 0 where all holds, with 1 where a record is bad or anything else (the first is
named), and with 2 where DIR can't be read.

With --key every manifest and every checkpoint must be sealed by the private half of that key. Take the key from where
it was made, not from the evidence. Name several where the deployment's key was replaced. Without --key seals are checked
against the keys that lie in the evidence: that proves that it is consistent, not who signed it.

A bucket is checked in a copy; DIR is the copy of its folder evidence/. What is cut off the end of a chain shows if a
manifest or a checkpoint counts it; that the newest checkpoint itself was taken away shows only if somebody kept its date.`,
		Example: `  iam-sunset audit verify out/evidence
  aws s3 sync s3://BUCKET/evidence/ evidence && iam-sunset audit verify evidence --key sealing.pem

  # sealing.pem, from KMS:
  aws kms get-public-key --key-id KEY --query PublicKey --output text | base64 -d | openssl pkey -pubin -inform DER -out sealing.pem`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hinted{errors.New("audit verify needs one directory"), "for example: iam-sunset audit verify out/evidence"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := publicKeys(keyFiles)
			if err != nil {
				return err
			}
			return verifyEvidence(cmd.OutOrStdout(), evidenceDir(args[0]), keys)
		},
	}
	cmd.Flags().StringArrayVar(&keyFiles, "key", nil, "`FILE` with the public key, in PEM, that must have sealed everything; may be repeated")
	return cmd
}

func publicKeys(files []string) ([]audit.PublicKey, error) {
	var keys []audit.PublicKey
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, hinted{fmt.Errorf("reading the key: %w", err), "name a file with a P-256 public key in PEM"}
		}
		key, err := audit.ParsePublicKey(text)
		if err != nil {
			return nil, hinted{fmt.Errorf("reading the key %s: %w", file, err), "name a file with a P-256 public key in PEM"}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func verifyEvidence(out io.Writer, dir string, keys []audit.PublicKey) error {
	const hint = "name the directory that holds the folders case and cleanup"
	if info, err := os.Stat(dir); err != nil {
		return hinted{fmt.Errorf("reading the evidence: %w", err), hint}
	} else if !info.IsDir() {
		return hinted{fmt.Errorf("reading the evidence: %s is not a directory", dir), hint}
	}
	report, err := audit.Verify(os.DirFS(dir), keys...)
	if err != nil {
		return fmt.Errorf("reading the evidence in %s: %w", dir, err)
	}
	if report.Records+report.Checkpoints == 0 && !slices.ContainsFunc(report.Problems, func(p audit.Problem) bool { return p.File != "." }) {
		return hinted{fmt.Errorf("there is no evidence in %s", dir), hint}
	}
	if len(report.Problems) > 0 {
		first := report.Problems[0]
		text := fmt.Sprintf("bad: %s: %s", filepath.Join(dir, filepath.FromSlash(first.File)), first.Text)
		if more := len(report.Problems) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
		return verdictNo{printable(text)}
	}
	fmt.Fprintf(out, "ok: %s in %s, %s closed\n", counted(report.Records, "record"), counted(report.Chains, "chain"), counted(report.Cleanups, "cleanup"))
	if report.Checkpoints > 0 {
		fmt.Fprintf(out, "ok: %s, the newest of %s\n", counted(report.Checkpoints, "daily checkpoint"), report.Until)
	}
	printSeals(out, report, len(keys) > 0)
	behind := ""
	if report.Until != "" {
		behind = " after the checkpoint of " + report.Until
	}
	for _, open := range report.Open {
		fmt.Fprintf(out, "open: cleanup %s has no manifest yet, so that records missing from the end of its chains%s would not show\n", printable(open), behind)
	}
	for _, later := range report.Later {
		fmt.Fprintf(out, "open: chain %s went on after its cleanup's manifest, so that records missing from its end%s would not show\n", printable(later), behind)
	}
	for _, noted := range report.Noted {
		fmt.Fprintf(out, "noted: %s says that %s\n", printable(noted.File), printable(noted.Text))
	}
	return nil
}

// printSeals says who vouches for the evidence.
func printSeals(out io.Writer, report audit.Report, named bool) {
	if report.Seals == 0 {
		fmt.Fprintln(out, "unsigned: nothing in it is sealed, so that this proves that it is consistent, not who wrote it")
		return
	}
	fmt.Fprintf(out, "sealed: %s, by key %s\n", counted(report.Seals, "seal"), strings.Join(report.Keys, ", "))
	if !named {
		fmt.Fprintln(out, "unproven: the keys are the evidence's own, so that this proves that it is consistent, not who signed it; name the key with --key")
	}
	for _, file := range report.Unsealed {
		fmt.Fprintf(out, "unsigned: %s carries no seal\n", printable(file))
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
