// Package bench measures what docs/performance.md says. Counts of calls, bytes and events are the same on every machine
// and are asserted by tests; wall time and memory are reported by benchmarks and never asserted.
package bench

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	day     = 24 * time.Hour
	cleanup = "spring"
	// most is how many users AWS lets an account have.
	most = 5000
)

// begin is when every world begins: a Monday morning.
func begin() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// account is a fake account on a port, in virtual time.
type account struct {
	*fakeaws.Account
	clock  *clock.Virtual
	server *fakeaws.Server
}

// newAccount has the regions named, or the 17 that every account has.
func newAccount(tb testing.TB, regions ...string) *account {
	tb.Helper()
	a := &account{clock: clock.NewVirtual(begin())}
	a.Account = fakeaws.New(fakeaws.Config{Now: a.clock.Now, Seed: 7, Regions: regions})
	var err error
	a.server, err = a.Serve("127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = a.server.Close() })
	return a
}

// crowded is an account of n users in the proportions of a grown one.
func crowded(tb testing.TB, n int, regions ...string) *account {
	tb.Helper()
	a := newAccount(tb, regions...)
	require.NoError(tb, a.Crowd(n))
	return a
}

// bulk tells calls about the whole account from reads of a single user's own.
func bulk(calls []fakeaws.Call) (whole, own []fakeaws.Call) {
	for _, c := range calls {
		if c.Params["UserName"] == "" && c.Params["AccessKeyId"] == "" {
			whole = append(whole, c)
		} else {
			own = append(own, c)
		}
	}
	return whole, own
}

// pace is how fast CloudTrail was asked, as a part of the two requests a second that it answers in a region: the
// highest of all regions, each from its first to its last request.
func pace(calls []fakeaws.Call) (highest float64, lookups int) {
	at := map[string][]time.Time{}
	for _, c := range calls {
		if c.Action == "LookupEvents" {
			at[c.Region] = append(at[c.Region], c.At)
			lookups++
		}
	}
	for _, times := range at {
		if n := len(times); n > 1 {
			highest = max(highest, float64(n-1)/times[n-1].Sub(times[0]).Seconds()/2)
		}
	}
	return highest, lookups
}

// machine is the product on one machine, with an approver who deletes whatever may be deleted an hour after the mail.
type machine struct {
	*onemachine.Machine
	tb      testing.TB
	account *account
	dir     string

	// invoked, where set, is told of each call of a function before it works.
	invoked func(function string)
}

const approver = "approver@example.com"

// newMachine puts the product on one machine; change, where given, has the last word on how.
func newMachine(tb testing.TB, a *account, change ...func(*onemachine.Config)) *machine {
	tb.Helper()
	m := &machine{tb: tb, account: a, dir: tb.TempDir()}
	dir, err := store.OpenDir(m.dir, store.NoSync())
	require.NoError(tb, err)
	signer, err := approval.OpenKeyFile(filepath.Join(m.dir, "decisions.key"))
	require.NoError(tb, err)
	settings := sunset.DefaultSettings()
	settings.Approvers = []sunset.Approver{{Email: approver}}
	settings.CapPercent = 100
	cfg := onemachine.Config{
		AWS: a.server.Config("us-east-1"), AccountID: a.ID(), Region: "us-east-1", Time: a.clock,
		Objects: dir.Objects(), Rows: dir.Rows(), Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: m,
		Settings: func(context.Context) (sunset.Settings, error) { return settings, nil },
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)), PagesAddr: "127.0.0.1:0", Rand: rand.NewChaCha8([32]byte{1}),
		OnInvoke: func(function string, _ []byte) error {
			if m.invoked != nil {
				m.invoked(function)
			}
			return nil
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	m.Machine, err = onemachine.Start(cfg)
	require.NoError(tb, err)
	tb.Cleanup(m.Close)
	return m
}

// Send is the approver's mailbox.
func (m *machine) Send(_ context.Context, mail approval.Message) error {
	if mail.Link != "" && !mail.ForOwner() {
		m.account.clock.AfterFunc(m.account.clock.Now().Add(time.Hour), func() { m.decide(mail.Link) })
	}
	return nil
}

// decide posts a decision on every case that waits for one.
func (m *machine) decide(link string) {
	items, err := m.Desk.Inbox(context.Background(), approver)
	if err != nil {
		m.tb.Errorf("opening the approver's inbox: %v", err)
		return
	}
	for _, it := range items {
		if it.Request.State != sunset.RequestOpen || it.Mine != nil {
			continue
		}
		choice := sunset.ChooseDelete
		if it.Request.Disturbed {
			choice = sunset.ChooseKeep
		}
		resp, err := http.PostForm(link+"/"+it.Request.ID, url.Values{
			"choice": {string(choice)}, "reason": {"unused for a year"}, "digest": {it.Request.Digest},
		})
		if err != nil {
			m.tb.Errorf("posting a decision: %v", err)
			return
		}
		_ = resp.Body.Close()
	}
}

// clean starts a cleanup and runs it until end says so of its row.
func (m *machine) clean(r sunset.Request, end func(sunset.Cleanup) bool) sunset.Cleanup {
	m.tb.Helper()
	r.Starter = "arn:aws:sts::123456789012:assumed-role/security/starter@example.org"
	_, err := m.StartCleanup(m.tb.Context(), cleanup, r)
	require.NoError(m.tb, err)
	var row sunset.Cleanup
	limit := begin().Add(365 * day)
	require.NoError(m.tb, m.account.clock.RunUntil(m.tb.Context(), func() bool {
		c, err := m.Cases.Cleanup(context.Background(), cleanup)
		row = c
		return err == nil && end(c) || m.account.clock.Now().After(limit)
	}))
	require.True(m.tb, end(row), "a year has passed")
	return row
}

func ended(c sunset.Cleanup) bool   { return !c.Ended.IsZero() }
func settled(c sunset.Cleanup) bool { return c.Settled }

// payload is the longest input or output in the histories of executions, and the state or event that it belongs to.
func (m *machine) payload(executions []stepfunctions.Execution) (bytes int, of string) {
	for _, x := range executions {
		for _, ev := range m.Engine.History(x.ARN) {
			if len(ev.Payload) > bytes {
				bytes, of = len(ev.Payload), strings.TrimSpace(string(ev.Type)+" "+ev.State)
			}
		}
	}
	return bytes, of
}
