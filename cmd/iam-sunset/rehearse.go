package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/rehearsal"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type rehearseOptions struct {
	operator
	wait, output string
	yes          bool
}

func rehearseCommand(around surroundings) *cobra.Command {
	o := rehearseOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Prove on a decoy user that quarantine holds and that attempts are heard",
		Long: "Proves in your account what everything else stands on, before the first real user: makes a decoy user with a key, quarantines it as a\n" +
			"case would, makes calls with the key that must be denied, and waits until last-used and CloudTrail tell of them. Then it writes to\n" +
			"the approvers, marked as a rehearsal, restores the decoy, uses its key again, deletes it, and files the evidence. No other user is\n" +
			"touched, and nothing is left behind, also where it is interrupted.\n\n" +
			"It needs the right to make and delete a user below " + rehearsal.Path + ", which nothing else of IAM Sunset has.\n" +
			"It ends with 0 where all of it went as hoped for, with 1 where not, and says what.",
		Example: "  iam-sunset rehearse\n" +
			"  iam-sunset rehearse --wait 3h --yes",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.rehearse(cmd.Context()) },
	}
	o.addFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.wait, "wait", "90m", "how long to listen for the denied calls; CloudTrail can take more than an hour")
	f.StringVar(&o.output, "output", "text", "form of the report: text or json")
	f.BoolVar(&o.yes, "yes", false, "don't ask before the decoy user is made")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

// leastWait is less than which a rehearsal proves nothing: AWS tells nothing sooner.
const leastWait = time.Minute

func (o rehearseOptions) rehearse(ctx context.Context) error {
	wait, err := sunset.ParseDuration(o.wait)
	switch {
	case err != nil:
		return fmt.Errorf("--wait: %w", err)
	case wait.Std() < leastWait:
		return hinted{fmt.Errorf("--wait: %s is too short to hear anything", wait), "CloudTrail takes minutes, and at times more than an hour: --wait 90m"}
	case o.output != "text" && o.output != "json":
		return hinted{fmt.Errorf("--output: %q is no form of the report", o.output), "choose text or json"}
	}
	w, err := o.station(ctx)
	if err != nil {
		return err
	}
	settings, err := w.Settings(ctx)
	if err != nil {
		return err
	}
	progress := newProgress(o.around.stderr)
	defer func() { progress.stop() }()
	world := rehearsal.World{
		AWS: w.aws, IAM: w.IAM, Trail: w.Trail, Clock: w.Clock, Record: w.Append, Messenger: w.Messenger,
		By: w.who.ARN, Account: w.who.Account, Say: func(what string) { progress.say(what) },
	}
	for _, a := range settings.Approvers {
		world.Approvers = append(world.Approvers, a.Email)
	}
	r := rehearsal.New(world)
	left, err := r.Leftovers(ctx)
	progress.stop() // a question and a line that moves don't go together
	if err != nil {
		return err
	}
	if err := o.say(r, left, world.Approvers, wait); err != nil {
		return err
	}
	if err := o.confirm(ctx, o.yes, fmt.Sprintf("Rehearse in account %s?", w.who.Account)); err != nil {
		return err
	}
	progress = newProgress(o.around.stderr)
	report, err := r.Run(ctx, wait.Std())
	progress.stop()
	return o.tell(ctx, r, report, err)
}

// say tells what will happen.
func (o rehearseOptions) say(r *rehearsal.Rehearsal, left []sunset.User, approvers []string, wait sunset.Duration) error {
	lines := []string{fmt.Sprintf("Makes the decoy user %s below %s, with one key; disables it, listens for up to %s, restores and deletes it.", r.Decoy(), rehearsal.Path, wait)}
	if len(approvers) > 0 {
		lines = append(lines, "Writes to "+strings.Join(approvers, ", ")+", marked as a rehearsal: there is nothing to decide.")
	}
	for _, u := range left {
		lines = append(lines, fmt.Sprintf("Removes %s (%s) of %s UTC first: an earlier rehearsal left it, or one that is under way, which then fails.", u.Name, u.ID, minute(u.Created)))
	}
	return writeLines(o.around.stderr, lines)
}

// tell prints what was found out, also by a rehearsal that did not come to its end.
func (o rehearseOptions) tell(ctx context.Context, r *rehearsal.Rehearsal, report rehearsal.Report, failed error) error {
	if failed != nil {
		return o.tellFailure(ctx, r, report, failed)
	}
	write := tellReport
	if o.output == "json" {
		write = tellJSON
	}
	if err := write(o.around.stdout, report); err != nil {
		return err
	}
	if report.Premise() == rehearsal.Proven && report.OK(rehearsal.Writing) {
		return nil
	}
	return verdictNo{"Not everything is as it should be."}
}

func (o rehearseOptions) tellFailure(ctx context.Context, r *rehearsal.Rehearsal, report rehearsal.Report, failed error) error {
	for _, f := range report.Findings {
		if err := writeLines(o.around.stderr, []string{mark(f.OK) + " " + f.Text + "."}); err != nil {
			return err
		}
	}
	var left *rehearsal.Left
	if errors.As(failed, &left) {
		failed = hinted{failed, "run iam-sunset rehearse again, which removes it, or delete the user " + left.User + " by hand"}
		if ctx.Err() != nil {
			// Whoever interrupts is told that alone, and must not miss this.
			return writeAnd(o.around.stderr, fmt.Sprintf("The decoy user %s may still be there: %v. iam-sunset rehearse removes it first.", left.User, left.Why), failed)
		}
		return failed
	}
	if report.User != "" {
		return writeAnd(o.around.stderr, fmt.Sprintf("The decoy user %s was removed. What happened is on record in %s.", r.Decoy(), r.Chain()), failed)
	}
	return failed
}

// writeAnd writes a line and goes on with what went wrong before.
func writeAnd(out io.Writer, line string, failed error) error {
	return errors.Join(failed, writeLines(out, []string{line}))
}

func tellReport(out io.Writer, r rehearsal.Report) error {
	lines := []string{fmt.Sprintf("Rehearsal %s in account %s, on user %s (%s).", r.ID, r.Account, r.User, r.UserID)}
	for _, name := range r.Removed {
		lines = append(lines, "Removed what an earlier rehearsal had left: "+name+".")
	}
	for _, f := range r.Findings {
		lines = append(lines, mark(f.OK)+" "+f.Text+".")
		if f.About != rehearsal.CloudTrail {
			continue
		}
		for _, h := range r.Heard {
			lines = append(lines, fmt.Sprintf("    %s in %s after %s", h.Action, h.Region, h.Took.Std().Round(time.Second)))
		}
	}
	lines = append(lines, r.Sentence())
	for _, l := range lines {
		if _, err := fmt.Fprintln(out, colored(l)); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}

// colored is a line without anything that would move a cursor, its mark in colour.
func colored(line string) string {
	line = printable(line)
	switch {
	case strings.HasPrefix(line, "✓"):
		return text.FgGreen.Sprint("✓") + strings.TrimPrefix(line, "✓")
	case strings.HasPrefix(line, "✗"):
		return text.FgRed.Sprint("✗") + strings.TrimPrefix(line, "✗")
	}
	return line
}

func tellJSON(out io.Writer, r rehearsal.Report) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	if err := e.Encode(struct {
		Premise rehearsal.Premise `json:"premise"`
		rehearsal.Report
	}{r.Premise(), r}); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
