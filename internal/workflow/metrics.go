package workflow

import (
	"context"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// The figures that reconcile gives at each round. Terraform has an alarm for each.
const (
	CasesFailed         = "CasesFailed"         // failed cases that nobody has looked at yet, so that later turns wait
	CasesDisturbed      = "CasesDisturbed"      // open cases in which something was heard
	CasesExpired        = "CasesExpired"        // cases that ended without a decision and left their user disabled
	ApprovalsEndingSoon = "ApprovalsEndingSoon" // requests that end within two days and are not decided
	MessagesUndelivered = "MessagesUndelivered" // messages and events that did not get out yet
	ChainProblems       = "ChainProblems"       // what the daily check of the evidence found wrong
	ReconcileRuns       = "ReconcileRuns"       // 1 a round; its absence says that nothing is looked after
)

// MetricNames lists the figures, for whoever sets alarms.
func MetricNames() []string {
	return []string{CasesFailed, CasesDisturbed, CasesExpired, ApprovalsEndingSoon, MessagesUndelivered, ChainProblems, ReconcileRuns}
}

// soon is how long before a request's end somebody has to be woken.
const soon = 48 * time.Hour

// measure counts what the alarms watch. What could not be counted is left out rather than given as 0.
func (w *Workflow) measure(ctx context.Context, figures map[string]float64) error {
	cases, err := w.Cases.Cases(ctx)
	if err != nil {
		return err
	}
	var failed, disturbed, expired, ending float64
	for _, c := range cases {
		switch {
		case c.Open() && len(c.Signals) > 0 && c.Rescue == nil:
			disturbed++
		case !c.Open() && c.Outcome == sunset.Failed && c.Holds:
			failed++
		case c.Outcome == sunset.Lapsed && c.LeftDisabled() && c.Rescue == nil:
			expired++
		}
		if c.Stage != sunset.Requesting || c.RequestID == "" || c.Rescue != nil {
			continue
		}
		r, err := w.Desk.Request(ctx, c.RequestID)
		if err != nil {
			return err
		}
		if left := r.Expires.Sub(w.Clock.Now()); r.State == sunset.RequestOpen && left > 0 && left < soon {
			ending++
		}
	}
	figures[CasesFailed], figures[CasesDisturbed], figures[CasesExpired], figures[ApprovalsEndingSoon] = failed, disturbed, expired, ending
	return nil
}
