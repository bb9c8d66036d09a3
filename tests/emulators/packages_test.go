//go:build emulators

package emulators

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/packaging"
)

// packages builds the functions as they ship, for this machine's processor, and gives the zips by function.
func packages(t *testing.T, version string) map[string]string {
	t.Helper()
	source, err := packaging.Source(".")
	require.NoError(t, err)
	built, err := packaging.Build(t.Context(), packaging.Options{Source: source, Out: t.TempDir(), Arch: runtime.GOARCH, Version: version})
	require.NoError(t, err)
	zips := map[string]string{}
	for _, p := range built {
		zips[p.Function] = p.Path
	}
	require.Len(t, zips, len(functionNames()))
	return zips
}
