package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/iam-sunset/iam-sunset/internal/deploying"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// inFlight is what a deployment that is there already is at.
type inFlight struct {
	there bool // something is deployed
	// look reads how it stands; nil: nothing that could be asked is deployed.
	look func(context.Context) (workflow.Overview, error)
}

// running finds out what is deployed.
func (o deployOptions) running(ctx context.Context, t *deploying.Terraform, folder string) (inFlight, error) {
	there, err := t.Deployed(ctx)
	if err != nil || !there {
		return inFlight{}, err
	}
	found := inFlight{there: true}
	document, _, err := documentOf(ctx, t, folder)
	if err != nil || document == nil {
		why := err
		if why == nil {
			why = errors.New("the state has no output named deployment")
		}
		found.look = func(context.Context) (workflow.Overview, error) { return workflow.Overview{}, why }
		return found, nil
	}
	found.look = func(ctx context.Context) (workflow.Overview, error) {
		w, err := o.around.reach.station(ctx, filepath.Join(folder, "iam-sunset.json"))
		if err != nil {
			return workflow.Overview{}, err
		}
		return w.Overview(ctx)
	}
	return found, nil
}

// mayGo refuses to take a deployment down under what it has begun: a disabled user would have nobody to give it back.
func (f inFlight) mayGo(ctx context.Context) error {
	if !f.there {
		return nil
	}
	stands, err := f.look(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return hinted{fmt.Errorf("refusing to take it down: whether cases are open can't be told: %w", err), "make iam-sunset status work first"}
	}
	begun := append([]string(nil), stands.Starting...)
	for _, c := range stands.Cleanups {
		if c.State == workflow.CleanupPlanning || c.State == workflow.CleanupOpening {
			begun = append(begun, c.ID)
		}
	}
	switch {
	case len(stands.Open) > 0:
		return hinted{
			fmt.Errorf("refusing to take it down: %s open, of %s first", isOrAre(len(stands.Open), "case"), stands.Open[0].User),
			"iam-sunset stop CLEANUP gives their users back and ends them; iam-sunset status lists them",
		}
	case len(begun) > 0:
		return hinted{fmt.Errorf("refusing to take it down: cleanup %s is at work, and may open cases", begun[0]), "wait until it is done, or iam-sunset stop " + begun[0]}
	}
	return nil
}

func isOrAre(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return counted(n, what) + " are"
}

// show says the plan in words.
func (o deployOptions) show(ctx context.Context, t *deploying.Terraform, p deploying.Plan, f inFlight) error {
	out := o.around.stdout
	if len(p.Changes) == 0 {
		return writeLines(out, []string{"Nothing to do: what is deployed is as configured."})
	}
	var rows []table.Row
	for _, g := range p.Changes.Groups() {
		row := table.Row{g.Name}
		for _, k := range []deploying.Kind{deploying.Created, deploying.Changed, deploying.Replaced, deploying.Destroyed} {
			row = append(row, number(p.Changes.Of(g).Count(k), k))
		}
		rows = append(rows, row)
	}
	if _, err := fmt.Fprintln(out, renderRows(table.Row{"", "New", "Changed", "Replaced", "Destroyed"}, rows, []int{26, 9, 9, 9, 0}, widthOf(out, pageWidth))); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	lines := []string{"In all: " + countsOf(p.Changes) + "."}
	lines = append(lines, graveLines(p.Changes, o.destroy)...)
	if o.destroy {
		stay, err := o.stayLines(ctx, t, f)
		if err != nil {
			return err
		}
		lines = append(lines, stay...)
	} else {
		lines = append(lines, upgradeLines(ctx, f)...)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(out, loud(l)); err != nil {
			return fmt.Errorf("writing the plan: %w", err)
		}
	}
	return nil
}

func number(n int, k deploying.Kind) string {
	switch {
	case n == 0:
		return ""
	case k == deploying.Replaced || k == deploying.Destroyed:
		return text.FgRed.Sprint(n)
	}
	return fmt.Sprint(n)
}

