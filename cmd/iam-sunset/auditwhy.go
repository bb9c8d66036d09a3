package main

import (
	"context"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/dossier"
)

func auditWhyCommand(around surroundings) *cobra.Command {
	o := auditor{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "why USER",
		Short: "Say in a paragraph, from records alone, why a user was deleted, kept or restored",
		Long: `Verifies the evidence, and says in one paragraph what became of a user and why: how it was held unused, when it was disabled,
what was heard, who decided what and how they were known, what was removed in which order, and what no record can show.

USER is a UserId, an ARN, a case's id or a name that the user had. Of several cleanups the one counts that has the latest on
record of it; the others are named. Exits with 1 where the evidence does not hold: what is said then begins with that. It
only reads.`,
		Example: "  iam-sunset audit why old-jenkins\n" +
			"  iam-sunset audit why AIDAEXAMPLE --evidence spring-2026.bundle.tar.gz --key sealing.pem\n" +
			"  iam-sunset audit why old-jenkins --evidence out/demo",
		Args: oneArgument("user"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.why(cmd.Context(), args[0]) },
	}
	o.addFlags(cmd)
	return cmd
}

func (o *auditor) why(ctx context.Context, who string) error {
	archive, err := o.read(ctx)
	if err != nil {
		return err
	}
	d, elsewhere, err := archive.User(ctx, who)
	if err != nil {
		return lookedFor(err)
	}
	paragraph := printable(dossier.Why(d, elsewhere))
	if isTerminal(o.around.stdout) {
		paragraph = text.WrapSoft(paragraph, widthOf(o.around.stdout, pageWidth))
	}
	if _, err := fmt.Fprintln(o.around.stdout, paragraph); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return unproven(d.Proof)
}
