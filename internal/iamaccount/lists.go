package iamaccount

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Each function here is one of IAM's reads, whole. Those about a user take a name that their caller has just pinned.

func (a *Account) getUser(ctx context.Context, name string) (*types.User, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	out, err := a.iam.GetUser(ctx, &iam.GetUserInput{UserName: &name})
	if err != nil {
		return nil, awsfault.Wrap(err, "iam:GetUser", "reading user %s", name)
	}
	if out.User == nil || aws.ToString(out.User.UserId) == "" || aws.ToString(out.User.UserName) == "" || out.User.CreateDate == nil {
		return nil, lacking("iam:GetUser", "user "+name, "UserId, UserName or CreateDate")
	}
	return out.User, nil
}

func (a *Account) accessKeys(ctx context.Context, name string) ([]sunset.Credential, error) {
	const action = "iam:ListAccessKeys"
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	var keys []sunset.Credential
	err := readPages(action, "access keys of user "+name, func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, k := range out.AccessKeyMetadata {
			keys = append(keys, credential(sunset.AccessKey, k.AccessKeyId, k.Status, k.CreateDate))
		}
		return out.IsTruncated, out.Marker, nil
	})
	return sorted(keys), err
}

// lastUsed completes an access key by its last use. No date means never. A key that is not there answers AccessDenied.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
func (a *Account) lastUsed(ctx context.Context, name string, key *sunset.Credential) error {
	const action = "iam:GetAccessKeyLastUsed"
	out, err := a.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key.ID})
	if err != nil {
		return awsfault.Wrap(err, action, "reading the last use of access key %s of user %s", key.ID, name)
	}
	used := out.AccessKeyLastUsed
	if used == nil {
		return lacking(action, "the last use of access key "+key.ID+" of user "+name, "AccessKeyLastUsed")
	}
	if used.LastUsedDate == nil {
		return nil
	}
	t := used.LastUsedDate.UTC()
	key.LastUsed, key.Service, key.Region = &t, known(aws.ToString(used.ServiceName)), known(aws.ToString(used.Region))
	return nil
}

// loginProfile is nil where the user has no password.
func (a *Account) loginProfile(ctx context.Context, name string) (*types.LoginProfile, error) {
	const action = "iam:GetLoginProfile"
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	out, err := a.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: &name})
	switch {
	case awsfault.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, awsfault.Wrap(err, action, "reading the login profile of user %s", name)
	case out.LoginProfile == nil:
		return nil, lacking(action, "the login profile of user "+name, "LoginProfile")
	}
	return out.LoginProfile, nil
}

func (a *Account) sshKeys(ctx context.Context, name string) ([]sunset.Credential, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	var keys []sunset.Credential
	err := readPages("iam:ListSSHPublicKeys", "SSH keys of user "+name, func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, k := range out.SSHPublicKeys {
			keys = append(keys, credential(sunset.SSHKey, k.SSHPublicKeyId, k.Status, k.UploadDate))
		}
		return out.IsTruncated, out.Marker, nil
	})
	return sorted(keys), err
}

// certificates gives the signing certificates and their bodies by id.
func (a *Account) certificates(ctx context.Context, name string) ([]sunset.Credential, map[string]string, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, nil, err
	}
	var certificates []sunset.Credential
	bodies := map[string]string{}
	err := readPages("iam:ListSigningCertificates", "signing certificates of user "+name, func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, c := range out.Certificates {
			certificates = append(certificates, credential(sunset.SigningCertificate, c.CertificateId, c.Status, c.UploadDate))
			bodies[aws.ToString(c.CertificateId)] = aws.ToString(c.CertificateBody)
		}
		return out.IsTruncated, out.Marker, nil
	})
	return sorted(certificates), bodies, err
}

func (a *Account) serviceCredentials(ctx context.Context, name string) ([]sunset.Credential, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	var found []sunset.Credential
	err := readPages("iam:ListServiceSpecificCredentials", "service-specific credentials of user "+name, func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, c := range out.ServiceSpecificCredentials {
			found = append(found, serviceCredential(c))
		}
		return out.IsTruncated, out.Marker, nil
	})
	return sorted(found), err
}

func serviceCredential(m types.ServiceSpecificCredentialMetadata) sunset.Credential {
	c := credential(sunset.ServiceCredential, m.ServiceSpecificCredentialId, m.Status, m.CreateDate)
	c.Service = aws.ToString(m.ServiceName)
	return c
}

