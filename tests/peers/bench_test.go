//go:build peers

package peers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Variables that name the other tools, and one that makes this program the product's own process.
const (
	variableAWS       = "IAM_SUNSET_AWSCLI"
	variableCustodian = "IAM_SUNSET_CUSTODIAN"
	variableCleanup   = "IAM_SUNSET_BENCH_CLEANUP"
)

// TestMain is the product in a process of its own where the bench has started it as that.
func TestMain(m *testing.M) {
	if job := os.Getenv(variableCleanup); job != "" {
		if err := cleanup(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// run is what a contestant took and said.
type run struct {
	status       int
	wall, cpu    time.Duration
	resident     int64 // peak of any of its processes, bytes
	stdout, said string
}

// execute runs a program with the account's administrator's credentials and gives what it took. That it fails is a result.
func (a *account) execute(b *testing.B, dir string, env []string, name string, args ...string) run {
	b.Helper()
	c := exec.CommandContext(b.Context(), name, args...)
	c.Dir = dir
	c.Env = append(environment(dir, a.url, a.Administrator()), env...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	began := time.Now()
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		b.Fatalf("running %s: %v", name, err)
	}
	r := run{status: c.ProcessState.ExitCode(), wall: time.Since(began), cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime(), stdout: stdout.String(), said: stderr.String()}
	if u, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.resident = u.Maxrss << 10
	}
	return r
}

// row is one line of the table.
func (a *account) row(b *testing.B, who string, r run) {
	b.Helper()
	l := a.left()
	calls := len(a.Calls())
	b.ReportMetric(float64(calls), "calls")
	b.ReportMetric(float64(l.gone), "deleted")
	wrong := 0
	for _, n := range l.wrong {
		wrong += n
	}
	b.ReportMetric(float64(wrong), "wrong")
	var text strings.Builder
	fmt.Fprintf(&text, "| %s | %d | %.0f s | %.0f s | %d MB | %d of %d | %d | %d | %d |\n", who, calls, r.wall.Seconds(), r.cpu.Seconds(), r.resident>>20, l.gone, a.dead, wrong, l.devices, r.status)
	if l.stripped > 0 {
		fmt.Fprintf(&text, "  still there, without credentials: %d\n", l.stripped)
	}
	for _, why := range l.reasons() {
		fmt.Fprintf(&text, "  wrong: %s\n", why)
	}
	for _, call := range a.UnknownCalls() {
		fmt.Fprintf(&text, "  asked for and not there: %s\n", call)
	}
	failed := map[string]int{}
	for _, c := range a.Calls() {
		if c.Error != "" {
			failed[c.Action+" "+c.Error]++
		}
	}
	fmt.Fprintf(&text, "  calls refused: %v\n", failed)
	if s := strings.TrimSpace(r.said); s != "" {
		lines := strings.Split(s, "\n")
		fmt.Fprintf(&text, "  it said, last of %d lines: %s\n", len(lines), strings.Join(lines[max(0, len(lines)-4):], "\n    "))
	}
	say("%s", &text)
}

// say prints a result at once and whole: a benchmark's own log keeps ten lines.
func say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, "\n"+format, args...) }

func here(b *testing.B, name string) string {
	b.Helper()
	path, err := filepath.Abs(name)
	require.NoError(b, err)
	return path
}

// shellLoop is the published procedure over the AWS CLI.
func (a *account) shellLoop(b *testing.B) run {
	b.Helper()
	path := filepath.Dir(tool(b, variableAWS, "the AWS CLI")) + string(os.PathListSeparator) + os.Getenv("PATH")
	return a.execute(b, b.TempDir(), []string{"PATH=" + path}, "/bin/sh", here(b, "shell-loop.sh"), "90")
}

func (a *account) custodian(b *testing.B, policy string) run {
	b.Helper()
	dir := b.TempDir()
	return a.execute(b, dir, nil, tool(b, variableCustodian, "Cloud Custodian"), "run", "--region", region, "--cache-period", "0",
		"-s", filepath.Join(dir, "out"), here(b, "custodian-"+policy+".yml"))
}

