package audit_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestACheckpointIsMadeOnceADay(t *testing.T) {
	k, key := newKey(t)
	o := objects(t)
	b := sealedBook(o, k)
	write(t, b, "cleanup/c1", "begun", "plan")
	first := checkpoint(t, o, k, "2026-01-05")
	require.Equal(t, audit.Checked{Chains: 1, Records: 2, Read: 2, Written: true, SHA256: first.SHA256}, first)
	require.Len(t, first.SHA256, 64)
	write(t, b, "case/c1-A", "claimed")
	again := checkpoint(t, o, k, "2026-01-05")
	require.Equal(t, audit.Checked{Chains: 1, Records: 2, SHA256: first.SHA256}, again)

	next := checkpoint(t, o, k, "2026-01-06")
	require.True(t, next.Written)
	require.Equal(t, 2, next.Chains)
	require.Equal(t, 3, next.Records)
	require.NotEqual(t, first.SHA256, next.SHA256)
	report := verify(t, evidenceOf(t, o), key)
	require.Empty(t, report.Problems)
	require.Equal(t, 2, report.Seals)
}

func TestADayIsADay(t *testing.T) {
	for _, day := range []string{"", "today", "2026-1-5", "2026-02-30", "2026-01-05T00:00:00Z", "../2026-01-05"} {
		_, err := audit.NewBook(objects(t), fixed{}).Checkpoint(t.Context(), day)
		kindIs(t, sunset.Invalid, err)
	}
	o := objects(t)
	checkpoint(t, o, nil, "2026-01-05")
	_, err := audit.NewBook(o, fixed{}).Checkpoint(t.Context(), "2026-01-04")
	kindIs(t, sunset.Conflict, err)
}

func TestAnEmptyStoreHasACheckpoint(t *testing.T) {
	k, key := newKey(t)
	o := objects(t)
	require.True(t, checkpoint(t, o, k, "2026-01-05").Written)
	require.Empty(t, verify(t, evidenceOf(t, o), key).Problems)
}

func TestWithoutASealerCheckpointsStillFindWhatIsCut(t *testing.T) {
	o := cleanup(t)
	require.Empty(t, checkpoint(t, o, nil, "2026-01-05").Problems)
	files := evidenceOf(t, o)
	require.Equal(t, []string{"checkpoint/2026-01-05.json", "manifest/c1.json"}, verify(t, files).Unsealed)
	delete(files, "cleanup/c1/000004.json")
	require.Equal(t, []string{"cleanup/c1/000004.json"}, filesOf(checkpoint(t, storeOf(t, files), nil, "2026-01-06").Problems))
}

// What is wrong is told each day until it is right, and no later checkpoint takes it for granted.
func TestWhatIsBrokenStaysBroken(t *testing.T) {
	k, key := newKey(t)
	a := func(n int) string { return fmt.Sprintf("case/c1-A/%06d.json", n) }
	for name, tt := range map[string]struct {
		change func(f fstest.MapFS)
		file   string
		// stranger is a chain that doesn't belong there.
		stranger bool
	}{
		"the last record gone":       {func(f fstest.MapFS) { delete(f, a(4)) }, a(4), false},
		"two gone":                   {func(f fstest.MapFS) { delete(f, a(3)); delete(f, a(4)) }, a(3), false},
		"one in the middle gone":     {func(f fstest.MapFS) { delete(f, a(2)) }, a(2), false},
		"the first gone":             {func(f fstest.MapFS) { delete(f, a(1)) }, a(1), false},
		"one gone, one more":         {func(f fstest.MapFS) { delete(f, a(4)); f[a(5)] = f[a(3)] }, a(4), false},
		"all gone":                   {func(f fstest.MapFS) { drop(f, "case/c1-A/") }, a(1), false},
		"a chain of no cleanup gone": {func(f fstest.MapFS) { drop(f, "account/") }, "account/settings/000001.json", false},
		"written anew, as long":      {func(f fstest.MapFS) { maps.Copy(f, rechain(t, "case/c1-A", "claimed", "kept", "k", "closed", "more")) }, a(4), false},
		"written anew, longer":       {func(f fstest.MapFS) { maps.Copy(f, rechain(t, "case/c1-A", "1", "2", "3", "4", "5", "6")) }, a(4), false},
		"a wrong record appended":    {func(f fstest.MapFS) { f[a(5)] = f[a(4)] }, a(5), false},
		"an unreadable one appended": {func(f fstest.MapFS) { f[a(5)] = &fstest.MapFile{Data: []byte("{}")} }, a(5), false},
		"one far away appended":      {func(f fstest.MapFS) { f[a(999999)] = f[a(4)] }, a(5), false},
		"a new chain without a beginning": {func(f fstest.MapFS) {
			f["case/c1-Z/000002.json"] = f[a(2)]
		}, "case/c1-Z/000001.json", true},
	} {
		t.Run(name, func(t *testing.T) {
			right := evidenceOf(t, whole(t, k))
			files := maps.Clone(right)
			tt.change(files)
			o := storeOf(t, files)
			for _, day := range []string{"2026-01-06", "2026-01-07", "2026-01-09"} {
				checked := checkpoint(t, o, k, day)
				require.True(t, checked.Written)
				require.Contains(t, filesOf(checked.Problems), tt.file, day)
				require.Equal(t, checked.Problems, checkpoint(t, o, k, day).Problems, "asked again")
			}
			report := verify(t, evidenceOf(t, o), key)
			require.Contains(t, filesOf(report.Problems), tt.file)
			require.NotEmpty(t, report.Noted)
			require.NotContains(t, strings.Join(filesOf(report.Problems), " "), "checkpoint/", "the checkpoints themselves are right")

			// Put back, and it is right again; what the checkpoints said stays. That a chain goes which never was whole
			// is told once.
			mended := storeOf(t, mend(evidenceOf(t, o), right))
			require.Equal(t, tt.stranger, len(checkpoint(t, mended, k, "2026-01-10").Problems) == 1)
			require.Empty(t, checkpoint(t, mended, k, "2026-01-11").Problems)
			report = verify(t, evidenceOf(t, mended), key)
			require.Empty(t, report.Problems)
			require.NotEmpty(t, report.Noted)
		})
	}
}

