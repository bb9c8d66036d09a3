package trail_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

const day = 24 * time.Hour

// world is an account on a port, in virtual time.
type world struct {
	*fakeaws.Account
	t      *testing.T
	clock  *clock.Virtual
	server *fakeaws.Server
}

func newWorld(t *testing.T, regions ...string) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewVirtual(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))}
	w.Account = fakeaws.New(fakeaws.Config{Now: w.clock.Now, Seed: 1, Regions: regions})
	server, err := w.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	w.server = server
	return w
}

func (w *world) trail() *trail.Trail { return trail.New(w.server.Config("eu-west-1"), w.clock) }

// run lets virtual time pass while f works.
func (w *world) run(f func(ctx context.Context) error) error {
	w.t.Helper()
	return w.clock.Run(w.t.Context(), f)
}

func (w *world) join(name string, lives ...fakeaws.Life) trail.Candidate {
	w.t.Helper()
	u, err := w.Join(name, lives...)
	require.NoError(w.t, err)
	return trail.Candidate{UserID: u.ID, Name: u.Name}
}

// idle are n users who never did anything.
func (w *world) idle(n int) []trail.Candidate {
	w.t.Helper()
	var out []trail.Candidate
	for i := range n {
		u, err := w.AddUser(fakeaws.UserSpec{Name: fmt.Sprintf("idle-%03d", i)})
		require.NoError(w.t, err)
		out = append(out, trail.Candidate{UserID: u.ID, Name: u.Name})
	}
	return out
}

// query asks about candidates over the 90 days that CloudTrail keeps.
func (w *world) query(candidates ...trail.Candidate) trail.Query {
	now := w.clock.Now()
	return trail.Query{Regions: w.Regions(), Candidates: candidates, Since: now.Add(-90 * day), Until: now}
}

func (w *world) crosscheck(q trail.Query) trail.Result {
	w.t.Helper()
	var r trail.Result
	require.NoError(w.t, w.run(func(ctx context.Context) (err error) {
		r, err = w.trail().Crosscheck(ctx, q, nil)
		return err
	}))
	return r
}

// verdict sums evidence up: used goes before unknown before unused.
func verdict(facts []sunset.Evidence) sunset.Use {
	use := sunset.Use("")
	rank := map[sunset.Use]int{"": 0, sunset.Unused: 1, sunset.Unknown: 2, sunset.Used: 3}
	for _, f := range facts {
		if rank[f.Use] > rank[use] {
			use = f.Use
		}
	}
	return use
}

func factIn(facts []sunset.Evidence, region string) sunset.Evidence {
	for _, f := range facts {
		if f.Region == region {
			return f
		}
	}
	return sunset.Evidence{}
}

// lookups are the LookupEvents calls so far.
func (w *world) lookups() []fakeaws.Call {
	var out []fakeaws.Call
	for _, c := range w.Calls() {
		if c.Action == "LookupEvents" {
			out = append(out, c)
		}
	}
	return out
}

// rewriting changes answers on their way, as nothing that the account stores can.
type rewriting func(body string) string

func (change rewriting) Do(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	body = []byte(change(string(body)))
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, nil
}

func (w *world) rewritten(old, replacement string) aws.Config {
	cfg := w.server.Config("eu-west-1")
	cfg.HTTPClient = rewriting(func(body string) string { return strings.ReplaceAll(body, old, replacement) })
	return cfg
}
