package approval_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	made, err := approval.OpenKeyFile(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	mac, err := made.MAC(t.Context(), []byte("message"))
	require.NoError(t, err)
	opened, err := approval.OpenKeyFile(path)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		message string
		mac     []byte
		holds   bool
	}{
		"as made":         {"message", mac, true},
		"another message": {"massage", mac, false},
		"cut":             {"message", mac[:16], false},
		"none":            {"message", nil, false},
	} {
		ok, err := opened.Verify(t.Context(), []byte(c.message), c.mac)
		require.NoError(t, err)
		require.Equal(t, c.holds, ok, name)
	}
	other, err := approval.OpenKeyFile(filepath.Join(t.TempDir(), "key"))
	require.NoError(t, err)
	ok, err := other.Verify(t.Context(), []byte("message"), mac)
	require.NoError(t, err)
	require.False(t, ok, "another key")
}

func TestKeyFileMadeByManyAtOnceIsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	macs := make([]string, 8)
	var all sync.WaitGroup
	for i := range macs {
		all.Go(func() {
			k, err := approval.OpenKeyFile(path)
			if err != nil {
				return
			}
			mac, _ := k.MAC(t.Context(), []byte("m"))
			macs[i] = string(mac)
		})
	}
	all.Wait()
	for _, m := range macs {
		require.NotEmpty(t, m)
		require.Equal(t, macs[0], m)
	}
}

func TestKeyFileRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		says string
	}{
		"readable by others": {"", 0o640, "chmod 600"},
		"not a key":          {"hunter2", 0o600, "64 hex digits"},
		"a short key":        {"00ff", 0o600, "64 hex digits"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			require.NoError(t, os.WriteFile(path, []byte(c.text), c.mode))
			_, err := approval.OpenKeyFile(path)
			require.Equal(t, sunset.Invalid, sunset.KindOf(err))
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	_, err := approval.OpenKeyFile(filepath.Join(t.TempDir(), "no", "such", "folder"))
	require.Error(t, err)
}