func drop(f fstest.MapFS, prefix string) {
	maps.DeleteFunc(f, func(n string, _ *fstest.MapFile) bool { return strings.HasPrefix(n, prefix) })
}

// mend gives the checkpoints and what is sealed of files, with the chains of right.
func mend(files, right fstest.MapFS) fstest.MapFS {
	for _, kind := range []string{"case/", "account/", "cleanup/"} {
		drop(files, kind)
		for name, f := range right {
			if strings.HasPrefix(name, kind) {
				files[name] = f
			}
		}
	}
	return files
}

// A record changed far behind the end of a chain that doesn't move is found when the chain's turn comes.
func TestEveryChainIsReadWhollyWithinThirtyDays(t *testing.T) {
	k, _ := newKey(t)
	o := objects(t)
	crowd(t, o, 60)
	checkpoint(t, o, k, "2026-01-31")
	files := evidenceOf(t, o)
	victims := 0
	for i := range 60 {
		file := fmt.Sprintf("case/c1-%03d/000002.json", i)
		maps.Copy(files, replaced(files, file, "It happened.", "It did not."))
		victims++
	}
	o = storeOf(t, files)
	day := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	found, before := map[string]bool{}, 0
	spread := 0
	for range 30 {
		problems := checkpoint(t, o, k, day.Format(time.DateOnly)).Problems
		for _, p := range problems {
			found[p.File] = true
		}
		require.Len(t, problems, len(found), "what was found is told each day")
		if len(found) > before {
			spread++
		}
		before = len(found)
		day = day.AddDate(0, 0, 1)
	}
	require.Len(t, found, victims)
	require.Greater(t, spread, 15, "a share each day")
}

func TestDaysWithoutACheckpointLeaveNoChainOut(t *testing.T) {
	for _, gap := range []int{1, 7, 29, 30, 400} {
		o := objects(t)
		crowd(t, o, 60)
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for days := 0; days < 60; days += gap {
			checkpoint(t, o, nil, at.AddDate(0, 0, days).Format(time.DateOnly))
		}
		// All 181 records again, within the thirty days and one gap that follow.
		read := 0
		for days := 60 + gap; days < 90+2*gap; days += gap {
			read += checkpoint(t, o, nil, at.AddDate(0, 0, days).Format(time.DateOnly)).Read
		}
		require.GreaterOrEqual(t, read, 181, "every %d days", gap)
	}
}

func TestChainsThatDidNotMoveCostNoRead(t *testing.T) {
	k, _ := newKey(t)
	o := objects(t)
	crowd(t, o, 300)
	require.Equal(t, 901, checkpoint(t, o, k, "2026-01-04").Read)
	write(t, audit.NewBook(o, fixed{}), "cleanup/c2", "begun")
	var gets atomic.Int64
	checked, err := sealedBook(counting{o, &gets}, k).Checkpoint(t.Context(), "2026-01-05")
	require.NoError(t, err)
	require.Equal(t, 904-2, checked.Records)
	require.Less(t, checked.Read, 901/10, "a thirtieth, and what is new")
	require.LessOrEqual(t, gets.Load(), int64(checked.Read+3), "beside the records: today's checkpoint, yesterday's, the key")
	gets.Store(0)
	_, err = sealedBook(counting{o, &gets}, k).Checkpoint(t.Context(), "2026-01-05")
	require.NoError(t, err)
	require.EqualValues(t, 1, gets.Load())
}

