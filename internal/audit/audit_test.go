package audit_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type fixed struct{}

func (fixed) Now() time.Time { return time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC) }

func objects(t *testing.T) store.Objects {
	t.Helper()
	d, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	return d.Objects()
}

// evidenceOf reads what Verify reads.
func evidenceOf(t *testing.T, o store.Objects) fstest.MapFS {
	t.Helper()
	keys, err := o.List(t.Context(), "evidence/")
	require.NoError(t, err)
	files := fstest.MapFS{}
	for _, key := range keys {
		body, err := o.Get(t.Context(), key)
		require.NoError(t, err)
		files[key[len("evidence/"):]] = &fstest.MapFile{Data: body}
	}
	return files
}

// write appends one record of each kind to the chain.
func write(t *testing.T, b *audit.Book, chain string, kinds ...string) {
	t.Helper()
	for i, kind := range kinds {
		_, err := b.Append(t.Context(), audit.Record{
			Chain: chain, Kind: kind, CleanupID: "c1", Key: fmt.Sprintf("%s/%d", kind, i), Text: "It happened.",
			Data: json.RawMessage(`{"action":"iam:DeleteUser","target":"ci-old"}`),
		})
		require.NoError(t, err)
	}
}

// cleanup writes a small one: two cases, closed, with its manifest.
func cleanup(t *testing.T) store.Objects {
	t.Helper()
	o := objects(t)
	b := audit.NewBook(o, fixed{})
	write(t, b, "cleanup/c1", "begun", "plan")
	write(t, b, "case/c1-A", "claimed", "intent", "outcome", "closed")
	write(t, b, "case/c1-B", "claimed", "intent", "failed")
	write(t, b, "cleanup/c1", "closed")
	manifest(t, b)
	return o
}

func manifest(t *testing.T, b *audit.Book) {
	t.Helper()
	require.NoError(t, b.WriteManifest(t.Context(), "c1", []string{"case/c1-A", "case/c1-B", "cleanup/c1"},
		map[sunset.Outcome]int{sunset.Kept: 3, sunset.Deleted: 1, sunset.Failed: 1}, 5))
}

func problems(t *testing.T, files fstest.MapFS) []audit.Problem {
	t.Helper()
	report, err := audit.Verify(files)
	require.NoError(t, err)
	return report.Problems
}

func TestACleanupHolds(t *testing.T) {
	o := cleanup(t)
	manifest(t, audit.NewBook(o, fixed{})) // a retry in another process
	report, err := audit.Verify(evidenceOf(t, o))
	require.NoError(t, err)
	require.Equal(t, audit.Report{Records: 11, Chains: 3, Cleanups: 1, Unsealed: []string{"manifest/c1.json"}}, report)
}

func TestEveryChangedByteShows(t *testing.T) {
	whole := evidenceOf(t, cleanup(t))
	// The last record of the cleanup's own chain carries the manifest's hash, and nothing carries its own.
	last := "cleanup/c1/000004.json"
	for _, file := range slices.Sorted(maps.Keys(whole)) {
		body := whole[file].Data
		for i := range body {
			if file == last {
				continue
			}
			changed := slices.Clone(body)
			changed[i] ^= 1
			files := maps.Clone(whole)
			files[file] = &fstest.MapFile{Data: changed}
			require.NotEmpty(t, problems(t, files), "%s, byte %d", file, i)
		}
	}
}

func TestEveryDroppedFileShows(t *testing.T) {
	whole := evidenceOf(t, cleanup(t))
	for file := range whole {
		files := maps.Clone(whole)
		delete(files, file)
		require.NotEmpty(t, problems(t, files), file)
	}
}

// rechain writes a chain anew with right numbers and hashes, as somebody with write access could.
func rechain(t *testing.T, chain string, kinds ...string) fstest.MapFS {
	t.Helper()
	o := objects(t)
	write(t, audit.NewBook(o, fixed{}), chain, kinds...)
	return evidenceOf(t, o)
}

func TestEveryRearrangementShows(t *testing.T) {
	a := func(n int) string { return fmt.Sprintf("case/c1-A/%06d.json", n) }
	for name, change := range map[string]func(f fstest.MapFS){
		"two swapped":            func(f fstest.MapFS) { f[a(2)], f[a(3)] = f[a(3)], f[a(2)] },
		"one copied to the end":  func(f fstest.MapFS) { f[a(5)] = f[a(4)] },
		"one taken from another": func(f fstest.MapFS) { f[a(1)] = f["case/c1-B/000001.json"] },
		"cut short":              func(f fstest.MapFS) { delete(f, a(3)); delete(f, a(4)) },
		"whole chain gone": func(f fstest.MapFS) {
			maps.DeleteFunc(f, func(n string, _ *fstest.MapFile) bool { return n[:9] == "case/c1-A" })
		},
		"emptied":             func(f fstest.MapFS) { f[a(2)] = &fstest.MapFile{} },
		"truncated":           func(f fstest.MapFS) { f[a(4)] = &fstest.MapFile{Data: f[a(4)].Data[:20]} },
		"two objects":         func(f fstest.MapFS) { f[a(4)] = &fstest.MapFile{Data: slices.Concat(f[a(4)].Data, f[a(4)].Data)} },
		"foreign file":        func(f fstest.MapFS) { f["case/c1-A/notes.txt"] = &fstest.MapFile{} },
		"other number format": func(f fstest.MapFS) { f["case/c1-A/5.json"] = f[a(4)] },
		"written anew":        func(f fstest.MapFS) { maps.Copy(f, rechain(t, "case/c1-A", "claimed", "intent", "restored", "closed")) },
		"a chain slipped in":  func(f fstest.MapFS) { maps.Copy(f, rechain(t, "case/c1-C", "claimed", "closed")) },
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(evidenceOf(t, cleanup(t)))
			change(files)
			require.NotEmpty(t, problems(t, files))
		})
	}
}

