package iamaccount

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Phase of a change.
type Phase string

// The phases. Each change is an Intent, then Done or Failed; an Intent alone may have been carried out or not.
const (
	Intent Phase = "intent"
	Done   Phase = "done"
	Failed Phase = "failed"
)

// Change is one call that changes something.
type Change struct {
	Phase  Phase
	Action string // as in a policy
	Target string // what is changed, named with the user
	Err    error  // why it failed
}

// Recorder writes each change down, intent before and outcome after. An error from it at intent keeps the change from
// being made.
type Recorder func(ctx context.Context, c Change) error

// hand changes one user, whose name was pinned to its UserId when the hand was made.
type hand struct {
	*Account
	rec  Recorder
	id   string
	name string
	tags map[string]string
	made []string // what was changed, for the text of a later fault
	// pinned is when the name was last seen to be that of the id.
	pinned time.Time

	// Of a deletion: the denies that are on the user, the virtual MFA devices that went, and what could not be recorded
	// of putting a deny back.
	denies     []sunset.Method
	devices    []string
	unrecorded error
}

// handOn finds the user of the snapshot as it is called now. It is nil where no user has the id.
func (a *Account) handOn(ctx context.Context, snap sunset.Snapshot, rec Recorder) (*hand, error) {
	if rec == nil {
		return nil, sunset.Faultf(sunset.Internal, "refusing to change user %s without a recorder", snap.User.Name)
	}
	u, err := a.locate(ctx, snap.User.ID, snap.User.Name)
	if u == nil || err != nil {
		return nil, err
	}
	name := aws.ToString(u.UserName)
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	if !aws.ToTime(u.CreateDate).Equal(snap.User.Created) {
		return nil, sunset.Faultf(sunset.Conflict, "user %s (%s) was made %s, not %s as its snapshot says", name, snap.User.ID,
			aws.ToTime(u.CreateDate).UTC().Format(time.RFC3339), snap.User.Created.UTC().Format(time.RFC3339))
	}
	return &hand{Account: a, rec: rec, id: snap.User.ID, name: name, tags: tagsOf(u.Tags), pinned: a.clock.Now()}, nil
}

// mustHand is handOn where a user who is gone is a Conflict.
func (a *Account) mustHand(ctx context.Context, snap sunset.Snapshot, rec Recorder) (*hand, error) {
	h, err := a.handOn(ctx, snap, rec)
	if err == nil && h == nil {
		err = gone(snap.User.ID, snap.User.Name)
	}
	return h, err
}

// String names the user for people.
func (h *hand) String() string { return fmt.Sprintf("user %s (%s)", h.name, h.id) }

// pauses between tries of a change that IAM puts off. The SDK itself repeats neither of those two errors.
var pauses = [...]time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}

func putOff(err error) bool {
	code := awsfault.Code(err)
	return code == "ConcurrentModification" || code == "EntityTemporarilyUnmodifiable"
}

// pinFor is how long a name counts as the user's after it was seen to be. IAM's writes take names alone, so that a name
// given to somebody else within this time can't be told; a throttled or slow deletion would stretch that time.
const pinFor = 5 * time.Second

// pin looks up that the name is still that of the id, where that was last seen too long ago. Otherwise it is a Conflict.
func (h *hand) pin(ctx context.Context) error {
	if h.clock.Now().Sub(h.pinned) <= pinFor {
		return nil
	}
	return h.pinNow(ctx)
}

func (h *hand) pinNow(ctx context.Context) error {
	u, err := h.locate(ctx, h.id, h.name)
	switch {
	case err != nil:
		return err
	case u == nil:
		return gone(h.id, h.name)
	case aws.ToString(u.UserName) != h.name:
		return sunset.Faultf(sunset.Conflict, "%s was renamed to %s while it was being changed; read it again", h, aws.ToString(u.UserName))
	}
	h.pinned = h.clock.Now()
	return nil
}

// byNoName is the one change that is about a device and not about whoever has the user's name.
const byNoName = "iam:DeleteVirtualMFADevice"

// change makes one call that changes something, on record. doing says what in words that go before the user, such as
// "deleting access key AKIA… of"; target is what the record names.
func (h *hand) change(ctx context.Context, action, target, doing string, call func(ctx context.Context) error) error {
	if err := sunset.ValidUserName(h.name); err != nil {
		return err
	}
	if target != h.name {
		target += " of " + h.name
	}
	if action != byNoName {
		if err := h.pin(ctx); err != nil {
			return h.fault(err)
		}
	}
	c := Change{Phase: Intent, Action: action, Target: target}
	if err := h.rec(ctx, c); err != nil {
		return h.fault(fmt.Errorf("nothing was done, because the intent to do %s on %s could not be recorded: %w", action, target, err))
	}
	err := call(ctx)
	for _, pause := range pauses {
		// The deletion of the user itself is not repeated here: the deny is off meanwhile.
		if !putOff(err) || action == deleteUser {
			break
		}
		if slept := h.clock.Sleep(ctx, pause); slept != nil {
			break
		}
		// EntityTemporarilyUnmodifiable is what IAM says of a name that was deleted and made again.
		if action != byNoName {
			if moved := h.pinNow(ctx); moved != nil {
				err = moved
				break
			}
		}
		err = call(ctx)
	}
	c.Phase = Done
	if err != nil {
		c.Phase = Failed
		c.Err = awsfault.Wrap(err, action, "%s %s", doing, h)
	} else {
		h.made = append(h.made, action+" on "+target)
	}
	if recorded := h.rec(ctx, c); recorded != nil && err == nil {
		return h.fault(fmt.Errorf("%s on %s was done but could not be recorded: %w", action, target, recorded))
	}
	return h.fault(c.Err)
}

// remove is change for a call that takes something away: what is gone already is as good as removed.
func (h *hand) remove(ctx context.Context, action, target, doing string, call func(ctx context.Context) error) error {
	return h.change(ctx, action, target, doing, func(ctx context.Context) error {
		if err := call(ctx); !awsfault.IsNotFound(err) {
			return err
		}
		return nil
	})
}

// fault adds to err what was changed before it, and keeps its kind and action.
func (h *hand) fault(err error) error {
	if err == nil || len(h.made) == 0 {
		return err
	}
	done := strings.Join(h.made, ", ")
	var said *changed
	if errors.As(err, &said) {
		return err
	}
	return &changed{err: &sunset.Fault{
		Kind: sunset.KindOf(err), Action: sunset.ActionOf(err),
		Err: fmt.Errorf("%w; changed before that: %s", err, done),
	}}
}

// changed marks a fault whose text already tells what was changed.
type changed struct{ err error }

func (c *changed) Error() string { return c.err.Error() }
func (c *changed) Unwrap() error { return c.err }

// until asks look again until it says yes: IAM's reads follow its writes with a delay.
func (h *hand) until(ctx context.Context, what string, look func() (bool, error)) error {
	for i := 0; ; i++ {
		ok, err := look()
		if ok || err != nil {
			return err
		}
		if i == len(pauses) {
			return sunset.Faultf(sunset.Unavailable, "%s of %s does not show yet; try again", what, h)
		}
		if err := h.clock.Sleep(ctx, pauses[i]); err != nil {
			return sunset.Faultf(sunset.Unavailable, "waiting for %s of %s: %w", what, h, err)
		}
	}
}

func awsStatus(s sunset.Status) types.StatusType { return types.StatusType(s) }
