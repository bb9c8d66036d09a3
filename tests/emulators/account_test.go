//go:build emulators

package emulators

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// emulated is an account that an emulator pretends to have, for the product's own adapters to work on over HTTP.
type emulated struct {
	url string
	key string // access key id by which the emulator knows the account
	// lacks are IAM's reads of kinds of artifacts that it doesn't have.
	lacks []string
	// regions says that it has the account's regions, and their CloudTrail.
	regions bool
	// hardware says that it takes an MFA device that it hasn't made.
	hardware bool
	// opaque says that its UserIds don't look like AWS's.
	opaque bool
}

// artifacts are all that a user has, each as "kind id" with what matters of it.
type artifacts map[string]string

const allowS3 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`

// asAccount has the product's adapters work on an account that an emulator pretends to have.
func asAccount(t *testing.T, e emulated) {
	t.Run("as an account", func(t *testing.T) {
		t.Parallel()
		t.Run("what it lacks is unknown", func(t *testing.T) { unknowns(t, e) })
		t.Run("what names a user is found", func(t *testing.T) { named(t, e) })
		t.Run("users go and come back", func(t *testing.T) { goAndComeBack(t, e) })
	})
}

// goAndComeBack has users with all that an emulator can hold disabled, restored and deleted, in both ways to disable.
func goAndComeBack(t *testing.T, e emulated) {
	c := iam.NewFromConfig(configAt(e.url, e.key))
	// Where it has no such kind, AWS would give an empty list.
	ins := map[string]standIn{}
	for _, action := range e.lacks {
		ins[action] = nothing(action)
	}
	front, asked := inFrontOf(t, e.url, ins)
	sunsets, unaided := iamaccount.New(configAt(front, e.key), clock.Wall{}), iamaccount.New(configAt(e.url, e.key), clock.Wall{})
	for _, how := range []sunset.DisableHow{sunset.ByQuarantine, sunset.ByDeactivation} {
		t.Run(string(how), func(t *testing.T) {
			name, other := "leaver-"+string(how), "stayer-"+string(how)
			e.furnish(t, c, name)
			e.furnish(t, c, other)
			before, others := e.artifacts(t, c, name), e.artifacts(t, c, other)
			id := before["user "+name]
			require.NotEmpty(t, id)
			require.Equal(t, e.opaque, !strings.HasPrefix(id, "AIDA"), id)
			require.NotEqual(t, id, others["user "+other])

			snap, err := sunsets.Snapshot(t.Context(), "spring-"+id, e.key, id, name)
			require.NoError(t, err)
			require.Equal(t, allowS3, compact(t, snap.InlineDocuments["uploads"]))
			var changes []iamaccount.Change
			record := func(_ context.Context, c iamaccount.Change) error {
				changes = append(changes, c)
				return nil
			}
			q, err := sunsets.Quarantine(t.Context(), snap, how, record)
			require.NoError(t, err)
			require.Equal(t, map[sunset.DisableHow]sunset.Method{sunset.ByQuarantine: sunset.InlineDeny, sunset.ByDeactivation: sunset.Deactivation}[how], q.Method)
			u, found, err := sunsets.Find(t.Context(), id, name)
			require.NoError(t, err)
			require.True(t, found)
			there, err := sunsets.DenyInPlace(t.Context(), u, q)
			require.NoError(t, err)
			require.True(t, there)
			disabled := e.artifacts(t, c, name)
			require.JSONEq(t, sunset.DenyDocument, disabled["inline "+sunset.DenyPolicyName])
			require.Equal(t, snap.CaseID, disabled["tag "+sunset.TagCase])
			expected := maps.Clone(before)
			expected["inline "+sunset.DenyPolicyName], expected["tag "+sunset.TagCase] = disabled["inline "+sunset.DenyPolicyName], snap.CaseID
			restored := maps.Clone(before)
			if how == sunset.ByDeactivation {
				delete(expected, "password")
				delete(restored, "password")
				for k, status := range before {
					if status == "Active" {
						expected[k] = "Inactive"
					}
				}
			}
			require.Equal(t, expected, disabled)

			report, err := sunsets.Restore(t.Context(), snap, &q, record)
			require.NoError(t, err)
			require.Empty(t, report.Differences)
			require.Equal(t, how == sunset.ByDeactivation, report.Lost != "")
			require.Equal(t, restored, e.artifacts(t, c, name))

			q, err = sunsets.Quarantine(t.Context(), snap, how, record)
			require.NoError(t, err)
			// A snapshot comes before the first change, and this look before a deletion: neither has gaps.
			_, err = unaided.Snapshot(t.Context(), "summer-"+id, e.key, id, name)
			require.Contains(t, e.lacks, strings.TrimPrefix(sunset.ActionOf(err), "iam:"), "%v", err)
			_, _, err = unaided.Find(t.Context(), id, name)
			require.Contains(t, e.lacks, strings.TrimPrefix(sunset.ActionOf(err), "iam:"), "%v", err)
			require.NoError(t, sunsets.Delete(t.Context(), snap, q, record))
			left, err := sunsets.Leftovers(t.Context(), snap)
			require.NoError(t, err)
			require.Empty(t, left)
			require.Empty(t, e.artifacts(t, c, name))
			require.Equal(t, others, e.artifacts(t, c, other), "somebody else's things")
			require.NoError(t, sunsets.Delete(t.Context(), snap, q, record), "a second run finds nothing to do")
			for _, x := range changes {
				require.NotEqual(t, iamaccount.Failed, x.Phase, "%s %s: %v", x.Action, x.Target, x.Err)
			}
		})
	}
	for _, action := range e.lacks {
		require.Contains(t, asked(), action, "its stand-in is not needed")
	}
}

// furnish makes a user with everything that the emulator can hold, each of two statuses where there are two.
func (e emulated) furnish(t *testing.T, c *iam.Client, name string) {
	t.Helper()
	ctx := t.Context()
	boundary, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("boundary-of-" + name), PolicyDocument: aws.String(allowS3)})
	require.NoError(t, err)
	managed, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("managed-of-" + name), PolicyDocument: aws.String(allowS3)})
	require.NoError(t, err)
	_, err = c.CreateUser(ctx, &iam.CreateUserInput{
		UserName: &name, Path: aws.String("/ci/"), PermissionsBoundary: boundary.Policy.Arn, Tags: []types.Tag{{Key: aws.String("owner"), Value: aws.String(owner)}},
	})
	require.NoError(t, err)
	for _, group := range []string{"devs-of-" + name, "ops-of-" + name} {
		_, err = c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &group})
		require.NoError(t, err)
		_, err = c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: &group, UserName: &name})
		require.NoError(t, err)
	}
	_, err = c.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: &name, Password: aws.String("Correct-Horse-9-Battery")})
	require.NoError(t, err)
	for i := range 2 {
		made, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
		require.NoError(t, err)
		if i == 1 {
			_, err = c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &name, AccessKeyId: made.AccessKey.AccessKeyId, Status: types.StatusTypeInactive})
			require.NoError(t, err)
		}
	}
	device, err := c.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("phone-of-" + name)})
	require.NoError(t, err)
	serials := []string{aws.ToString(device.VirtualMFADevice.SerialNumber)}
	if e.hardware {
		serials = append(serials, fmt.Sprintf("GAHT%08X", crc32.ChecksumIEEE([]byte(name))))
	}
	for _, serial := range serials {
		_, err = c.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: &name, SerialNumber: &serial, AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("654321")})
		require.NoError(t, err, serial)
	}
	// A spare one of the user's name, which nobody has.
	_, err = c.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name})
	require.NoError(t, err)
	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("uploads"), PolicyDocument: aws.String(allowS3)})
	require.NoError(t, err)
	_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: managed.Policy.Arn})
	require.NoError(t, err)
	if !slices.Contains(e.lacks, "ListSSHPublicKeys") {
		for _, status := range []types.StatusType{types.StatusTypeActive, types.StatusTypeInactive} {
			made, err := c.UploadSSHPublicKey(ctx, &iam.UploadSSHPublicKeyInput{UserName: &name, SSHPublicKeyBody: aws.String(sshKey(t))})
			require.NoError(t, err)
			_, err = c.UpdateSSHPublicKey(ctx, &iam.UpdateSSHPublicKeyInput{UserName: &name, SSHPublicKeyId: made.SSHPublicKey.SSHPublicKeyId, Status: status})
			require.NoError(t, err)
		}
	}
	if !slices.Contains(e.lacks, "ListSigningCertificates") {
		for _, status := range []types.StatusType{types.StatusTypeActive, types.StatusTypeInactive} {
			made, err := c.UploadSigningCertificate(ctx, &iam.UploadSigningCertificateInput{UserName: &name, CertificateBody: aws.String(certificate(t))})
			require.NoError(t, err)
			_, err = c.UpdateSigningCertificate(ctx, &iam.UpdateSigningCertificateInput{UserName: &name, CertificateId: made.Certificate.CertificateId, Status: status})
			require.NoError(t, err)
		}
	}
	if !slices.Contains(e.lacks, "ListServiceSpecificCredentials") {
		t.Fatal("the emulator has service-specific credentials now: give its users some")
	}
}

// sshKey is the public half of a new key, in OpenSSH's form.
func sshKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	field := func(b []byte) []byte {
		return append([]byte{byte(len(b) >> 24), byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}, b...)
	}
	number := func(n *big.Int) []byte { return field(append([]byte{0}, n.Bytes()...)) }
	blob := slices.Concat(field([]byte("ssh-rsa")), field(big.NewInt(int64(key.E)).Bytes()), number(key.N))
	return "ssh-rsa " + base64.StdEncoding.EncodeToString(blob)
}

// certificate is a new one that signed itself, as PEM.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	form := x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "of an emulator's user"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, &form, &form, &key.PublicKey, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// absent reports whether an emulator says that the user, or what was asked about it, is not there.
func absent(t *testing.T, err error) bool {
	t.Helper()
	var api smithy.APIError
	if err == nil {
		return false
	}
	require.ErrorAs(t, err, &api)
	require.Equal(t, "NoSuchEntity", api.ErrorCode(), err)
	return true
}
