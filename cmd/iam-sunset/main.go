// Command iam-sunset removes unused AWS IAM users in stages, without breaking production.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with everything handed in. It gives the exit status: 0 for done, 1 for an answer of "no" (evidence that
// does not verify), 2 for anything that went wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "iam-sunset",
		Short: "Remove unused AWS IAM users in stages, without breaking production",
		Long: "IAM Sunset finds unused IAM users, cross-checks CloudTrail, looks for what depends on them, disables them reversibly,\n" +
			"listens for two weeks, asks a named person, deletes, and keeps evidence that can be verified offline.\n\n" +
			"What isn't known keeps the user.",
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted{err, fmt.Sprintf("see `%s --help`", cmd.CommandPath())}
	})
	root.AddCommand(demoCommand(), scanCommand(), fakeAccountCommand(), auditCommand(), versionCommand())

	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var no verdictNo
	if errors.As(err, &no) {
		fmt.Fprintln(stderr, no.Error())
		return 1
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "iam-sunset: stopped before the end")
		return 2
	}
	fmt.Fprintf(stderr, "iam-sunset: %v\n", err)
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return 2
}

// verdictNo is an answer rather than a failure: what was asked about is not so.
type verdictNo struct{ text string }

func (v verdictNo) Error() string { return v.text }

// hinted is an error with a word on what to do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func hintFor(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.hint
	}
	action := sunset.ActionOf(err)
	text := err.Error()
	switch sunset.KindOf(err) {
	case sunset.AccessDenied:
		if strings.Contains(text, "Expired") || strings.Contains(text, "expired") {
			return "the AWS credentials have expired; sign in again, then repeat the command"
		}
		if strings.Contains(text, "InvalidClientTokenId") || strings.Contains(text, "UnrecognizedClient") || strings.Contains(text, "failed to refresh cached credentials") {
			return "AWS does not know these credentials; check AWS_PROFILE or AWS_ACCESS_KEY_ID, and AWS_ENDPOINT_URL if it is set"
		}
		if action != "" {
			return "allow " + action + " to the principal that runs this, then repeat the command"
		}
	case sunset.Throttled:
		return "AWS is throttling this account; wait a few minutes, then repeat the command"
	case sunset.NotReady:
		return "wait a few minutes, then repeat the command"
	case sunset.Unavailable:
		return "AWS could not be reached or is failing; check the network and AWS_ENDPOINT_URL, then repeat the command"
	}
	if strings.HasPrefix(text, "unknown command") {
		return "see `iam-sunset --help`"
	}
	return ""
}
