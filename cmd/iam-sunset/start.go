package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

type startOptions struct {
	operator
	requestFlags
	name, output         string
	openCases, wait, yes bool
	all                  bool
}

func startCommand(around surroundings) *cobra.Command {
	o := startOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start a cleanup: a dry run, or with --open-cases in earnest",
		Long: "Starts a cleanup of the deployment. Without --open-cases it is a dry run: it ends with its plan, and nothing is changed.\n" +
			"With --open-cases each eligible user gets a case: its owner is told, it is disabled reversibly, listened to, and deleted only after\n" +
			"an approver says so. Flags narrow and tighten what the settings say, and can't loosen it.\n\n" +
			"You are the starter, as AWS knows you: your own decision as an approver won't count on these cases.\n" +
			"The execution's ARN goes to stdout, everything else to stderr; with --wait the plan goes to stdout.",
		Example: "  iam-sunset start --wait                                    # a dry run, and its plan\n" +
			"  iam-sunset start --wait --output csv > plan.csv\n" +
			"  iam-sunset start --open-cases --name spring-2026\n" +
			"  iam-sunset start --open-cases --name leavers --users-from leavers.txt --soak 21d",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.start(cmd.Context()) },
	}
	o.addFlag(cmd)
	o.addNarrowing(cmd)
	o.addTightening(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.openCases, "open-cases", false, "in earnest: claim the eligible users and open their cases")
	f.StringVar(&o.name, "name", "", "name of the cleanup, at most 58 letters, digits and ._-; without it one is made of the time")
	f.BoolVar(&o.wait, "wait", false, "wait until the plan is made, and print it")
	f.StringVar(&o.output, "output", "table", "form of the plan: "+inWords(planForms))
	f.BoolVar(&o.all, "all", false, "list the kept users in the table as well")
	f.BoolVar(&o.yes, "yes", false, "don't ask before cases are opened")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(planForms, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

func (o startOptions) start(ctx context.Context) error {
	write, err := planWriter(o.output, o.all)
	if err != nil {
		return err
	}
	request, err := o.request()
	if err != nil {
		return err
	}
	request.DryRun = !o.openCases
	if o.name == "" {
		o.name = map[bool]string{true: "cleanup-", false: "dry-run-"}[o.openCases] + o.around.clock.Now().UTC().Format("20060102-150405")
	}
	if err := workflow.CheckCleanupName(o.name); err != nil {
		return hinted{fmt.Errorf("--name: %w", err), "choose a short name such as spring-2026"}
	}
	w, err := o.station(ctx)
	if err != nil {
		return err
	}
	if _, err := w.Cases.Cleanup(ctx, o.name); err == nil {
		return hinted{fmt.Errorf("a cleanup named %s was started before", o.name), "choose another --name: evidence is kept by it"}
	}
	request.Starter = w.who.ARN
	settings, err := w.Settings(ctx)
	if err != nil {
		return err
	}
	tightened, err := request.Apply(settings)
	if err != nil {
		return hinted{err, "flags may only narrow and tighten what the settings say"}
	}
	if o.openCases {
		if err := canBeApproved(settings, request.Starter); err != nil {
			return err
		}
	}
	if err := o.show(o.around.stderr, request, settings, tightened); err != nil {
		return err
	}
	if o.openCases {
		if err := o.warn(ctx, w, request); err != nil {
			return err
		}
		if err := o.confirm(ctx, o.yes, fmt.Sprintf("Open cases in account %s?", accountOf(request, w))); err != nil {
			return err
		}
	}
	arn, err := w.StartCleanup(ctx, o.name, request)
	if err != nil {
		return err
	}
	if !o.wait {
		fmt.Fprintln(o.around.stdout, arn)
		return o.next(o.around.stderr)
	}
	fmt.Fprintf(o.around.stderr, "Started %s\n", arn)
	ended := o.follow(ctx, w, arn)
	if ctx.Err() != nil {
		fmt.Fprintf(o.around.stderr, "Cleanup %s goes on without being watched; iam-sunset stop ends it.\n", o.name)
		return ended
	}
	// One that is refused has a plan, too, and it is the one to read.
	switch plan, err := w.Plan(ctx, o.name); {
	case err == nil:
		if err := write(o.around.stdout, o.around.stderr, plan); err != nil {
			return err
		}
	case ended == nil:
		return hinted{err, "iam-sunset history " + o.name + " says what happened"}
	}
	if ended != nil {
		return ended
	}
	return o.next(o.around.stderr)
}

func accountOf(r sunset.Request, w station) string {
	if r.Account != "" {
		return r.Account
	}
	return w.who.Account
}

// canBeApproved refuses a cleanup that nobody could ever decide on: its users would all end disabled and undecided.
func canBeApproved(s sunset.Settings, starter string) error {
	var may int
	for _, a := range s.Approvers {
		if !a.Is(starter) {
			may++
		}
	}
	switch {
	case len(s.Approvers) == 0:
		return hinted{errors.New("the settings name no approver, so that nobody could decide on any case"), "name approvers in the settings; a dry run needs none"}
	case may < s.ApprovalsNeeded:
		return hinted{
			fmt.Errorf("%s is an approver and starts the cleanup: of %s %d may decide, and %d are needed", starter, counted(len(s.Approvers), "approver"), may, s.ApprovalsNeeded),
			"let somebody who is not an approver start it, or name more approvers in the settings",
		}
	}
	return nil
}

// warn says what a careful person would want to know before cases are opened.
func (o startOptions) warn(ctx context.Context, w station, r sunset.Request) error {
	paused, err := w.Cases.Paused(ctx)
	if err != nil {
		return err
	}
	if paused != "" {
		fmt.Fprintf(o.around.stderr, "warning: everything is paused: %s; cases will open, and nothing is changed until the pause ends\n", printable(paused))
	}
	cleanups, err := w.Cases.Cleanups(ctx)
	if err != nil {
		return err
	}
	var last time.Time
	for _, c := range cleanups {
		if c.DryRun && c.PlanKey != "" && c.Account == accountOf(r, w) && c.Began.After(last) {
			last = c.Began
		}
	}
	if last.IsZero() {
		fmt.Fprintln(o.around.stderr, "warning: no dry run of this account is known; iam-sunset start --wait shows the plan first")
	}
	return nil
}

// followEvery is how often a running cleanup is asked for.
const followEvery = 5 * time.Second

// follow waits until the execution has ended, and is an error where it ended badly.
func (o startOptions) follow(ctx context.Context, w station, arn string) error {
	progress := newProgress(o.around.stderr)
	defer progress.stop()
	for tries := 0; ; tries++ {
		x, err := w.Executions.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		var unseen *types.ExecutionDoesNotExist
		switch {
		case errors.As(err, &unseen) && tries < 6:
			// What was started a moment ago need not be seen yet.
			// https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html: "eventually consistent"
			x = &sfn.DescribeExecutionOutput{Status: types.ExecutionStatusRunning}
		case err != nil:
			return awsfault.Wrap(err, "states:DescribeExecution", "waiting for cleanup %s, which goes on", o.name)
		}
		switch x.Status {
		case types.ExecutionStatusRunning, types.ExecutionStatusPendingRedrive:
			progress.say("cleanup " + o.name + " is running")
		case types.ExecutionStatusSucceeded:
			return nil
		default:
			why := aws.ToString(x.Error)
			if c, err := w.Cases.Cleanup(ctx, o.name); err == nil && c.Refusal != "" {
				why = c.Refusal
			}
			return hinted{fmt.Errorf("cleanup %s ended as %s: %s", o.name, x.Status, why), "iam-sunset history " + o.name + " says what happened"}
		}
		if err := w.Clock.Sleep(ctx, followEvery); err != nil {
			return err
		}
	}
}

// next says what to run next.
func (o startOptions) next(out io.Writer) error {
	var lines []string
	switch {
	case !o.wait:
		lines = append(lines, "Next: iam-sunset status, or iam-sunset history "+o.name)
	case !o.openCases:
		lines = append(lines, "Nothing was changed. To open cases for the eligible: iam-sunset start --open-cases, with the same flags")
	default:
		lines = append(lines, "Next: iam-sunset status; iam-sunset stop "+o.name+" gives everybody back")
	}
	return writeLines(out, lines)
}
