//go:build terraform

package terraform

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The command drives the real Terraform, and says in words what it would make.
func TestDeploySaysThePlan(t *testing.T) {
	w := newWorld(t)
	folder := filepath.Dir(w.dir)
	program := filepath.Join(folder, "iam-sunset")
	built, err := exec.CommandContext(within(t, 5*time.Minute), "go", "build", "-o", program, root+"/cmd/iam-sunset").CombinedOutput()
	require.NoError(t, err, "%s", built)
	deploy := func(more ...string) (string, error) {
		args := append([]string{"deploy", "--dir", w.dir, "--packages", filepath.Join(folder, "packages"), "--out", filepath.Join(folder, "iam-sunset.json"), "--plan-only"}, more...)
		cmd := exec.CommandContext(within(t, 5*time.Minute), program, args...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	good := filepath.Join(folder, "good.tfvars")
	require.NoError(t, os.WriteFile(good, []byte(`mail_from = "iam-sunset@example.com"`), 0o600))

	out, err := deploy("--var-file", "good.tfvars")
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `evidence bucket +│ +\d+ +│`, out)
	require.Regexp(t, `functions +│ +\d+ +│`, out)
	require.Regexp(t, `In all: \d+ created\.\n`, out)
	require.NotContains(t, out, "ATTENTION")
	require.NotContains(t, out, "aws_", "every resource is part of something that has a name")
	require.Contains(t, out, "Nothing was changed")
	require.NoFileExists(t, filepath.Join(folder, "iam-sunset.json"))
	require.NoFileExists(t, filepath.Join(w.dir, "terraform.tfstate"))

	// What the variables' validation refuses is one sentence.
	bad := filepath.Join(folder, "bad.tfvars")
	require.NoError(t, os.WriteFile(bad, []byte(`mail_from = "nobody"`), 0o600))
	out, err = deploy("--var-file", bad)
	var ended *exec.ExitError
	require.ErrorAs(t, err, &ended)
	require.Equal(t, 2, ended.ExitCode())
	require.Regexp(t, `^iam-sunset: planning: Invalid value for variable: [^\n]+\n$`, out)

	out, err = deploy("--destroy")
	require.NoError(t, err, "%s", out)
	require.Contains(t, out, "Nothing is deployed that could be taken down.")
}
