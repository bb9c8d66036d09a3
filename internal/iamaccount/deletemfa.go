package iamaccount

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

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
