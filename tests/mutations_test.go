package tests

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/bundle"
)

// tampering is one way in which somebody changed a bundle.
type tampering struct {
	kind, of string
	bytes    func() []byte
	// told says that nothing in the bundle proves it, and that the verifier says what it can't prove.
	told bool
}

// A bundle of a whole cleanup is tampered with record by record and file by file, by the careless, who leave the index as it was, and by the careful, who compute anew whatever has no key. All is found.
func TestMutations(t *testing.T) {
	t.Parallel()
	p := proofOf(t)
	whole, summer := p.export(t, cleanup), p.export(t, "summer")
	f := newForger(t, whole, summer)
	require.Equal(t, unpackBundle(t, whole), unpackBundle(t, f.pack(f.files)), "what is not tampered with is the bundle itself")

	all := slices.Concat(f.eachFile(), f.eachRecord(), f.eachChain(), f.eachSeal(), f.theIndex(), f.theArchive(whole))
	missed, found, told := make([]string, len(all)), make([]bool, len(all)), make([]bool, len(all))
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, m := range all {
		work.Go(func() error {
			report, err := bundle.VerifyFrom(bytes.NewReader(m.bytes()), p.key)
			found[i] = err != nil || len(report.Problems) > 0
			told[i] = m.told && !found[i] && len(report.Open)+len(report.Later) > 0
			if !found[i] && !told[i] {
				missed[i] = m.kind + " of " + m.of
			}
			return nil
		})
	}
	require.NoError(t, work.Wait())
	byKind, said := map[string]int{}, 0
	for i, m := range all {
		byKind[m.kind]++
		if told[i] {
			said++
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		t.Logf("%5d  %s", byKind[kind], kind)
	}
	missed = slices.DeleteFunc(missed, func(s string) bool { return s == "" })
	require.Empty(t, missed)
	t.Logf("%d ways to tamper with a bundle of %d files: %d found, %d told as not proven, none missed", len(all), len(f.files), len(all)-said, said)
	require.GreaterOrEqual(t, len(all)-said, 2500)
	// What takes the newest checkpoint away, and what follows it in one of the chains.
	require.LessOrEqual(t, said, 1+len(f.indexOf(f.files).Chains))

	f.inPython(t, p, all, told)
}

// inPython has the other verifier look at some of each kind.
func (f *forger) inPython(t *testing.T, p proof, all []tampering, told []bool) {
	t.Helper()
	dir, seen, tried := t.TempDir(), map[string]int{}, 0
	for i, m := range all {
		seen[m.kind]++
		if seen[m.kind] > 2 || told[i] || m.kind == notInContent {
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("%d%s", i, bundle.Suffix))
		require.NoError(t, os.WriteFile(path, m.bytes(), 0o600))
		said, held := inPython(t, path, p.keyFile)
		require.False(t, held, "%s of %s: %s", m.kind, m.of, said)
		tried++
	}
	t.Logf("%d of them tried in Python, all found", tried)
	require.GreaterOrEqual(t, tried, 50)
}

// forger knows a bundle, another one of the same deployment, and everything but the key.
type forger struct {
	t            *testing.T
	files, other map[string][]byte // without the index
	careless     []byte            // the index as it was
	thief        audit.Sealer
	thiefKey     audit.PublicKey
}

func newForger(t *testing.T, whole, other []byte) *forger {
	t.Helper()
	thief, err := audit.OpenSealingKey(filepath.Join(t.TempDir(), "thief.pem"))
	require.NoError(t, err)
	der, err := thief.PublicKey(t.Context())
	require.NoError(t, err)
	f := &forger{t: t, files: unpackBundle(t, whole), other: unpackBundle(t, other), thief: thief, thiefKey: publicKey(t, der)}
	f.careless = f.files["bundle.json"]
	delete(f.files, "bundle.json")
	delete(f.other, "bundle.json")
	return f
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// names gives files in their order.
func names(files map[string][]byte) []string {
	sorted := slices.Sorted(maps.Keys(files))
	slices.SortStableFunc(sorted, func(a, b string) int {
		rank := func(s string) int {
			if strings.HasPrefix(s, "evidence/") {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	return sorted
}

// indexOf is the index of files as anybody can make it.
func (f *forger) indexOf(files map[string][]byte) bundle.Index {
	var index bundle.Index
	f.must(json.Unmarshal(f.careless, &index))
	index.Files, index.Chains = []bundle.File{}, []bundle.Chain{}
	for _, name := range names(files) {
		index.Files = append(index.Files, bundle.File{Name: name, Size: int64(len(files[name])), SHA256: digestOf(files[name])})
		chain, _, ok := audit.RecordAt(strings.TrimPrefix(name, "evidence/"))
		if !ok || !strings.HasPrefix(name, "evidence/") {
			continue
		}
		if n := len(index.Chains); n == 0 || index.Chains[n-1].Name != chain {
			index.Chains = append(index.Chains, bundle.Chain{Name: chain})
		}
		end := &index.Chains[len(index.Chains)-1]
		end.Count, end.Head = end.Count+1, digestOf(files[name])
	}
	return index
}

func (f *forger) must(err error) {
	if err != nil {
		panic(err) // from a goroutine of the test
	}
}

func (f *forger) line(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	f.must(e.Encode(v))
	return b.Bytes()
}

// file is a part of an archive.
type file struct {
	name string
	body []byte
}

// pack makes a bundle with an index that fits.
func (f *forger) pack(files map[string][]byte) []byte {
	return f.archive(f.inOrder(files, f.line(f.indexOf(files))))
}

func (f *forger) inOrder(files map[string][]byte, index []byte) []file {
	var all []file
	for _, name := range names(files) {
		all = append(all, file{name, files[name]})
	}
	return append(all, file{"bundle.json", index})
}

func (f *forger) archive(files []file) []byte {
	var b bytes.Buffer
	zip, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	f.must(err)
	archive := tar.NewWriter(zip)
	for _, one := range files {
		f.must(archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: one.name, Size: int64(len(one.body)), Mode: 0o600, Format: tar.FormatUSTAR}))
		_, err := archive.Write(one.body)
		f.must(err)
	}
	f.must(archive.Close())
	f.must(zip.Close())
	return b.Bytes()
}

// chain gives the names of a chain's records in order.
func (f *forger) chain(name string) []string {
	var records []string
	for _, file := range names(f.files) {
		if strings.HasPrefix(file, "evidence/"+name+"/") {
			records = append(records, file)
		}
	}
	return records
}

// relinked gives the bundle's files with a chain of these bodies, numbered and linked anew from the first on.
func (f *forger) relinked(files map[string][]byte, chain string, bodies [][]byte) map[string][]byte {
	changed := maps.Clone(files)
	maps.DeleteFunc(changed, func(name string, _ []byte) bool { return strings.HasPrefix(name, "evidence/"+chain+"/") })
	prev := ""
	for i, body := range bodies {
		var r audit.Record
		f.must(json.Unmarshal(body, &r))
		r.Chain, r.Seq, r.Prev = chain, i+1, prev
		line := f.line(r)
		changed[fmt.Sprintf("evidence/%s/%06d.json", chain, i+1)] = line
		prev = digestOf(line)
	}
	return changed
}

// remanifested gives files with a manifest, and its record, that fit the chains in them, sealed by sealer.
func (f *forger) remanifested(files map[string][]byte, edit func(map[string]any), sealer string) map[string][]byte {
	changed := maps.Clone(files)
	const path = "evidence/manifest/" + cleanup + ".json"
	first, seal, _ := bytes.Cut(files[path], []byte("\n"))
	var m map[string]any
	f.must(json.Unmarshal(first, &m))
	var ends []any
	for _, c := range f.indexOf(files).Chains {
		if strings.HasPrefix(c.Name, "account/") {
			continue
		}
		if c.Name == "cleanup/"+cleanup { // the manifest's own record, and what follows, is not counted by it
			var record string
			for name, body := range files {
				if strings.HasPrefix(name, "evidence/"+c.Name+"/") && bytes.Contains(body, []byte(`"kind":"manifest"`)) {
					record = name
				}
			}
			_, seq, _ := audit.RecordAt(strings.TrimPrefix(record, "evidence/"))
			c.Count = seq - 1
			c.Head = digestOf(files[fmt.Sprintf("evidence/%s/%06d.json", c.Name, c.Count)])
		}
		ends = append(ends, map[string]any{"chain": c.Name, "count": c.Count, "head": c.Head})
	}
	m["chains"] = ends
	if edit != nil {
		edit(m)
	}
	changed[path] = f.sealed(m, seal, sealer)
	own := f.chain("cleanup/" + cleanup)
	bodies := make([][]byte, 0, len(own))
	for _, name := range own {
		body := files[name]
		if body == nil {
			continue
		}
		if bytes.Contains(body, []byte(`"kind":"manifest"`)) {
			body = bytes.Replace(body, []byte(digestOf(files[path])), []byte(digestOf(changed[path])), 1)
		}
		bodies = append(bodies, body)
	}
	return f.relinked(changed, "cleanup/"+cleanup, bodies)
}

// sealed is a manifest or checkpoint: with the seal that it had, with none, or with the thief's.
func (f *forger) sealed(body map[string]any, was []byte, sealer string) []byte {
	switch sealer {
	case "none":
		delete(body, "sealed_by")
		return f.line(body)
	case "thief":
		body["sealed_by"] = f.thiefKey.Fingerprint()
		line := f.line(body)
		signature, err := f.thief.Seal(f.t.Context(), sha256.Sum256(line))
		f.must(err)
		return append(line, f.line(struct {
			Digest    string `json:"digest"`
			Algorithm string `json:"algorithm"`
			Key       string `json:"key"`
			Signature string `json:"signature"`
		}{digestOf(line), "ECDSA_SHA_256", f.thiefKey.Fingerprint(), base64.StdEncoding.EncodeToString(signature)})...)
	}
	return append(f.line(body), was...)
}
