//go:build emulators

package emulators

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// regions are few, so that CloudTrail's two look-ups a second and region suffice for many cases at once.
func regions() []string { return []string{"eu-west-1", region} }

// postbox keeps the newest link that was sent.
type postbox struct {
	mu   sync.Mutex
	last string
}

// Send keeps a message's link.
func (p *postbox) Send(_ context.Context, m approval.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Link != "" && !m.ForOwner() {
		p.last = m.Link
	}
	return nil
}

func (p *postbox) link() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// embedded walks the routes on one machine, in virtual time, and gives what each case's execution went through, and all histories.
func embedded(t *testing.T, settings sunset.Settings, cleanup string, request sunset.Request, routes []route, others ...string) (paths map[string]string, histories map[string][]types.HistoryEvent) {
	t.Helper()
	time := clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	account := fakeaws.New(fakeaws.Config{Now: time.Now, Seed: 7, Regions: regions()})
	account.SetDeliveryDelay(0)
	users := people(t, account, routes, others...)
	server, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	path := t.TempDir()
	dir, err := store.OpenDir(path, store.NoSync())
	require.NoError(t, err)
	signer, err := approval.OpenKeyFile(filepath.Join(path, "decisions.key"))
	require.NoError(t, err)
	var (
		box    postbox
		mu     sync.Mutex
		log    bytes.Buffer
		closed bool
	)
	machine, err := onemachine.Start(onemachine.Config{
		AWS: server.Config(region), AccountID: accountID, Region: region, Time: time, Objects: dir.Objects(), Rows: dir.Rows(),
		Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: &box,
		Settings: func(context.Context) (sunset.Settings, error) {
			mu.Lock()
			defer mu.Unlock()
			return settings, nil
		},
		Log: slog.New(slog.NewTextHandler(&log, nil)), PagesAddr: "127.0.0.1:0", Rand: rand.NewChaCha8([32]byte{1}),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		if !closed {
			machine.Close()
		}
	})
	w := &world{
		t: t, account: account, server: server, flow: machine.Workflow, routes: routes, users: users, link: box.link, states: machine.Engine.StatesEntered,
		rescue: func(c sunset.Case, reason string) error {
			return machine.Rescue(context.Background(), c.UserID, owner, reason)
		},
		do: func(all ...func()) {
			for _, f := range all {
				time.AfterFunc(time.Now(), f)
			}
		},
		set: func(f func(*sunset.Settings)) {
			mu.Lock()
			defer mu.Unlock()
			f(&settings)
		},
	}
	w.begin()
	execution, err := machine.StartCleanup(t.Context(), cleanup, request)
	require.NoError(t, err)
	account.AddStartExecution(fakeaws.Started{
		Execution: execution, Region: region, At: time.Now(), By: fakeaws.UserIdentity{Type: "AssumedRole", ARN: starter, AccountID: accountID},
	})
	limit := time.Now().AddDate(0, 1, 0)
	require.NoError(t, time.RunUntil(t.Context(), func() bool { return w.look(cleanup) || time.Now().After(limit) }))
	histories = w.histories(t, machine.Executions, cleanup)
	machine.Close()
	closed = true
	require.True(t, time.Now().Before(limit), "the cleanup has not ended in a month; log:\n%s", &log)
	paths = w.check(t, cleanup, others...)
	report, err := audit.Verify(os.DirFS(filepath.Join(path, "objects", "evidence")))
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	return paths, histories
}
