// Package tests runs whole cleanups: the shipped definition on the embedded engine, against the fake account, over the
// same wire and pages as in earnest, in virtual time.
package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	day      = 24 * time.Hour
	approver = "approver@example.com"
	second   = "second@example.com"
	starter  = "arn:aws:sts::123456789012:assumed-role/security/starter@example.org"
	cleanup  = "spring"
)

// begin is when every world begins: a Monday morning.
func begin() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// world is a machine with the product on it, an account to clean up, and people.
type world struct {
	t       *testing.T
	clock   *clock.Virtual
	account *fakeaws.Account
	aws     *fakeaws.Server
	machine *onemachine.Machine
	dir     string
	log     *bytes.Buffer

	mu       sync.Mutex
	settings sunset.Settings
	mail     []approval.Message
	links    []string // approvers'
	ways     []string // owners' links
	// people answer announcements: what each approver does with each request; "" leaves it alone.
	people map[string]func(sunset.ApprovalRequest) sunset.Choice
	// invoked, where set, is told of every call of a function.
	invoked func(function string) error
	// twice names functions whose every first answer is lost: AWS calls them again.
	twice map[string]bool
	lost  map[string]bool
	// mute, where set, is asked whether a message can be sent.
	mute func(approval.Message) error
	// wire, where set, is told of every call to AWS's query protocol before it goes out.
	wire func(action, user string)
	// adapt, where set, changes what each of the world's machines is made of.
	adapt func(*onemachine.Config)
	// dumpEvidence, where set, puts the evidence where auditors look for it, from wherever it is.
	dumpEvidence func()
}

// withRoles, where the test of least privilege has set it, gives each function a role of its own and puts the stores onto
// AWS's wire.
var withRoles func(*world, *onemachine.Config)

// newWorld makes a world in which the approver deletes whatever may be deleted and keeps the rest.
func newWorld(t *testing.T, populate func(*fakeaws.Account)) *world {
	t.Helper()
	return newWorldIn(t, nil, populate)
}

// newSmallWorld has two regions only, so that it is quick.
func newSmallWorld(t *testing.T, populate func(*fakeaws.Account)) *world {
	t.Helper()
	return newWorldIn(t, []string{"eu-west-1", "us-east-1"}, populate)
}

func newWorldIn(t *testing.T, regions []string, populate func(*fakeaws.Account), arrange ...func(*world)) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewVirtual(begin()), dir: t.TempDir(), log: &bytes.Buffer{}, settings: sunset.DefaultSettings(), lost: map[string]bool{}}
	w.settings.Approvers = []sunset.Approver{{Email: approver}}
	w.settings.CapPercent = 100
	w.people = map[string]func(sunset.ApprovalRequest) sunset.Choice{approver: deleteOrKeep}
	w.account = fakeaws.New(fakeaws.Config{Now: w.clock.Now, Seed: 7, Regions: regions})
	if populate != nil {
		populate(w.account)
	}
	var err error
	w.aws, err = w.account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.aws.Close() })
	for _, f := range arrange {
		f(w)
	}
	w.start()
	return w
}

func deleteOrKeep(r sunset.ApprovalRequest) sunset.Choice {
	if r.Disturbed {
		return sunset.ChooseKeep
	}
	return sunset.ChooseDelete
}

func always(c sunset.Choice) func(sunset.ApprovalRequest) sunset.Choice {
	return func(sunset.ApprovalRequest) sunset.Choice { return c }
}

func (w *world) start() {
	w.t.Helper()
	require.NoError(w.t, w.boot())
}

// boot starts a machine on the world's stores; the error is the machine's own.
func (w *world) boot() error {
	w.t.Helper()
	dir, err := store.OpenDir(w.dir, store.NoSync())
	require.NoError(w.t, err)
	signer, err := approval.OpenKeyFile(filepath.Join(w.dir, "decisions.key"))
	require.NoError(w.t, err)
	cfg := w.aws.Config("us-east-1")
	cfg.HTTPClient = eavesdropper{inner: cfg.HTTPClient, world: w}
	config := onemachine.Config{
		AWS: cfg, AccountID: w.account.ID(), Region: "us-east-1", Time: w.clock,
		Objects: dir.Objects(), Rows: dir.Rows(), Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: w, Settings: w.live,
		Log: slog.New(slog.NewTextHandler(&lockedWriter{w: w.log}, nil)), PagesAddr: "127.0.0.1:0", Rand: rand.NewChaCha8([32]byte{1}),
		OnInvoke: func(function string, payload []byte) error {
			w.mu.Lock()
			f := w.invoked
			w.mu.Unlock()
			if f != nil {
				if err := f(function); err != nil {
					return err
				}
			}
			return w.loseFirst(function, payload)
		},
	}
	if withRoles != nil {
		withRoles(w, &config)
	}
	if w.adapt != nil {
		w.adapt(&config)
	}
	machine, err := onemachine.Start(config)
	if err != nil {
		return err
	}
	w.machine = machine
	w.t.Cleanup(machine.Close)
	return nil
}