// scan is the product as people run it first.
func (a *account) scan(b *testing.B) run {
	b.Helper()
	dir := b.TempDir()
	program, settings := filepath.Join(dir, "iam-sunset"), filepath.Join(dir, "settings.json")
	out, err := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", program, "../../cmd/iam-sunset").CombinedOutput()
	require.NoError(b, err, string(out))
	text, err := json.Marshal(a.settings())
	require.NoError(b, err)
	require.NoError(b, os.WriteFile(settings, text, 0o600))
	r := a.execute(b, dir, nil, program, "scan", "--output", "json", "--settings", settings)
	a.compare(b, r.stdout)
	return r
}

// cleanup is the product from the scan to the last deletion, in a process of its own and over virtual weeks.
func (a *account) cleanup(b *testing.B) run {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	dir := b.TempDir()
	job, err := json.Marshal(job{Dir: dir, Endpoint: a.url, Account: a.ID(), Admin: a.Administrator(), Settings: a.settings()})
	require.NoError(b, err)
	r := a.execute(b, dir, []string{variableCleanup + "=" + string(job)}, self)
	for _, function := range slices.Sorted(maps.Keys(a.calls)) {
		say("%s: %d calls, %.0f s", function, a.calls[function], a.walls[function].Seconds())
	}
	say("%s", r.stdout)
	return r
}

// BenchmarkSideBySide gives each contestant the same account.
func BenchmarkSideBySide(b *testing.B) {
	say("| tool | calls | wall | processor | memory | deleted | wrong users deleted | MFA devices left | status |\n")
	for who, contestant := range contestants() {
		b.Run(who, func(b *testing.B) {
			for b.Loop() {
				a := open(b, full())
				a.row(b, who, contestant(a, b))
				if who == productCleanup {
					require.Equal(b, a.dead, a.left().gone)
					require.Empty(b, a.left().wrong)
				}
			}
		})
	}
}

// BenchmarkRefusal has AWS refuse for good to delete the fourth of eight users.
func BenchmarkRefusal(b *testing.B) {
	for who, contestant := range contestants() {
		b.Run(who, func(b *testing.B) {
			for b.Loop() {
				a := open(b, few())
				a.Fail(fakeaws.Fault{
					Service: "iam", Action: "DeleteUser", Code: "AccessDenied", Status: http.StatusForbidden,
					Message: "not authorized to perform: iam:DeleteUser with an explicit deny in a service control policy",
					Match:   func(c fakeaws.Call) bool { return c.Params["UserName"] == "bea.05" },
				})
				a.row(b, who, contestant(a, b))
			}
		})
	}
}

const productCleanup = "IAM Sunset, cleanup"

func contestants() iter.Seq2[string, func(*account, *testing.B) run] {
	return func(yield func(string, func(*account, *testing.B) run) bool) {
		custodian := func(policy string) func(*account, *testing.B) run {
			return func(a *account, b *testing.B) run { return a.custodian(b, policy) }
		}
		_ = yield("IAM Sunset, scan", (*account).scan) && yield(productCleanup, (*account).cleanup) &&
			yield("Cloud Custodian, plain policy", custodian("plain")) && yield("Cloud Custodian, careful policy", custodian("careful")) &&
			yield("shell loop over the AWS CLI", (*account).shellLoop)
	}
}

// compare tells how a plan differs from who is to go.
func (a *account) compare(b *testing.B, text string) {
	b.Helper()
	var plan sunset.Plan
	require.NoError(b, json.Unmarshal([]byte(text), &plan))
	eligible, missed := 0, map[string]int{}
	for _, e := range plan.Entries {
		if e.Verdict.Eligible {
			eligible++
			require.True(b, a.doomed[e.User.ID], "%s is eligible, and %s", e.User.Name, a.kinds[e.User.ID])
		} else if a.doomed[e.User.ID] {
			missed[fmt.Sprint(e.Verdict.Reasons)]++
		}
	}
	say("eligible: %d of %d; kept of them, and why: %v\n", eligible, a.dead, missed)
}
