package casebook_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/casebook"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Cases in flight keep the code that they began with, while newer code writes the same rows: what it alone knows of must
// not go when the older code writes.
func TestWhatNewerCodeWroteStays(t *testing.T) {
	d, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	rows, h := d.Rows(), &hands{}
	h.at.Store(1_767_600_000)
	b := casebook.New(rows, h)
	claimed(t, b, aCase("spring", "AIDA1"))
	fields := func() map[string]any {
		t.Helper()
		row, err := rows.Get(t.Context(), "case/AIDA1")
		require.NoError(t, err)
		var f map[string]any
		require.NoError(t, json.Unmarshal(row.Body, &f))
		return f
	}
	newer := fields()
	newer["hold"] = map[string]any{"by": "legal"}
	newer["rescue"] = map[string]any{"by": "ada@example.com", "at": "2026-01-05T08:00:00Z", "reason": "a job"}
	body, err := json.Marshal(newer)
	require.NoError(t, err)
	_, err = rows.Put(t.Context(), "case/AIDA1", 1, body)
	require.NoError(t, err)

	change := func(f func(*sunset.Case)) {
		t.Helper()
		_, err := b.Update(t.Context(), "AIDA1", "spring-AIDA1", func(c *sunset.Case) error { f(c); return nil })
		require.NoError(t, err)
	}
	change(func(c *sunset.Case) { c.Reason, c.Holds = "disturbed", true })
	require.Equal(t, map[string]any{"by": "legal"}, fields()["hold"])
	require.Equal(t, true, fields()["holds"])
	change(func(c *sunset.Case) { c.Reason, c.Holds = "", false })
	require.Equal(t, map[string]any{"by": "legal"}, fields()["hold"])
	require.NotContains(t, fields(), "holds", "what the code knows and empties does not stay")
	require.NotContains(t, fields(), "reason")

	// Another case in the row's place takes nothing over.
	change(func(c *sunset.Case) { c.Stage, c.Outcome = sunset.Closed, sunset.Restored })
	claimed(t, b, aCase("summer", "AIDA1"))
	require.NotContains(t, fields(), "hold")
	require.NotContains(t, fields(), "rescue")
}
