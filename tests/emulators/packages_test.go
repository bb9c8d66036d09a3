//go:build emulators

package emulators

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/packaging"
)

// packages builds the functions as they ship, for this machine's processor, and gives the zips by function.
func packages(t *testing.T, version string) map[string]string {
	t.Helper()
	zips, err := build(t.Context(), t.TempDir(), version)
	require.NoError(t, err)
	return zips
}

// packagesLater is packages while the test goes on. What it gives waits for them.
func packagesLater(t *testing.T, version string) func() map[string]string {
	t.Helper()
	dir := t.TempDir()
	var (
		zips map[string]string
		err  error
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		zips, err = build(t.Context(), dir, version)
	}()
	t.Cleanup(func() { <-done })
	return func() map[string]string {
		t.Helper()
		<-done
		require.NoError(t, err)
		return zips
	}
}

func build(ctx context.Context, out, version string) (map[string]string, error) {
	source, err := packaging.Source(".")
	if err != nil {
		return nil, err
	}
	built, err := packaging.Build(ctx, packaging.Options{Source: source, Out: out, Arch: runtime.GOARCH, Version: version})
	if err != nil {
		return nil, err
	}
	zips := map[string]string{}
	for _, p := range built {
		zips[p.Function] = p.Path
	}
	if len(zips) != len(functionNames()) {
		return nil, fmt.Errorf("%d functions were packaged; there are %d", len(zips), len(functionNames()))
	}
	return zips, nil
}
