package onemachine_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/journal"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

func begin() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// box is one machine that can die and begin again.
type box struct {
	t       *testing.T
	clock   *clock.Virtual
	cfg     onemachine.Config
	dir     string
	file    *journal.Journal
	machine *onemachine.Machine

	mu     sync.Mutex
	called []string
	looked int // at the settings
	dies   func(function string) bool
}

type deaf struct{}

func (deaf) Send(context.Context, approval.Message) error { return nil }

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, clock: clock.NewVirtual(begin()), dir: t.TempDir()}
	account := fakeaws.New(fakeaws.Config{Now: b.clock.Now, Seed: 7, Regions: []string{"us-east-1"}})
	server, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	stores, err := store.OpenDir(b.dir, store.NoSync())
	require.NoError(t, err)
	signer, err := approval.OpenKeyFile(filepath.Join(b.dir, "decisions.key"))
	require.NoError(t, err)
	settings := sunset.DefaultSettings()
	settings.Approvers = []sunset.Approver{{Email: "ada@example.com"}}
	b.cfg = onemachine.Config{
		AWS: server.Config("us-east-1"), AccountID: account.ID(), Region: "us-east-1", Time: b.clock,
		Objects: stores.Objects(), Rows: stores.Rows(), Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: deaf{},
		Settings: func(context.Context) (sunset.Settings, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.looked++
			return settings, nil
		},
		Log: slog.New(slog.DiscardHandler), PagesAddr: "127.0.0.1:0", PagesURL: "https://sunset.example.com",
		Self: "arn:aws:iam::" + account.ID() + ":role/serve",
		OnInvoke: func(function string, _ []byte) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.called = append(b.called, function)
			if b.dies != nil && b.dies(function) {
				b.dies = nil
				b.machine.Close() // its answer is never written
			}
			return nil
		},
		Office: func(m *onemachine.Machine) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.URL.Path+" beside "+m.EngineURL)
			})
		},
	}
	b.begin()
	return b
}

func (b *box) begin() {
	b.t.Helper()
	if b.machine != nil {
		b.machine.Close()
		require.NoError(b.t, b.file.Close())
	}
	var err error
	b.file, err = journal.Open(filepath.Join(b.dir, "journal.db"), journal.NoSync())
	require.NoError(b.t, err)
	b.cfg.Journal = b.file
	b.machine, err = onemachine.Start(b.cfg)
	require.NoError(b.t, err)
	b.t.Cleanup(b.machine.Close)
}

func (b *box) pass(d time.Duration) {
	b.t.Helper()
	over := false
	b.clock.AfterFunc(b.clock.Now().Add(d), func() { over = true })
	require.NoError(b.t, b.clock.RunUntil(b.t.Context(), func() bool { return over }))
}

func TestAMachineGoesOnWhereItDied(t *testing.T) {
	b := newBox(t)
	b.dies = func(function string) bool { return function == "check-ownership" }
	arn, err := b.machine.StartCleanup(t.Context(), "spring", sunset.Request{DryRun: true, Starter: "claimed"})
	require.NoError(t, err)
	b.pass(time.Hour)
	require.Contains(t, b.called, "check-ownership")
	x, _ := b.machine.Engine.Execution(arn)
	require.Equal(t, asl.Running, x.Status)
	require.Equal(t, "CheckOwnership", x.State)

	b.begin()
	b.pass(time.Hour)
	x, _ = b.machine.Engine.Execution(arn)
	require.Equal(t, asl.Succeeded, x.Status, "%s: %s", x.Error, x.Cause)
	var unknown int
	for _, ev := range b.machine.Engine.History(arn) {
		if ev.Error != "" {
			require.Equal(t, "Lambda.Unknown", ev.Error)
			unknown++
		}
	}
	require.Equal(t, 1, unknown)
	who, err := b.machine.StartedBy(t.Context(), arn, begin())
	require.NoError(t, err)
	require.Equal(t, b.cfg.Self, who, "whom the request claims is not asked")
	who, err = b.machine.StartedBy(t.Context(), arn+"x", begin())
	require.NoError(t, err)
	require.Empty(t, who)

	b.machine.Shutdown(t.Context())
	resp, err := http.Get(b.machine.EngineURL)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	require.Error(t, err, "nobody serves any more")
}

func TestReconcileRunsSoonAfterARestart(t *testing.T) {
	b := newBox(t)
	b.pass(10 * time.Minute)
	require.Zero(t, b.looked, "there is nothing to look after yet")
	_, err := b.machine.StartCleanup(t.Context(), "spring", sunset.Request{DryRun: true})
	require.NoError(t, err)
	b.pass(30 * time.Minute)
	require.Equal(t, 1, b.machine.Engine.Counts()[asl.Succeeded])
	b.begin()
	b.looked = 0
	b.pass(time.Second)
	require.Zero(t, b.looked)
	b.pass(time.Minute)
	require.Positive(t, b.looked)
}

func TestWhatAMachineServes(t *testing.T) {
	b := newBox(t)
	require.Equal(t, "https://sunset.example.com", b.machine.PagesURL)
	resp, err := http.Get(b.machine.EngineURL + "/office/hello")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "/office/hello beside "+b.machine.EngineURL, string(body))

	cfg := b.cfg
	cfg.Journal, cfg.EngineAddr = nil, "0.0.0.0:0"
	_, err = onemachine.Start(cfg)
	require.ErrorContains(t, err, "only a loopback address will do")
}

// A crowd that is due at once is let in a few at a time; who finds no turn is refused as Lambda refuses, and comes again.
func TestACrowdTakesTurns(t *testing.T) {
	b := newBox(t)
	b.machine.Close()
	var mu sync.Mutex
	atWork, most, started := 0, 0, 0
	crowd := make(chan struct{})
	b.cfg.Time, b.cfg.AtOnce = clock.Wall{}, 2
	b.cfg.Each = func(function string, w workflow.World) workflow.World {
		if function != "discover" {
			return w
		}
		w.Settings = func(context.Context) (sunset.Settings, error) {
			mu.Lock()
			atWork++
			most = max(most, atWork)
			if started++; started == 2 {
				close(crowd)
			}
			mu.Unlock()
			<-crowd // the first waits for company, so that two are seen
			mu.Lock()
			defer mu.Unlock()
			atWork--
			return sunset.Settings{}, sunset.Faultf(sunset.Invalid, "these settings end every cleanup")
		}
		return w
	}
	b.begin()
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		_, err := b.machine.StartCleanup(t.Context(), name, sunset.Request{DryRun: true, Starter: "claimed"})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return b.machine.Engine.Counts()[asl.Failed] == 5 }, 2*time.Minute, 10*time.Millisecond)
	require.Equal(t, 5, started)
	require.Equal(t, 2, most)
}
