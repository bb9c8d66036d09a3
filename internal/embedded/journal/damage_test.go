package journal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/journal"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// content is all that a journal holds.
func content(j *journal.Journal) (string, error) {
	var b strings.Builder
	for _, definition := range []string{"{}", strings.Repeat("x", 20000)} {
		source, err := j.Definition(stepfunctions.Sum(definition))
		if err != nil {
			return "", err
		}
		b.WriteString(source)
	}
	err := j.Entries(func(e stepfunctions.Entry) error {
		events, err := j.Events(e.Number, 1, 1<<20)
		fmt.Fprintf(&b, "%d %s %s %s %+v\n", e.Number, e.Definition, e.StartedBy, e.Saved, events)
		return err
	})
	return b.String(), err
}

// filled is a journal's file with some hundred pages, what it held before its last commit, and what it holds.
func filled(t *testing.T) (path, before, after string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal.db")
	j := opened(t, path)
	for _, definition := range []string{"{}", strings.Repeat("x", 20000)} {
		_, err := j.Begin(machine, definition, start())
		require.NoError(t, err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	last := make([]int64, 40)
	commit := func(i int) {
		n := 1 + random.IntN(6)
		noise := make([]byte, 900)
		for k := range noise {
			noise[k] = byte('a' + random.IntN(26))
		}
		evs := events(last[i]+1, n)
		evs[0].Payload = string(noise)
		require.NoError(t, j.Commit([]stepfunctions.Write{write(uint64(i)+1, `{"is":"`+string(noise)+`"}`, evs)}))
		last[i] += int64(n)
	}
	for i := range last {
		commit(i)
	}
	for range 200 {
		commit(random.IntN(len(last)))
	}
	var err error
	before, err = content(j)
	require.NoError(t, err)
	commit(7)
	after, err = content(j)
	require.NoError(t, err)
	require.NoError(t, j.Close())
	return path, before, after
}

// verdict opens a copy of a journal that was tampered with, and says what came of it.
func verdict(t *testing.T, data []byte, before, after string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	j, err := journal.Open(path, journal.NoSync())
	if err != nil {
		require.NotContains(t, err.Error(), "\n", "one sentence")
		left, fault := os.ReadFile(path)
		require.NoError(t, fault)
		require.True(t, string(left) == string(data), "a refused file was changed: %v", err)
		return "refused"
	}
	defer j.Close()
	got, err := content(j)
	require.NoError(t, err)
	switch got {
	case after:
		return "intact"
	case before:
		return "one commit back"
	}
	require.Fail(t, "half a journal was taken")
	return ""
}

func TestADamagedFileIsRefusedOrIntact(t *testing.T) {
	path, before, after := filled(t)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "intact", verdict(t, data, before, after))
	random := rand.New(rand.NewPCG(3, 3))
	page := os.Getpagesize()
	count := map[string]int{}
	for i := range 200 {
		bad := []byte(string(data))
		at := random.IntN(len(bad))
		switch i % 4 {
		case 0: // one bit
			bad[at] ^= 1 << random.IntN(8)
		case 1: // a page that another was written over
			at -= at % page
			copy(bad[at:at+page], data[random.IntN(len(data)/page)*page:])
		case 2: // a page that never got to the disk
			at -= at % page
			clear(bad[at : at+page])
		case 3: // the beginning of a page, where its kind and length stand
			at -= at % page
			bad[at+random.IntN(32)] ^= 1 << random.IntN(8)
		}
		v := verdict(t, bad, before, after)
		if v == "one commit back" {
			require.Less(t, at, 2*page, "only a root page may be one that a loss of power tore")
		}
		count[v]++
	}
	t.Log(count)
	require.Greater(t, count["refused"], 50, "too few pages were hit")
}

func TestATruncatedFileIsRefused(t *testing.T) {
	path, before, after := filled(t)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	count := map[string]int{}
	for n := 0; n < len(data); n += 1 + len(data)/60 {
		v := verdict(t, data[:n], before, after)
		require.NotEqual(t, "one commit back", v)
		count[v]++
	}
	t.Log(count)
	require.Greater(t, count["refused"], 20)
}

func TestAFullDiskUndoesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	require.NoError(t, opened(t, path).Close())
	j, err := journal.Open(path, journal.Most(256<<10))
	require.NoError(t, err)
	_, err = j.Begin(machine, "{}", start())
	require.NoError(t, err)
	noise := make([]byte, 60000)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	var full error
	written := uint64(0)
	for full == nil {
		full = j.Commit([]stepfunctions.Write{write(written+1, string(noise), []asl.Event{{ID: 1}})})
		if full == nil {
			written++
		}
		require.Less(t, written, uint64(100))
	}
	require.ErrorContains(t, full, path)
	require.False(t, errors.Is(full, os.ErrNotExist))
	require.NoError(t, j.Close())
	j = opened(t, path)
	n := uint64(0)
	require.NoError(t, j.Entries(func(e stepfunctions.Entry) error {
		n++
		require.Equal(t, noise, e.Saved)
		return nil
	}))
	require.Equal(t, written, n)
	require.Positive(t, n)
}
