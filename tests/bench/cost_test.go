package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// tally counts what is asked of a deployment's own services, in the units that AWS bills.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *tally) add(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n[what] += n
}

type countedObjects struct {
	store.Objects
	*tally
}

func (c countedObjects) Put(ctx context.Context, key string, body []byte) error {
	c.add("PUT", 1)
	if strings.HasPrefix(key, "evidence/case/") {
		c.add("records", 1)
	}
	return c.Objects.Put(ctx, key, body)
}

func (c countedObjects) Get(ctx context.Context, key string) ([]byte, error) {
	c.add("GET", 1)
	return c.Objects.Get(ctx, key)
}

func (c countedObjects) List(ctx context.Context, prefix string) ([]string, error) {
	keys, err := c.Objects.List(ctx, prefix)
	c.add("LIST", 1+len(keys)/1000)
	return keys, err
}

// perItem is about what DynamoDB adds to a row's body: keys, version, names.
const perItem = 200

// units are how many of size bytes n bytes take, at least one.
func units(n, size int) int { return max(1, (n+size-1)/size) }

type countedRows struct {
	store.Rows
	*tally
}

func (c countedRows) Put(ctx context.Context, key string, version int64, body []byte) (int64, error) {
	c.add("write units", units(len(body)+perItem, 1<<10))
	return c.Rows.Put(ctx, key, version, body)
}

func (c countedRows) Get(ctx context.Context, key string) (store.Row, error) {
	row, err := c.Rows.Get(ctx, key)
	if !strings.HasPrefix(key, "cleanup/") { // mostly the test's own questions
		c.add("read units", units(len(row.Body)+perItem, 4<<10))
	}
	return row, err
}

func (c countedRows) List(ctx context.Context, prefix string) ([]store.Row, error) {
	rows, err := c.Rows.List(ctx, prefix)
	bytes := 0
	for _, row := range rows {
		bytes += len(row.Body) + perItem
	}
	c.add("read units", units(bytes, 4<<10))
	return rows, err
}

type countedSigner struct {
	approval.Signer
	*tally
}

func (c countedSigner) Verify(ctx context.Context, message, mac []byte) (bool, error) {
	c.add("MACs checked", 1)
	return c.Signer.Verify(ctx, message, mac)
}

// TestWhatACaseCosts counts what docs/operations.md sums up: cases of the reference user that wait side by side and end
// deleted, with reconcile's rounds and the cleanup's own work, which they share.
func TestWhatACaseCosts(t *testing.T) {
	const cases = 8
	a := newAccount(t, "eu-west-1", "us-east-1")
	for i := range cases {
		_, err := a.Join(fmt.Sprintf("old-batch-%d", i), fakeaws.Dead())
		require.NoError(t, err)
	}
	count := &tally{n: map[string]int{}}
	m := newMachine(t, a, func(c *onemachine.Config) {
		c.Objects, c.Rows = countedObjects{c.Objects, count}, countedRows{c.Rows, count}
		c.Signers.Decisions = countedSigner{c.Signers.Decisions, count}
	})
	m.invoked = func(string) { count.add("functions called", 1) }
	row := m.clean(sunset.Request{}, ended)
	require.Equal(t, cases, row.Outcomes[sunset.Deleted])
	for _, x := range m.Engine.Executions() {
		if x.Name != cleanup {
			count.add("states entered", len(m.Engine.StatesEntered(x.ARN)))
		}
	}
	for _, limit := range []struct {
		what string
		most float64
	}{
		{"states entered", 62},
		{"functions called", 23},
		{"PUT", 65},
		{"records", 58},
		{"GET", 260},
		{"LIST", 10},
		{"write units", 45},
		{"MACs checked", 20},
	} {
		each := float64(count.n[limit.what]) / cases
		t.Logf("%s: %.1f a case", limit.what, each)
		require.NotZero(t, each, limit.what)
		require.LessOrEqual(t, each, limit.most, limit.what)
	}
	t.Logf("read units: %d in all", count.n["read units"])
}
