package audit_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestAForeignCheckpointIsNotGoneOnFrom(t *testing.T) {
	k, key := newKey(t)
	thief, _ := newKey(t)
	// A thief cuts a chain and vouches for what is left.
	cut := func(t *testing.T, day string, sealer audit.Sealer) store.Objects {
		files := evidenceOf(t, whole(t, k))
		delete(files, "case/c1-A/000004.json")
		scratch := maps.Clone(files)
		drop(scratch, "checkpoint/")
		other := storeOf(t, scratch)
		require.True(t, checkpoint(t, other, sealer, day).Written)
		files["checkpoint/"+day+".json"] = evidenceOf(t, other)["checkpoint/"+day+".json"]
		return storeOf(t, files)
	}
	for name, sealer := range map[string]audit.Sealer{"another key": thief, "unsealed": nil} {
		for _, day := range []string{"2026-01-05", "2026-01-06", "2026-01-07"} {
			t.Run(name+" "+day, func(t *testing.T) {
				o := cut(t, day, sealer)
				checked := checkpoint(t, o, k, "2026-01-06")
				require.Contains(t, filesOf(checked.Problems), "checkpoint/"+day+".json")
				// The last of ours counts the record, unless the foreign one took just its place.
				require.Equal(t, day != "2026-01-05", slices.Contains(filesOf(checked.Problems), "case/c1-A/000004.json"))
				require.Equal(t, day != "2026-01-06", checked.Written)
				require.NotEmpty(t, verify(t, evidenceOf(t, o), key).Problems)
			})
		}
	}
}

func TestAReplacedKeyIsToldOnceAndEverythingIsReadAgain(t *testing.T) {
	old, oldKey := newKey(t)
	k, key := newKey(t)
	o := whole(t, old)
	checked := checkpoint(t, o, k, "2026-01-06")
	require.Equal(t, []string{"checkpoint/2026-01-03.json", "checkpoint/2026-01-04.json", "checkpoint/2026-01-05.json", "manifest/c1.json"}, filesOf(checked.Problems))
	require.Equal(t, 11, checked.Read)
	require.True(t, checked.Written)
	require.Empty(t, checkpoint(t, o, k, "2026-01-07").Problems)
	require.Empty(t, verify(t, evidenceOf(t, o), oldKey, key).Problems)
	require.Empty(t, verify(t, evidenceOf(t, o)).Problems)
	require.NotEmpty(t, verify(t, evidenceOf(t, o), key).Problems)
}

