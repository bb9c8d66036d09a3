package iamaccount

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Report is what restoring left different from the snapshot.
type Report struct {
	// Differences were made by others since the snapshot and stay, a sentence each.
	Differences []string `json:"differences,omitempty"`
	// Lost says in one sentence what could not be put back, or is empty.
	Lost string `json:"lost,omitempty"`
}

// Restore puts the snapshot's user back: each credential that our deactivation switched off to its own earlier status,
// then the deny is taken away, then the case's tag. In that order, because a user is still quarantined, and marked so,
// while any of it may fail; a second run finishes. q is how the user was quarantined, nil where that was never written
// down, so that anything of it may have happened.
//
// A user who has the id no more is a Conflict. What others changed is told, not undone. No login profile is made:
// GiveNewPassword does that, for an operator.
func (a *Account) Restore(ctx context.Context, snap sunset.Snapshot, q *sunset.Quarantine, rec Recorder) (Report, error) {
	h, err := a.mustHand(ctx, snap, rec)
	if err != nil {
		return Report{}, err
	}
	found, err := a.find(ctx, snap.User.ID, h.name)
	if err != nil {
		return Report{}, err
	}
	if found == nil {
		return Report{}, gone(snap.User.ID, h.name)
	}
	live := found.user
	h.name = live.Name
	report, err := h.restore(ctx, snap, q, live)
	return report, h.fault(err)
}

func (h *hand) restore(ctx context.Context, snap sunset.Snapshot, q *sunset.Quarantine, live sunset.User) (Report, error) {
	var report Report
	differs := func(format string, args ...any) {
		report.Differences = append(report.Differences, fmt.Sprintf(format, args...))
	}
	switchedOff := q == nil || q.Method == sunset.Deactivation
	for _, was := range snap.User.Credentials {
		i := slices.IndexFunc(live.Credentials, func(c sunset.Credential) bool { return c.Kind == was.Kind && c.ID == was.ID })
		switch {
		case i < 0 && was.Kind == sunset.Password && switchedOff:
			report.Lost = lostPassword
		case i < 0:
			differs("its %s is gone", was.Label())
		case live.Credentials[i].Status == was.Status:
		case switchedOff && was.Status == sunset.Active && live.Credentials[i].Status == sunset.Inactive:
			if err := h.turn(ctx, was, sunset.Active); err != nil {
				return report, err
			}
		default:
			differs("its %s is %s, not %s", was.Label(), live.Credentials[i].Status, was.Status)
		}
	}
	if err := h.liftDeny(ctx, snap, q, live, differs); err != nil {
		return report, err
	}
	compare(snap.User, live, differs)
	return report, h.untag(ctx, snap, live)
}

// liftDeny takes away the denies that the snapshot does not have.
func (h *hand) liftDeny(ctx context.Context, snap sunset.Snapshot, q *sunset.Quarantine, live sunset.User, differs func(string, ...any)) error {
	// Where the deny should be, it is taken away even if a read, late as IAM's reads are, does not show it.
	var ours sunset.Method
	if q != nil {
		ours = q.DenyBy()
	}
	inline := !slices.Contains(snap.User.Inline, sunset.DenyPolicyName) && (ours == sunset.InlineDeny || slices.Contains(live.Inline, sunset.DenyPolicyName))
	if managed := slices.Contains(live.Attached, sunset.ManagedDenyARN); !slices.Contains(snap.User.Attached, sunset.ManagedDenyARN) {
		switch {
		case ours == sunset.ManagedDeny, ours == "" && managed && !inline:
			if err := h.takeOff(ctx, sunset.ManagedDeny); err != nil {
				return err
			}
		case managed:
			// Whoever attached it, as one does where a key was stolen, did not mean ours.
			differs("attached policy %s was added", sunset.ManagedDenyARN)
		}
	}
	if !inline {
		return nil
	}
	document, found, err := h.inlineDocument(ctx, h.name, sunset.DenyPolicyName)
	if err != nil {
		return err
	}
	if found && !IsDenyAll(document) {
		differs("its inline policy %s was changed, and is left as it is", sunset.DenyPolicyName)
		return nil
	}
	return h.takeOff(ctx, sunset.InlineDeny)
}

