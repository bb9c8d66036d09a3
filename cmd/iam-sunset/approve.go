package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type approveOptions struct {
	operator
	decision, reason string
	yes              bool
}

func approveCommand(around surroundings) *cobra.Command {
	o := approveOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "approve [CASE | USER]…",
		Short: "Decide on cases with your AWS identity, as the approver that it is",
		Long: "Shows the facts of each case, and with --decision sends your decision, signed by your AWS credentials. Who you are is what AWS says,\n" +
			"and which approver that is say the settings' principals. The rules are those of the pages: the facts that you were shown are those\n" +
			"that you decide on, and a decision can't be changed. Without a case it lists what waits for you.",
		Example: "  iam-sunset approve\n" +
			"  iam-sunset approve old-jenkins\n" +
			"  iam-sunset approve old-jenkins old-bot --decision delete --reason \"both pipelines moved to roles in 2024\"\n" +
			"  iam-sunset approve spring-2026-AIDAEXAMPLE --decision soak-again --reason \"quarter's end is in that time\"",
		RunE: func(cmd *cobra.Command, args []string) error { return o.approve(cmd.Context(), args) },
	}
	o.addFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.decision, "decision", "", "delete, keep or soak-again")
	f.StringVar(&o.reason, "reason", "", "why; it goes on record")
	f.BoolVar(&o.yes, "yes", false, "don't ask before the decisions are sent")
	_ = cmd.RegisterFlagCompletionFunc("decision", cobra.FixedCompletions([]string{"delete", "keep", "soak-again"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

func (o approveOptions) approve(ctx context.Context, names []string) error {
	choice := sunset.Choice(o.decision)
	switch {
	case o.decision != "" && choice != sunset.ChooseDelete && choice != sunset.ChooseKeep && choice != sunset.ChooseSoakAgain:
		return hinted{fmt.Errorf("--decision: %q is no decision", o.decision), "choose delete, keep or soak-again"}
	case o.decision != "" && len(names) == 0:
		return hinted{errors.New("which cases you decide on is missing"), "name them: iam-sunset approve lists what waits for you"}
	case o.decision == "" && o.reason != "":
		return hinted{errors.New("--decision is missing"), "choose delete, keep or soak-again"}
	}
	if o.decision != "" {
		if err := needReason(o.reason); err != nil {
			return err
		}
	}
	c, err := o.counter(ctx)
	if err != nil {
		return err
	}
	asked, err := c.asked(ctx, names)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return o.list(asked)
	}
	if err := writeLines(o.around.stdout, []string{"You are " + asked.Approver + "."}); err != nil {
		return err
	}
	for _, a := range asked.Requests {
		if err := o.show(a); err != nil {
			return err
		}
	}
	if o.decision == "" {
		return writeLines(o.around.stdout, []string{"", "To decide: add --decision delete, keep or soak-again, and --reason."})
	}
	return o.decide(ctx, c, asked.Requests, choice)
}

// atOnce is how many cases are asked about in one request: addresses and answers have limits.
const atOnce = 25

// asked gives the requests on what was named: cases by their ids, or users by their names as far as something waits.
// Nothing named gives a list, without facts.
func (c counter) asked(ctx context.Context, names []string) (approval.AskedList, error) {
	var all approval.AskedList
	if len(names) == 0 {
		return all, c.get(ctx, approval.RequestsPath, &all)
	}
	found, err := c.cases(ctx, names)
	if err != nil || len(found.Missing) == 0 {
		return found, err
	}
	if err := c.get(ctx, approval.RequestsPath, &all); err != nil {
		return found, err
	}
	var ids, unknown []string
	for _, name := range found.Missing {
		var waiting []string
		for _, a := range all.Requests {
			if a.Request.UserName == name && a.Request.State == sunset.RequestOpen {
				waiting = append(waiting, a.Request.CaseID)
			}
		}
		switch len(waiting) {
		case 0:
			unknown = append(unknown, name)
		case 1:
			ids = append(ids, waiting[0])
		default:
			return found, hinted{fmt.Errorf("%d users that wait for a decision are called %s", len(waiting), name), "name the case: iam-sunset approve lists them"}
		}
	}
	if len(unknown) > 0 {
		return found, hinted{fmt.Errorf("nobody is asked about %s", strings.Join(unknown, ", ")), "iam-sunset approve lists what waits for you; nothing was decided"}
	}
	named, err := c.cases(ctx, ids)
	found.Requests = append(found.Requests, named.Requests...)
	slices.SortFunc(found.Requests, func(a, b approval.Asked) int { return strings.Compare(a.Request.CaseID, b.Request.CaseID) })
	found.Requests = slices.CompactFunc(found.Requests, func(a, b approval.Asked) bool { return a.Request.CaseID == b.Request.CaseID })
	return found, err
}

// cases gives the latest request on each of these cases.
func (c counter) cases(ctx context.Context, ids []string) (approval.AskedList, error) {
	var out approval.AskedList
	for some := range slices.Chunk(ids, atOnce) {
		var page approval.AskedList
		if err := c.get(ctx, approval.RequestsPath+"?"+url.Values{"case": some}.Encode(), &page); err != nil {
			return out, err
		}
		out.Approver = page.Approver
		out.Requests = append(out.Requests, page.Requests...)
		out.Missing = append(out.Missing, page.Missing...)
	}
	return out, nil
}

// decide sends a decision on each case. One that can't be keeps no other from being sent.
func (o approveOptions) decide(ctx context.Context, c counter, asked []approval.Asked, choice sunset.Choice) error {
	var can []approval.Asked
	var cannot []string
	for _, a := range asked {
		if why := obstacleTo(a, choice); why != "" {
			cannot = append(cannot, fmt.Sprintf("not decided: %s: %s", a.Request.UserName, why))
			continue
		}
		can = append(can, a)
	}
	if len(can) > 0 {
		var names []string
		for _, a := range can {
			names = append(names, a.Request.UserName)
		}
		question := map[sunset.Choice]string{
			sunset.ChooseDelete: "Delete for good, as shown above:", sunset.ChooseKeep: "Give back as they were:", sunset.ChooseSoakAgain: "Listen for another round to:",
		}[choice]
		if choice == sunset.ChooseDelete && slices.ContainsFunc(can, func(a approval.Asked) bool { return a.Request.Facts.Final == sunset.FinalRetain }) {
			question = "Delete for good, or strip of all credentials, as shown above:"
		}
		if err := o.confirm(ctx, o.yes, printable(question+" "+strings.Join(names, ", "))+"?"); err != nil {
			return err
		}
	}
	lines := []string{""}
	for _, a := range can {
		var done approval.Decided
		err := c.post(ctx, approval.DecisionsPath, approval.Deciding{RequestID: a.Request.ID, Digest: a.Request.Digest, Choice: choice, Reason: o.reason}, &done)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			cannot = append(cannot, fmt.Sprintf("not decided: %s: %s", a.Request.UserName, err))
		case done.Outcome == "":
			lines = append(lines, fmt.Sprintf("%s: your decision (%s) is stored; others are still needed.", a.Request.UserName, choice))
		case done.Outcome != choice:
			lines = append(lines, fmt.Sprintf("%s: your decision (%s) is stored; all decisions together say %s.", a.Request.UserName, choice, done.Outcome))
		default:
			lines = append(lines, fmt.Sprintf("%s: decided, %s.", a.Request.UserName, choice))
		}
	}
	if err := writeLines(o.around.stdout, append(lines, cannot...)); err != nil {
		return err
	}
	if len(cannot) > 0 {
		return hinted{fmt.Errorf("%d of %s could not be decided", len(cannot), counted(len(asked), "case")), "the lines above say why"}
	}
	return nil
}

// obstacleTo says why a choice can't be sent, or is empty.
func obstacleTo(a approval.Asked, choice sunset.Choice) string {
	r := a.Request
	switch {
	case a.Mine != nil && a.Mine.Choice == choice:
		return fmt.Sprintf("you decided that already, %s UTC", minute(a.Mine.At))
	case a.Mine != nil:
		return fmt.Sprintf("you decided %s already, %s UTC, and a decision can't be changed", a.Mine.Choice, minute(a.Mine.At))
	case a.Barred != "":
		return a.Barred
	case r.State != sunset.RequestOpen:
		return "its request is " + string(r.State)
	case r.Facts.Digest() != r.Digest:
		// What is shown is not what would be decided on.
		return "the facts shown are not those of the digest; tell the security team"
	case len(a.Choices) == 0:
		return "the time to decide is over"
	case !slices.Contains(a.Choices, choice):
		return fmt.Sprintf("%s is not among the choices: its soak was disturbed", choice)
	}
	return ""
}
