//go:build emulators

package peers

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

const (
	readOnly  = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	powerUser = "arn:aws:iam::aws:policy/PowerUserAccess"
)

// newAccount is a fake account on a port, in real time, as `iam-sunset fake-account` serves it.
func newAccount(t *testing.T) (*fakeaws.Account, cli) {
	t.Helper()
	a := fakeaws.New(fakeaws.Config{Seed: 7})
	a.SetDeliveryDelay(0)
	s, err := a.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	t.Cleanup(func() { require.Empty(t, a.UnknownCalls()) })
	return a, newCLI(t, s.URL, a.Administrator())
}

// artifact is something that a user has: how it is listed, which of DeleteUser's refusals it causes, and what takes it away.
type artifact struct {
	what    string
	listed  []string // a command, and last its query
	refusal string
	remove  []string
}

// lists reports whether an artifact is there, as the CLI shows it.
func (c cli) lists(x artifact) bool {
	c.t.Helper()
	last := len(x.listed) - 1
	stdout, stderr, status := c.run(append(x.listed[:last:last], "--query", x.listed[last], "--output", "text"))
	if strings.Contains(stderr, "(NoSuchEntity)") {
		return false
	}
	require.Zero(c.t, status, stderr)
	return !slices.Contains([]string{"", "None"}, strings.TrimSpace(stdout))
}

// TestTheWholeLifeOfAUser is lived by commands alone: everything that a user can have is made, listed, refuses the deletion in
// AWS's words, and is taken away.
func TestTheWholeLifeOfAUser(t *testing.T) {
	t.Parallel()
	a, aws := newAccount(t)
	const name = "ci.old+x@example.com"
	user := []string{"--user-name", name}
	iam := func(command string, more ...string) []string {
		return append(append([]string{"iam", command}, user...), more...)
	}

	id := aws.text("User.UserId", iam("create-user", "--path", "/ci/", "--tags", "Key=owner,Value=ann")...)
	require.Regexp(t, `^AIDA[A-Z2-7]{17}$`, id)
	aws.refused("EntityAlreadyExists", "CreateUser", "User with name "+name+" already exists.", iam("create-user")...)
	all := aws.giveEverything(t, iam)

	// All is listed back.
	for _, x := range all {
		require.True(t, aws.lists(x), x.what)
	}
	type tags struct{ Tags []struct{ Key, Value string } }
	require.Len(t, asks[tags](aws, iam("list-user-tags")...).Tags, 2)
	require.Equal(t, powerUser, aws.text("User.PermissionsBoundary.PermissionsBoundaryArn", iam("get-user")...))
	require.Equal(t, "s3:Get*", aws.text("PolicyDocument.Statement[0].Action", iam("get-user-policy", "--policy-name", "own")...), "the CLI decodes the document")
	require.Equal(t, name, aws.text("LoginProfile.UserName", iam("get-login-profile")...))
	details := aws.text("UserDetailList[?UserId=='"+id+"'].[GroupList[0],AttachedManagedPolicies[0].PolicyArn,UserPolicyList[0].PolicyName] | [0]",
		"iam", "get-account-authorization-details", "--filter", "User")
	require.Equal(t, []string{"builders", readOnly, "own"}, strings.Fields(details))
	require.Equal(t, name, aws.text("Users[0].UserName", "iam", "list-users", "--path-prefix", "/ci/"))

	// What is in use refuses to go, and so does the user, for each of nine reasons.
	serial := aws.text("MFADevices[0].SerialNumber", iam("list-mfa-devices")...)
	aws.refused("DeleteConflict", "DeleteVirtualMFADevice", "", "iam", "delete-virtual-mfa-device", "--serial-number", serial)
	require.Len(t, all, 9)
	for _, x := range all {
		aws.refused("DeleteConflict", "DeleteUser", "Cannot delete entity, must "+x.refusal+" first.", iam("delete-user")...)
		aws.does(x.remove...)
		require.False(t, aws.lists(x), x.what)
	}
	aws.refused("NoSuchEntity", "DeleteLoginProfile", "", iam("delete-login-profile")...)

	// Tags and a boundary go with the user; the device does not.
	aws.does(iam("delete-user")...)
	aws.refused("NoSuchEntity", "GetUser", "The user with name "+name+" cannot be found.", iam("get-user")...)
	aws.refused("NoSuchEntity", "DeleteUser", "The user with name "+name+" cannot be found.", iam("delete-user")...)
	require.Equal(t, []string{serial}, a.VirtualMFADevices())
	require.Equal(t, serial, aws.text("VirtualMFADevices[].SerialNumber", "iam", "list-virtual-mfa-devices", "--assignment-status", "Unassigned"))
	aws.does("iam", "delete-virtual-mfa-device", "--serial-number", serial)
	require.Empty(t, a.VirtualMFADevices())
	require.Equal(t, id, a.DeletedUsers()[0].ID)
	require.NotEqual(t, id, aws.text("User.UserId", iam("create-user")...), "who bears the name now is somebody else")

	// CloudTrail tells what the CLI did, of which user, and what it was refused.
	type trail struct {
		Events []struct{ EventName, CloudTrailEvent string }
	}
	told := map[string]int{}
	for _, e := range asks[trail](aws, "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=ResourceName,AttributeValue="+name).Events {
		var event struct{ UserAgent, ErrorCode string }
		require.NoError(t, json.Unmarshal([]byte(e.CloudTrailEvent), &event))
		require.Contains(t, event.UserAgent, "aws-cli")
		told[strings.TrimSpace(e.EventName+" "+event.ErrorCode)]++
	}
	for event, times := range map[string]int{
		"CreateUser": 2, "CreateUser EntityAlreadyExists": 1, "DeleteUser": 1, "DeleteUser DeleteConflict": 9, "DeleteUser NoSuchEntity": 1,
		"CreateLoginProfile": 1, "DeleteLoginProfile": 1, "DeleteLoginProfile NoSuchEntity": 1, "EnableMFADevice": 1, "DeactivateMFADevice": 1,
		"PutUserPermissionsBoundary": 1, "GetUser": 1, "GetUser NoSuchEntity": 1,
	} {
		require.Equal(t, times, told[event], "%s among %v", event, told)
	}
}

