package iamaccount

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const deleteUser = "iam:DeleteUser"

// rounds bounds how often a deletion lists again what is left.
const rounds = 4

// Delete deletes the snapshot's user and all that it has, read live: login profile, keys, certificates, service-specific
// credentials, MFA devices, group memberships, policies, spare virtual MFA devices of its name. The deny goes last,
// just before the user, and comes back if the user does not go, so that a session made in quarantine never wakes. The
// permissions boundary is left to go with the user: without it the rest might allow more.
//
// What is gone already is as good as deleted; a user whose id nobody has is the end, also of a second run.
//
// Credentials are deleted without being switched off first. The deny covers them until they are gone, and switching
// off what goes in the same breath would only cost calls and failures.
func (a *Account) Delete(ctx context.Context, snap sunset.Snapshot, q sunset.Quarantine, rec Recorder) error {
	if err := wasQuarantined(snap, q); err != nil {
		return err
	}
	h, err := a.handOn(ctx, snap, rec)
	if err != nil {
		return err
	}
	if h == nil {
		return a.DeleteSpare(ctx, snap, rec)
	}
	return h.fault(h.delete(ctx, snap, q))
}

// DeleteSpare deletes those of the snapshot's virtual MFA devices that nobody has: all that can outlive a deleted user.
func (a *Account) DeleteSpare(ctx context.Context, snap sunset.Snapshot, rec Recorder) error {
	h := &hand{Account: a, rec: rec, id: snap.User.ID, name: snap.User.Name}
	return h.fault(h.deleteSpare(ctx, snap, false))
}

// wasQuarantined refuses to take anything irrevocably from a user whom no case has disabled.
func wasQuarantined(snap sunset.Snapshot, q sunset.Quarantine) error {
	switch q.Method {
	case sunset.InlineDeny, sunset.ManagedDeny, sunset.Deactivation:
		return nil
	}
	return sunset.Faultf(sunset.Invalid, "user %s was disabled by %q, which is no known method; nothing is deleted", snap.User.Name, q.Method)
}

func (h *hand) delete(ctx context.Context, snap sunset.Snapshot, q sunset.Quarantine) error {
	for round := 0; ; round++ {
		if _, err := h.empty(ctx, snap, q); err != nil {
			return err
		}
		again, err := h.deleteEmptied(ctx)
		if !again || round == rounds-1 {
			return err
		}
		if slept := h.clock.Sleep(ctx, pauses[round]); slept != nil {
			return err
		}
	}
}

// Strip is the end of a case whose user is to be retained: everything goes but the user, its tags, its permissions
// boundary and the deny, which is put on if it never fitted before. A user who is gone is a Conflict.
func (a *Account) Strip(ctx context.Context, snap sunset.Snapshot, q sunset.Quarantine, rec Recorder) error {
	if err := wasQuarantined(snap, q); err != nil {
		return err
	}
	h, err := a.mustHand(ctx, snap, rec)
	if err != nil {
		return err
	}
	return h.fault(h.strip(ctx, snap, q))
}

func (h *hand) strip(ctx context.Context, snap sunset.Snapshot, q sunset.Quarantine) error {
	for range rounds {
		left, err := h.empty(ctx, snap, q)
		switch {
		case err != nil:
			return err
		case left.removed > 0:
			continue
		case len(left.denies) == 0:
			return h.putDeny(ctx)
		}
		return nil
	}
	return sunset.Faultf(sunset.Conflict, "%s gets new credentials or policies while it is being stripped", h)
}

// emptied is what a round of emptying found.
type emptied struct {
	removed int
	denies  []sunset.Method // that are on the user and were left there
}

