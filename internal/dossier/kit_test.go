package dossier

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestQuotedMeansWhatItSays(t *testing.T) {
	for in, out := range map[string]string{
		`plain`:                      `"plain"`,
		`say "hi" \ back`:            `"say \"hi\" \\ back"`,
		"a\nb\tc\rd":                 `"a\nb\tc\rd"`,
		`${aws:username}`:            `"$${aws:username}"`,
		`%{if}`:                      `"%%{if}"`,
		`$${x}`:                      `"\u0024\u0024{x}"`,
		`%%%{x}`:                     `"\u0025\u0025\u0025{x}"`,
		`$ {x} 5% {y} $`:             `"$ {x} 5% {y} $"`,
		"\u202ebidi\u0000\u2028":     `"\u202ebidi\u0000\u2028"`,
		`{"Resource":"a/${b}/%{c}"}`: `"{\"Resource\":\"a/$${b}/%%{c}\"}"`,
	} {
		require.Equal(t, out, quoted(in), in)
	}
}

// awkward is a user with whatever quoting could get wrong.
func awkward() sunset.Snapshot {
	return sunset.Snapshot{
		CaseID: "spring-AIDA1", Account: "111122223333", Taken: time.Date(2026, 3, 5, 9, 0, 0, 0, time.UTC),
		User: sunset.User{
			ID: "AIDA1", Name: "-o'hara", ARN: "arn:aws:iam::111122223333:user/x/-o'hara", Path: "/$(touch pwned)/`touch pwned`/",
			Tags:   map[string]string{"owner": "it's ${me}, \"you\"\n# $(touch pwned)", "aws:made-by": "x", sunset.TagCase: "spring-AIDA1"},
			Groups: []string{"readers", "o'group"}, Inline: []string{"heredoc", "vars"}, Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
			Boundary: "arn:aws:iam::111122223333:policy/edge",
			Credentials: []sunset.Credential{
				{Kind: sunset.Password, Status: sunset.Active},
				{Kind: sunset.AccessKey, ID: "AKIA1", Status: sunset.Inactive},
				{Kind: sunset.SSHKey, ID: "APKA1", Status: sunset.Inactive},
				{Kind: sunset.ServiceCredential, ID: "ACCA1", Service: "codecommit.amazonaws.com", Status: sunset.Active},
				{Kind: sunset.SigningCertificate, ID: "CERT1", Status: sunset.Active},
			},
			MFA: []sunset.MFADevice{{Serial: "arn:aws:iam::111122223333:mfa/o\nrm -rf /", Kind: sunset.VirtualMFA}},
		},
		InlineDocuments: map[string]string{"heredoc": "{\n\"a\":1\n}\nEND_OF_FILE\ntouch pwned\n", "vars": `{"Resource":"${aws:username} $(touch pwned) '"}`},
		Bodies:          map[string]string{"APKA1": "ssh-rsa AAAA o'hara", "CERT1": "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"},
	}
}

func awkwardKit(t *testing.T) Kit {
	t.Helper()
	snap := awkward()
	entry := unused("AIDA1", snap.User.Name)
	entry.References = []sunset.Reference{{Resource: "arn:aws:s3:::logs", How: "user-id", Detail: "its policy names AIDA1\ntouch pwned"}}
	k, err := KitOf(Dossier{Cases: []Case{{ID: snap.CaseID, UserName: snap.User.Name, Outcome: sunset.Deleted, Snapshot: &Attachment{SHA256: "abc"}, Was: &snap, Entry: &entry}}})
	require.NoError(t, err)
	return k
}

// standIn writes down each call of the AWS CLI, a word a line, with the contents of files.
const standIn = `#!/bin/sh
for word in "$@"; do
	case $word in
	*=file://*) printf '%s\n' "${word%%=*}:"; cat "${word#*=file://}"; echo ;;
	*) printf '%s\n' "$word" ;;
	esac
done >>"$CALLS"
case "$2" in
get-caller-identity) echo "$ACCOUNT" ;;
esac
`

