package fakeaws_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

const denyAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`

const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// TestNineThingsKeepAUserFromBeingDeleted gives a user one of everything over the wire and takes it away again; at
// each step DeleteUser names what is in the way.
func TestNineThingsKeepAUserFromBeingDeleted(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	ctx, c, name := t.Context(), w.iam, aws.String("ci.old+x@y")
	must := func(err error) {
		t.Helper()
		require.NoError(t, err)
	}
	created, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: name, Path: aws.String("/ci/"), Tags: []types.Tag{{Key: aws.String("owner"), Value: aws.String("ann")}}})
	must(err)
	require.Regexp(t, `^AIDA[A-Z2-7]{17}$`, *created.User.UserId)
	require.Equal(t, "arn:aws:iam::123456789012:user/ci/ci.old+x@y", *created.User.Arn)

	_, err = c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("builders")})
	must(err)
	_, err = c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("builders"), UserName: name})
	must(err)
	const readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String(readOnly)})
	must(err)
	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String("p"), PolicyDocument: aws.String(allowAll)})
	must(err)
	_, err = c.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: aws.String("Correct-horse-9")})
	must(err)
	key, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	must(err)
	require.Regexp(t, `^AKIA[A-Z2-7]{16}$`, *key.AccessKey.AccessKeyId)
	device, err := c.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: name})
	must(err)
	serial := device.VirtualMFADevice.SerialNumber
	_, err = c.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: name, SerialNumber: serial, AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("654321")})
	must(err)
	certificate, err := c.UploadSigningCertificate(ctx, &iam.UploadSigningCertificateInput{UserName: name, CertificateBody: aws.String("-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n")})
	must(err)
	ssh, err := c.UploadSSHPublicKey(ctx, &iam.UploadSSHPublicKeyInput{UserName: name, SSHPublicKeyBody: aws.String("ssh-rsa QUJDRA== me")})
	must(err)
	require.Regexp(t, `^APKA`, *ssh.SSHPublicKey.SSHPublicKeyId)
	require.Equal(t, "cb:08:ca:4a:7b:b5:f9:68:3c:19:13:3a:84:87:2c:a7", *ssh.SSHPublicKey.Fingerprint)
	git, err := c.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: name, ServiceName: aws.String("codecommit.amazonaws.com")})
	must(err)
	require.Regexp(t, `^ACCA`, *git.ServiceSpecificCredential.ServiceSpecificCredentialId)
	require.NotEmpty(t, *git.ServiceSpecificCredential.ServicePassword)

	steps := []struct {
		what string
		undo func() error
	}{
		{"remove users from group", func() error {
			_, err := c.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: aws.String("builders"), UserName: name})
			return err
		}},
		{"detach all policies", func() error {
			_, err := c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: aws.String(readOnly)})
			return err
		}},
		{"delete policies", func() error {
			_, err := c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: aws.String("p")})
			return err
		}},
		{"delete login profile", func() error {
			_, err := c.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name})
			return err
		}},
		{"delete access keys", func() error {
			_, err := c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: key.AccessKey.AccessKeyId})
			return err
		}},
		{"delete MFA device", func() error {
			_, err := c.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: name, SerialNumber: serial})
			return err
		}},
		{"delete certificates", func() error {
			_, err := c.DeleteSigningCertificate(ctx, &iam.DeleteSigningCertificateInput{UserName: name, CertificateId: certificate.Certificate.CertificateId})
			return err
		}},
		{"remove referenced objects", func() error {
			_, err := c.DeleteSSHPublicKey(ctx, &iam.DeleteSSHPublicKeyInput{UserName: name, SSHPublicKeyId: ssh.SSHPublicKey.SSHPublicKeyId})
			return err
		}},
		{"remove referenced objects", func() error {
			_, err := c.DeleteServiceSpecificCredential(ctx, &iam.DeleteServiceSpecificCredentialInput{UserName: name, ServiceSpecificCredentialId: git.ServiceSpecificCredential.ServiceSpecificCredentialId})
			return err
		}},
	}
	_, err = c.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: serial})
	refused(t, err, "DeleteConflict", "")
	for _, s := range steps {
		_, err := c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
		refused(t, err, "DeleteConflict", "Cannot delete entity, must "+s.what+" first.")
		require.NoError(t, s.undo(), s.what)
		require.Error(t, s.undo(), "%s twice", s.what)
	}
	_, err = c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	must(err)
	_, err = c.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: serial})
	must(err)
	_, err = c.GetUser(ctx, &iam.GetUserInput{UserName: name})
	refused(t, err, "NoSuchEntity", "The user with name ci.old+x@y cannot be found.")
	require.Equal(t, *created.User.UserId, w.DeletedUsers()[0].ID)

	again, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
	must(err)
	require.NotEqual(t, *created.User.UserId, *again.User.UserId)
}

func TestStatusesGoOnAndOff(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	u := w.add(t, fakeaws.UserSpec{
		Name: "x", CreatedAt: w.clock.Now().AddDate(-1, 0, 0),
		Keys: []fakeaws.AccessKeySpec{{}, {Status: "Inactive"}}, SSHKeys: []fakeaws.SSHKeySpec{{}}, Certificates: []fakeaws.CertificateSpec{{}},
		ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "bedrock.amazonaws.com"}},
		MFA:                []fakeaws.MFASpec{{Kind: "virtual"}, {Kind: "hardware"}, {Kind: "u2f"}},
	})
	ctx, name := t.Context(), aws.String("x")
	_, err := w.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: name, AccessKeyId: &u.Keys[0].AccessKeyID, Status: "Inactive"})
	require.NoError(t, err)
	_, err = w.iam.UpdateSSHPublicKey(ctx, &iam.UpdateSSHPublicKeyInput{UserName: name, SSHPublicKeyId: &u.SSHKeyIDs[0], Status: "Inactive"})
	require.NoError(t, err)
	_, err = w.iam.UpdateSigningCertificate(ctx, &iam.UpdateSigningCertificateInput{UserName: name, CertificateId: &u.CertificateIDs[0], Status: "Inactive"})
	require.NoError(t, err)
	_, err = w.iam.UpdateServiceSpecificCredential(ctx, &iam.UpdateServiceSpecificCredentialInput{UserName: name, ServiceSpecificCredentialId: &u.ServiceCredentialIDs[0], Status: "Inactive"})
	require.NoError(t, err)
	s, ok := w.User("x")
	require.True(t, ok)
	for _, k := range s.Keys {
		require.Equal(t, "Inactive", k.Status)
	}
	for _, items := range [][]fakeaws.ItemState{s.SSHKeys, s.Certificates, s.ServiceCredentials} {
		require.Equal(t, "Inactive", items[0].Status)
	}
	_, err = w.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: name, AccessKeyId: &u.Keys[0].AccessKeyID, Status: "Expired"})
	refused(t, err, "ValidationError", "")

	devices, err := w.iam.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: name})
	require.NoError(t, err)
	require.Len(t, devices.MFADevices, 3)
	require.ElementsMatch(t, u.MFASerials, []string{*devices.MFADevices[0].SerialNumber, *devices.MFADevices[1].SerialNumber, *devices.MFADevices[2].SerialNumber})
	all, err := w.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)})
	require.NoError(t, err)
	require.Equal(t, "bedrock.amazonaws.com", *all.ServiceSpecificCredentials[0].ServiceName)
}

func TestWhatIsNotThere(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	w.add(t, fakeaws.UserSpec{Name: "x"})
	ctx, name, missing := t.Context(), aws.String("x"), aws.String("nothing-here-at-all")
	c := w.iam
	for what, call := range map[string]func() error{
		"The user with name nothing-here-at-all cannot be found.": func() error {
			_, err := c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: missing})
			return err
		},
		"Login Profile for User x cannot be found.": func() error {
			_, err := c.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name})
			return err
		},
		"The Access Key with id nothing-here-at-all cannot be found.": func() error {
			_, err := c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: missing})
			return err
		},
		"The user policy with name nothing-here-at-all cannot be found.": func() error {
			_, err := c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: name, PolicyName: missing})
			return err
		},
		"Policy arn:aws:iam::aws:policy/Nope does not exist or is not attachable.": func() error {
			_, err := c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/Nope")})
			return err
		},
		"The group with name nothing-here-at-all cannot be found.": func() error {
			_, err := c.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: name, GroupName: missing})
			return err
		},
	} {
		refused(t, call(), "NoSuchEntity", what)
	}
	_, err := c.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: aws.String("AKIAAAAAAAAAAAAAAAAA")})
	refused(t, err, "AccessDenied", "")
	_, err = c.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
	refused(t, err, "EntityAlreadyExists", "User with name x already exists.")
	_, err = c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("a b")})
	refused(t, err, "ValidationError", "")
}

func TestQuotas(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	w.add(t, fakeaws.UserSpec{Name: "x", Keys: []fakeaws.AccessKeySpec{{}, {}}})
	ctx, name, c := t.Context(), aws.String("x"), w.iam
	_, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")

	for n := range 10 {
		document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Sid":"%d"}}`, n)
		_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String(w.AddPolicy(fmt.Sprint("p", n), document))})
		require.NoError(t, err)
		group := aws.String(fmt.Sprint("g", n))
		_, err = c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: group})
		require.NoError(t, err)
		_, err = c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: name, GroupName: group})
		require.NoError(t, err)
	}
	_, err = c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AWSDenyAll")})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
	w.AddGroup(fakeaws.GroupSpec{Name: "eleventh"})
	_, err = c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: name, GroupName: aws.String("eleventh")})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")

	put := func(policy, document string) error {
		_, err := c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: &policy, PolicyDocument: &document})
		return err
	}
	const shell = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:%s","Resource":"*"}]}`
	fixed := len(fmt.Sprintf(shell, ""))
	full := fmt.Sprintf(shell, strings.Repeat("a", 2048-70-fixed))
	require.NoError(t, put("big", strings.ReplaceAll(full, ",", ",\n   ")), "white space is free")
	refused(t, put("deny", denyAll), "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user x")
	require.NoError(t, put("big", full), "replacing itself")
	refused(t, put("bad", `{"Statement":[{"Effect":"Allow","Action":"s3:*"}]}`), "MalformedPolicyDocument", "")
}