func countsOf(c deploying.Changes) string {
	var parts []string
	for _, k := range []deploying.Kind{deploying.Created, deploying.Changed, deploying.Replaced, deploying.Destroyed, deploying.Forgotten} {
		if n := c.Count(k); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, k))
		}
	}
	return strings.Join(parts, ", ")
}

// attention begins a line that nobody should miss.
const attention = "ATTENTION: "

// graveLines name what a person has to look at. When a deployment is taken down its ordinary parts are only counted.
func graveLines(c deploying.Changes, destroy bool) []string {
	var first, then []string
	for _, change := range c.Grave() {
		what := fmt.Sprintf("%s: %s would be %s", change.Group.Name, change.Address, strings.ToUpper(string(change.Kind)))
		if change.Kind == deploying.Replaced {
			what += ": destroyed, and made anew and empty"
		}
		if len(change.Because) > 0 {
			what += ", because of " + strings.Join(change.Because, ", ")
		}
		switch {
		case change.Precious && change.Kind == deploying.Changed:
			first = append(first, fmt.Sprintf("%sthe %s changes: %s", attention, change.Group.Name, change.Address))
		case change.Precious:
			first = append(first, attention+what+". What is lost there can't be made again")
		case !destroy:
			then = append(then, "  "+what)
		}
	}
	return append(first, then...)
}

func loud(line string) string {
	line = printable(line)
	if rest, ok := strings.CutPrefix(line, attention); ok {
		return text.Colors{text.Bold, text.FgRed}.Sprint(attention) + rest
	}
	return line
}

// upgradeLines say what an upgrade means for what is in flight.
func upgradeLines(ctx context.Context, f inFlight) []string {
	if !f.there {
		return nil
	}
	stands, err := f.look(ctx)
	switch {
	case err != nil:
		return []string{fmt.Sprintf("How many cases are in flight can't be told (%v). Those that are keep the code that they began with.", err)}
	case len(stands.Open) == 0:
		return []string{"No case is in flight."}
	case len(stands.Open) == 1:
		return []string{"1 case is in flight, and goes on with the code that it began with."}
	}
	return []string{counted(len(stands.Open), "case") + " are in flight, and go on with the code that they began with."}
}

// stayLines say what is not taken down, and whom nobody gives back after that.
func (o deployOptions) stayLines(ctx context.Context, t *deploying.Terraform, f inFlight) ([]string, error) {
	kept, err := t.Kept(ctx)
	if err != nil {
		return nil, hintedDeploying(err)
	}
	var lines []string
	if stands, err := f.look(ctx); err == nil && len(stands.Left) > 0 {
		lines = append(lines, fmt.Sprintf("%s%s left disabled by cases that have ended, such as %s: after this nothing gives them back. iam-sunset rescue does now",
			attention, isOrAre(len(stands.Left), "user"), stands.Left[0].User))
	}
	lines = append(lines, fmt.Sprintf("What stays: the evidence bucket with its guards, the casebook, the keys that they need, and the roles that those keys name (%s).", counted(len(kept), "resource")))
	return append(lines, "S3 keeps the evidence until its retention is over, whatever anybody does. docs/operations.md says how the rest is taken down then."), nil
}

// gone says what is left once a deployment is down.
func (o deployOptions) gone(ctx context.Context, t *deploying.Terraform) error {
	kept, err := t.Kept(ctx)
	if err != nil {
		return hintedDeploying(err)
	}
	return writeLines(o.around.stdout, []string{
		fmt.Sprintf("Taken down, but for %s, which evidence needs. Nothing runs any more.", counted(len(kept), "resource")),
		"docs/operations.md says how to take down the rest; iam-sunset deploy makes everything anew on the same evidence.",
	})
}

func question(p deploying.Plan, destroy bool) string {
	if destroy {
		return fmt.Sprintf("Take it down (%s)?", countsOf(p.Changes))
	}
	return fmt.Sprintf("Apply this plan (%s)?", countsOf(p.Changes))
}
