package dashboard_test

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/dashboard"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const olga = "arn:aws:sts::123456789012:assumed-role/security/olga"

// world is an engine in virtual time with a dashboard on its port.
type world struct {
	t        *testing.T
	clock    *clock.Virtual
	account  *fakeaws.Account
	store    *store.Dir
	machine  *onemachine.Machine
	board    *dashboard.Dashboard
	settings sunset.Settings
	key      signature.Key
	ahead    atomic.Int64 // how far the sessions' time is ahead
	users    map[string]fakeaws.NewUser
}

type deaf struct{}

func (deaf) Send(context.Context, approval.Message) error { return nil }

func open(t *testing.T, names ...string) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), settings: sunset.DefaultSettings(), users: map[string]fakeaws.NewUser{}}
	w.settings.Approvers = []sunset.Approver{{Email: "ada@example.com"}, {Email: "ben@example.com"}}
	w.settings.CapPercent, w.settings.Batch = 100, 2
	w.account = fakeaws.New(fakeaws.Config{Now: w.clock.Now, Seed: 7, Regions: []string{"us-east-1"}})
	for _, name := range names {
		user, err := w.account.Join(name, fakeaws.OldKey())
		require.NoError(t, err)
		w.users[name] = user
	}
	server, err := w.account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	dir := t.TempDir()
	w.store, err = store.OpenDir(filepath.Join(dir, "store"), store.NoSync())
	require.NoError(t, err)
	signer, err := approval.OpenKeyFile(filepath.Join(dir, "decisions.key"))
	require.NoError(t, err)
	w.machine, err = onemachine.Start(onemachine.Config{
		AWS: server.Config("us-east-1"), AccountID: w.account.ID(), Region: "us-east-1", Time: w.clock, Objects: w.store.Objects(), Rows: w.store.Rows(),
		Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: deaf{}, Log: slog.New(slog.DiscardHandler), PagesAddr: "127.0.0.1:0",
		Settings: func(context.Context) (sunset.Settings, error) { return w.settings, nil }, Rand: rand.NewChaCha8([32]byte{1}),
		Self: "arn:aws:iam::123456789012:role/serve",
		Office: func(m *onemachine.Machine) http.Handler {
			w.board = dashboard.New(dashboard.Config{
				Workflow: m.Workflow, Account: w.account.ID(), Region: "us-east-1", SettingsFile: "/srv/iam-sunset/settings.json", Credentials: "/srv/iam-sunset/credentials",
				Now: func() time.Time {
					return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(w.ahead.Load()))
				},
				Hold: w.clock.Hold, Log: slog.New(slog.DiscardHandler),
			})
			return w.board
		},
	})
	require.NoError(t, err)
	t.Cleanup(w.machine.Close)
	w.key = w.machine.Engine.Key()
	return w
}

func (w *world) pass(d time.Duration) {
	w.t.Helper()
	over := false
	w.clock.AfterFunc(w.clock.Now().Add(d), func() { over = true })
	require.NoError(w.t, w.clock.RunUntil(w.t.Context(), func() bool { return over }))
}

func (w *world) start(name string) {
	w.t.Helper()
	_, err := w.machine.StartCleanup(w.t.Context(), name, sunset.Request{Starter: olga})
	require.NoError(w.t, err)
}

// browser is one that follows no redirect by itself, and sends what its owner tells it.
type browser struct {
	w      *world
	cookie *http.Cookie
	header map[string]string
	host   string
}

type answer struct {
	status int
	body   string
	header http.Header
	cookie *http.Cookie
}

func (b *browser) sends(method, path string, form url.Values) answer {
	b.w.t.Helper()
	r, err := http.NewRequestWithContext(b.w.t.Context(), method, b.w.machine.EngineURL+path, strings.NewReader(form.Encode()))
	require.NoError(b.w.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.w.machine.EngineURL)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range b.header {
		r.Header.Set(name, value)
	}
	if b.host != "" {
		r.Host = b.host
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	require.NoError(b.w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.w.t, err)
	a := answer{status: resp.StatusCode, body: string(body), header: resp.Header}
	if c := resp.Cookies(); len(c) > 0 {
		a.cookie = c[0]
	}
	// No page, whichever, holds the engine's key.
	require.NotContains(b.w.t, a.body, b.w.key.Secret)
	require.NotContains(b.w.t, a.body, b.w.key.ID)
	return a
}

func (b *browser) gets(path string) answer {
	b.w.t.Helper()
	return b.sends(http.MethodGet, path, nil)
}

func (b *browser) posts(path string, form url.Values) answer {
	b.w.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return b.sends(http.MethodPost, path, form)
}

// page is one that is there.
func (b *browser) page(path string) string {
	b.w.t.Helper()
	a := b.gets(path)
	require.Equal(b.w.t, http.StatusOK, a.status, "%s: %s", path, a.body)
	return a.body
}

// signedIn is somebody's browser.
func (w *world) signedIn(arn string) *browser {
	w.t.Helper()
	b := &browser{w: w}
	path, _ := w.board.Invite(arn)
	a := b.posts(path, nil)
	require.Equal(w.t, http.StatusSeeOther, a.status, a.body)
	require.NotNil(w.t, a.cookie)
	b.cookie = a.cookie
	return b
}
