package approval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/store"
)

func openRows(t *testing.T, dir string) store.Rows {
	t.Helper()
	d, err := store.OpenDir(dir, store.NoSync())
	require.NoError(t, err)
	return d.Rows()
}
