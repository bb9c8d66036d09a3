package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/dossier"
)

type reportOptions struct {
	auditor
	out string
}

func auditReportCommand(around surroundings) *cobra.Command {
	o := reportOptions{auditor: auditor{operator: operator{around: around}}}
	cmd := &cobra.Command{
		Use:   "report CLEANUP | USER",
		Short: "Write one HTML file for an auditor: all that is on record of a cleanup or of a user",
		Long: `Verifies the evidence, and writes one self-contained HTML file that prints well: what was discovered and why each user went or
stayed, the evidence, the owner, the soak's every check, who decided what and how they were known, the deletion artifact by
artifact, the executions, and whether the outcomes add up. Whether the evidence holds stands at its top.

A name that is a cleanup's means the cleanup; see audit why for how a user is named. The file is readable by you alone and is
never written over another one; --out - writes to stdout. Exits with 1 where the evidence does not hold: the report says so,
too. It only reads.`,
		Example: "  iam-sunset audit report spring-2026\n" +
			"  iam-sunset audit report old-jenkins --out old-jenkins.html\n" +
			"  iam-sunset audit report spring-2026 --evidence spring-2026.bundle.tar.gz --key sealing.pem",
		Args: oneArgument("cleanup or user"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.report(cmd.Context(), args[0]) },
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&o.out, "out", "", "`FILE` to write (default CLEANUP.html, or USERID.html)")
	return cmd
}

func (o *reportOptions) report(ctx context.Context, what string) error {
	archive, err := o.read(ctx)
	if err != nil {
		return err
	}
	d, err := dossierOf(ctx, archive, what)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return dossier.WriteReport(w, d, o.around.clock.Now()) }
	if o.out == "-" {
		if err := write(o.around.stdout); err != nil {
			return err
		}
		return unproven(d.Proof)
	}
	out := o.out
	if out == "" {
		name := d.Cleanup.ID
		if d.User != "" {
			name = d.User
		}
		out = filepath.Base(name) + ".html" // a name with a slash could lead elsewhere
	}
	switch _, err := writeNew(out, write); {
	case errors.Is(err, fs.ErrExist):
		return hinted{fmt.Errorf("%s is there already, and nothing is written over it", out), "name another file with --out"}
	case err != nil:
		return err
	}
	if err := unproven(d.Proof); err != nil {
		return err
	}
	fmt.Fprintf(o.around.stdout, "%s: %s, %s without a case\n", printable(out), counted(len(d.Cases), "case"), counted(len(d.Kept), "user"))
	return nil
}

func dossierOf(ctx context.Context, archive *dossier.Archive, what string) (dossier.Dossier, error) {
	if slices.Contains(archive.Cleanups(), what) {
		return archive.Cleanup(ctx, what)
	}
	d, _, err := archive.User(ctx, what)
	return d, lookedFor(err)
}
