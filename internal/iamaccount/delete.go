package iamaccount

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
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

// deleteMFA deactivates every device and deletes the virtual ones. A FIDO key or a hardware token is its owner's.
func (h *hand) deleteMFA(ctx context.Context) error {
	devices, err := h.mfaDevices(ctx, h.name)
	if err != nil {
		return err
	}
	for _, d := range devices {
		err := h.remove(ctx, "iam:DeactivateMFADevice", d.Serial, "deactivating MFA device "+d.Serial+" of", func(ctx context.Context) error {
			_, err := h.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: &h.name, SerialNumber: &d.Serial})
			return err
		})
		if err != nil {
			return err
		}
		if d.Kind != sunset.VirtualMFA {
			continue
		}
		if err := h.deleteVirtualMFA(ctx, d.Serial); err != nil {
			return err
		}
	}
	return nil
}

// deleteVirtualMFA counts a device as gone only where IAM said that it was deleted. "Not found" may be a late read's, right
// after the device was deactivated, and nothing else would show that it is still there: it doesn't keep the user.
func (h *hand) deleteVirtualMFA(ctx context.Context, serial string) error {
	found := true
	err := h.change(ctx, byNoName, serial, "deleting virtual MFA device "+serial+" of", func(ctx context.Context) error {
		_, err := h.iam.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
		if awsfault.IsNotFound(err) {
			found, err = false, nil
		}
		return err
	})
	if err == nil && found {
		h.devices = append(h.devices, serial)
	}
	return err
}

// deleteSpare deletes virtual devices that nobody has: those of the snapshot, which a deletion that died may have left
// between deactivating and deleting, and, while the name is the user's, those of its name. There is at most one of a
// serial, so that where all of these went a moment ago nothing is listed.
func (h *hand) deleteSpare(ctx context.Context, snap sunset.Snapshot, named bool) error {
	wanted := slices.Clone(snap.SpareMFA)
	for _, d := range snap.User.MFA {
		if d.Kind == sunset.VirtualMFA {
			wanted = append(wanted, d.Serial)
		}
	}
	wanted = slices.DeleteFunc(wanted, func(serial string) bool { return slices.Contains(h.devices, serial) })
	if named && slices.ContainsFunc(h.devices, func(serial string) bool { return isSpareOf(serial, h.name) }) {
		named = false
	}
	if len(wanted) == 0 && !named {
		return nil
	}
	serials, err := h.unassigned(ctx)
	if err != nil {
		return err
	}
	for _, serial := range serials {
		if !slices.Contains(wanted, serial) && !(named && isSpareOf(serial, h.name)) {
			continue
		}
		if err := h.deleteVirtualMFA(ctx, serial); err != nil {
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
