package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/datadir"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/store"
)

// premises are a machine with a data directory, and an account whose clock can be set.
type premises struct {
	t       *testing.T
	account *fakeaws.Account
	ahead   atomic.Int64 // how far the account's clock is ahead
	data    string
	stderr  *heard
	code    chan int
	stop    context.CancelFunc
}

// heard is what several may write to while it is read.
type heard struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all.Write(b)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all.String()
}

const quickSettings = `{"approvers": [{"email": "ada@example.com"}], "notice": "0s", "soak": "2s", "cap_percent": 100}`

func newPremises(t *testing.T, users ...string) *premises {
	noAWS(t)
	p := &premises{t: t, data: filepath.Join(t.TempDir(), "data")}
	p.account = fakeaws.New(fakeaws.Config{Regions: []string{"us-east-1"}, Now: func() time.Time { return time.Now().UTC().Add(time.Duration(p.ahead.Load())) }})
	for _, name := range users {
		_, err := p.account.Join(name, fakeaws.OldKey())
		require.NoError(t, err)
	}
	server, err := p.account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	admin := p.account.Administrator()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": admin.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": admin.SecretAccessKey, "AWS_SESSION_TOKEN": admin.SessionToken,
	} {
		t.Setenv(name, value)
	}
	require.NoError(t, os.Mkdir(p.data, 0o700))
	p.settle(quickSettings)
	return p
}

func (p *premises) settle(text string) {
	require.NoError(p.t, os.WriteFile(filepath.Join(p.data, "settings.json"), []byte(text), 0o600))
}

// serve begins to serve; answer is what a person says, where one is there.
func (p *premises) serve(answer string, flags ...string) {
	ctx, stop := context.WithCancel(p.t.Context())
	around := surroundings{stdout: io.Discard, clock: clock.Wall{}}
	if answer != "" {
		around.answers = strings.NewReader(answer)
	}
	p.stderr, p.code, p.stop = &heard{}, make(chan int, 1), stop
	around.stderr = p.stderr
	args := append([]string{"serve", "--data", p.data, "--listen", "127.0.0.1:0", "--pages", "127.0.0.1:0"}, flags...)
	code := p.code
	go func() { code <- run(ctx, args, around) }()
	p.t.Cleanup(stop)
}

// ended is the exit status.
func (p *premises) ended() int {
	p.t.Helper()
	select {
	case code := <-p.code:
		return code
	case <-time.After(patienceOfTests):
		require.FailNow(p.t, "it did not end", p.stderr.String())
		return 0
	}
}

// comes waits for something.
func (p *premises) comes(what string, ask func() bool) {
	p.t.Helper()
	require.Eventually(p.t, ask, patienceOfTests, 50*time.Millisecond, "%s never came: %s", what, p.stderr)
}

// engine is where the process that serves is reached.
func (p *premises) engine() string {
	p.t.Helper()
	p.comes("the engine", func() bool { return strings.Contains(p.stderr.String(), "Serving. Interrupt it") })
	b, err := os.ReadFile(filepath.Join(p.data, "engine.json"))
	require.NoError(p.t, err)
	var at datadir.Addresses
	require.NoError(p.t, json.Unmarshal(b, &at))
	return at.Engine
}

// does runs another command on it.
func (p *premises) does(args ...string) string {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(p.t.Context(), append(args, "--engine", p.engine()), surroundings{stdout: &stdout, stderr: &stderr, clock: clock.Wall{}})
	require.Zero(p.t, code, "%v: %s", args, stderr.String())
	return stdout.String()
}

func (p *premises) stateOf(name string) string { return (&site{account: p.account}).stateOf(name) }

func (p *premises) writes() (n int) {
	for _, c := range p.account.Calls() {
		if regexp.MustCompile(`^(Put|Delete|Update|Attach|Detach|Tag|Untag|Create|Deactivate|Remove|Add)`).MatchString(c.Action) {
			n++
		}
	}
	return n
}

func TestServeTakesOnlyAYes(t *testing.T) {
	p := newPremises(t)
	before, err := os.ReadDir(p.data)
	require.NoError(t, err)
	p.serve("n\n")
	require.Equal(t, 1, p.ended())
	require.Contains(t, p.stderr.String(), "Serve account 123456789012 from this machine? [y/N] Nothing was done.")
	after, err := os.ReadDir(p.data)
	require.NoError(t, err)
	require.Equal(t, len(before), len(after), "nothing but the settings")
	p.serve("y\n")
	require.Contains(t, p.does("status"), "No cleanup was ever started here")
	p.stop()
	require.Zero(t, p.ended())
}