func (a *Account) mfaDevices(ctx context.Context, name string) ([]sunset.MFADevice, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	var devices []sunset.MFADevice
	err := readPages("iam:ListMFADevices", "MFA devices of user "+name, func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, d := range out.MFADevices {
			devices = append(devices, mfaDevice(d.SerialNumber, d.EnableDate))
		}
		return out.IsTruncated, out.Marker, nil
	})
	slices.SortFunc(devices, func(x, y sunset.MFADevice) int { return cmp.Compare(x.Serial, y.Serial) })
	return devices, err
}

func mfaDevice(serial *string, enabled *time.Time) sunset.MFADevice {
	s := aws.ToString(serial)
	return sunset.MFADevice{Serial: s, Kind: sunset.MFAKindOf(s), Enabled: aws.ToTime(enabled).UTC()}
}

// virtualMFA gives the account's virtual devices in the given state, whoever has them.
func (a *Account) virtualMFA(ctx context.Context, status types.AssignmentStatusType) ([]types.VirtualMFADevice, error) {
	var devices []types.VirtualMFADevice
	err := readPages("iam:ListVirtualMFADevices", "virtual MFA devices", func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListVirtualMFADevices(ctx, &iam.ListVirtualMFADevicesInput{
			AssignmentStatus: status, Marker: marker, MaxItems: aws.Int32(1000),
		})
		if err != nil {
			return false, nil, err
		}
		devices = append(devices, out.VirtualMFADevices...)
		return out.IsTruncated, out.Marker, nil
	})
	return devices, err
}

// spareMFA gives the serials of virtual devices of the user's name that nobody has: the console makes one before a
// person proves to hold it, and leaves it behind when they never do.
func (a *Account) spareMFA(ctx context.Context, name string) ([]string, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	serials, err := a.unassigned(ctx)
	return slices.DeleteFunc(serials, func(serial string) bool { return !isSpareOf(serial, name) }), err
}

func isSpareOf(serial, name string) bool {
	return name != "" && strings.HasSuffix(serial, ":mfa/"+name)
}

func (a *Account) groups(ctx context.Context, name string) ([]string, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	var names []string
	err := readPages("iam:ListGroupsForUser", "groups of user "+name, func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, g := range out.Groups {
			names = append(names, aws.ToString(g.GroupName))
		}
		return out.IsTruncated, out.Marker, nil
	})
	slices.Sort(names)
	return names, err
}

func (a *Account) inlinePolicies(ctx context.Context, name string) ([]string, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	var names []string
	err := readPages("iam:ListUserPolicies", "inline policies of user "+name, func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		names = append(names, out.PolicyNames...)
		return out.IsTruncated, out.Marker, nil
	})
	slices.Sort(names)
	return names, err
}

// inlineDocument reads one inline policy. found is false where the user has none of that name.
func (a *Account) inlineDocument(ctx context.Context, name, policy string) (document string, found bool, err error) {
	const action = "iam:GetUserPolicy"
	if err := sunset.ValidUserName(name); err != nil {
		return "", false, err
	}
	out, err := a.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &name, PolicyName: &policy})
	switch {
	case awsfault.IsNotFound(err):
		return "", false, nil
	case err != nil:
		return "", false, awsfault.Wrap(err, action, "reading the inline policy %s of user %s", policy, name)
	}
	document, err = decoded(out.PolicyDocument, action, "the inline policy "+policy+" of user "+name)
	return document, err == nil, err
}

// decoded undoes the encoding (RFC 3986: a plus stays a plus) in which IAM sends policy documents.
func decoded(document *string, action, what string) (string, error) {
	text, err := url.PathUnescape(aws.ToString(document))
	if err != nil || text == "" {
		return "", lacking(action, what, "readable policy document")
	}
	return text, nil
}

func (a *Account) attachedPolicies(ctx context.Context, name string) ([]string, error) {
	if err := sunset.ValidUserName(name); err != nil {
		return nil, err
	}
	var arns []string
	err := readPages("iam:ListAttachedUserPolicies", "attached policies of user "+name, func(marker *string) (bool, *string, error) {
		out, err := a.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, p := range out.AttachedPolicies {
			arns = append(arns, aws.ToString(p.PolicyArn))
		}
		return out.IsTruncated, out.Marker, nil
	})
	slices.Sort(arns)
	return arns, err
}

func credential(kind sunset.CredentialKind, id *string, status types.StatusType, made *time.Time) sunset.Credential {
	return sunset.Credential{Kind: kind, ID: aws.ToString(id), Status: sunset.Status(status), Created: aws.ToTime(made).UTC()}
}

func sorted(cs []sunset.Credential) []sunset.Credential {
	slices.SortFunc(cs, func(x, y sunset.Credential) int { return cmp.Compare(x.ID, y.ID) })
	return cs
}
