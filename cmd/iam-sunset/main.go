// Command iam-sunset removes unused AWS IAM users in stages, without breaking production.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/clock"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the work in order; a second one ends the process.
	context.AfterFunc(ctx, stop)
	around := surroundings{stdout: os.Stdout, stderr: os.Stderr, clock: clock.Wall{}}
	if isTerminal(os.Stdin) {
		around.answers = os.Stdin
	}
	code := run(ctx, os.Args[1:], around)
	stop()
	os.Exit(code)
}

// surroundings are what a command has from its process.
type surroundings struct {
	stdout, stderr io.Writer
	clock          clock.Clock
	// answers are what a person types; nil: nobody is there to be asked.
	answers io.Reader
	// reach finds a running deployment; its zero value looks on AWS.
	reach reach
}

// run is main with everything handed in. It gives the exit status: 0 for done, 1 for an answer of "no" (evidence that
// does not verify), 2 for anything that went wrong.
func run(ctx context.Context, args []string, around surroundings) int {
	if !isTerminal(around.stdout) || os.Getenv("NO_COLOR") != "" {
		text.DisableColors()
	}
	root := &cobra.Command{
		Use:   "iam-sunset",
		Short: "Remove unused AWS IAM users in stages, without breaking production",
		Long: "IAM Sunset finds unused IAM users, cross-checks CloudTrail, looks for what depends on them, disables them reversibly,\n" +
			"listens for two weeks, asks a named person, deletes, and keeps evidence that can be verified offline.\n\n" +
			"What isn't known keeps the user.",
		Example: "  iam-sunset demo                            # watch a whole cleanup of a made-up company\n" +
			"  iam-sunset scan                            # who is unused in your account; it only reads\n" +
			"  iam-sunset start --wait                    # a dry run of your deployment, and its plan\n" +
			"  iam-sunset status                          # how its cleanups stand, and what waits for whom\n" +
			"  iam-sunset audit verify out/evidence       # has a record been changed?",
		SilenceErrors: true, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error { return knownCommand(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetOut(around.stdout)
	root.SetErr(around.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted{err, fmt.Sprintf("see `%s --help`", cmd.CommandPath())}
	})
	root.AddCommand(demoCommand(), scanCommand(around.clock), serveCommand(around), fakeAccountCommand(), auditCommand(around), packageCommand(), messagesCommand(), versionCommand())
	root.AddCommand(operatorCommands(around)...)
	return report(ctx, around.stderr, root.ExecuteContext(ctx))
}

// knownCommand takes no argument: what is left of a command line with commands is a command that there isn't.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("see `%s --help`", cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), strings.Join(similar, "` or `"))
	}
	return hinted{fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+args[0]), hint}
}

// noArguments is for commands that take flags only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return hinted{fmt.Errorf("%s takes no argument, and got %q", cmd.CommandPath(), args[0]), fmt.Sprintf("see `%s --help`", cmd.CommandPath())}
}
