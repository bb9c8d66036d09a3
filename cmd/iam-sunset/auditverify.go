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
	"github.com/iam-sunset/iam-sunset/internal/bundle"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func auditVerifyCommand() *cobra.Command {
	var keyFiles []string
	cmd := &cobra.Command{
		Use:   "verify DIR | BUNDLE",
		Short: "Check, offline, that no record is missing, changed, re-ordered or cut off",
		Long: `Reads the evidence in DIR and checks every chain of records, every finished cleanup's manifest, every daily
checkpoint, and the seals of these. Of a BUNDLE, which audit export makes, it checks too that it holds what its index lists
and nothing else, and that the plan, the cases' files and the snapshots are those on record. Exits with 0 where all holds, with 1 where a record is bad or anything else (the first is
named), and with 2 where there is nothing to check.

With --key every manifest and every checkpoint must be sealed by the private half of that key. Take the key from where
it was made, not from the evidence. Name several where the deployment's key was replaced. Without --key seals are checked
against the keys that lie in the evidence: that proves that it is consistent, not who signed it.

A bucket is checked in a copy; DIR is the copy of its folder evidence/. What is cut off the end of a chain shows if a
manifest or a checkpoint counts it; that the newest checkpoint itself was taken away shows only if somebody kept its date.`,
		Example: `  iam-sunset audit verify out/evidence
  iam-sunset audit verify spring-2026.bundle.tar.gz --key sealing.pem
  aws s3 sync s3://BUCKET/evidence/ evidence && iam-sunset audit verify evidence --key sealing.pem

  # sealing.pem, from KMS:
  aws kms get-public-key --key-id KEY --query PublicKey --output text | base64 -d | openssl pkey -pubin -inform DER -out sealing.pem`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hinted{errors.New("audit verify needs one directory or bundle"), "for example: iam-sunset audit verify out/evidence"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := publicKeys(keyFiles)
			if err != nil {
				return err
			}
			if info, err := os.Stat(args[0]); err == nil && !info.IsDir() {
				return verifyBundle(cmd.OutOrStdout(), args[0], keys)
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
	if _, err := os.Stat(dir); err != nil {
		return hinted{fmt.Errorf("reading the evidence: %w", err), hint}
	}
	report, err := audit.Verify(os.DirFS(dir), keys...)
	if err != nil {
		return fmt.Errorf("reading the evidence in %s: %w", dir, err)
	}
	if report.Records+report.Checkpoints == 0 && !slices.ContainsFunc(report.Problems, func(p audit.Problem) bool { return p.File != "." }) {
		return hinted{fmt.Errorf("there is no evidence in %s", dir), hint}
	}
	if err := firstOf(report.Problems, dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "ok: %s in %s, %s closed\n", counted(report.Records, "record"), counted(report.Chains, "chain"), counted(report.Cleanups, "cleanup"))
	if report.Checkpoints > 0 {
		fmt.Fprintf(out, "ok: %s, the newest of %s\n", counted(report.Checkpoints, "daily checkpoint"), report.Until)
	}
	printSeals(out, report, len(keys) > 0)
	printOpen(out, report)
	return nil
}

// firstOf is the verdict where something is wrong in what place names: the first of it, and how much more.
func firstOf(problems []audit.Problem, place string) error {
	if len(problems) == 0 {
		return nil
	}
	text := fmt.Sprintf("bad: %s: %s", filepath.Join(place, filepath.FromSlash(problems[0].File)), problems[0].Text)
	if more := len(problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return verdictNo{printable(text)}
}

// verifyBundle checks a file that audit export made.
func verifyBundle(out io.Writer, path string, keys []audit.PublicKey) error {
	report, err := bundle.Verify(path, keys...)
	if err != nil {
		return hinted{fmt.Errorf("reading the evidence: %s is not a directory, and can't be read as a bundle: %w", path, err), "name a directory of evidence, or a file that iam-sunset audit export made"}
	}
	if err := firstOf(report.Problems, path); err != nil {
		return err
	}
	how := "open"
	if report.Outcomes != nil {
		var became []string
		for _, o := range sunset.Outcomes() {
			if n := report.Outcomes[o]; n > 0 {
				became = append(became, fmt.Sprintf("%d %s", n, o))
			}
		}
		how = fmt.Sprintf("of %s %s", counted(report.Discovered, "user"), strings.Join(became, ", "))
	}
	fmt.Fprintf(out, "ok: cleanup %s of account %s, %s\n", printable(report.Index.Cleanup), printable(report.Index.Account), how)
	fmt.Fprintf(out, "ok: %s in %s, %s as on record, %s, all that the index lists and nothing else\n",
		counted(report.Records, "record"), counted(report.Chains, "chain"), counted(report.Held, "document"), counted(len(report.Index.Files), "file"))
	if report.Until != "" {
		fmt.Fprintf(out, "ok: the checkpoint of %s\n", report.Until)
	}
	printSeals(out, report.Report, len(keys) > 0)
	printOpen(out, report.Report)
	return nil
}

// printOpen says what is not proven to be all.
func printOpen(out io.Writer, report audit.Report) {
	behind := ""
	if report.Until != "" {
		behind = " after the checkpoint of " + report.Until
	}
	for _, open := range report.Open {
		fmt.Fprintf(out, "open: cleanup %s has no manifest yet, so that records missing from the end of its chains%s, or added there, would not show\n", printable(open), behind)
	}
	for _, later := range report.Later {
		why := "went on after its cleanup's manifest"
		if later == audit.Operations {
			why = "is in no manifest"
		}
		fmt.Fprintf(out, "open: chain %s %s, so that records missing from its end%s, or added there, would not show\n", printable(later), why, behind)
	}
	for _, noted := range report.Noted {
		fmt.Fprintf(out, "noted: %s says that %s\n", printable(noted.File), printable(noted.Text))
	}
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
