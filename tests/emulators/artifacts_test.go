//go:build emulators

package emulators

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/require"
)

// artifacts lists, with a client of its own and past the product, all that an account has of a user: empty where there is
// nothing of it any more. What others keep for it, its groups and managed policies, is not listed, only that it has them.
func (e emulated) artifacts(t *testing.T, c *iam.Client, name string) artifacts {
	t.Helper()
	ctx, out := t.Context(), artifacts{}
	document := func(d *string) string {
		text, err := url.QueryUnescape(aws.ToString(d))
		require.NoError(t, err)
		return compact(t, text)
	}
	user, err := c.GetUser(ctx, &iam.GetUserInput{UserName: &name})
	if !absent(t, err) {
		out["user "+name] = aws.ToString(user.User.UserId)
		out["path"] = aws.ToString(user.User.Path)
		if user.User.PermissionsBoundary != nil {
			out["boundary"] = aws.ToString(user.User.PermissionsBoundary.PermissionsBoundaryArn)
		}
		for _, tag := range user.User.Tags {
			out["tag "+aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
	}
	if profile, err := c.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: &name}); !absent(t, err) {
		out["password"] = profile.LoginProfile.CreateDate.String()
	}
	if keys, err := c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &name}); !absent(t, err) {
		for _, k := range keys.AccessKeyMetadata {
			out["key "+aws.ToString(k.AccessKeyId)] = string(k.Status)
		}
	}
	if devices, err := c.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: &name}); !absent(t, err) {
		for _, d := range devices.MFADevices {
			out["mfa "+aws.ToString(d.SerialNumber)] = "assigned"
		}
	}
	virtual, err := c.ListVirtualMFADevices(ctx, &iam.ListVirtualMFADevicesInput{AssignmentStatus: types.AssignmentStatusTypeAny})
	require.NoError(t, err)
	for _, d := range virtual.VirtualMFADevices {
		if serial := aws.ToString(d.SerialNumber); strings.HasSuffix(serial, "/"+name) || strings.HasSuffix(serial, "-"+name) {
			out["virtual "+serial] = "there"
		}
	}
	if !slices.Contains(e.lacks, "ListSSHPublicKeys") {
		if keys, err := c.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: &name}); !absent(t, err) {
			for _, k := range keys.SSHPublicKeys {
				out["ssh "+aws.ToString(k.SSHPublicKeyId)] = string(k.Status)
			}
		}
	}
	if !slices.Contains(e.lacks, "ListSigningCertificates") {
		if all, err := c.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: &name}); !absent(t, err) {
			for _, x := range all.Certificates {
				out["certificate "+aws.ToString(x.CertificateId)] = string(x.Status)
			}
		}
	}
	if policies, err := c.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: &name}); !absent(t, err) {
		for _, policy := range policies.PolicyNames {
			got, err := c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &name, PolicyName: &policy})
			require.NoError(t, err)
			out["inline "+policy] = document(got.PolicyDocument)
		}
	}
	if attached, err := c.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: &name}); !absent(t, err) {
		for _, p := range attached.AttachedPolicies {
			out["attached "+aws.ToString(p.PolicyArn)] = "there"
		}
	}
	for _, group := range []string{"devs-of-" + name, "ops-of-" + name} {
		members, err := c.GetGroup(ctx, &iam.GetGroupInput{GroupName: &group})
		require.NoError(t, err, "a group outlives its members")
		for _, u := range members.Users {
			if aws.ToString(u.UserName) == name {
				out["group "+group] = "member"
			}
		}
	}
	for _, policy := range []string{"managed-of-", "boundary-of-"} {
		_, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::" + e.key + ":policy/" + policy + name)})
		require.NoError(t, err, "a managed policy outlives whom it was attached to")
	}
	return out
}

// compact is a JSON document without white space.
func compact(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Compact(&b, []byte(text)), text)
	return b.String()
}
