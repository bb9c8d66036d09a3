package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

type stopOptions struct {
	operator
	reason             string
	leaveDisabled, yes bool
}

func stopCommand(around surroundings) *cobra.Command {
	o := stopOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "stop CLEANUP",
		Short: "Stop a cleanup: it opens no more cases, and gives back every user whose case is open",
		Long: "Stops a cleanup. No more cases are opened, users that are disabled are put back as they were, and those whose turn hasn't come are\n" +
			"left alone. Deletions that have begun go on to their end, and what is deleted stays so.\n\n" +
			"With --leave-disabled nobody is put back: the executions end, the users stay disabled, nobody listens to them any more, nobody is\n" +
			"asked about them, and nothing deletes them. Each can still be rescued.\n\n" +
			"Where a case can't be stopped the others are, and running it again takes up what is left.",
		Example: "  iam-sunset stop spring-2026 --reason \"wrong account\"\n" +
			"  iam-sunset stop spring-2026 --leave-disabled --reason \"we go on by hand\"",
		Args: oneArgument("cleanup"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.stop(cmd.Context(), args[0]) },
	}
	o.addFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.reason, "reason", "", "why; it goes on record")
	f.BoolVar(&o.leaveDisabled, "leave-disabled", false, "end the executions and leave every user as it is")
	f.BoolVar(&o.yes, "yes", false, "don't ask")
	return cmd
}

func (o stopOptions) stop(ctx context.Context, id string) error {
	if err := needReason(o.reason); err != nil {
		return err
	}
	w, err := o.station(ctx)
	if err != nil {
		return err
	}
	cleanup, err := w.Cases.Cleanup(ctx, id)
	if err != nil {
		if sunset.KindOf(err) == sunset.Invalid {
			return hinted{fmt.Errorf("there is no cleanup %q", id), "iam-sunset status lists them"}
		}
		return err
	}
	if !cleanup.Ended.IsZero() {
		return writeLines(o.around.stdout, []string{fmt.Sprintf("Cleanup %s ended %s; there is nothing to stop.", id, minute(cleanup.Ended))})
	}
	open, err := w.OpenCasesOf(ctx, id)
	if err != nil {
		return err
	}
	question, say := o.meaning(cleanup, open)
	if err := writeLines(o.around.stderr, say); err != nil {
		return err
	}
	if err := o.confirm(ctx, o.yes, question); err != nil {
		return err
	}
	progress := newProgress(o.around.stderr)
	defer progress.stop()
	stopped, err := w.StopCleanup(ctx, workflow.Stop{
		CleanupID: id, By: w.who.ARN, Reason: o.reason, LeaveDisabled: o.leaveDisabled,
		Rescue: func(ctx context.Context, userID, by, reason string) error {
			progress.say("giving back " + userID)
			return w.rescue(ctx, userID, by, reason)
		},
	})
	progress.stop()
	if err != nil {
		return hinted{err, "run it again: it takes up what is left"}
	}
	return o.tell(cleanup, stopped)
}

// meaning says what stopping does to whom, and asks for it.
func (o stopOptions) meaning(cleanup sunset.Cleanup, open []sunset.Case) (question string, say []string) {
	var disabled, waiting, deleting int
	for _, c := range open {
		switch {
		case c.Stage == sunset.Deleting:
			deleting++
		case c.Changed:
			disabled++
		default:
			waiting++
		}
	}
	say = append(say, fmt.Sprintf("Cleanup %s of account %s has %s: %d disabled, %d whose turn has not come, %d in deletion.",
		cleanup.ID, cleanup.Account, counted(len(open), "open case"), disabled, waiting, deleting))
	if deleting > 0 {
		say = append(say, "A deletion that has begun goes on: half-deleted a user would serve nobody.")
	}
	if o.leaveDisabled {
		say = append(say, fmt.Sprintf("--leave-disabled: %s stay disabled; nobody listens to them any more, nobody is asked about them, nothing deletes them, "+
			"and what breaks without them stays broken until somebody runs iam-sunset rescue USER for each. Their cases end as failed.", counted(disabled, "user")))
		return fmt.Sprintf("End %s and leave the users as they are?", counted(len(open), "case")), say
	}
	return fmt.Sprintf("Stop it and put back %s?", counted(disabled, "user")), say
}

func (o stopOptions) tell(cleanup sunset.Cleanup, s workflow.Stopped) error {
	var lines []string
	if s.Execution {
		lines = append(lines, "The cleanup opens no more cases. If it was opening some at this moment, run this once more in a quarter of an hour.")
	}
	for _, part := range []struct {
		cases []sunset.Case
		what  string
	}{
		{s.Back, "put back as they were"},
		{s.Spared, "will be left alone, untouched so far"},
		{s.Left, "as they are; the executions have ended, and reconcile writes that down within the hour"},
	} {
		if len(part.cases) > 0 {
			lines = append(lines, fmt.Sprintf("%s %s: %s", counted(len(part.cases), "user"), part.what, namesOf(part.cases)))
		}
	}
	if len(lines) == 0 && len(s.Failed) == 0 {
		lines = append(lines, fmt.Sprintf("No case of cleanup %s is open; reconcile writes its end down within the hour.", cleanup.ID))
	}
	for _, f := range s.Failed {
		lines = append(lines, fmt.Sprintf("not stopped: %s: %s", f.Case.UserName, f.Err))
	}
	if err := writeLines(o.around.stdout, lines); err != nil {
		return err
	}
	if n := len(s.Failed); n > 0 {
		return hinted{fmt.Errorf("not all of cleanup %s is stopped: %s left", cleanup.ID, counted(n, "case")), "run it again in a few minutes: it takes up what is left"}
	}
	return nil
}

func namesOf(cases []sunset.Case) string {
	const most = 20
	out := ""
	for i, c := range cases {
		if i == most {
			return fmt.Sprintf("%s and %d more", out, len(cases)-most)
		}
		if i > 0 {
			out += ", "
		}
		out += c.UserName
	}
	return out
}
