//go:build terraform

package terraform

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/dossier"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// What a recreate kit says is what Terraform plans, to the byte, whatever was in the user's tags and policies.
func TestTerraformReadsARecreateKit(t *testing.T) {
	const document = "{\"Version\":\"2012-10-17\",\n\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b/${aws:username}/$${x}/%{if}/%%{y}/\\\\\"}]}"
	tags := map[string]string{"owner": "it's ${me} 100%{x}, \"you\" \\ $${z}", "Team": "ops"}
	snap := sunset.Snapshot{
		CaseID: "spring-AIDA1", Account: account, InlineDocuments: map[string]string{"own-bucket": document}, Bodies: map[string]string{"APKA1": "ssh-rsa AAAA x\n"},
		User: sunset.User{
			ID: "AIDA1", Name: "old+jenkins@ci", ARN: "arn:aws:iam::" + account + ":user/ci/old+jenkins@ci", Path: "/ci/", Tags: tags, Groups: []string{"readers", "writers"},
			Inline: []string{"own-bucket"}, Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, Boundary: "arn:aws:iam::" + account + ":policy/edge",
			Credentials: []sunset.Credential{{Kind: sunset.SSHKey, ID: "APKA1", Status: sunset.Inactive}},
		},
	}
	kit, err := dossier.KitOf(dossier.Dossier{Cases: []dossier.Case{{ID: snap.CaseID, UserName: snap.User.Name, Snapshot: &dossier.Attachment{}, Was: &snap}}})
	require.NoError(t, err)

	w := newWorld(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.tf"), []byte(kit.Terraform), 0o600))
	out, err := exec.CommandContext(t.Context(), "terraform", "fmt", "-check", "-diff", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "offline.tf"), []byte(w.offline("")), 0o600))
	planned := map[string]map[string]any{}
	for _, r := range planIn(t, open(t, dir), dir, map[string]any{}).PlannedValues.RootModule.Resources {
		planned[r.Address] = r.AttributeValues
	}
	user := planned["aws_iam_user.it"]
	require.Equal(t, "old+jenkins@ci", user["name"])
	require.Equal(t, "/ci/", user["path"])
	require.Equal(t, map[string]any{"owner": tags["owner"], "Team": "ops"}, user["tags"])
	require.Equal(t, document, planned["aws_iam_user_policy.inline_1"]["policy"])
	require.Equal(t, []any{"readers", "writers"}, planned["aws_iam_user_group_membership.it"]["groups"])
	require.NotContains(t, kit.Terraform, "aws_iam_user_ssh_key")
}
