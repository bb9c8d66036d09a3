package workflow

import (
	"context"
	"fmt"
	"slices"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// checksChain is where it is on record what the checks of the evidence found.
	checksChain = "account/checks"
	// mostTold is how many problems a message and a record name; the checkpoint names them all.
	mostTold = 20
)

// checkEvidence verifies the chains once a day, writes down where they end, and tells the team of what is wrong: each day
// once, or twice where it died between telling and writing that down. The figure is left out where nothing was checked.
//
// The log is a witness outside of the store: nothing in the evidence tells of its newest checkpoint, if that is taken away.
func (w *Workflow) checkEvidence(ctx context.Context, day string, figures map[string]float64) error {
	checked, err := w.Records.Checkpoint(ctx, day)
	if err != nil {
		return err
	}
	figures[ChainProblems] = float64(len(checked.Problems))
	if checked.SHA256 != "" {
		w.Log.InfoContext(ctx, "the evidence has its checkpoint of the day", "day", day, "sha256", checked.SHA256,
			"chains", checked.Chains, "records", checked.Records, "problems", len(checked.Problems))
	}
	if len(checked.Problems) == 0 {
		return nil
	}
	found := audit.Record{
		Chain: checksChain, Kind: "evidence-problems", By: "iam-sunset", Key: "evidence-problems/" + day,
		Text: fmt.Sprintf("The check of the evidence on %s found %d things wrong.", day, len(checked.Problems)),
	}
	// Where the chain can't be read the team is rather told every hour than never.
	records, err := w.Records.Chain(ctx, checksChain)
	if err == nil && slices.ContainsFunc(records, func(r audit.Record) bool { return r.Key == found.Key }) {
		return nil
	}
	named := checked.Problems[:min(mostTold, len(checked.Problems))]
	text := found.Text + " Nothing was changed by this; find out who can write to the evidence, and keep the copies that you have.\n"
	for _, p := range named {
		text += fmt.Sprintf("- %s: %s\n", p.File, p.Text)
	}
	if len(named) < len(checked.Problems) {
		text += "- and more\n"
	}
	if err := w.tell(ctx, sunset.Case{}, approval.Team, "IAM Sunset: the evidence does not verify", text); err != nil {
		return err
	}
	return w.record(ctx, found, map[string]any{"day": day, "found": len(checked.Problems), "problems": named})
}
