package office_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const region = "eu-west-1"

var key = signature.Key{ID: "SUNSETTESTKEYAAAAAAA", Secret: "not-a-secret-but-a-test"}

// everything is the right to read and write all there is.
var everything = office.Rights{ReadRows: []string{""}, WriteRows: []string{""}, WriteObjects: []string{""}}

// quick is real time, but for waits, which take none.
type quick struct{ clock.Wall }

func (quick) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// world is an office on a port, over stores of its own.
type world struct {
	url      string
	store    *store.Dir
	account  *fakeaws.Account
	aws      *fakeaws.Server
	desk     *approval.Desk
	settings sunset.Settings
	mu       sync.Mutex
	sent     []approval.Message
	rescued  []string
	ofEngine string // the engine's account
	invited  []string
	// withoutDashboard says that the office has none to invite to.
	withoutDashboard bool
	// meddle, where set, answers instead of the office, or changes what it answers.
	meddle atomic.Pointer[func(next http.Handler, rw http.ResponseWriter, r *http.Request)]
	make   func(office.Rights) http.Handler
	now    atomic.Pointer[http.Handler]
}

func (w *world) Send(_ context.Context, m approval.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, m)
	return nil
}

func open(t *testing.T, rights office.Rights) *world {
	t.Helper()
	w := &world{settings: sunset.DefaultSettings(), ofEngine: "123456789012"}
	w.settings.Approvers = []sunset.Approver{{Email: "ada@example.com", Principals: []string{"arn:aws:iam::123456789012:role/approvers"}}}
	dir := t.TempDir()
	var err error
	w.store, err = store.OpenDir(filepath.Join(dir, "store"), store.NoSync())
	require.NoError(t, err)
	signer, err := approval.OpenKeyFile(filepath.Join(dir, "decisions.key"))
	require.NoError(t, err)
	w.account = fakeaws.New(fakeaws.Config{Now: time.Now, Seed: 7, Regions: []string{region, "us-east-1"}})
	for _, role := range []string{"approvers", "operators"} {
		w.account.AddRole(fakeaws.RoleSpec{Name: role, CreatedAt: time.Now().AddDate(-1, 0, 0)})
	}
	w.aws, err = w.account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.aws.Close() })
	flow := workflow.NewPages(workflow.World{
		StateMachine: "arn:aws:states:eu-west-1:123456789012:stateMachine:iam-sunset", PagesURL: "http://127.0.0.1:2",
		Objects: w.store.Objects(), Rows: w.store.Rows(), Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: w,
		Settings: func(context.Context) (sunset.Settings, error) { return w.settings, nil }, Clock: clock.Wall{}, Log: slog.New(slog.DiscardHandler),
	})
	w.desk = flow.Desk
	w.make = func(rights office.Rights) http.Handler {
		invite := w.invite
		if w.withoutDashboard {
			invite = nil
		}
		return office.New(office.Config{
			Key: key, Workflow: flow, Identity: identity.NewChecker(w.aws.Config(region), key.ID, time.Now), Rights: rights,
			Account: w.ofEngine, Invite: invite, Region: region, Version: "1.2.3", Credentials: "/var/lib/sunset/credentials",
			Restore: func(_ context.Context, payload []byte) ([]byte, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.rescued = append(w.rescued, string(payload))
				return []byte("{}"), nil
			},
		})
	}
	w.begin(rights)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		next := *w.now.Load()
		if meddle := w.meddle.Load(); meddle != nil {
			(*meddle)(next, rw, r)
			return
		}
		next.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *world) invite(arn string) (path string, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.invited = append(w.invited, arn)
	return "/dashboard/sign-in/secret", time.Date(2026, 3, 2, 9, 5, 0, 0, time.UTC)
}

// begin is a new process over the same stores.
func (w *world) begin(rights office.Rights) {
	h := w.make(rights)
	w.now.Store(&h)
}

func (w *world) meddling(f func(next http.Handler, rw http.ResponseWriter, r *http.Request)) {
	w.meddle.Store(&f)
}

func (w *world) client() *office.Client {
	return office.NewClient(office.Transport(), w.url, key, region, quick{})
}

// as is the configuration of somebody in a role.
func (w *world) as(role, name string) aws.Config {
	return w.aws.ConfigForSession(w.account.RoleSession(role, name), region)
}