// takeOff takes a deny off. "Not found" may be a late read's, and the user would stay denied: then it is read back.
func (h *hand) takeOff(ctx context.Context, deny sunset.Method) error {
	found, err := h.lift(ctx, deny)
	if found || err != nil {
		return err
	}
	action := map[sunset.Method]string{sunset.InlineDeny: "iam:DeleteUserPolicy", sunset.ManagedDeny: "iam:DetachUserPolicy"}[deny]
	return h.until(ctx, "the lifting of the deny, which "+action+" did not find,", func() (bool, error) {
		there, err := h.DenyInPlace(ctx, sunset.User{ID: h.id, Name: h.name}, sunset.Quarantine{Method: deny})
		return !there, err
	})
}

func (h *hand) deleteInline(ctx context.Context, policy string) error {
	return h.remove(ctx, "iam:DeleteUserPolicy", "inline policy "+policy, "deleting inline policy "+policy+" of", func(ctx context.Context) error {
		_, err := h.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &h.name, PolicyName: &policy})
		return err
	})
}

func (h *hand) detach(ctx context.Context, arn string) error {
	return h.remove(ctx, "iam:DetachUserPolicy", arn, "detaching "+arn+" from", func(ctx context.Context) error {
		_, err := h.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: &h.name, PolicyArn: &arn})
		return err
	})
}

// untag takes the case's tag away, or gives back the one that the snapshot has.
func (h *hand) untag(ctx context.Context, snap sunset.Snapshot, live sunset.User) error {
	is, tagged := live.Tags[sunset.TagCase]
	was, before := snap.User.Tags[sunset.TagCase]
	switch {
	case tagged == before && is == was:
		return nil
	case before:
		return h.change(ctx, "iam:TagUser", h.name, "tagging", func(ctx context.Context) error {
			_, err := h.iam.TagUser(ctx, &iam.TagUserInput{UserName: &h.name, Tags: []types.Tag{{Key: aws.String(sunset.TagCase), Value: &was}}})
			return err
		})
	}
	return h.change(ctx, "iam:UntagUser", h.name, "taking the case's tag from", func(ctx context.Context) error {
		_, err := h.iam.UntagUser(ctx, &iam.UntagUserInput{UserName: &h.name, TagKeys: []string{sunset.TagCase}})
		return err
	})
}

// compare tells what else others changed since the snapshot.
func compare(was, live sunset.User, differs func(string, ...any)) {
	if was.Name != live.Name {
		differs("it was renamed from %s to %s", was.Name, live.Name)
	}
	for _, c := range live.Credentials {
		if !slices.ContainsFunc(was.Credentials, func(s sunset.Credential) bool { return s.Kind == c.Kind && s.ID == c.ID }) {
			differs("it has a new %s", c.Label())
		}
	}
	serials := func(u sunset.User) []string {
		var out []string
		for _, d := range u.MFA {
			out = append(out, d.Serial)
		}
		return out
	}
	tags := func(u sunset.User) []string {
		var out []string
		for _, k := range slices.Sorted(maps.Keys(u.Tags)) {
			if k != sunset.TagCase {
				out = append(out, k+"="+u.Tags[k])
			}
		}
		return out
	}
	for _, set := range []struct {
		kind      string
		was, live []string
	}{
		{"group", was.Groups, live.Groups},
		{"inline policy", was.Inline, live.Inline},
		{"attached policy", was.Attached, live.Attached},
		{"MFA device", serials(was), serials(live)},
		{"tag", tags(was), tags(live)},
	} {
		for _, id := range set.live {
			if id != sunset.DenyPolicyName && id != sunset.ManagedDenyARN && !slices.Contains(set.was, id) {
				differs("%s %s was added", set.kind, id)
			}
		}
		for _, id := range set.was {
			if !slices.Contains(set.live, id) {
				differs("%s %s is gone", set.kind, id)
			}
		}
	}
	if was.Boundary != live.Boundary {
		differs("its permissions boundary is %q, not %q", live.Boundary, was.Boundary)
	}
}
