//go:build emulators

package peers

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// cli is the AWS CLI with credentials and an endpoint.
type cli struct {
	t       *testing.T
	program string
	env     []string
	dir     string
}

func newCLI(t *testing.T, endpoint string, c fakeaws.Credentials) cli {
	t.Helper()
	dir := t.TempDir()
	// One attempt: the CLI waits in real time before it tries again, and a refusal is what many of these tests want.
	env := append(environment(dir, endpoint, c), "AWS_MAX_ATTEMPTS=1")
	return cli{t: t, program: tool(t, "IAM_SUNSET_AWSCLI", "the AWS CLI"), env: env, dir: dir}
}

// with is the same under another variable of the environment.
func (c cli) with(variable, value string) cli {
	c.env = append(c.env[:len(c.env):len(c.env)], variable+"="+value)
	return c
}

func (c cli) run(args []string) (stdout, stderr string, status int) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.program, args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(c.t, err, &exit, "aws %s", strings.Join(args, " "))
	}
	return out.String(), problem.String(), cmd.ProcessState.ExitCode()
}

// does runs a command that succeeds, and gives what it printed.
func (c cli) does(args ...string) string {
	c.t.Helper()
	stdout, stderr, status := c.run(args)
	require.Zero(c.t, status, "aws %s\n%s", strings.Join(args, " "), stderr)
	return stdout
}

// asks runs a command and reads the JSON that it printed.
func asks[T any](c cli, args ...string) T {
	c.t.Helper()
	var v T
	stdout := c.does(append(args, "--output", "json")...)
	require.NoError(c.t, json.Unmarshal([]byte(stdout), &v), "aws %s printed\n%s", strings.Join(args, " "), stdout)
	return v
}

// text is a single value out of what a command prints.
func (c cli) text(query string, args ...string) string {
	c.t.Helper()
	return strings.TrimSpace(c.does(append(args, "--query", query, "--output", "text")...))
}

// refused runs a command that AWS refuses, in the words in which the CLI repeats AWS's: code, operation, message.
func (c cli) refused(code, operation, message string, args ...string) {
	c.t.Helper()
	stdout, stderr, status := c.run(args)
	require.NotZero(c.t, status, "aws %s printed\n%s", strings.Join(args, " "), stdout)
	require.Contains(c.t, stderr, "An error occurred ("+code+") when calling the "+operation+" operation: "+message)
}