func TestTheFirstBadRecordIsNamedFirst(t *testing.T) {
	files := evidenceOf(t, cleanup(t))
	delete(files, "case/c1-A/000002.json")
	require.Equal(t, "case/c1-A/000002.json", problems(t, files)[0].File)
}

func TestWhatAnEndedCaseMustSay(t *testing.T) {
	for name, tt := range map[string]struct {
		kinds []string
		holds bool
	}{
		"an outcome for the intent":             {[]string{"claimed", "intent", "outcome", "closed"}, true},
		"a try died, the next found it done":    {[]string{"claimed", "intent", "deleted", "closed"}, true},
		"no outcome":                            {[]string{"claimed", "intent", "closed"}, false},
		"no end":                                {[]string{"claimed", "intent", "outcome"}, false},
		"failed before the outcome, and closed": {[]string{"claimed", "intent", "failed", "closed"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := objects(t)
			b := audit.NewBook(o, fixed{})
			write(t, b, "cleanup/c1", "begun", "closed")
			write(t, b, "case/c1-A", tt.kinds...)
			require.NoError(t, b.WriteManifest(t.Context(), "c1", []string{"case/c1-A"}, map[sunset.Outcome]int{sunset.Deleted: 1}, 1))
			require.Equal(t, tt.holds, len(problems(t, evidenceOf(t, o))) == 0)
		})
	}
}

func TestOpenClosedAndGrownCleanups(t *testing.T) {
	o := objects(t)
	b := audit.NewBook(o, fixed{})
	write(t, b, "cleanup/c1", "begun")
	write(t, b, "case/c1-A", "claimed", "intent")
	report, err := audit.Verify(evidenceOf(t, o))
	require.NoError(t, err)
	require.Equal(t, []string{"c1"}, report.Open)
	require.Empty(t, report.Problems)
	write(t, b, "cleanup/c1", "closed")
	require.NotEmpty(t, problems(t, evidenceOf(t, o)), "closed without a manifest")

	o = cleanup(t)
	_, err = audit.NewBook(o, fixed{}).Append(t.Context(), audit.Record{Chain: "case/c1-B", Kind: "rescue", CleanupID: "c1", Text: "Later."})
	require.NoError(t, err)
	report, err = audit.Verify(evidenceOf(t, o))
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	require.Equal(t, []string{"case/c1-B"}, report.Later)
}

func TestOutcomesMustAddUp(t *testing.T) {
	b := audit.NewBook(objects(t), fixed{})
	write(t, b, "cleanup/c1", "begun")
	err := b.WriteManifest(t.Context(), "c1", nil, map[sunset.Outcome]int{sunset.Kept: 1}, 2)
	require.ErrorContains(t, err, "add up")
}

func TestWritersOfSeveralProcessesShareAChain(t *testing.T) {
	o := objects(t)
	var wg sync.WaitGroup
	for p := range 4 {
		b := audit.NewBook(o, fixed{})
		wg.Go(func() {
			for i := range 10 {
				for _, key := range []string{fmt.Sprintf("own/%d/%d", p, i), fmt.Sprintf("shared/%d", i)} {
					if _, err := b.Append(t.Context(), audit.Record{Chain: "account/x", Kind: "k", Key: key}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	records, err := audit.NewBook(o, fixed{}).Chain(t.Context(), "account/x")
	require.NoError(t, err)
	require.Len(t, records, 50)
	require.Empty(t, problems(t, evidenceOf(t, o)))
}

func TestARetryFindsItsOwnRecord(t *testing.T) {
	o := objects(t)
	r := audit.Record{Chain: "case/c1-A", Kind: "claimed", Key: "claimed", Text: "First."}
	first, err := audit.NewBook(o, fixed{}).Append(t.Context(), r)
	require.NoError(t, err)
	r.Text = "Second."
	again, err := audit.NewBook(o, fixed{}).Append(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first, again)
}

func TestSecretsStayOut(t *testing.T) {
	b := audit.NewBook(objects(t), fixed{})
	for data, refused := range map[string]bool{
		`{"password":"x"}`: true, `{"a":[{"task_token":"x"}]}`: true, `{"SecretAccessKey":"x"}`: true, `{"approval-link":"x"}`: true,
		`{"token":{"value":"x"}}`: true, `{"password":""}`: false, `{"token":null}`: false, `{"password":true}`: false,
		`{"password_last_used":"2026-01-01"}`: false, `{"kind":"password"}`: false, `{"tags":{"token":"x"}}`: false,
	} {
		r, err := b.Append(t.Context(), audit.Record{Chain: "case/c1-A", Kind: "k", Data: json.RawMessage(data)})
		if refused {
			require.Error(t, err, data)
			require.Equal(t, sunset.Internal, sunset.KindOf(err), data)
			continue
		}
		require.NoError(t, err, data)
		require.NotContains(t, string(r.Data), `"token":"x"`)
	}
	r, err := b.Append(t.Context(), audit.Record{
		Chain: "case/c1-A", Kind: "k", Text: "See https://x.example/?token=hunter2 and its password was used.",
		Data: json.RawMessage(`{"reason":"password: hunter2","more":"https://x.example/a/hunter2hunter2hunter2hunter2hunter2hunter2_","still":"https://x.example/o/hunter2hunter2hunter2hunter2hunter2hunter2_"}`),
	})
	require.NoError(t, err, "a person's words never stop a case")
	require.NotContains(t, r.Text+string(r.Data), "hunter2")
	require.Contains(t, r.Text, "its password was used")
}
