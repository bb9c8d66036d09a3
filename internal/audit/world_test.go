package audit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// newKey makes a sealing key and the public key that checks its seals.
func newKey(t *testing.T) (*audit.SealingKey, audit.PublicKey) {
	t.Helper()
	k, err := audit.OpenSealingKey(filepath.Join(t.TempDir(), "sealing.pem"))
	require.NoError(t, err)
	return k, publicKey(t, k)
}

// publicKey is what the book that seals with k publishes.
func publicKey(t *testing.T, k audit.Sealer) audit.PublicKey {
	t.Helper()
	o := objects(t)
	_, err := audit.NewBook(o, fixed{}).SealWith(k).Checkpoint(t.Context(), "2026-01-01")
	require.NoError(t, err)
	keys, err := o.List(t.Context(), "evidence/key/")
	require.NoError(t, err)
	require.Len(t, keys, 1)
	text, err := o.Get(t.Context(), keys[0])
	require.NoError(t, err)
	key, err := audit.ParsePublicKey(text)
	require.NoError(t, err)
	return key
}

func sealedBook(o store.Objects, k audit.Sealer) *audit.Book {
	return audit.NewBook(o, fixed{}).SealWith(k)
}

// checkpoint makes one in a process of its own, as every hour's reconcile does.
func checkpoint(t *testing.T, o store.Objects, k audit.Sealer, day string) audit.Checked {
	t.Helper()
	b := audit.NewBook(o, fixed{})
	if k != nil {
		b.SealWith(k)
	}
	checked, err := b.Checkpoint(t.Context(), day)
	require.NoError(t, err)
	return checked
}

// whole is a cleanup of two cases with checkpoints before, in and after it, all sealed by k.
func whole(t *testing.T, k audit.Sealer) store.Objects {
	t.Helper()
	o := objects(t)
	b := sealedBook(o, k)
	write(t, b, "account/settings", "settings")
	checkpoint(t, o, k, "2026-01-03")
	write(t, b, "cleanup/c1", "begun", "plan")
	write(t, b, "case/c1-A", "claimed", "intent", "outcome")
	checkpoint(t, o, k, "2026-01-04")
	write(t, b, "case/c1-A", "closed")
	write(t, b, "case/c1-B", "claimed", "failed")
	write(t, b, "cleanup/c1", "closed")
	manifest(t, b)
	checkpoint(t, o, k, "2026-01-05")
	return o
}

// verify checks files with or without keys.
func verify(t *testing.T, files fstest.MapFS, keys ...audit.PublicKey) audit.Report {
	t.Helper()
	report, err := audit.Verify(files, keys...)
	require.NoError(t, err)
	return report
}

// storeOf is a store that holds files as its evidence: one that somebody could change as no program can.
func storeOf(t *testing.T, files fstest.MapFS) store.Objects {
	t.Helper()
	o := objects(t)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		require.NoError(t, o.Put(t.Context(), "evidence/"+file, files[file].Data))
	}
	return o
}

// files are those of the reports' problems.
func filesOf(found []audit.Problem) []string {
	var files []string
	for _, p := range found {
		files = append(files, p.File)
	}
	return files
}

// dying is a store whose process ends at its nth write: before it, or behind it with the answer lost.
type dying struct {
	store.Objects
	left   *atomic.Int64
	behind bool
}

var errDied = errors.New("the process died")

func (d dying) Put(ctx context.Context, key string, body []byte) error {
	left := d.left.Add(-1)
	if left < 0 || left == 0 && !d.behind {
		return errDied
	}
	if err := d.Objects.Put(ctx, key, body); err != nil || left > 0 {
		return err
	}
	return errDied
}

// diesAnywhere lets do's process die at its first, second … write, each time in a world of its own, and then hands the
// store to after. It gives the number of writes at which a process can die.
func diesAnywhere(t *testing.T, world func(*testing.T) store.Objects, do func(store.Objects) error, after func(*testing.T, store.Objects)) int {
	t.Helper()
	for n := range int64(20) {
		died := false
		for _, behind := range []bool{false, true} {
			o := world(t)
			var left atomic.Int64
			left.Store(n + 1)
			if err := do(dying{o, &left, behind}); err != nil {
				require.ErrorIs(t, err, errDied)
				died = true
			}
			after(t, o)
		}
		if !died {
			return int(n)
		}
	}
	t.Fatal("it never came to its end")
	return 0
}

// counting counts what is read.
type counting struct {
	store.Objects
	gets *atomic.Int64
}

func (c counting) Get(ctx context.Context, key string) ([]byte, error) {
	c.gets.Add(1)
	return c.Objects.Get(ctx, key)
}

// crowd writes n closed chains of three records.
func crowd(t *testing.T, o store.Objects, n int) {
	t.Helper()
	b := audit.NewBook(o, fixed{})
	write(t, b, "cleanup/c1", "begun")
	for i := range n {
		write(t, b, fmt.Sprintf("case/c1-%03d", i), "claimed", "disabled", "closed")
	}
}

func replaced(files fstest.MapFS, file, old, with string) fstest.MapFS {
	changed := maps.Clone(files)
	changed[file] = &fstest.MapFile{Data: []byte(strings.Replace(string(files[file].Data), old, with, 1))}
	return changed
}

func kindIs(t *testing.T, kind sunset.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind, sunset.KindOf(err), err)
}
