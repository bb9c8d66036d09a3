package workflow

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/casebook"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// World is where a Workflow lives: AWS, one machine, a demo.
type World struct {
	// AWS reaches the account that is cleaned up.
	AWS          aws.Config
	Executions   *sfn.Client
	StateMachine string
	Objects      store.Objects
	Rows         store.Rows
	Signers      approval.Signers
	Messenger    approval.Messenger
	Settings     func(context.Context) (sunset.Settings, error)
	Clock        clock.Clock
	Log          *slog.Logger
	PagesURL     string
	// Alias is what new executions are started by; empty: StateMachine itself.
	Alias string
	// Publish tells the world outside of a record, and Measured takes the figures of each round of reconcile. Either may
	// be nil.
	Publish  func(context.Context, audit.Record) error
	Measured func(map[string]float64)
	// Sealer signs the ends of chains; nil: nothing is signed.
	Sealer audit.Sealer
	// StartedBy gives who started an execution; nil: CloudTrail of the account that AWS reaches.
	StartedBy func(ctx context.Context, execution string, began time.Time) (who string, err error)
	// SignIn tells who sits at a browser beside the link that they came by; nil: links alone tell.
	SignIn approval.SignIn
	// Rescuer carries out a rescue that was asked for on a page; nil: New's Workflow does it itself, and NewPages' has no way
	// into an account and needs one.
	Rescuer func(context.Context, RescueInput) error
	// Access is which of a member account's roles this process assumes; empty: what each function needs.
	Access   sunset.Access
	Own      []string
	Budget   time.Duration
	Progress func(string)
}

// New puts a Workflow together. It is the one composition: every world goes through here.
func New(x World) *Workflow {
	cfg := x.AWS.Copy()
	cfg.Retryer = awsfault.RetryOn(x.Clock)
	w := NewPages(x)
	w.IAM, w.Trail, w.Ownership = iamaccount.New(cfg, x.Clock), trail.New(cfg, x.Clock), ownership.New(cfg, x.Clock)
	w.members = newMembers(cfg, x.Clock)
	if w.StartedBy == nil {
		w.StartedBy = w.Trail.StartedBy
	}
	if w.Rescuer == nil {
		w.Rescuer = w.RescueAsked
	}
	return w
}

// NewPages puts together what Pages and API need, and no more: it has no way into any account, and a program that has
// nothing else links no client for one.
func NewPages(x World) *Workflow {
	records := audit.NewBook(x.Objects, x.Clock)
	if x.Sealer != nil {
		records = records.SealWith(x.Sealer)
	}
	return &Workflow{
		Cases:        casebook.New(x.Rows, x.Clock),
		Records:      records,
		Desk:         approval.NewDesk(x.Rows, x.Signers, x.Settings, x.Clock),
		Objects:      x.Objects,
		Messenger:    x.Messenger,
		Executions:   x.Executions,
		StateMachine: x.StateMachine,
		Settings:     x.Settings,
		Clock:        x.Clock,
		Log:          x.Log,
		PagesURL:     x.PagesURL,
		Rows:         x.Rows,
		Alias:        cmp.Or(x.Alias, x.StateMachine),
		Publish:      x.Publish,
		Measured:     x.Measured,
		Own:          x.Own,
		Budget:       x.Budget,
		Progress:     x.Progress,
		StartedBy:    x.StartedBy,
		Access:       x.Access,
		SignIn:       x.SignIn,
		Rescuer:      x.Rescuer,
	}
}
