//go:build emulators

// Package emulators runs the product on AWS as others emulate it, in real time; `make test-emulators` runs it.
//
// The deployed product runs on ministack: the functions as they are packaged, on its Lambda, with the shipped definition as its
// state machine and with its S3, DynamoDB, KMS, SES, SNS and EventBridge. moto's Step Functions runs the same definition with the
// handlers in this process, and the histories that it keeps are compared with the embedded engine's. The account under clean-up is
// the fake account then, which knows what an account does better than any emulator. Both emulators are accounts as well, for the
// adapters to read and change, as far as they go. What stands in for an emulator is a standIn, or says so at its place.
package emulators

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// region and accountID are where everything is: deployment and users share an account, as most will.
const (
	region    = "us-east-1"
	accountID = fakeaws.DefaultAccountID
)

// ministack is a process of the emulator.
type ministack struct {
	url string
	log string // file with all that it and the functions said
}

// startMinistack starts the emulator on a free port of loopback and ends it, with every function that it has started, when
// the test ends.
func startMinistack(t *testing.T) *ministack {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Fatal("the functions are built for Linux and run as they are; run this test there")
	}
	port := freePort(t)
	dir := t.TempDir()
	m := &ministack{url: "http://127.0.0.1:" + port, log: filepath.Join(dir, "ministack.log")}
	log, err := os.Create(m.log)
	require.NoError(t, err)
	c := exec.Command(python(t), "-m", "ministack")
	c.Dir, c.Stdout, c.Stderr = dir, log, log
	// Nothing of the caller's environment: a function must find what its own says and nothing else.
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + port,
		"MINISTACK_HOST=127.0.0.1", "MINISTACK_ACCOUNT_ID=" + accountID, "MINISTACK_REGION=" + region, "LAMBDA_EXECUTOR=local",
		"AWS_SECRET_ACCESS_KEY=" + functionSecret, "SFTP_ENABLED=0", "IOT_MTLS_ENABLED=0", "LOG_LEVEL=INFO", "PYTHONUNBUFFERED=1",
	}
	// A group of its own, so that the functions end with it.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // it may have ended by itself
		_ = c.Wait()
		_ = log.Close()
		if t.Failed() {
			t.Logf("the end of ministack's log:\n%s", tail(m.log, 200))
		}
	})

	ended := time.Now().Add(30 * time.Second)
	for {
		resp, err := http.Get(m.url + "/_ministack/health")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return m
			}
		}
		require.True(t, time.Now().Before(ended), "ministack is not ready after 30 s: %v\n%s", err, tail(m.log, 50))
		pause(t.Context(), 20*time.Millisecond)
	}
}

// pause lets real time pass between two looks at something: never as long as a guess of how long something takes.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// config is for SDK clients that make and look at resources, as an operator would.
func (m *ministack) config() aws.Config {
	return configAt(m.url, accountID)
}

// mail is a message that ministack's SES kept.
type mail struct {
	Source, Subject, BodyText string
	To                        []string
}

// mails are all that were sent from an address, oldest first.
func (m *ministack) mails(t *testing.T, from string) []mail {
	t.Helper()
	resp, err := http.Get(m.url + "/_ministack/ses/messages")
	require.NoError(t, err)
	defer resp.Body.Close()
	var kept struct{ Messages map[string][]mail }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&kept))
	var out []mail
	for _, x := range kept.Messages[accountID] {
		if x.Source == from {
			out = append(out, x)
		}
	}
	return out
}