// eavesdropper is the way to the account; it tells the world of what passes.
type eavesdropper struct {
	inner aws.HTTPClient
	world *world
}

func (e eavesdropper) Do(r *http.Request) (*http.Response, error) {
	e.world.mu.Lock()
	wire := e.world.wire
	e.world.mu.Unlock()
	if wire == nil || r.Body == nil {
		return e.inner.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	action := r.Header.Get("X-Amz-Target")
	form, err := url.ParseQuery(string(body))
	if err == nil && action == "" {
		action = form.Get("Action")
	}
	wire(action[strings.LastIndex(action, ".")+1:], form.Get("UserName"))
	return e.inner.Do(r)
}

// lockedWriter lets handlers log side by side.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (w *world) live(context.Context) (sunset.Settings, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.settings, nil
}

// set changes the settings, as an operator would at any time.
func (w *world) set(f func(*sunset.Settings)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.settings)
}

// at has something happen at a time, while everything else stands still.
func (w *world) at(t time.Time, f func()) { w.clock.AfterFunc(t, f) }

// Send is the world's mail. An approver opens the link after an hour.
func (w *world) Send(_ context.Context, m approval.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mute != nil {
		if err := w.mute(m); err != nil {
			return err
		}
	}
	w.mail = append(w.mail, m)
	if m.ForOwner() {
		w.ways = append(w.ways, m.Link)
	} else if m.Link != "" {
		w.links = append(w.links, m.Link)
		if decide := w.people[m.To]; decide != nil {
			w.clock.AfterFunc(w.clock.Now().Add(time.Hour), func() { w.visit(m.To, m.Link, decide) })
		}
	}
	return nil
}

// visit decides on everything that an approver finds open.
func (w *world) visit(email, link string, decide func(sunset.ApprovalRequest) sunset.Choice) {
	items, err := w.machine.Desk.Inbox(context.Background(), email)
	if err != nil {
		return // not an approver any more
	}
	for _, it := range items {
		if it.Request.State == sunset.RequestOpen && it.Mine == nil {
			if choice := decide(it.Request); choice != "" {
				w.post(link, it.Request, choice)
			}
		}
	}
}

