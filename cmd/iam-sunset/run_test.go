package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// noAWS keeps the developer's own AWS configuration out of a test.
func noAWS(t *testing.T) {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
}

// What fake-account prints to export is all that a client needs, and an interruption is its ordinary end.
func TestFakeAccountServesUntilInterrupted(t *testing.T) {
	noAWS(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	read, write := io.Pipe()
	ended := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		ended <- run(ctx, []string{"fake-account", "--users", "30", "--addr", "127.0.0.1:0"}, surroundings{stdout: write, stderr: &stderr, clock: clock.Wall{}})
		write.Close()
	}()
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if export, ok := strings.CutPrefix(lines.Text(), "export "); ok {
			name, value, _ := strings.Cut(export, "=")
			t.Setenv(name, value)
			if name == "AWS_REGION" {
				break
			}
		}
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	require.NoError(t, err)
	users, err := iam.NewFromConfig(cfg).ListUsers(ctx, &iam.ListUsersInput{})
	require.NoError(t, err)
	require.Len(t, users.Users, 30)
	interrupt()
	require.Zero(t, <-ended)
	require.Empty(t, stderr.String())
}

// A scan that is interrupted says so in one line, prints no plan and fails.
func TestInterruptedScan(t *testing.T) {
	noAWS(t)
	v := clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	account := fakeaws.New(fakeaws.Config{Now: v.Now})
	_, err := account.Demo()
	require.NoError(t, err)
	server, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	admin := account.Administrator()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", admin.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", admin.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", admin.SessionToken)
	for _, at := range []string{"GetCallerIdentity", "GetAccountAuthorizationDetails", "GetUser", "LookupEvents", "ListKeys"} {
		t.Run(at, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			defer account.Fail(fakeaws.Fault{Action: at, Match: func(fakeaws.Call) bool { interrupt(); return false }})()
			var stdout, stderr bytes.Buffer
			code := 0
			require.NoError(t, v.Run(t.Context(), func(context.Context) error {
				code = run(ctx, []string{"scan"}, surroundings{stdout: &stdout, stderr: &stderr, clock: v})
				return nil
			}))
			require.Equal(t, 2, code)
			require.Equal(t, "iam-sunset: interrupted, before it was done\n", stderr.String())
			require.Empty(t, stdout.String())
		})
	}
}
