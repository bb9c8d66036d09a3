//go:build emulators

package emulators

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// buildCLI compiles the command as people run it, and gives its path.
func buildCLI(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "iam-sunset")
	c := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, "../../cmd/iam-sunset")
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// person runs the command with credentials of their own against a deployment.
type person struct {
	t       *testing.T
	command string
	d       *deployment
	as      caller
	file    string // the deployment's document
}

func (d *deployment) person(t *testing.T, command string, as caller) person {
	t.Helper()
	b, err := json.Marshal(d.Deployment)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "iam-sunset.json")
	require.NoError(t, os.WriteFile(file, b, 0o600))
	return person{t: t, command: command, d: d, as: as, file: file}
}

// does runs the command and gives what it wrote to stdout. It fails the test where the command ends with another status.
func (p person) does(status int, args ...string) string {
	p.t.Helper()
	c := exec.CommandContext(p.t.Context(), p.command, args...)
	c.Dir = filepath.Dir(p.file)
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir, "AWS_REGION=" + region, "AWS_ENDPOINT_URL=" + p.d.server.URL, "NO_COLOR=1",
		"AWS_ACCESS_KEY_ID=" + p.as.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + p.as.SecretAccessKey, "AWS_SESSION_TOKEN=" + p.as.SessionToken,
	}
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(p.t, err, &exit)
	}
	require.Equal(p.t, status, c.ProcessState.ExitCode(), "iam-sunset %v\n%s\n%s", args, &stdout, &stderr)
	for _, secret := range []string{p.as.SecretAccessKey, p.as.SessionToken} {
		require.NotContains(p.t, stdout.String()+stderr.String(), secret)
	}
	return stdout.String()
}
