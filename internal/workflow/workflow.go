// Package workflow holds the handlers: one a state's function, a file each. A handler gathers facts, decides by the
// rules of package sunset, acts, and writes its own records. Every handler may run twice, or die anywhere and run again.
package workflow

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/casebook"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// Workflow is what the handlers work with. Worlds differ in what is put in here, not in code paths.
type Workflow struct {
	IAM       *iamaccount.Account
	Trail     *trail.Trail
	Ownership *ownership.Survey
	Cases     *casebook.Book
	Records   *audit.Book
	Desk      *approval.Desk
	Objects   store.Objects
	Messenger approval.Messenger
	// Executions starts, describes and answers executions of StateMachine.
	Executions   *sfn.Client
	StateMachine string
	// Alias is what new executions are started by, so that those in flight keep the code that they began with.
	Alias string
	// Rows keep what is neither a case nor a request: messages that have to be sent again.
	Rows store.Rows
	// Publish tells the world outside of a record; nil: nobody listens. Measured takes each round's figures, see
	// MetricNames; nil: nobody watches.
	Publish  func(context.Context, audit.Record) error
	Measured func(map[string]float64)
	// StartedBy gives who started an execution whose first state ran at began, as nobody can claim it; empty: not known,
	// or not known yet.
	StartedBy func(ctx context.Context, execution string, began time.Time) (who string, err error)
	// SignIn tells who sits at a browser; nil: links alone tell. Rescuer carries out a rescue that a page asks for.
	SignIn  approval.SignIn
	Rescuer func(context.Context, RescueInput) error
	// Access is which of a member account's roles this process assumes; empty: what each function needs.
	Access  sunset.Access
	members *members
	// Settings are read live at every use.
	Settings func(context.Context) (sunset.Settings, error)
	Clock    clock.Clock
	Log      *slog.Logger
	// PagesURL is where the approval pages are, without a slash at the end.
	PagesURL string
	// Own lists ARNs of the product's own principals, which no cleanup may touch.
	Own []string
	// Budget is how long one call of a handler that works on a cursor may take before it says where to go on.
	Budget time.Duration
	// Progress is told in a few words what is being read; nil: nobody listens.
	Progress func(string)
}

// Functions gives every handler as bytes, by the name of its folder in functions/. approval-web is no Task and serves
// HTTP instead: see Pages.
func (w *Workflow) Functions() map[string]lambdahost.Function {
	return map[string]lambdahost.Function{
		"discover":              lambdahost.Host(w.Log, "discover", w.Discover),
		"crosscheck-cloudtrail": lambdahost.Host(w.Log, "crosscheck-cloudtrail", w.CrosscheckCloudTrail),
		"check-ownership":       lambdahost.Host(w.Log, "check-ownership", w.CheckOwnership),
		"open-cases":            lambdahost.Host(w.Log, "open-cases", w.OpenCases),
		"disable":               lambdahost.Host(w.Log, "disable", w.Disable),
		"wait-soak":             lambdahost.Host(w.Log, "wait-soak", w.WaitSoak),
		"request-approval":      lambdahost.Host(w.Log, "request-approval", w.RequestApproval),
		"restore":               lambdahost.Host(w.Log, "restore", w.Restore),
		"delete-all-artifacts":  lambdahost.Host(w.Log, "delete-all-artifacts", w.DeleteAllArtifacts),
		"log":                   lambdahost.Host(w.Log, "log", w.LogStage),
		"reconcile":             lambdahost.Host(w.Log, "reconcile", w.Reconcile),
	}
}

func (w *Workflow) progress(what string) {
	if w.Progress != nil {
		w.Progress(what)
	}
}

// deadlineMargin is what a handler that works on a cursor leaves of its context's time, at most, for writing down how far
// it came.
const deadlineMargin = time.Minute

// deadline is when a handler that works on a cursor has to stop: its budget from now, or a little before its context's
// end. A context ends by the real clock, so that only the time left may be set against another one. A quarter of that is
// left over where it is short, so that each round reads something.
func (w *Workflow) deadline(ctx context.Context) time.Time {
	budget := w.Budget
	if budget == 0 {
		budget = 10 * time.Minute
	}
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		budget = min(budget, left-min(deadlineMargin, left/4))
	}
	return w.Clock.Now().Add(budget)
}
