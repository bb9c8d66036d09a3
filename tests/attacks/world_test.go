package attacks

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/dashboard"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/outbox"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/signin/signintest"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const (
	day     = 24 * time.Hour
	region  = "us-east-1"
	cleanup = "spring-cleaning"

	ada   = "ada@meadowlark.example"
	ben   = "ben@meadowlark.example"
	olga  = "olga@meadowlark.example" // started the cleanup
	sam   = "sam@meadowlark.example"  // turns out to be the subject of a case
	dora  = "dora@meadowlark.example" // is an approver no more
	maria = "maria@meadowlark.example"
	paula = "paula@meadowlark.example"

	olgaARN  = "arn:aws:sts::123456789012:assumed-role/security/olga"
	servedBy = "arn:aws:iam::123456789012:role/serve"
	adaARN   = "arn:aws:sts::123456789012:assumed-role/approvers/ada"

	// The two users that most is tried on, one that was heard of in its soak, and one on whom two have decided.
	target, other, tried, decided = "old-batch", "old-report", "old-trier", "old-agreed"
)

// hostile are users whose names, paths and tags are what IAM allows, and spreadsheets, browsers and shells would obey. What has
// x-attack in it is markup, a header or a command wherever it is taken for one.
func hostile() map[string][]fakeaws.Life {
	return map[string][]fakeaws.Life{
		"=cmd":   {fakeaws.Tagged("owner", `<x-attack onerror=alert(1)>`)},
		"@SUM":   {fakeaws.Tagged("owner", `" x-attack="1`), fakeaws.InPath(`/"><x-attack>/`)},
		"+1-800": {fakeaws.Tagged("owner", "=HYPERLINK(1)"), fakeaws.Tagged("note", "\r\nBcc: x-attack@evil.example")},
		"-rf":    {fakeaws.Tagged("owner", "\u202egpj.exe\u2028x-attack"), fakeaws.InPath("/$(x-attack)/`id`/${x}/")},
	}
}

// world is the whole product on one machine as serve has it: its pages, engine, office and dashboard, over real HTTP and in
// virtual time, in the middle of a cleanup. Time passes only where a test lets it.
type world struct {
	t        testing.TB
	clock    *clock.Virtual
	account  *fakeaws.Account
	aws      *fakeaws.Server
	machine  *onemachine.Machine
	board    *dashboard.Dashboard
	api      *httptest.Server
	provider *signintest.Provider
	store    *store.Dir
	key      signature.Key
	dir      string
	log      *log
	users    map[string]fakeaws.NewUser
	writes   atomic.Int64 // tried, whether they came through or not

	mu       sync.Mutex
	settings sunset.Settings
	mail     []approval.Message
	outbox   *outbox.Outbox
	events   []string
	caller   string // whom AWS names to the API
	victims  int
	answers  []answer
	dropped  []string          // secrets that were made on the way
	made     map[string]string // links of those whom no message asks
	over     string            // what ends the address of a link that has ended
}

// log is written to from everywhere.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// counting are stores that count what is written.
type (
	countedObjects struct {
		store.Objects
		writes *atomic.Int64
	}
	countedRows struct {
		store.Rows
		writes *atomic.Int64
	}
)

func (c countedObjects) Put(ctx context.Context, key string, body []byte) error {
	c.writes.Add(1)
	return c.Objects.Put(ctx, key, body)
}

func (c countedRows) Put(ctx context.Context, key string, version int64, body []byte) (int64, error) {
	c.writes.Add(1)
	return c.Rows.Put(ctx, key, version, body)
}

// newWorld is one in which approvers are asked about every user that is there to go.
func newWorld(t testing.TB, victims int) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), dir: t.TempDir(), log: &log{}, users: map[string]fakeaws.NewUser{}, made: map[string]string{}, settings: sunset.DefaultSettings()}
	w.settings.Approvers = []sunset.Approver{
		{Email: ada, Principals: []string{"arn:aws:iam::123456789012:role/approvers"}},
		{Email: ben},
		{Email: dora},
		{Email: olga, Principals: []string{"arn:aws:iam::123456789012:role/security"}},
		{Email: sam},
	}
	w.settings.Notice, w.settings.Soak, w.settings.ApprovalOpen = sunset.Duration(2*time.Hour), sunset.Duration(12*time.Hour), sunset.Days(2)
	w.settings.CapPercent, w.settings.Batch, w.settings.ApprovalsNeeded = 100, 300, 2
	w.settings.Team, w.settings.OwnerDomains = "team@meadowlark.example", []string{"meadowlark.example"}
	w.account = fakeaws.New(fakeaws.Config{Now: w.clock.Now, Seed: 7, Regions: []string{region}})
	for _, role := range []string{"approvers", "security", "visitors"} {
		w.account.AddRole(fakeaws.RoleSpec{Name: role, CreatedAt: w.clock.Now().AddDate(-1, 0, 0)})
	}
	w.populate(victims)
	var err error
	w.aws, err = w.account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.aws.Close() })
	w.begin()
	w.start()
	w.pass(18 * time.Hour)
	for _, who := range []string{olga, sam, dora} {
		secret, err := w.machine.Desk.NewLink(t.Context(), who, w.clock.Now().Add(14*day))
		require.NoError(t, err)
		w.made[who], w.dropped = w.machine.PagesURL+"/a/"+secret, append(w.dropped, secret)
	}
	over, err := w.machine.Desk.NewLink(t.Context(), ada, w.clock.Now())
	require.NoError(t, err)
	w.over, w.dropped = over, append(w.dropped, over)
	w.set(func(s *sunset.Settings) {
		s.Approvers = slices.DeleteFunc(slices.Clone(s.Approvers), func(a sunset.Approver) bool { return a.Email == dora })
	})
	return w
}