// giveEverything makes everything that a user can have, in the order in which DeleteUser names it.
func (c cli) giveEverything(t *testing.T, iam func(command string, more ...string) []string) []artifact {
	t.Helper()
	file := func(name, text string) string {
		path := filepath.Join(c.dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return "file://" + path
	}
	c.does("iam", "create-group", "--group-name", "builders")
	c.does(iam("add-user-to-group", "--group-name", "builders")...)
	c.does(iam("attach-user-policy", "--policy-arn", readOnly)...)
	c.does(iam("put-user-policy", "--policy-name", "own", "--policy-document",
		file("policy.json", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`))...)
	c.does(iam("create-login-profile", "--password", "Correct-horse-9", "--password-reset-required")...)
	key := c.text("AccessKey.AccessKeyId", iam("create-access-key")...)
	require.Regexp(t, `^AKIA[A-Z2-7]{16}$`, key)
	c.does(iam("update-access-key", "--access-key-id", key, "--status", "Inactive")...)
	require.Equal(t, "Inactive", c.text("AccessKeyMetadata[0].Status", iam("list-access-keys")...))

	seed := filepath.Join(c.dir, "seed")
	serial := c.text("VirtualMFADevice.SerialNumber", "iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", "ci.old",
		"--bootstrap-method", "Base32StringSeed", "--outfile", seed)
	written, err := os.ReadFile(seed)
	require.NoError(t, err)
	require.Len(t, written, 64, "the CLI decodes the seed")
	c.refused("InvalidAuthenticationCode", "EnableMFADevice", "", iam("enable-mfa-device", "--serial-number", serial,
		"--authentication-code1", "111111", "--authentication-code2", "111111")...)
	c.does(iam("enable-mfa-device", "--serial-number", serial, "--authentication-code1", "123456", "--authentication-code2", "654321")...)

	certificate := c.text("Certificate.CertificateId", iam("upload-signing-certificate", "--certificate-body",
		file("certificate.pem", "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"))...)
	ssh := c.text("SSHPublicKey.SSHPublicKeyId", iam("upload-ssh-public-key", "--ssh-public-key-body",
		file("key.pub", "ssh-rsa "+base64.StdEncoding.EncodeToString([]byte("a key"))+" me"))...)
	require.Regexp(t, `^APKA`, ssh)
	git := c.text("ServiceSpecificCredential.ServiceSpecificCredentialId", iam("create-service-specific-credential", "--service-name", "codecommit.amazonaws.com")...)
	require.Regexp(t, `^ACCA`, git)
	for _, off := range [][]string{
		{"update-ssh-public-key", "--ssh-public-key-id", ssh, "list-ssh-public-keys", "SSHPublicKeys[].Status"},
		{"update-signing-certificate", "--certificate-id", certificate, "list-signing-certificates", "Certificates[].Status"},
		{"update-service-specific-credential", "--service-specific-credential-id", git, "list-service-specific-credentials", "ServiceSpecificCredentials[].Status"},
	} {
		c.does(iam(off[0], off[1], off[2], "--status", "Inactive")...)
		require.Equal(t, "Inactive", c.text(off[4], iam(off[3])...))
	}
	c.does(iam("tag-user", "--tags", "Key=team,Value=platform")...)
	c.does(iam("put-user-permissions-boundary", "--permissions-boundary", powerUser)...)

	return []artifact{
		{"group", iam("list-groups-for-user", "Groups[].GroupName"), "remove users from group", iam("remove-user-from-group", "--group-name", "builders")},
		{"managed policy", iam("list-attached-user-policies", "AttachedPolicies[].PolicyArn"), "detach all policies", iam("detach-user-policy", "--policy-arn", readOnly)},
		{"inline policy", iam("list-user-policies", "PolicyNames[]"), "delete policies", iam("delete-user-policy", "--policy-name", "own")},
		{"password", iam("get-login-profile", "LoginProfile.UserName"), "delete login profile", iam("delete-login-profile")},
		{"access key", iam("list-access-keys", "AccessKeyMetadata[].AccessKeyId"), "delete access keys", iam("delete-access-key", "--access-key-id", key)},
		{"MFA device", iam("list-mfa-devices", "MFADevices[].SerialNumber"), "delete MFA device", iam("deactivate-mfa-device", "--serial-number", serial)},
		{"signing certificate", iam("list-signing-certificates", "Certificates[].CertificateId"), "delete certificates", iam("delete-signing-certificate", "--certificate-id", certificate)},
		{"SSH key", iam("list-ssh-public-keys", "SSHPublicKeys[].SSHPublicKeyId"), "remove referenced objects", iam("delete-ssh-public-key", "--ssh-public-key-id", ssh)},
		{
			"service-specific credential", iam("list-service-specific-credentials", "ServiceSpecificCredentials[].ServiceSpecificCredentialId"),
			"remove referenced objects", iam("delete-service-specific-credential", "--service-specific-credential-id", git),
		},
	}
}
