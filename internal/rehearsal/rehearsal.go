// Package rehearsal proves in a live account what the product stands on, before the first real user: that the deny keeps a
// user's key from everything, that last-used and CloudTrail hear of calls that were denied, and how soon, that restoring
// wakes the key again, and that deletion leaves nothing.
//
// It works on one user that it makes itself, the decoy, with the functions that cases use. Whatever it takes away it
// takes from users that were made by a rehearsal: below Path, by a name of its own, with Tag, and by UserId. The decoy's
// secret is only in memory. Everything goes on record, in a chain of its own.
package rehearsal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// What marks a decoy. The tag's value is the rehearsal's id.
const (
	Path   = "/iam-sunset-rehearsal/"
	Tag    = "iam-sunset-rehearsal"
	prefix = "iam-sunset-rehearsal-" // of names
)

// World is what a rehearsal works with.
type World struct {
	// AWS reaches the account with the rights of whoever rehearses.
	AWS   aws.Config
	IAM   *iamaccount.Account
	Trail *trail.Trail
	Clock clock.Clock
	// Record puts the evidence on record. Messenger and Approvers are those of the deployment.
	Record    func(context.Context, audit.Record) (audit.Record, error)
	Messenger approval.Messenger
	Approvers []string
	// By is whoever rehearses, as AWS knows them, and Account the account's id.
	By, Account string
	// Say is told in a few words what is being done; nil: nobody listens.
	Say func(string)
}

// Rehearsal is one run with one decoy.
type Rehearsal struct {
	World
	id   string
	iam  *iam.Client
	name string // of the decoy, once it may be there

	user  sunset.User // the decoy as it was made; without an ID it is not known to be there
	snap  sunset.Snapshot
	q     sunset.Quarantine
	key   aws.Credentials // of the decoy
	tries []*try          // the calls that were made in quarantine
	found Report
}

// New prepares a rehearsal. Nothing is called yet.
func New(w World) *Rehearsal {
	cfg := w.AWS.Copy()
	cfg.Retryer = awsfault.RetryOn(w.Clock)
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // IAM is global and answers there
	}
	w.AWS = cfg
	if w.Say == nil {
		w.Say = func(string) {}
	}
	began := w.Clock.Now().UTC()
	id := began.Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:8])
	return &Rehearsal{World: w, id: id, iam: iam.NewFromConfig(cfg), found: Report{ID: id, Account: w.Account, By: w.By, Began: began}}
}

// Chain is where the rehearsal's records are.
func (r *Rehearsal) Chain() string { return "account/rehearsal-" + r.id }

// Decoy is the name of the user that the rehearsal makes.
func (r *Rehearsal) Decoy() string { return prefix + r.id }

// Run rehearses, and listens for at most wait after the denied calls. What it found out is in the report, also where that
// is less than hoped for; an error is what kept it from finding out. Decoys that earlier rehearsals left behind, as
// Leftovers lists them, are removed first.
//
// Whatever happens, also where ctx ends, the decoy is removed before Run returns. Where that can't be, the error is a
// *Left.
func (r *Rehearsal) Run(ctx context.Context, wait time.Duration) (Report, error) {
	err := r.run(ctx, wait)
	if err == nil {
		return r.found, nil
	}
	if left := r.cleanUp(ctx); left != nil {
		return r.found, &Left{User: r.Decoy(), Why: left, Before: err}
	}
	return r.found, err
}

// Left says that a decoy may still be there.
type Left struct {
	User   string
	Why    error // it could not be removed
	Before error // what had gone wrong before
}

func (l *Left) Error() string {
	return fmt.Sprintf("%v; and the decoy user %s could not be removed: %v", l.Before, l.User, l.Why)
}

func (l *Left) Unwrap() []error { return []error{l.Before, l.Why} }

func (r *Rehearsal) run(ctx context.Context, wait time.Duration) error {
	if err := r.record(ctx, "rehearsal-begun", fmt.Sprintf("%s began a rehearsal in account %s.", r.By, r.Account), nil); err != nil {
		return err
	}
	if err := r.removeLeftovers(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		doing string
		do    func(context.Context) error
	}{
		{"making the decoy user", r.makeDecoy},
		{"disabling it", r.quarantine},
		{"calling AWS with its key, which must be denied", r.makeDeniedCalls},
		{"listening", func(ctx context.Context) error { return r.listen(ctx, wait) }},
		{"writing to the approvers", r.write},
		{"restoring it", r.restore},
		{"deleting it", r.remove},
	} {
		r.Say(step.doing)
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	r.found.Ended = r.Clock.Now().UTC()
	return r.record(ctx, "rehearsed", r.found.Sentence(), r.found)
}

// cleanUpWithin is how long a rehearsal that has failed may take to remove its decoy.
const cleanUpWithin = 5 * time.Minute

// cleanUp removes the decoy, whether or not anybody still waits for it, and whether or not it can be recorded: nothing
// is lost with a decoy, and a store that can't be written may be why the rehearsal failed.
func (r *Rehearsal) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
	defer cancel()
	if r.name == "" {
		return nil
	}
	r.Say("removing the decoy user")
	if r.user.ID == "" {
		// Whether it was made is not known: the answer was lost.
		var err error
		if r.user, err = r.lookUp(ctx); err != nil || r.user.ID == "" {
			return err
		}
	}
	return r.removeUser(ctx, r.user, func(ctx context.Context, c iamaccount.Change) error {
		_ = r.change(ctx, c) // see above
		return nil
	})
}

// lookUp gives the decoy by its name, which nobody else has; none where it isn't there. It looks more than once, since
// IAM's reads are late.
func (r *Rehearsal) lookUp(ctx context.Context) (sunset.User, error) {
	for try := 0; ; try++ {
		u, err := r.decoyNamed(ctx, r.name)
		if err == nil && u.Tags[Tag] == r.id {
			return u, nil
		}
		if err != nil && !awsfault.IsNotFound(err) {
			return sunset.User{}, err
		}
		if try == 3 {
			return sunset.User{}, nil
		}
		if err := r.Clock.Sleep(ctx, 5*time.Second); err != nil {
			return sunset.User{}, err
		}
	}
}

var errNoDecoy = errors.New("it was not made by a rehearsal")