func (w *world) populate(victims int) {
	join := func(name string, lives ...fakeaws.Life) {
		user, err := w.account.Join(name, lives...)
		require.NoError(w.t, err, name)
		w.users[name] = user
	}
	join("in-use", fakeaws.Active())
	join(target, fakeaws.OldKey(), fakeaws.Tagged("owner", maria))
	join(other, fakeaws.OldKey(), fakeaws.Tagged("owner", paula))
	join(decided, fakeaws.OldKey(), fakeaws.Tagged("owner", paula))
	join(tried, fakeaws.OldKey(), fakeaws.TriesItsKey(w.clock.Now().Add(8*time.Hour)))
	for n := range victims {
		join(victim(n), fakeaws.OldKey(), fakeaws.Tagged("owner", maria))
	}
	for name, lives := range hostile() {
		join(name, append(lives, fakeaws.OldKey())...)
	}
}

func victim(n int) string { return fmt.Sprintf("svc-%02d", n) }

// begin starts the machine as serve does.
func (w *world) begin() {
	var err error
	w.store, err = store.OpenDir(filepath.Join(w.dir, "store"), store.NoSync())
	require.NoError(w.t, err)
	keys := make([]approval.Signer, 3)
	for i, name := range []string{"decisions", "links", "owners"} {
		keys[i], err = approval.OpenKeyFile(filepath.Join(w.dir, name+".key"))
		require.NoError(w.t, err)
	}
	w.key, err = signature.NewKey(rand.Reader)
	require.NoError(w.t, err)
	w.outbox, err = outbox.Open(filepath.Join(w.dir, "outbox"), w.clock, w.live)
	require.NoError(w.t, err)
	out := lambdahost.NewTextLogger(w.log, slog.LevelInfo)
	before := slog.Default()
	slog.SetDefault(out) // as serve does, for whatever has no logger of its own
	w.t.Cleanup(func() { slog.SetDefault(before) })
	cfg := w.aws.Config(region)
	checker := identity.NewChecker(cfg, w.key.ID, time.Now)
	w.machine, err = onemachine.Start(onemachine.Config{
		AWS: cfg, AccountID: w.account.ID(), Region: region, Time: w.clock,
		Objects: countedObjects{w.store.Objects(), &w.writes}, Rows: countedRows{w.store.Rows(), &w.writes},
		Signers: approval.Signers{Decisions: keys[0], Links: keys[1], Owners: keys[2]}, Messenger: w, Settings: w.live, Log: out,
		PagesAddr: "127.0.0.1:0", Key: w.key, ClientSecret: clientSecret,
		Identify: checker.Starter, Self: servedBy,
		Each: func(_ string, world workflow.World) workflow.World {
			world.Publish = w.publish
			return world
		},
		Office: func(m *onemachine.Machine) http.Handler {
			w.board = dashboard.New(dashboard.Config{
				Workflow: m.Workflow, Account: w.account.ID(), Region: region, SettingsFile: "settings.json", Credentials: "credentials", Now: w.clock.Now, Hold: w.clock.Hold, Log: out,
			})
			beside := http.NewServeMux()
			beside.Handle("/dashboard/", w.board)
			beside.Handle("/office/", office.New(office.Config{
				Key: w.key, Workflow: m.Workflow, Restore: m.Functions()["restore"], Identity: checker, Rights: office.Operators(), Account: w.account.ID(), Region: region,
				Version: "test", Credentials: "credentials", Hold: w.clock.Hold, Invite: w.board.Invite,
			}))
			return beside
		},
	})
	require.NoError(w.t, err)
	w.t.Cleanup(w.machine.Close)
	w.api = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer w.clock.Hold()()
		w.machine.API(func(*http.Request) (string, bool) { return w.caller, w.caller != "" }).ServeHTTP(rw, r)
	}))
	w.t.Cleanup(w.api.Close)
	w.provider = signintest.New(w.t, w.clock.Now)
	w.provider.Set(func(p *signintest.Provider) { p.Secret, p.Person = clientSecret, signintest.Verified(ada) })
}

const clientSecret = "client-secret-of-the-pages-0123456789"

func (w *world) publish(_ context.Context, r audit.Record) error {
	b, err := json.Marshal(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, string(b))
	return err
}

// Send is the world's post: it keeps what was sent, and writes it as serve does.
func (w *world) Send(ctx context.Context, m approval.Message) error {
	if err := w.outbox.Send(ctx, m); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mail = append(w.mail, m)
	return nil
}

func (w *world) live(context.Context) (sunset.Settings, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.settings, nil
}

func (w *world) set(f func(*sunset.Settings)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.settings)
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	over := false
	w.clock.AfterFunc(w.clock.Now().Add(d), func() { over = true })
	require.NoError(w.t, w.clock.RunUntil(w.t.Context(), func() bool { return over }))
}

// start starts the cleanup with a proof of who does.
func (w *world) start() {
	w.t.Helper()
	proof, err := identity.Prove(w.t.Context(), w.as("security", "olga"), w.key.ID, identity.ToStart, time.Now())
	require.NoError(w.t, err)
	in, err := json.Marshal(map[string]string{"stateMachineArn": w.machine.Engine.StateMachineARN(), "name": cleanup, "input": `{"starter":"` + olgaARN + `"}`})
	require.NoError(w.t, err)
	t := &trial{world: w, has: engineKey}
	t.refused(t.calls("StartExecution", json.RawMessage(in), header(identity.Header, proof), t.signed(w.key, "states", string(in))), http.StatusOK)
	require.Empty(w.t, t.problems)
}