func TestRename(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	u := w.add(t, fakeaws.UserSpec{Name: "old", Path: "/a/", MFA: []fakeaws.MFASpec{{}}})
	_, err := w.iam.UpdateUser(t.Context(), &iam.UpdateUserInput{UserName: aws.String("old"), NewUserName: aws.String("new")})
	require.NoError(t, err)
	_, ok := w.User("old")
	require.False(t, ok)
	got, err := w.iam.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("new")})
	require.NoError(t, err)
	require.Equal(t, u.ID, *got.User.UserId)
	require.Equal(t, "arn:aws:iam::123456789012:user/a/new", *got.User.Arn)
	devices, err := w.iam.ListVirtualMFADevices(t.Context(), &iam.ListVirtualMFADevicesInput{AssignmentStatus: types.AssignmentStatusTypeAssigned})
	require.NoError(t, err)
	require.Equal(t, "new", *devices.VirtualMFADevices[0].User.UserName)
}

// AWS's trap: a call without a user name acts on the caller.
func TestNoNameIsTheCaller(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	u := w.add(t, fakeaws.UserSpec{Name: "me", Keys: []fakeaws.AccessKeySpec{{}}, Inline: map[string]string{"all": allowAll}})
	mine := w.as(u.Keys[0])
	got, err := mine.GetUser(t.Context(), &iam.GetUserInput{})
	require.NoError(t, err)
	require.Equal(t, "me", *got.User.UserName)
	_, err = mine.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{AccessKeyId: &u.Keys[0].AccessKeyID, Status: "Inactive"})
	require.NoError(t, err)
	_, err = mine.GetUser(t.Context(), &iam.GetUserInput{})
	refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
	_, err = w.iam.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{})
	refused(t, err, "ValidationError", "Must specify userName when calling with non-User credentials")
}

func TestNamesJustDeletedCanBeHeldBack(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{NameReuse: 10 * time.Second})
	w.add(t, fakeaws.UserSpec{Name: "x"})
	_, err := w.iam.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("x")})
	require.NoError(t, err)
	_, err = w.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("x")})
	refused(t, err, "EntityTemporarilyUnmodifiable", "")
	w.clock.pass(10 * time.Second)
	_, err = w.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("x")})
	require.NoError(t, err)
}

func TestReadsCanLag(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{IAMLag: 5 * time.Second})
	w.add(t, fakeaws.UserSpec{Name: "x"})
	w.clock.pass(time.Minute)
	_, err := w.iam.TagUser(t.Context(), &iam.TagUserInput{UserName: aws.String("x"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	require.NoError(t, err)
	tags := func() int {
		out, err := w.iam.ListUserTags(t.Context(), &iam.ListUserTagsInput{UserName: aws.String("x")})
		require.NoError(t, err)
		return len(out.Tags)
	}
	require.Zero(t, tags())
	w.clock.pass(5 * time.Second)
	require.Equal(t, 1, tags())
}
