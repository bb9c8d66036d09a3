//go:build emulators || peers

// Package peers has tools that others wrote work on what this project wrote: the AWS CLI on the fake account and on the
// embedded engine (`make test-emulators`), and side by side with the product on one account (`make bench-peers`).
package peers

import (
	"os"
	"testing"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

const region = "us-east-1"

// tool is the path of a program that others wrote, which make has put there and which variable names.
func tool(tb testing.TB, variable, of string) string {
	tb.Helper()
	path := os.Getenv(variable)
	if path == "" {
		tb.Fatalf("%s must name %s; make test-emulators and make bench-peers set it", variable, of)
	}
	return path
}

// environment is all that a program sees: an endpoint, credentials, and nothing of the caller's own configuration.
func environment(home, endpoint string, c fakeaws.Credentials) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "AWS_ENDPOINT_URL=" + endpoint,
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_PAGER=", "NO_COLOR=1", "NO_PROXY=127.0.0.1", "LC_ALL=C.UTF-8",
	}
	for _, v := range [][2]string{
		{"AWS_ACCESS_KEY_ID", c.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", c.SecretAccessKey}, {"AWS_SESSION_TOKEN", c.SessionToken},
	} {
		if v[1] != "" {
			env = append(env, v[0]+"="+v[1])
		}
	}
	return env
}
