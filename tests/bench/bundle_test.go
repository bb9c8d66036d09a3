package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/bundle"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// BenchmarkBundle is of a cleanup in which every user that AWS lets an account have was deleted: its bundle is packed,
// and verified with the key.
func BenchmarkBundle(b *testing.B) {
	objects, key := deletedAll(b, most)
	for b.Loop() {
		var packed bytes.Buffer
		began, busy := time.Now(), processTime(b)
		_, err := bundle.Write(b.Context(), &packed, objects, cleanup, begin(), "bench")
		require.NoError(b, err)
		exported := time.Since(began)
		b.ReportMetric((processTime(b) - busy).Seconds(), "cpu-s-export")

		began, busy = time.Now(), processTime(b)
		report, err := bundle.VerifyFrom(&packed, key)
		verified := time.Since(began)
		b.ReportMetric((processTime(b) - busy).Seconds(), "cpu-s-verify")
		require.NoError(b, err)
		require.Empty(b, report.Problems)
		require.Equal(b, most, report.Outcomes[sunset.Deleted])
		size := int64(0)
		for _, f := range report.Index.Files {
			size += f.Size
		}
		b.ReportMetric(float64(report.Records), "records")
		b.ReportMetric(float64(len(report.Index.Files)), "files")
		b.ReportMetric(float64(size)/1e6, "MB-unpacked")
		b.ReportMetric(exported.Seconds(), "s-export")
		b.ReportMetric(verified.Seconds(), "s-verify")
	}
}

// processTime is how long processors worked for this process: what a verification costs on a machine that others use too.
func processTime(tb testing.TB) time.Duration {
	var used syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// perCase is about how many records a case has that ends in a deletion after a quiet fortnight.
const perCase = 30

// deletedAll is the store of such a cleanup: sealed, with a checkpoint behind it.
func deletedAll(tb testing.TB, users int) (store.Objects, audit.PublicKey) {
	tb.Helper()
	ctx, objects := tb.Context(), &memory{files: map[string][]byte{}, folders: map[string][]string{}}
	sealer, err := audit.OpenSealingKey(filepath.Join(tb.TempDir(), "sealing.pem"))
	require.NoError(tb, err)
	book := audit.NewBook(objects, clock.NewVirtual(begin())).SealWith(sealer)
	add := func(chain, kind string, data any) {
		body, err := json.Marshal(data)
		require.NoError(tb, err)
		_, err = book.Append(ctx, audit.Record{Chain: chain, Kind: kind, CleanupID: cleanup, By: "iam-sunset", Text: "What happened, in a sentence of a usual length for an auditor to read.", Data: body})
		require.NoError(tb, err)
	}
	keep := func(key string, body any) string {
		written, err := json.Marshal(body)
		require.NoError(tb, err)
		require.NoError(tb, objects.Put(ctx, key, written))
		sum := sha256.Sum256(written)
		return hex.EncodeToString(sum[:])
	}
	filler := strings.Repeat("evidence of a source in a region at a time; ", 60)
	own, plan := sunset.CleanupChain(cleanup), "plans/"+cleanup+"/plan.json"
	add(own, "begun", map[string]any{"account": "123456789012"})
	entries := make([]map[string]string, users)
	for i := range entries {
		entries[i] = map[string]string{"user": fmt.Sprintf("user-%d", i), "evidence": filler}
	}
	add(own, "plan", map[string]any{"plan": plan, "users": users, "sha256": keep(plan, map[string]any{"cleanup_id": cleanup, "account": "123456789012", "entries": entries})})
	var chains []string
	for i := range users {
		id := sunset.CaseID(cleanup, fmt.Sprintf("AIDA%017d", i))
		chain := sunset.ChainOf(id)
		chains = append(chains, chain)
		entry, snapshot := "cases/"+id+"/entry.json", "snapshots/"+id+".json"
		add(chain, "claimed", map[string]any{"entry": filler, "case_file": entry, "sha256": keep(entry, entries[i])})
		add(chain, "snapshot", map[string]any{"snapshot": snapshot, "sha256": keep(snapshot, filler)})
		for range perCase - 3 {
			add(chain, "listened", map[string]any{"regions": 17, "heard": filler[:400]})
		}
		add(chain, "closed", map[string]any{"outcome": sunset.Deleted})
	}
	add(own, "closed", nil)
	require.NoError(tb, book.WriteManifest(ctx, cleanup, chains, map[sunset.Outcome]int{sunset.Deleted: users}, users))
	_, err = book.Checkpoint(ctx, begin().Format(time.DateOnly))
	require.NoError(tb, err)
	der, err := sealer.PublicKey(ctx)
	require.NoError(tb, err)
	sum := sha256.Sum256(der)
	key, err := audit.ParsePublicKey(objects.files["evidence/key/"+hex.EncodeToString(sum[:])+".pem"])
	require.NoError(tb, err)
	return objects, key
}

// memory keeps objects for as long as a benchmark lasts.
type memory struct {
	mu      sync.Mutex
	files   map[string][]byte
	folders map[string][]string // the keys in each, so that a list need not look at all
}

func (m *memory) Put(_ context.Context, key string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.files[key]; taken {
		return store.ErrExists
	}
	folder := key[:strings.LastIndexByte(key, '/')+1]
	m.files[key], m.folders[folder] = bytes.Clone(body), append(m.folders[folder], key)
	return nil
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, there := m.files[key]
	if !there {
		return nil, store.ErrMissing
	}
	return body, nil
}

func (m *memory) List(_ context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for folder, all := range m.folders {
		if !strings.HasPrefix(folder, prefix) && !strings.HasPrefix(prefix, folder) {
			continue
		}
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys, nil
}
