package approval_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/iam-sunset/iam-sunset/internal/store"
)

// openRows is a store in memory that keeps the contract of store.Rows.
func openRows(*testing.T, string) store.Rows { return &memory{rows: map[string]store.Row{}} }

type memory struct {
	mu   sync.Mutex
	rows map[string]store.Row
}

func (m *memory) Put(_ context.Context, key string, version int64, body []byte) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows[key].Version != version {
		return 0, store.ErrMoved
	}
	m.rows[key] = store.Row{Key: key, Version: version + 1, Body: slices.Clone(body)}
	return version + 1, nil
}

func (m *memory) Get(_ context.Context, key string) (store.Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.rows[key]
	if !ok {
		return store.Row{}, store.ErrMissing
	}
	return row, nil
}

func (m *memory) List(_ context.Context, prefix string) ([]store.Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []store.Row
	for key, row := range m.rows {
		if strings.HasPrefix(key, prefix) {
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b store.Row) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}