// empty removes everything that DeleteUser wants gone first, except the denies. A deny that the case had put on and
// that is missing, as after a deletion that died at its end, is put back before anything else.
func (h *hand) empty(ctx context.Context, snap sunset.Snapshot, q sunset.Quarantine) (emptied, error) {
	var e emptied
	var inline, attached []string
	reads := []func() error{
		func() (err error) { attached, err = h.attachedPolicies(ctx, h.name); return err },
		func() (err error) { inline, err = h.inlinePolicies(ctx, h.name); return err },
	}
	if q.DenyBy() == sunset.ManagedDeny {
		slices.Reverse(reads) // the list that shows the deny, and so whose the name is, comes last
	}
	for _, read := range reads {
		if err := read(); err != nil {
			return e, err
		}
	}
	if slices.Contains(inline, sunset.DenyPolicyName) {
		e.denies = append(e.denies, sunset.InlineDeny)
	}
	if slices.Contains(attached, sunset.ManagedDenyARN) {
		e.denies = append(e.denies, sunset.ManagedDeny)
	}
	if len(e.denies) == 0 {
		// No deny vouches for the name: before anything is put on or taken from it, it is looked up again.
		if err := h.pinNow(ctx); err != nil {
			return e, err
		}
		if deny := q.DenyBy(); deny != "" {
			if err := h.put(ctx, deny); err != nil {
				return e, err
			}
			e.denies = append(e.denies, deny)
		}
	}
	h.denies = e.denies
	before := len(h.made)
	for _, remove := range []func() error{
		func() error { return h.deletePassword(ctx, snap, q) },
		func() error { return h.deleteCredentials(ctx) },
		func() error { return h.deleteMFA(ctx) },
		func() error { return h.leaveGroups(ctx) },
		func() error {
			return each(attached, sunset.ManagedDenyARN, func(arn string) error { return h.detach(ctx, arn) })
		},
		func() error {
			return each(inline, sunset.DenyPolicyName, func(policy string) error { return h.deleteInline(ctx, policy) })
		},
		func() error { return h.deleteSpare(ctx, snap, true) },
	} {
		if err := remove(); err != nil {
			return e, err
		}
	}
	e.removed = len(h.made) - before
	return e, nil
}

// each calls f for all names but one.
func each(names []string, but string, f func(string) error) error {
	for _, name := range names {
		if name == but {
			continue
		}
		if err := f(name); err != nil {
			return err
		}
	}
	return nil
}

// deletePassword asks first whether there is one, unless the snapshot says so and nobody has deleted it.
func (h *hand) deletePassword(ctx context.Context, snap sunset.Snapshot, q sunset.Quarantine) error {
	if len(h.made) > 0 || len(snap.User.Of(sunset.Password)) == 0 || q.Method == sunset.Deactivation {
		if profile, err := h.loginProfile(ctx, h.name); profile == nil || err != nil {
			return err
		}
	}
	return h.deleteLoginProfile(ctx)
}

func (h *hand) deleteCredentials(ctx context.Context) error {
	live, err := h.switchable(ctx, h.name)
	if err != nil {
		return err
	}
	for _, c := range live {
		action := map[sunset.CredentialKind]string{
			sunset.AccessKey: "iam:DeleteAccessKey", sunset.SSHKey: "iam:DeleteSSHPublicKey",
			sunset.SigningCertificate: "iam:DeleteSigningCertificate", sunset.ServiceCredential: "iam:DeleteServiceSpecificCredential",
		}[c.Kind]
		err := h.remove(ctx, action, c.Label(), "deleting "+c.Label()+" of", func(ctx context.Context) error {
			var err error
			switch c.Kind {
			case sunset.AccessKey:
				_, err = h.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: &h.name, AccessKeyId: &c.ID})
			case sunset.SSHKey:
				_, err = h.iam.DeleteSSHPublicKey(ctx, &iam.DeleteSSHPublicKeyInput{UserName: &h.name, SSHPublicKeyId: &c.ID})
			case sunset.SigningCertificate:
				_, err = h.iam.DeleteSigningCertificate(ctx, &iam.DeleteSigningCertificateInput{UserName: &h.name, CertificateId: &c.ID})
			case sunset.ServiceCredential:
				_, err = h.iam.DeleteServiceSpecificCredential(ctx, &iam.DeleteServiceSpecificCredentialInput{
					UserName: &h.name, ServiceSpecificCredentialId: &c.ID,
				})
			default:
				err = sunset.Faultf(sunset.Internal, "a %s is not deleted like this", c.Kind)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *hand) leaveGroups(ctx context.Context) error {
	groups, err := h.groups(ctx, h.name)
	if err != nil {
		return err
	}
	for _, group := range groups {
		err := h.remove(ctx, "iam:RemoveUserFromGroup", "group "+group, "taking out of group "+group, func(ctx context.Context) error {
			_, err := h.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: &h.name, GroupName: &group})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