// The script is run by a shell, against a stand-in for the AWS CLI that writes down what it is told.
func TestTheScriptSaysToTheAWSCLIWhatTheSnapshotHas(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "aws"), []byte(standIn), 0o700))
	script := filepath.Join(dir, "recreate.sh")
	require.NoError(t, os.WriteFile(script, []byte(awkwardKit(t).Script), 0o600))
	run := func(account string) (calls string, err error) {
		file := filepath.Join(t.TempDir(), "calls")
		c := exec.CommandContext(t.Context(), "sh", script)
		c.Dir = dir
		c.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "CALLS=" + file, "ACCOUNT=" + account, "TMPDIR=" + t.TempDir()}
		out, err := c.CombinedOutput()
		t.Logf("%s", out)
		b, readErr := os.ReadFile(file)
		require.NoError(t, readErr)
		return string(b), err
	}
	calls, err := run("111122223333")
	require.NoError(t, err)
	snap := awkward()
	for _, s := range []string{
		"iam\ncreate-user\n--user-name=-o'hara\n--path=" + snap.User.Path + "\n--permissions-boundary=" + snap.User.Boundary + "\n--tags:\n" +
			`[{"Key":"owner","Value":"it's ${me}, \"you\"\n# $(touch pwned)"}]` + "\n",
		"add-user-to-group\n--user-name=-o'hara\n--group-name=o'group\n",
		"put-user-policy\n--user-name=-o'hara\n--policy-name=heredoc\n--policy-document:\n" + snap.InlineDocuments["heredoc"] + "\n",
		"--policy-name=vars\n--policy-document:\n" + snap.InlineDocuments["vars"] + "\n",
		"attach-user-policy\n--user-name=-o'hara\n--policy-arn=arn:aws:iam::aws:policy/ReadOnlyAccess\n",
	} {
		require.Contains(t, calls, s)
	}
	require.NotContains(t, calls, "aws:made-by")
	require.NotContains(t, calls, "upload-", "whoever has the private half of an old key would be let in again")
	require.NoFileExists(t, filepath.Join(dir, "pwned"))

	calls, err = run("999999999999")
	require.Error(t, err, "another account's credentials")
	require.NotContains(t, calls, "create-user")
}

// terraform fmt and validate see it in tests/terraform.
func TestTheTerraformOfAnAwkwardUser(t *testing.T) {
	tf := awkwardKit(t).Terraform
	for _, s := range []string{
		`"/$(touch pwned)/` + "`touch pwned`" + `/"`, `= "it's $${me}, \"you\"\n# $(touch pwned)"`, `groups = ["readers", "o'group"]`,
		`resource "aws_iam_user_policy" "inline_2"`, `\"$${aws:username} $(touch pwned) '\"`,
	} {
		require.Contains(t, tf, s)
	}
	for line := range strings.Lines(tf) {
		require.False(t, strings.HasPrefix(line, "rm ") || strings.HasPrefix(line, "touch "), "a comment was left: %s", line)
	}
}

func TestTheReadmeSaysWhatNobodyCanMake(t *testing.T) {
	k := awkwardKit(t)
	for _, s := range []string{"Password: nobody can read one", "access key AKIA1 (inactive)", "codecommit.amazonaws.com", "MFA device", "will not be AIDA1", "arn:aws:s3:::logs names it by user-id", "whoever has the private half could use it at once", "could give any rights by this kit"} {
		require.Contains(t, k.Readme, s)
	}
	require.Empty(t, k.Warnings)
}

func TestNoKitOfAUserThatWasNeverChanged(t *testing.T) {
	l := newLedger(t)
	l.begin(spring, kept("AIDA2", "deploy", "used"))
	d, _, err := l.read().User(t.Context(), "deploy")
	require.NoError(t, err)
	_, err = KitOf(d)
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	require.ErrorContains(t, err, "no snapshot of deploy")
}

func TestAKitOfAUserThatMayStillBeThereWarns(t *testing.T) {
	l, e := newLedger(t), unused("AIDA1", "old")
	l.begin(spring, e)
	l.disable(e, spring)
	d, _, err := l.read().User(t.Context(), "old")
	require.NoError(t, err)
	k, err := KitOf(d)
	require.NoError(t, err)
	require.Len(t, k.Warnings, 1)
	require.Contains(t, k.Warnings[0], "iam-sunset rescue")
}
