package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// report shows what came of it, and proves the evidence.
func (o demoOptions) report(ctx context.Context, told *story, cleanup sunset.Cleanup, machine *onemachine.Machine, data string) error {
	if cleanup.Refusal != "" {
		return fmt.Errorf("the cleanup was refused: %s", cleanup.Refusal)
	}
	plan, err := planOf(ctx, machine, cleanup)
	if err != nil {
		return err
	}
	out := told.out
	told.say("\nIt is %s, %d days later.\n\n", cleanup.Ended.Format("Monday, 2 January 2006"), int(cleanup.Ended.Sub(cleanup.Began).Hours()/24))
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Outcome", "Users", "Who"})
	cases, err := machine.Cases.Cases(ctx)
	if err != nil {
		return err
	}
	who := map[sunset.Outcome][]string{}
	for _, c := range cases {
		who[c.Outcome] = append(who[c.Outcome], c.UserName)
	}
	who[sunset.Kept] = []string{strings.TrimPrefix(reasonCounts(plan), ", ")}
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, WidthMax: max(leastWhy, min(widthOf(out, pageWidth)-30, 90)), WidthMaxEnforcer: text.WrapSoft}})
	for _, outcome := range sunset.Outcomes() {
		if n := cleanup.Outcomes[outcome]; n > 0 {
			t.AppendRow(table.Row{string(outcome), n, strings.Join(who[outcome], ", ")})
		}
	}
	t.AppendFooter(table.Row{"discovered", cleanup.Users, ""})
	fmt.Fprintln(out, t.Render())

	evidence := filepath.Join(data, "objects", "evidence")
	if o.out != "" {
		// Beside the evidence lies what its records name, so that all of it can be told.
		for _, part := range []string{"evidence", "plans", "cases", "snapshots"} {
			if err := copyPrivately(filepath.Join(data, "objects", part), filepath.Join(o.out, part)); err != nil {
				return fmt.Errorf("copying the %s: %w", part, err)
			}
		}
		evidence = filepath.Join(o.out, "evidence")
		body, err := json.MarshalIndent(summary{Discovered: cleanup.Users, Outcomes: cleanup.Outcomes}, "", "  ")
		if err != nil {
			return fmt.Errorf("writing the summary: %w", err)
		}
		if err := os.WriteFile(filepath.Join(o.out, "summary.json"), append(body, '\n'), 0o600); err != nil {
			return fmt.Errorf("writing the summary: %w", err)
		}
	}
	proof, err := audit.Verify(os.DirFS(evidence))
	if err != nil {
		return fmt.Errorf("verifying the evidence: %w", err)
	}
	if len(proof.Problems) > 0 {
		return fmt.Errorf("the evidence does not hold: %s: %s", proof.Problems[0].File, proof.Problems[0].Text)
	}
	fmt.Fprintf(out, "\nThe evidence holds: %d records in %d chains.", proof.Records, proof.Chains)
	if o.out != "" {
		fmt.Fprintf(out, " Check it yourself: iam-sunset audit verify %s", evidence)
	}
	fmt.Fprintln(out)
	return nil
}

func planOf(ctx context.Context, machine *onemachine.Machine, cleanup sunset.Cleanup) (sunset.Plan, error) {
	var plan sunset.Plan
	body, err := machine.Objects.Get(ctx, cleanup.PlanKey)
	if err == nil {
		err = json.Unmarshal(body, &plan)
	}
	if err != nil {
		return sunset.Plan{}, fmt.Errorf("reading the plan: %w", err)
	}
	return plan, nil
}

func copyPrivately(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}