func TestFloodsOfForeignCheckpointsHideNothing(t *testing.T) {
	k, _ := newKey(t)
	files := evidenceOf(t, whole(t, k))
	delete(files, "case/c1-A/000004.json")
	huge := `{"day":"2027-01-01","at":"2026-01-01T00:00:00Z","chains":[{"chain":"case/c1-A","count":2000000000,"head":""},{"chain":"case/../x y","count":3,"head":""}]}` + "\n"
	for i := range 100 {
		day := time.Date(2027, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		files["checkpoint/"+day+".json"] = &fstest.MapFile{Data: []byte(strings.Replace(huge, "2027-01-01", day, 1))}
	}
	files["checkpoint/2026-01-06.json"] = &fstest.MapFile{Data: []byte(strings.Replace(huge, "2027-01-01", "2026-01-06", 1))}
	o := storeOf(t, files)
	checked := checkpoint(t, o, k, "2026-01-07")
	require.True(t, checked.Written)
	require.Contains(t, filesOf(checked.Problems), "case/c1-A/000004.json")
	require.Len(t, checked.Problems, 102)

	// Where nothing of ours is left to compare with, what a foreign one claims is told but not taken over.
	drop(files, "checkpoint/2026-01-0")
	files["checkpoint/2026-01-06.json"] = &fstest.MapFile{Data: []byte(strings.Replace(huge, "2027-01-01", "2026-01-06", 1))}
	drop(files, "checkpoint/2027")
	o = storeOf(t, files)
	require.Len(t, checkpoint(t, o, k, "2026-01-07").Problems, 3)
	require.Empty(t, checkpoint(t, o, k, "2026-01-08").Problems, "told once")
}

func TestACheckpointStaysSmall(t *testing.T) {
	k, key := newKey(t)
	files := evidenceOf(t, whole(t, k))
	delete(files, "case/c1-A/000004.json")
	for i := range 1500 {
		files[fmt.Sprintf("a/%d", i)] = &fstest.MapFile{}
	}
	o := storeOf(t, files)
	require.Len(t, checkpoint(t, o, k, "2026-01-06").Problems, 1001)
	drop(files, "a/")
	files["checkpoint/2026-01-06.json"] = evidenceOf(t, o)["checkpoint/2026-01-06.json"]
	o = storeOf(t, files)
	require.Equal(t, []string{"case/c1-A/000004.json"}, filesOf(checkpoint(t, o, k, "2026-01-07").Problems), "told only now, and still broken")
	require.NotEmpty(t, verify(t, evidenceOf(t, o), key).Problems)
}

func TestAKeyInTheWrongPlaceIsTold(t *testing.T) {
	k, key := newKey(t)
	_, other := newKey(t)
	o := objects(t)
	require.NoError(t, o.Put(t.Context(), "evidence/key/"+key.Fingerprint()+".pem", other.PEM()))
	write(t, audit.NewBook(o, fixed{}), "cleanup/c1", "begun", "closed")
	require.NoError(t, sealedBook(o, k).WriteManifest(t.Context(), "c1", nil, map[sunset.Outcome]int{sunset.Kept: 1}, 1))
	require.Equal(t, []string{"key/" + key.Fingerprint() + ".pem"}, filesOf(checkpoint(t, o, k, "2026-01-05").Problems))
	require.NotEmpty(t, verify(t, evidenceOf(t, o)).Problems)
	report := verify(t, evidenceOf(t, o), key)
	require.Equal(t, []string{"key/" + key.Fingerprint() + ".pem"}, filesOf(report.Problems))
	require.Equal(t, 2, report.Seals)
}

func TestCheckpointsWatchManifests(t *testing.T) {
	k, key := newKey(t)
	thief, _ := newKey(t)
	const file = "manifest/c1.json"
	foreign := evidenceOf(t, whole(t, thief))[file]

	// One that somebody slips in, with a record that names it, is told once and stays noted.
	files := evidenceOf(t, whole(t, k))
	o := storeOf(t, files)
	b := audit.NewBook(o, fixed{}).SealWith(thief)
	write(t, b, "cleanup/c2", "begun")
	require.NoError(t, b.WriteManifest(t.Context(), "c2", nil, map[sunset.Outcome]int{sunset.Kept: 1}, 1))
	require.Equal(t, []string{"manifest/c2.json"}, filesOf(checkpoint(t, o, k, "2026-01-06").Problems))
	require.Empty(t, checkpoint(t, o, k, "2026-01-07").Problems)
	report := verify(t, evidenceOf(t, o), key)
	require.Equal(t, []string{"manifest/c2.json"}, filesOf(report.Problems))
	require.Len(t, report.Noted, 1)

	// One that goes or changes is told each day.
	for name, change := range map[string]func(f fstest.MapFS){
		"gone":    func(f fstest.MapFS) { delete(f, file) },
		"changed": func(f fstest.MapFS) { f[file] = foreign },
	} {
		t.Run(name, func(t *testing.T) {
			files := evidenceOf(t, whole(t, k))
			change(files)
			o := storeOf(t, files)
			for _, day := range []string{"2026-01-06", "2026-01-07"} {
				require.Equal(t, []string{file}, filesOf(checkpoint(t, o, k, day).Problems), day)
			}
			// Also without the record that names it.
			files = evidenceOf(t, o)
			drop(files, "cleanup/")
			require.Contains(t, filesOf(verify(t, files, key).Problems), file)
		})
	}
}
