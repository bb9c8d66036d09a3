package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/store/storetest"
)

func open(t *testing.T, options ...store.Option) *store.Dir {
	t.Helper()
	d, err := store.OpenDir(filepath.Join(t.TempDir(), "data"), options...)
	require.NoError(t, err)
	return d
}

func TestDirKeepsTheContracts(t *testing.T) {
	for name, options := range map[string][]store.Option{"durable": nil, "fast": {store.NoSync()}} {
		t.Run(name, func(t *testing.T) {
			storetest.Objects(t, func(t *testing.T) store.Objects { return open(t, options...).Objects() })
			storetest.Rows(t, func(t *testing.T) store.Rows { return open(t, options...).Rows() })
		})
	}
}

func TestDirIsPrivateAndLeavesNothingElse(t *testing.T) {
	d := open(t)
	require.NoError(t, d.Objects().Put(t.Context(), "evidence/case/a/000001.json", []byte("{}\n")))
	_, err := d.Rows().Put(t.Context(), "case/a", 0, []byte("{}"))
	require.NoError(t, err)
	var files []string
	require.NoError(t, filepath.WalkDir(d.Path(), func(path string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		if e.IsDir() {
			require.Equal(t, fs.FileMode(0o700), info.Mode().Perm(), path)
			return nil
		}
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), path)
		rel, err := filepath.Rel(d.Path(), path)
		files = append(files, rel)
		return err
	}))
	require.Equal(t, []string{"objects/evidence/case/a/000001.json", "rows/case/a.row"}, files)
}

func TestDirIsOneProcessAtATime(t *testing.T) {
	d := open(t)
	release, err := d.Lock()
	require.NoError(t, err)
	again, err := store.OpenDir(d.Path())
	require.NoError(t, err)
	_, err = again.Lock()
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, release())
	release, err = again.Lock()
	require.NoError(t, err)
	require.NoError(t, release())
}

func TestDirIgnoresWhatADeadWriterLeft(t *testing.T) {
	d := open(t)
	require.NoError(t, os.WriteFile(filepath.Join(d.Path(), "tmp", "new-1"), []byte("ha"), 0o600))
	keys, err := d.Objects().List(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, keys)

	release, err := d.Lock()
	require.NoError(t, err)
	defer release()
	left, err := os.ReadDir(filepath.Join(d.Path(), "tmp"))
	require.NoError(t, err)
	require.Empty(t, left, "whoever takes the store over clears it away")
}