func TestACheckpointIsWholeWhereverItsWriterDies(t *testing.T) {
	k, key := newKey(t)
	world := func(t *testing.T) store.Objects {
		o := objects(t)
		write(t, audit.NewBook(o, fixed{}), "cleanup/c1", "begun")
		return o
	}
	writes := diesAnywhere(t, world, func(o store.Objects) error {
		_, err := sealedBook(o, k).Checkpoint(t.Context(), "2026-01-05")
		return err
	}, func(t *testing.T, o store.Objects) {
		checked := checkpoint(t, o, k, "2026-01-05")
		require.Empty(t, checked.Problems)
		require.Equal(t, 1, checked.Records)
		require.Empty(t, verify(t, evidenceOf(t, o), key).Problems)
		require.Equal(t, 1, verify(t, evidenceOf(t, o), key).Seals)
		require.Empty(t, checkpoint(t, o, k, "2026-01-06").Problems)
	})
	require.Equal(t, 2, writes, "the key, the checkpoint")
}

// A process that dies anywhere in a cleanup's end leaves what the day's checkpoint takes as it is.
func TestCheckpointsOverAHalfWrittenManifest(t *testing.T) {
	k, key := newKey(t)
	world := func(t *testing.T) store.Objects {
		o := objects(t)
		write(t, audit.NewBook(o, fixed{}), "cleanup/c1", "begun", "closed")
		return o
	}
	seal := func(o store.Objects) error {
		return sealedBook(o, k).WriteManifest(t.Context(), "c1", nil, map[sunset.Outcome]int{sunset.Kept: 1}, 1)
	}
	diesAnywhere(t, world, seal, func(t *testing.T, o store.Objects) {
		require.Empty(t, checkpoint(t, o, k, "2026-01-05").Problems)
		require.NoError(t, seal(o))
		require.Empty(t, verify(t, evidenceOf(t, o), key).Problems, "a checkpoint older than the manifest")
		require.Empty(t, checkpoint(t, o, k, "2026-01-06").Problems)
		require.Empty(t, verify(t, evidenceOf(t, o), key).Problems)
	})
}

func TestOfManyWritersOneMakesTheCheckpoint(t *testing.T) {
	k, key := newKey(t)
	o := objects(t)
	crowd(t, o, 20)
	var wg sync.WaitGroup
	var written atomic.Int32
	hashes := make([]string, 8)
	for i := range hashes {
		wg.Go(func() {
			write(t, audit.NewBook(o, fixed{}), fmt.Sprintf("case/c1-w%d", i), "claimed", "disabled")
			checked, err := sealedBook(o, k).Checkpoint(t.Context(), "2026-01-05")
			if err != nil || len(checked.Problems) > 0 {
				t.Error(err, checked.Problems)
			}
			if checked.Written {
				written.Add(1)
			}
			hashes[i] = checked.SHA256
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, written.Load())
	require.Len(t, slices.Compact(hashes), 1, "all tell of the same one")
	require.Empty(t, checkpoint(t, o, k, "2026-01-06").Problems)
	require.Empty(t, verify(t, evidenceOf(t, o), key).Problems)
}

func TestACheckpointProvesWhatAManifestDoesNot(t *testing.T) {
	k, key := newKey(t)
	o := whole(t, k)
	_, err := audit.NewBook(o, fixed{}).Append(t.Context(), audit.Record{Chain: "case/c1-B", Kind: "rescue", CleanupID: "c1", Text: "Later."})
	require.NoError(t, err)
	require.Equal(t, []string{"case/c1-B"}, verify(t, evidenceOf(t, o), key).Later)
	checkpoint(t, o, k, "2026-01-06")
	require.Empty(t, verify(t, evidenceOf(t, o), key).Later)
	files := evidenceOf(t, o)
	delete(files, "case/c1-B/000003.json")
	require.Equal(t, []string{"case/c1-B/000003.json"}, filesOf(verify(t, files, key).Problems))
}

// The checkpoint's own hash, kept elsewhere, is what tells that the newest one went.
func TestTheHashGivenIsTheFiles(t *testing.T) {
	k, _ := newKey(t)
	o := whole(t, k)
	checked := checkpoint(t, o, k, "2026-01-06")
	body := evidenceOf(t, o)["checkpoint/2026-01-06.json"].Data
	require.Equal(t, checked.SHA256, sha256Hex(body))
	require.Equal(t, 2, bytes.Count(body, []byte("\n")))
}