// post sends the form of a case, and gives the page's status.
func (w *world) post(link string, r sunset.ApprovalRequest, choice sunset.Choice) int {
	resp, err := http.PostForm(link+"/"+r.ID, url.Values{"choice": {string(choice)}, "reason": {"because of the test"}, "digest": {r.Digest}})
	if err != nil {
		w.t.Errorf("posting a decision: %v", err)
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// clean starts a cleanup.
func (w *world) clean(r sunset.Request) string {
	w.t.Helper()
	if r.Starter == "" {
		r.Starter = starter
	}
	return w.cleanAs(cleanup, r)
}

func (w *world) cleanAs(name string, r sunset.Request) string {
	w.t.Helper()
	arn, err := w.machine.StartCleanup(w.t.Context(), name, r)
	require.NoError(w.t, err)
	return arn
}

// until lets time pass until end, or a year.
func (w *world) until(end func() bool) {
	w.t.Helper()
	limit := begin().Add(365 * day)
	err := w.clock.RunUntil(w.t.Context(), func() bool { return end() || w.clock.Now().After(limit) })
	require.NoError(w.t, err)
	require.True(w.t, w.clock.Now().Before(limit), "a year has passed; log:\n%s", w.log)
}

// finish lets time pass until the cleanup has ended, and gives its row.
func (w *world) finish() sunset.Cleanup { return w.finishOf(cleanup) }

func (w *world) finishOf(name string) sunset.Cleanup {
	w.t.Helper()
	var row sunset.Cleanup
	w.until(func() bool {
		c, err := w.machine.Cases.Cleanup(context.Background(), name)
		row = c
		return err == nil && !c.Ended.IsZero()
	})
	return row
}

// caseOf is the row of a user's case.
func (w *world) caseOf(id string) sunset.Case {
	w.t.Helper()
	c, err := w.machine.Cases.Get(w.t.Context(), id)
	require.NoError(w.t, err)
	return c
}

// path is what a case's execution went through, rounds of listening and holding counted once.
func (w *world) path(arn string) string {
	var out []string
	for _, s := range w.machine.Engine.StatesEntered(arn) {
		out = append(out, s)
		for n := len(out); n >= 4 && out[n-1] == out[n-3] && out[n-2] == out[n-4]; n = len(out) {
			out = out[:n-2]
		}
	}
	kept := out[:0]
	for _, s := range out {
		switch s { // Choices follow from the state before
		case "Begin", "Disabled", "SoakChecked", "Decided", "Deleted", "Restored", "Discovered", "Crosschecked", "OwnershipChecked", "PlanLogged", "CasesOpened":
			continue
		}
		kept = append(kept, s)
	}
	joined := strings.Join(kept, " ")
	for {
		shorter := strings.ReplaceAll(joined, "WaitSoak CheckSoak WaitSoak CheckSoak", "WaitSoak CheckSoak")
		shorter = strings.ReplaceAll(shorter, "WaitWhileHeld Disable WaitWhileHeld Disable", "WaitWhileHeld Disable")
		shorter = strings.ReplaceAll(shorter, "WaitForWindow DeleteAllArtifacts WaitForWindow DeleteAllArtifacts", "WaitForWindow DeleteAllArtifacts")
		if shorter == joined {
			return joined
		}
		joined = shorter
	}
}

// taskToken steals the token of a request from the store, as somebody may who reads it.
func (w *world) taskToken(requestID string) string {
	dir, err := store.OpenDir(w.dir, store.NoSync())
	require.NoError(w.t, err)
	row, err := dir.Rows().Get(context.Background(), "token/"+requestID)
	require.NoError(w.t, err)
	var stored struct {
		Token string `json:"token"`
	}
	require.NoError(w.t, json.Unmarshal(row.Body, &stored))
	require.NotEmpty(w.t, stored.Token)
	return stored.Token
}

// evidence is the directory that an auditor would get.
func (w *world) evidence() string {
	if w.dumpEvidence != nil {
		w.dumpEvidence()
	}
	return w.evidenceDir()
}

func (w *world) evidenceDir() string { return filepath.Join(w.dir, "objects", "evidence") }

// proven checks the evidence offline, and that no secret is in it.
func (w *world) proven() audit.Report {
	w.t.Helper()
	report, err := audit.Verify(os.DirFS(w.evidence()))
	require.NoError(w.t, err)
	require.Empty(w.t, report.Problems)
	w.noSecrets()
	return report
}

// noSecrets looks for links, task tokens and key secrets in evidence, logs, messages' texts and histories.
func (w *world) noSecrets() {
	w.t.Helper()
	var secrets []string
	for _, link := range slices.Concat(w.links, w.ways) {
		secrets = append(secrets, link[strings.LastIndex(link, "/")+1:])
	}
	text := w.log.String()
	for _, m := range w.mail {
		text += m.Text
	}
	require.NoError(w.t, filepath.WalkDir(w.evidence(), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		require.NoError(w.t, err)
		require.Equal(w.t, os.FileMode(0o600), info.Mode().Perm(), path)
		b, err := os.ReadFile(path)
		text += string(b)
		return err
	}))
	for _, s := range secrets {
		require.NotContains(w.t, text, s, "a link was written where it must not be")
	}
	require.NotContains(w.t, text, "task_token")
}

// records are the kinds of records in a case's chain, in order.
func (w *world) records(c sunset.Case) []audit.Record {
	w.t.Helper()
	records, err := w.machine.Records.Chain(w.t.Context(), sunset.ChainOf(c.ID))
	require.NoError(w.t, err)
	return records
}

func (w *world) recorded(c sunset.Case, kind string) bool {
	for _, r := range w.records(c) {
		if r.Kind == kind {
			return true
		}
	}
	return false
}

func (w *world) dump(c sunset.Case) string {
	var b strings.Builder
	for _, r := range w.records(c) {
		fmt.Fprintf(&b, "%s %s %s %s\n", r.At.Format(time.RFC3339), r.Kind, r.Text, r.Data)
	}
	return b.String()
}
