package rehearsal_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/rehearsal"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// world is an account with people in it, under a virtual clock, and the stores of a deployment.
type world struct {
	t      *testing.T
	clock  *clock.Virtual
	fake   *fakeaws.Account
	cfg    aws.Config
	dir    string
	before []fakeaws.UserState
	wire   *wire

	mu      sync.Mutex
	mail    []approval.Message
	refused error // what the messenger answers
	said    []string
}

func newWorld(t *testing.T, c fakeaws.Config) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), dir: t.TempDir()}
	c.Now, c.Seed, c.Regions = w.clock.Now, 3, []string{"eu-west-1", "us-east-1"}
	w.fake = fakeaws.New(c)
	// Users that merely look like decoys are nobody's business.
	old := w.clock.Now().AddDate(-1, 0, 0)
	for _, u := range []fakeaws.UserSpec{
		{Name: "ann", Keys: []fakeaws.AccessKeySpec{{}}},
		{Name: "iam-sunset-rehearsal-1", Path: "/iam-sunset-rehearsal/"},
		{Name: "iam-sunset-rehearsal-2", Path: "/iam-sunset-rehearsal/", Tags: []fakeaws.Tag{{Key: "iam-sunset-rehearsal", Value: "3"}}},
		{Name: "iam-sunset-rehearsal-4", Tags: []fakeaws.Tag{{Key: "iam-sunset-rehearsal", Value: "4"}}},
		{Name: "iam-sunset-rehearsal-5", Path: "/iam-sunset-rehearsal/more/", Tags: []fakeaws.Tag{{Key: "iam-sunset-rehearsal", Value: "5"}}},
		{Name: "rehearsed-6", Path: "/iam-sunset-rehearsal/", Tags: []fakeaws.Tag{{Key: "iam-sunset-rehearsal", Value: "6"}}},
	} {
		u.CreatedAt = old
		_, err := w.fake.AddUser(u)
		require.NoError(t, err)
	}
	w.before = w.fake.Users()
	server, err := w.fake.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	w.cfg = server.Config("eu-west-1")
	w.wire = &wire{inner: w.cfg.HTTPClient}
	w.cfg.HTTPClient = w.wire
	w.cfg.Retryer = awsfault.RetryOn(w.clock)
	return w
}

// rehearse runs one rehearsal.
func (w *world) rehearse(ctx context.Context, wait time.Duration) (rehearsal.Report, error) {
	w.t.Helper()
	objects, err := store.OpenDir(w.dir, store.NoSync())
	require.NoError(w.t, err)
	var report rehearsal.Report
	var failed error
	require.NoError(w.t, w.clock.Run(w.t.Context(), func(context.Context) error {
		r := rehearsal.New(rehearsal.World{
			AWS: w.cfg, IAM: iamaccount.New(w.cfg, w.clock), Trail: trail.New(w.cfg, w.clock), Clock: w.clock,
			Record: audit.NewBook(objects.Objects(), w.clock).Append, Messenger: w, Approvers: []string{"ada@example.com", "bo@example.com"},
			By: "arn:aws:sts::123456789012:assumed-role/security/olga", Account: w.fake.ID(), Say: func(s string) { w.said = append(w.said, s) },
		})
		report, failed = r.Run(ctx, wait)
		return nil
	}))
	return report, failed
}

// Send is the deployment's messenger.
func (w *world) Send(_ context.Context, m approval.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused != nil {
		return w.refused
	}
	w.mail = append(w.mail, m)
	return nil
}

// nothingLeft fails where the account is not as it was.
func (w *world) nothingLeft() {
	w.t.Helper()
	require.Equal(w.t, w.before, w.fake.Users())
	require.Empty(w.t, w.fake.UnknownCalls())
}

// kept is everything that was written down.
func (w *world) kept() string {
	w.t.Helper()
	var all bytes.Buffer
	require.NoError(w.t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	}))
	return all.String()
}

// evidence verifies what is on record.
func (w *world) evidence() audit.Report {
	w.t.Helper()
	root, err := w.evidenceDir()
	require.NoError(w.t, err)
	report, err := audit.Verify(os.DirFS(root))
	require.NoError(w.t, err)
	return report
}

func (w *world) evidenceDir() (string, error) {
	found := ""
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "evidence" {
			found = path
		}
		return err
	})
	if found == "" && err == nil {
		err = errors.New("there is no evidence")
	}
	return found, err
}

// wire stands between the product and the account, so that answers can be changed.
type wire struct {
	inner aws.HTTPClient
	mu    sync.Mutex
	// change, where set, may change the answer to an action of the query protocol.
	change  func(action, body string) string
	secrets []string // that AWS handed out
}

func (c *wire) Do(r *http.Request) (*http.Response, error) {
	action := ""
	if r.Body != nil {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
		if form, err := url.ParseQuery(string(sent)); err == nil {
			action = form.Get("Action")
		}
	}
	resp, err := c.inner.Do(r)
	if err != nil || action == "" {
		return resp, err
	}
	got, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it is read
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	body := string(got)
	if _, after, ok := strings.Cut(body, "<SecretAccessKey>"); ok {
		secret, _, _ := strings.Cut(after, "<")
		c.secrets = append(c.secrets, secret)
	}
	if c.change != nil {
		body = c.change(action, body)
	}
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, nil
}

func finding(t *testing.T, r rehearsal.Report, about rehearsal.About) rehearsal.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.About == about {
			return f
		}
	}
	require.Failf(t, "no finding", "about %s in %+v", about, r.Findings)
	return rehearsal.Finding{}
}

var errRefused = sunset.Faultf(sunset.Invalid, "SES does not take the address")
