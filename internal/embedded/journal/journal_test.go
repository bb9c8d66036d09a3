package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/journal"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

const machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:sunset"

func start() time.Time { return time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC) }

func opened(t *testing.T, path string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(path, journal.NoSync())
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// both are the two forms, which pass the same tests.
func both(t *testing.T, test func(t *testing.T, j stepfunctions.Journal)) {
	t.Run("memory", func(t *testing.T) { test(t, &stepfunctions.Memory{}) })
	t.Run("file", func(t *testing.T) { test(t, opened(t, filepath.Join(t.TempDir(), "journal.db"))) })
}

// events are n of them, from the ID first on.
func events(first int64, n int) []asl.Event {
	out := make([]asl.Event, n)
	for i := range out {
		id := first + int64(i)
		out[i] = asl.Event{
			ID: id, PreviousID: id - 1, Time: start().Add(time.Duration(id)), Type: asl.TaskScheduled, State: "Work",
			Payload: fmt.Sprintf(`{"event":%d}`, id), Error: "E", Cause: "c", Function: "f", Timeout: time.Hour, Heartbeat: time.Minute, Redrives: 2,
		}
	}
	return out
}

func write(number uint64, saved string, evs []asl.Event) stepfunctions.Write {
	return stepfunctions.Write{Events: evs, Entry: stepfunctions.Entry{
		Number: number, Definition: stepfunctions.Sum("{}"), StartedBy: "arn:aws:iam::123456789012:user/ann", RedriveToken: "again", Saved: []byte(saved),
	}}
}

func TestWhatIsCommittedIsThere(t *testing.T) {
	both(t, func(t *testing.T, j stepfunctions.Journal) {
		created, err := j.Begin(machine, "{}", start())
		require.NoError(t, err)
		require.Equal(t, start(), created)
		created, err = j.Begin(machine, `{"a":1}`, start().Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, start(), created, "since its first day")
		for _, definition := range []string{"{}", `{"a":1}`} {
			source, err := j.Definition(stepfunctions.Sum(definition))
			require.NoError(t, err)
			require.Equal(t, definition, source)
		}
		_, err = j.Definition("none")
		require.Error(t, err)
		_, err = j.Begin(machine+"x", "{}", start())
		require.ErrorContains(t, err, "is of state machine "+machine)

		require.NoError(t, j.Commit([]stepfunctions.Write{write(1, `{"n":1}`, events(1, 3)), write(2, `{"n":2}`, events(1, 5))}))
		require.NoError(t, j.Commit([]stepfunctions.Write{write(3, `{"n":3}`, events(1, 1))}))
		require.NoError(t, j.Commit([]stepfunctions.Write{write(1, `{"n":1,"more":true}`, events(4, 4)), write(2, `{"n":2,"more":true}`, nil)}))
		var saved []string
		require.NoError(t, j.Entries(func(e stepfunctions.Entry) error {
			saved = append(saved, string(e.Saved))
			require.Equal(t, write(e.Number, string(e.Saved), nil).Entry, e)
			one, err := j.Entry(e.Number)
			require.Equal(t, e, one)
			return err
		}))
		require.Equal(t, []string{`{"n":1,"more":true}`, `{"n":2,"more":true}`, `{"n":3}`}, saved)
		stop := fmt.Errorf("enough")
		require.ErrorIs(t, j.Entries(func(stepfunctions.Entry) error { return stop }), stop)
		_, err = j.Entry(4)
		require.Error(t, err)

		for number, all := range map[uint64]int{1: 7, 2: 5, 3: 1} {
			for from := int64(0); from <= int64(all)+2; from++ {
				for most := range all + 2 {
					got, err := j.Events(number, from, most)
					require.NoError(t, err)
					first := max(from, 1)
					want := events(first, max(0, min(most, all-int(first)+1)))
					require.Len(t, got, len(want), "execution %d from %d, %d", number, from, most)
					for i := range want {
						require.Equal(t, want[i], got[i])
					}
				}
			}
		}
	})
}

func TestACommitIsWholeOrNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := opened(t, path)
	_, err := j.Begin(machine, "{}", start())
	require.NoError(t, err)
	require.NoError(t, j.Commit([]stepfunctions.Write{write(1, `{}`, events(1, 3))}))
	require.ErrorContains(t, j.Commit([]stepfunctions.Write{write(2, `{}`, events(1, 1)), write(1, `{}`, events(9, 1))}), "don't follow")
	_, err = j.Entry(2)
	require.Error(t, err)
	require.NoError(t, j.Close())
	require.ErrorContains(t, j.Commit([]stepfunctions.Write{write(2, `{}`, nil)}), path)

	j = opened(t, path)
	got, err := j.Events(1, 1, 10)
	require.NoError(t, err)
	require.Equal(t, events(1, 3), got)
}

func TestOneProcessAtATimeHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	opened(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	_, err = journal.Open(path)
	require.ErrorContains(t, err, "another process has it open")
}

func TestForeignFilesAreRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	newer, other := filepath.Join(dir, "newer.db"), filepath.Join(dir, "other.db")
	require.NoError(t, opened(t, newer).Close())
	db, err := bbolt.Open(newer, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("about"))
		return b.Put([]byte("format"), journal.Text("format", "2"))
	}))
	require.NoError(t, db.Close())
	db, err = bbolt.Open(other, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	files := map[string]string{newer: "its format is 2, and this program knows 1", other: "no journal of this program"}
	for name, content := range map[string]string{"empty": "", "short": "hello", "long": string(make([]byte, 100000))} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		files[path] = "it is no journal"
	}
	for path, says := range files {
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = journal.Open(path)
		require.ErrorContains(t, err, says, path)
		require.ErrorContains(t, err, path)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after, path)
	}
}
