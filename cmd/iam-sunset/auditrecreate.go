package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/dossier"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type recreateOptions struct {
	auditor
	out string
}

func auditRecreateCommand(around surroundings) *cobra.Command {
	o := recreateOptions{auditor: auditor{operator: operator{around: around}}}
	cmd := &cobra.Command{
		Use:   "recreate-kit USER",
		Short: "Print Terraform and AWS CLI commands that make a deleted user again, credentials excepted",
		Long: `Verifies the evidence, and makes of the user's snapshot what makes it again as it was: path, tags, boundary, groups and
policies. Passwords, keys, certificates and MFA devices are not made again; what to do about each is said. The new user has another UserId, which policies that named the old one don't mean.

--out writes main.tf, recreate.sh and README.md into a new directory; without it the first two are printed. Nothing is made
where the user's records or its snapshot were changed (exit 1). It only reads: making the user is for whoever runs the kit.`,
		Example: "  iam-sunset audit recreate-kit old-jenkins --out old-jenkins\n" +
			"  iam-sunset audit recreate-kit AIDAEXAMPLE --evidence spring-2026.bundle.tar.gz --key sealing.pem",
		Args: oneArgument("user"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.recreate(cmd.Context(), args[0]) },
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&o.out, "out", "", "`DIR` to write to, which must be new")
	_ = cmd.MarkFlagDirname("out") // the flag is there
	return cmd
}

func (o *recreateOptions) recreate(ctx context.Context, who string) error {
	archive, err := o.read(ctx)
	if err != nil {
		return err
	}
	d, _, err := archive.User(ctx, who)
	if err != nil {
		return lookedFor(err)
	}
	kit, err := dossier.KitOf(d)
	switch {
	case sunset.KindOf(err) == sunset.Conflict:
		return verdictNo{printable("no kit: " + err.Error())}
	case err != nil:
		return err
	}
	for _, w := range kit.Warnings {
		fmt.Fprintf(o.around.stderr, "warning: %s\n", printable(w))
	}
	if o.out == "" {
		_, err := fmt.Fprintf(o.around.stdout, "# ---------- main.tf ----------\n%s\n# ---------- recreate.sh ----------\n%s", kit.Terraform, kit.Script)
		return err
	}
	if err := o.write(kit); err != nil {
		return err
	}
	fmt.Fprintf(o.around.stdout, "%s: main.tf, recreate.sh and README.md. Read README.md first.\n", printable(o.out))
	return nil
}

func (o *recreateOptions) write(kit dossier.Kit) error {
	switch err := os.Mkdir(o.out, 0o700); {
	case errors.Is(err, fs.ErrExist):
		return hinted{fmt.Errorf("--out: %s is there already, and nothing is written over it", o.out), "name a new directory"}
	case err != nil:
		return hinted{fmt.Errorf("--out: %w", err), "name a new directory in one that you may write to"}
	}
	for name, text := range map[string]string{"main.tf": kit.Terraform, "recreate.sh": kit.Script, "README.md": kit.Readme} {
		if err := os.WriteFile(filepath.Join(o.out, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("writing the kit: %w", err)
		}
	}
	return nil
}