func TestAPortThatIsTaken(t *testing.T) {
	p := newPremises(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for _, flag := range []string{"--listen", "--pages"} {
		p.serve("", "--yes", flag, taken.Addr().String())
		require.Equal(t, 2, p.ended())
		require.Contains(t, p.stderr.String(), "address already in use\nhint: stop what answers there, or choose other ports: --listen, --pages\n")
	}
	p.serve("", "--yes")
	require.Contains(t, p.does("status"), "No cleanup was ever started here", "nothing stays locked")
	p.stop()
	require.Zero(t, p.ended())
}

func TestAWrongClockEndsAtTheStart(t *testing.T) {
	for says, ahead := range map[string]time.Duration{"1h0m0s behind AWS's": time.Hour, "20m0s ahead of AWS's": -20 * time.Minute} {
		p := newPremises(t, "old-a")
		p.ahead.Store(int64(ahead))
		p.serve("", "--yes")
		require.Equal(t, 1, p.ended())
		require.Equal(t, "iam-sunset: this machine's clock is "+says+". Nothing has begun: set the clock, then start again.\n", p.stderr.String())
		require.Len(t, p.account.Calls(), 1)
		require.NoFileExists(t, filepath.Join(p.data, "version.json"))
	}
}

// In the middle of a soak one of the clocks jumps. Nothing is done by the wrong one, no case fails, no signal is made up, and
// all goes on once it is right.
func TestAClockThatJumpsInASoak(t *testing.T) {
	for says, ahead := range map[string]time.Duration{"336h0m0s behind AWS's": 14 * 24 * time.Hour, "1h0m0s ahead of AWS's": -time.Hour} {
		t.Run(says, func(t *testing.T) {
			p := newPremises(t, "old-a")
			p.serve("", "--yes")
			p.does("start", "--open-cases", "--name", "spring", "--yes")
			p.comes("the quarantine", func() bool {
				return p.stateOf("old-a") == "disabled" && strings.Contains(p.stderr.String(), "kind=disabled")
			})
			writes := p.writes()
			p.ahead.Store(int64(ahead))
			require.Equal(t, 1, p.ended())
			require.Contains(t, p.stderr.String(), "iam-sunset: this machine's clock is "+says+". Nothing more is sent to AWS, and nothing is lost")
			require.Equal(t, writes, p.writes())
			require.NotContains(t, p.stderr.String(), "kind=failed")

			if ahead < 0 {
				return // what follows is the same
			}
			p.ahead.Store(0)
			p.serve("", "--yes")
			p.comes("the request", func() bool { return strings.Contains(p.does("status"), "requesting") })
			require.Equal(t, "disabled", p.stateOf("old-a"))
			require.NotContains(t, p.does("status"), "requesting !", "nothing was heard")
			require.NotContains(t, p.does("history", "old-a"), "Something")
			p.stop()
			require.Zero(t, p.ended())
		})
	}
}

// While the settings can't be read nothing is changed; a person who saves half a file breaks no case.
func TestSettingsThatBreakWhileItServes(t *testing.T) {
	p := newPremises(t, "old-a")
	p.serve("", "--yes")
	engine := p.engine()
	p.settle(`{"approvers": [{"email": "ada@exam`)
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"status", "--engine", engine}, surroundings{stdout: io.Discard, stderr: &stderr, clock: clock.Wall{}})
	require.Equal(t, 2, code)
	require.Contains(t, stderr.String(), "the settings can't be read, and nothing is changed until they can")
	require.NotContains(t, stderr.String(), "AWS could not be reached")
	p.settle(quickSettings)
	p.does("start", "--open-cases", "--name", "spring", "--yes")
	p.settle(`{}}`)
	p.comes("a warning", func() bool {
		return strings.Contains(p.stderr.String(), "no function is called until this is right again")
	})
	writes := p.writes()
	require.Equal(t, "enabled", p.stateOf("old-a"))
	p.settle(quickSettings)
	p.comes("the quarantine", func() bool { return p.stateOf("old-a") == "disabled" })
	require.Greater(t, p.writes(), writes)
	require.NotContains(t, p.stderr.String(), "kind=failed")
	p.stop()
	require.Zero(t, p.ended())
}

// fullObjects and fullRows are on a disk that takes nothing more.
type (
	fullObjects struct{ store.Objects }
	fullRows    struct{ store.Rows }
)

func (fullObjects) Put(context.Context, string, []byte) error {
	return &os.PathError{Op: "write", Path: "objects/evidence/case/x/1.json", Err: syscall.ENOSPC}
}

func (fullRows) Put(context.Context, string, int64, []byte) (int64, error) {
	return 0, &os.PathError{Op: "write", Path: "rows/case/x.row", Err: syscall.EROFS}
}

// A disk that fails is no failure of a case: whoever meets it is held until the process ends.
func TestADiskThatFails(t *testing.T) {
	for says, put := range map[string]func(context.Context, *serving) error{
		"no space left on device": func(ctx context.Context, s *serving) error { return servedObjects{fullObjects{}, s}.Put(ctx, "x", nil) },
		"read-only file system": func(ctx context.Context, s *serving) error {
			_, err := servedRows{fullRows{}, s}.Put(ctx, "x", 0, nil)
			return err
		},
	} {
		s := newServing(serveOptions{operator: operator{around: surroundings{stderr: io.Discard, clock: clock.Wall{}}}}, account{}, nil)
		done := make(chan error, 1)
		go func() { done <- put(t.Context(), s) }()
		require.ErrorContains(t, <-s.ended, "the data directory can't be used: write ")
		require.Empty(t, done, "it is held")
		s.release()
		require.ErrorContains(t, <-done, says)
	}
}
