package iamaccount

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Deactivate switches off every key, certificate and service-specific credential of the snapshot's user that is
// Active, and deletes its login profile, whose password is lost. Run again it does what is left.
//
// A credential that the snapshot does not have could not be put back as it was: it is a Conflict, before any change.
func (a *Account) Deactivate(ctx context.Context, snap sunset.Snapshot, rec Recorder) error {
	h, err := a.mustHand(ctx, snap, rec)
	if err != nil {
		return err
	}
	return h.fault(h.deactivate(ctx, snap))
}

func (h *hand) deactivate(ctx context.Context, snap sunset.Snapshot) error {
	live, err := h.switchable(ctx, h.name)
	if err != nil {
		return err
	}
	profile, err := h.loginProfile(ctx, h.name)
	if err != nil {
		return err
	}
	for _, c := range live {
		if !slices.ContainsFunc(snap.User.Credentials, func(s sunset.Credential) bool { return s.Kind == c.Kind && s.ID == c.ID }) {
			return sunset.Faultf(sunset.Conflict, "the %s of %s is not in its snapshot; read the user again", c.Label(), h)
		}
	}
	if profile != nil && len(snap.User.Of(sunset.Password)) == 0 {
		return sunset.Faultf(sunset.Conflict, "the password of %s is not in its snapshot; read the user again", h)
	}
	for _, c := range live {
		if c.Status != sunset.Active {
			continue
		}
		if err := h.turn(ctx, c, sunset.Inactive); err != nil {
			return err
		}
	}
	if profile == nil {
		return nil
	}
	return h.deleteLoginProfile(ctx)
}

// switchable lists the credentials that have a switch: all but the password.
func (a *Account) switchable(ctx context.Context, name string) ([]sunset.Credential, error) {
	keys, err := a.accessKeys(ctx, name)
	if err != nil {
		return nil, err
	}
	ssh, err := a.sshKeys(ctx, name)
	if err != nil {
		return nil, err
	}
	certificates, _, err := a.certificates(ctx, name)
	if err != nil {
		return nil, err
	}
	service, err := a.serviceCredentials(ctx, name)
	if err != nil {
		return nil, err
	}
	return slices.Concat(keys, ssh, certificates, service), nil
}

// turn switches a credential to a status, Active or Inactive.
func (h *hand) turn(ctx context.Context, c sunset.Credential, to sunset.Status) error {
	action := map[sunset.CredentialKind]string{
		sunset.AccessKey: "iam:UpdateAccessKey", sunset.SSHKey: "iam:UpdateSSHPublicKey",
		sunset.SigningCertificate: "iam:UpdateSigningCertificate", sunset.ServiceCredential: "iam:UpdateServiceSpecificCredential",
	}[c.Kind]
	target := fmt.Sprintf("%s to %s", c.Label(), to)
	return h.change(ctx, action, target, fmt.Sprintf("making %s %s of", c.Label(), to), func(ctx context.Context) error {
		var err error
		switch c.Kind {
		case sunset.AccessKey:
			_, err = h.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &h.name, AccessKeyId: &c.ID, Status: awsStatus(to)})
		case sunset.SSHKey:
			_, err = h.iam.UpdateSSHPublicKey(ctx, &iam.UpdateSSHPublicKeyInput{UserName: &h.name, SSHPublicKeyId: &c.ID, Status: awsStatus(to)})
		case sunset.SigningCertificate:
			_, err = h.iam.UpdateSigningCertificate(ctx, &iam.UpdateSigningCertificateInput{UserName: &h.name, CertificateId: &c.ID, Status: awsStatus(to)})
		case sunset.ServiceCredential:
			_, err = h.iam.UpdateServiceSpecificCredential(ctx, &iam.UpdateServiceSpecificCredentialInput{
				UserName: &h.name, ServiceSpecificCredentialId: &c.ID, Status: awsStatus(to),
			})
		default:
			err = sunset.Faultf(sunset.Internal, "a %s has no switch", c.Kind)
		}
		return err
	})
}

func (h *hand) deleteLoginProfile(ctx context.Context) error {
	return h.remove(ctx, "iam:DeleteLoginProfile", "login profile", "deleting the login profile of", func(ctx context.Context) error {
		_, err := h.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: &h.name})
		return err
	})
}
