package iamaccount

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// deleteEmptied takes the denies off and deletes the emptied user. again says that IAM found something left; the denies
// are back then, as after any other failure.
func (h *hand) deleteEmptied(ctx context.Context) (again bool, err error) {
	denies := h.denies
	err = h.liftAndDelete(ctx, denies)
	if err == nil {
		return false, nil
	}
	again = awsfault.Code(err) == "DeleteConflict" || putOff(err)
	stillThere, back := h.putBack(ctx, denies)
	switch {
	case back != nil:
		return false, &sunset.Fault{
			Kind: sunset.KindOf(err), Action: sunset.ActionOf(err),
			Err: fmt.Errorf("%w; and the deny of %s could not be put back, so that its sessions may wake: %w", err, h, back),
		}
	case !stillThere:
		// It was done, and only its answer was lost: what the record calls failed was not.
		return false, h.rec(ctx, Change{Phase: Done, Action: deleteUser, Target: h.name})
	}
	if h.unrecorded != nil {
		return false, &sunset.Fault{
			Kind: sunset.KindOf(err), Action: sunset.ActionOf(err),
			Err: fmt.Errorf("%w; and that the deny of %s was put back could not be recorded: %w", err, h, h.unrecorded),
		}
	}
	return again, err
}

func (h *hand) liftAndDelete(ctx context.Context, denies []sunset.Method) error {
	// That the deny was there to be taken off shows that the name is still the user's, without a call for it.
	pinned := false
	for _, deny := range denies {
		found, err := h.lift(ctx, deny)
		if err != nil {
			return err
		}
		if found {
			pinned, h.pinned = true, h.clock.Now()
		}
	}
	if !pinned {
		switch u, err := h.locate(ctx, h.id, h.name); {
		case err != nil:
			return err
		case u == nil:
			return nil
		case aws.ToString(u.UserName) != h.name:
			return sunset.Faultf(sunset.Conflict, "%s was renamed to %s while it was being deleted; read it again", h, aws.ToString(u.UserName))
		}
	}
	return h.change(ctx, deleteUser, h.name, "deleting", func(ctx context.Context) error {
		_, err := h.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &h.name})
		return err
	})
}

// lift takes one deny off and reports whether it was there.
func (h *hand) lift(ctx context.Context, deny sunset.Method) (found bool, err error) {
	action, target := "iam:DeleteUserPolicy", "inline policy "+sunset.DenyPolicyName
	if deny == sunset.ManagedDeny {
		action, target = "iam:DetachUserPolicy", sunset.ManagedDenyARN
	}
	found = true
	err = h.change(ctx, action, target, "taking the deny off", func(ctx context.Context) error {
		var err error
		if deny == sunset.ManagedDeny {
			_, err = h.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: &h.name, PolicyArn: aws.String(sunset.ManagedDenyARN)})
		} else {
			_, err = h.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &h.name, PolicyName: aws.String(sunset.DenyPolicyName)})
		}
		if awsfault.IsNotFound(err) {
			found, err = false, nil
		}
		return err
	})
	return found, err
}

// put attaches a deny in the given form.
func (h *hand) put(ctx context.Context, deny sunset.Method) error {
	if deny == sunset.ManagedDeny {
		return h.attachDeny(ctx)
	}
	return h.putDeny(ctx)
}

// putBack puts the denies on again, if the user is still there, and tries for longer than anything else does. It goes
// on where the caller's time is over or the record can't be written: without it, sessions made in quarantine wake.
func (h *hand) putBack(ctx context.Context, denies []sunset.Method) (stillThere bool, err error) {
	ctx = context.WithoutCancel(ctx)
	again := *h
	again.rec = func(ctx context.Context, c Change) error {
		h.unrecorded = errors.Join(h.unrecorded, h.rec(ctx, c))
		return nil
	}
	for try := 0; ; try++ {
		stillThere, err = again.putBackOnce(ctx, denies)
		if err == nil || !sunset.KindOf(err).Passing() || try == len(pauses) {
			break
		}
		if slept := h.clock.Sleep(ctx, pauses[try]); slept != nil {
			break
		}
	}
	h.name, h.made, h.pinned = again.name, again.made, again.pinned
	return stillThere, err
}

func (h *hand) putBackOnce(ctx context.Context, denies []sunset.Method) (stillThere bool, err error) {
	u, err := h.locate(ctx, h.id, h.name)
	if u == nil || err != nil {
		return false, err
	}
	h.name, h.pinned = aws.ToString(u.UserName), h.clock.Now()
	for _, deny := range denies {
		if err := h.put(ctx, deny); err != nil && !awsfault.IsNotFound(err) {
			return true, err
		}
	}
	return true, nil
}
