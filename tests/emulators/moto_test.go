//go:build emulators

package emulators

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
)

// moto is a process of the other emulator.
type moto struct {
	url string
	log string
}

// startMoto starts moto on a free port of loopback and ends it when the test ends. calls is the address at which it calls
// other services, Lambda among them; it is moto itself where nobody stands in between.
func startMoto(t *testing.T, calls string) *moto {
	t.Helper()
	port := freePort(t)
	if calls == "" {
		calls = port
	}
	dir := t.TempDir()
	m := &moto{url: "http://127.0.0.1:" + port, log: filepath.Join(dir, "moto.log")}
	log, err := os.Create(m.log)
	require.NoError(t, err)
	c := exec.Command(python(t), "-m", "moto.server", "-H", "127.0.0.1", "-p", port)
	c.Dir, c.Stdout, c.Stderr = dir, log, log
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "MOTO_PORT=" + calls, "PYTHONUNBUFFERED=1"}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // it may have ended by itself
		_ = c.Wait()
		_ = log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(m.log)
			lines := slices.DeleteFunc(strings.Split(string(b), "\n"), func(l string) bool { return strings.HasSuffix(l, " 200 -") })
			t.Logf("the end of moto's log, without what went well:\n%s", strings.Join(lines[max(0, len(lines)-100):], "\n"))
		}
	})
	ended := time.Now().Add(30 * time.Second)
	for {
		// Definitions are run only where this is asked for; otherwise every execution succeeds at once.
		resp, err := http.Post(m.url+"/moto-api/config", "application/json", bytes.NewReader([]byte(`{"stepfunctions":{"execute_state_machine":true}}`)))
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode < 300 {
				return m
			}
		}
		require.True(t, time.Now().Before(ended), "moto is not ready after 30 s: %v\n%s", err, tail(m.log, 50))
		pause(t.Context(), 20*time.Millisecond)
	}
}

// python is the interpreter that has both emulators.
func python(t *testing.T) string {
	t.Helper()
	path := os.Getenv("IAM_SUNSET_EMULATORS")
	if path == "" {
		t.Fatal("IAM_SUNSET_EMULATORS must name the Python that has the emulators; make test-emulators sets it")
	}
	return path
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	return fmt.Sprint(port)
}

func tail(file string, lines int) string {
	b, _ := os.ReadFile(file)
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// configAt is for SDK clients of an emulator, or of what stands before it.
func configAt(url, key string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: &url, HTTPClient: awsfault.WholeBodies(nil),
		Credentials: credentials.NewStaticCredentialsProvider(key, functionSecret, ""),
	}
}
