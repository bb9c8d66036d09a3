package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The journal is lost in the middle of a soak, and there is no backup. Nobody begins a new one unasked; with a new one
// the case is known to be over, its user stays disabled, and a rescue gives it back.
func TestAJournalThatIsLost(t *testing.T) {
	p := newPremises(t, "old-a")
	p.settle(strings.Replace(quickSettings, `"2s"`, `"14d"`, 1))
	p.serve("", "--yes")
	p.does("start", "--open-cases", "--name", "spring", "--yes")
	p.comes("the quarantine", func() bool { return strings.Contains(p.stderr.String(), "kind=disabled") })
	p.stop()
	require.Zero(t, p.ended())
	journal := filepath.Join(p.data, "journal.db")
	require.NoError(t, os.Remove(journal))

	p.serve("", "--yes")
	require.Equal(t, 2, p.ended())
	require.Contains(t, p.stderr.String(), "has lost journal.db\nhint: put it back from a backup; without one --new-journal begins anew")
	require.NoFileExists(t, journal)
	require.Equal(t, "disabled", p.stateOf("old-a"))

	p.serve("", "--yes", "--new-journal")
	p.engine()
	require.Equal(t, "disabled", p.stateOf("old-a"))
	p.does("rescue", "old-a", "--reason", "it was needed")
	require.Equal(t, "enabled", p.stateOf("old-a"))
	p.stop()
	require.Zero(t, p.ended())
}

// The directory is moved in the middle of a soak, as by whoever tidies up. No case fails for what can't be found any more,
// and all goes on once it is back.
func TestADirectoryThatIsMovedInASoak(t *testing.T) {
	p := newPremises(t, "old-a")
	p.serve("", "--yes")
	p.does("start", "--open-cases", "--name", "spring", "--yes")
	p.comes("the quarantine", func() bool { return strings.Contains(p.stderr.String(), "kind=disabled") })
	require.NoError(t, os.Rename(p.data, p.data+"-elsewhere"))
	require.Equal(t, 1, p.ended())
	require.Contains(t, p.stderr.String(), "is not there any more, or is another one")
	require.NoDirExists(t, p.data)

	require.NoError(t, os.Rename(p.data+"-elsewhere", p.data))
	p.serve("", "--yes")
	p.comes("the request", func() bool { return strings.Contains(p.does("status"), "requesting") })
	require.NotContains(t, p.does("history", "old-a", "--all"), "LogFailed")
	p.stop()
	require.Zero(t, p.ended())
}
