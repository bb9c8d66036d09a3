package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestSealedEvidenceHolds(t *testing.T) {
	k, key := newKey(t)
	_, other := newKey(t)
	files := evidenceOf(t, whole(t, k))
	want := audit.Report{
		Records: 11, Chains: 4, Cleanups: 1, Checkpoints: 3, Until: "2026-01-05", Seals: 4, Keys: []string{key.Fingerprint()},
	}
	require.Equal(t, want, verify(t, files))
	require.Equal(t, want, verify(t, files, key))
	require.Equal(t, want, verify(t, files, other, key), "a key that was replaced")
	require.Len(t, verify(t, files, other).Problems, 5, "four seals by another key, and nothing sealed by this one")
	require.Contains(t, files, "key/"+key.Fingerprint()+".pem")
}

// Another tool needs no more than this: two lines, SHA-256, ECDSA.
func TestTheFormatIsAsDocumented(t *testing.T) {
	k, _ := newKey(t)
	files := evidenceOf(t, whole(t, k))
	der, err := k.PublicKey(t.Context())
	require.NoError(t, err)
	parsed, err := x509.ParsePKIXPublicKey(der)
	require.NoError(t, err)
	require.NotNil(t, parsed)
	for _, file := range []string{"manifest/c1.json", "checkpoint/2026-01-04.json"} {
		lines := bytes.SplitAfter(files[file].Data, []byte("\n"))
		require.Len(t, lines, 3, "two lines and nothing")
		var seal map[string]string
		require.NoError(t, json.Unmarshal(lines[1], &seal))
		require.Equal(t, sha256Hex(lines[0]), seal["digest"])
		require.Equal(t, "ECDSA_SHA_256", seal["algorithm"])
		require.Equal(t, sha256Hex(der), seal["key"])
		signature, err := base64.StdEncoding.DecodeString(seal["signature"])
		require.NoError(t, err)
		cert := x509.Certificate{PublicKey: parsed, PublicKeyAlgorithm: x509.ECDSA}
		require.NoError(t, cert.CheckSignature(x509.ECDSAWithSHA256, lines[0], signature))
	}
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestEveryChangedByteOfSealedEvidenceShows(t *testing.T) {
	k, _ := newKey(t)
	files := evidenceOf(t, whole(t, k))
	changedBytes := 0
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(file, "case/") {
			continue // as in evidence that isn't sealed
		}
		body := files[file].Data
		for i := range body {
			changed := slices.Clone(body)
			changed[i] ^= 1
			f := maps.Clone(files)
			f[file] = &fstest.MapFile{Data: changed}
			require.NotEmpty(t, verify(t, f).Problems, "%s, byte %d", file, i)
			changedBytes++
		}
	}
	require.Greater(t, changedBytes, 3000)
}

func TestEveryDroppedFileOfSealedEvidenceShows(t *testing.T) {
	k, key := newKey(t)
	files := evidenceOf(t, whole(t, k))
	require.Len(t, files, 16)
	for file := range files {
		f := maps.Clone(files)
		delete(f, file)
		switch {
		case file == "checkpoint/2026-01-05.json":
			// Nothing in the evidence tells of its newest checkpoint: only its hash, kept elsewhere, does.
			require.Empty(t, verify(t, f, key).Problems)
			require.Equal(t, "2026-01-04", verify(t, f, key).Until)
		case strings.HasPrefix(file, "key/"):
			require.NotEmpty(t, verify(t, f).Problems)
			require.Empty(t, verify(t, f, key).Problems, "the key that counts is the auditor's own")
		default:
			require.NotEmpty(t, verify(t, f).Problems, file)
			require.NotEmpty(t, verify(t, f, key).Problems, file)
		}
	}
}

func TestSealsCannotBeForged(t *testing.T) {
	k, key := newKey(t)
	thief, thiefs := newKey(t)
	genuine := evidenceOf(t, whole(t, k))
	forged := evidenceOf(t, whole(t, thief))
	const m, c3, c4, c5 = "manifest/c1.json", "checkpoint/2026-01-03.json", "checkpoint/2026-01-04.json", "checkpoint/2026-01-05.json"
	own, other := "key/"+key.Fingerprint()+".pem", "key/"+thiefs.Fingerprint()+".pem"
	unsealed := func(f fstest.MapFS, file string) {
		f[file] = &fstest.MapFile{Data: bytes.SplitAfter(f[file].Data, []byte("\n"))[0]}
	}
	reseal := func(f fstest.MapFS, file, from string) {
		first := bytes.SplitAfter(f[file].Data, []byte("\n"))[0]
		second := bytes.SplitAfter(f[from].Data, []byte("\n"))[1]
		f[file] = &fstest.MapFile{Data: slices.Concat(first, second)}
	}
	for name, tt := range map[string]struct {
		change func(f fstest.MapFS)
		// consistent evidence is found only with the key.
		consistent bool
	}{
		"all of it written anew with another key": {func(f fstest.MapFS) { clear(f); maps.Copy(f, forged) }, true},
		"written anew without any seal": {func(f fstest.MapFS) {
			clear(f)
			maps.Copy(f, evidenceOf(t, cleanup(t)))
		}, true},
		"another key in the key's place":        {func(f fstest.MapFS) { f[own] = forged[other] }, false},
		"the manifest of another key":           {func(f fstest.MapFS) { f[m] = forged[m]; f[other] = forged[other] }, false},
		"a checkpoint of another key":           {func(f fstest.MapFS) { f[c4] = forged[c4]; f[other] = forged[other] }, false},
		"the newest checkpoint of another key":  {func(f fstest.MapFS) { f[c5] = forged[c5]; f[other] = forged[other] }, false},
		"the manifest's seal gone":              {func(f fstest.MapFS) { unsealed(f, m) }, false},
		"a checkpoint's seal gone":              {func(f fstest.MapFS) { unsealed(f, c3) }, false},
		"the newest checkpoint's seal gone":     {func(f fstest.MapFS) { unsealed(f, c5) }, false},
		"a seal of another file":                {func(f fstest.MapFS) { reseal(f, c5, c4) }, false},
		"two checkpoints swapped":               {func(f fstest.MapFS) { f[c3], f[c4] = f[c4], f[c3] }, false},
		"a checkpoint renamed to another day":   {func(f fstest.MapFS) { f["checkpoint/2026-01-06.json"] = f[c5]; delete(f, c5) }, false},
		"an old checkpoint as the newest":       {func(f fstest.MapFS) { f[c5] = f[c4] }, false},
		"two checkpoints gone":                  {func(f fstest.MapFS) { delete(f, c3); delete(f, c4) }, false},
		"a checkpoint slipped in":               {func(f fstest.MapFS) { f["checkpoint/2026-01-02.json"] = f[c3] }, false},
		"a third line":                          {func(f fstest.MapFS) { f[c5] = &fstest.MapFile{Data: append(slices.Clone(f[c5].Data), "{}\n"...)} }, false},
		"a seal in another form":                {func(f fstest.MapFS) { maps.Copy(f, replaced(f, c5, `{"digest"`, `{ "digest"`)) }, false},
		"a foreign file beside the checkpoints": {func(f fstest.MapFS) { f["checkpoint/2026-1-6.json"] = f[c5] }, false},
		"a foreign file beside the keys":        {func(f fstest.MapFS) { f["key/mine.pem"] = f[own] }, false},
		"a tail cut behind the checkpoint":      {func(f fstest.MapFS) { delete(f, "case/c1-A/000004.json") }, false},
		"a chain that only a checkpoint knows":  {func(f fstest.MapFS) { delete(f, "account/settings/000001.json") }, false},
		"a chain that only a checkpoint knows, anew": {func(f fstest.MapFS) {
			maps.Copy(f, rechain(t, "account/settings", "other settings"))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := maps.Clone(genuine)
			tt.change(f)
			require.NotEmpty(t, verify(t, f, key).Problems, "with the key")
			require.Equal(t, tt.consistent, len(verify(t, f).Problems) == 0, "without: %v", verify(t, f).Problems)
		})
	}
}

func TestWithAKeySomethingMustBeSealed(t *testing.T) {
	_, key := newKey(t)
	o := objects(t)
	write(t, audit.NewBook(o, fixed{}), "cleanup/c1", "begun")
	require.Empty(t, verify(t, evidenceOf(t, o)).Problems)
	require.NotEmpty(t, verify(t, evidenceOf(t, o), key).Problems)
}

func TestAManifestIsWholeWhereverItsWriterDies(t *testing.T) {
	k, key := newKey(t)
	world := func(t *testing.T) store.Objects {
		o := objects(t)
		b := audit.NewBook(o, fixed{})
		write(t, b, "cleanup/c1", "begun", "closed")
		write(t, b, "case/c1-A", "claimed", "closed")
		return o
	}
	seal := func(o store.Objects) error {
		return sealedBook(o, k).WriteManifest(t.Context(), "c1", []string{"case/c1-A"}, map[sunset.Outcome]int{sunset.Deleted: 1}, 1)
	}
	writes := diesAnywhere(t, world, seal, func(t *testing.T, o store.Objects) {
		require.NoError(t, seal(o))
		files := evidenceOf(t, o)
		require.NoError(t, seal(o), "and once more")
		require.Equal(t, files, evidenceOf(t, o))
		require.Empty(t, verify(t, files, key).Problems)
		require.Equal(t, 1, verify(t, files, key).Seals)
		require.Contains(t, string(files["cleanup/c1/000003.json"].Data), `"kind":"manifest"`)
	})
	require.Equal(t, 3, writes, "the key, the manifest, the record")
}

// A signature is another one each time; the first one written stands.
func TestWritersOfOneManifestAgree(t *testing.T) {
	k, key := newKey(t)
	o := objects(t)
	write(t, audit.NewBook(o, fixed{}), "cleanup/c1", "begun", "closed")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := sealedBook(o, k).WriteManifest(t.Context(), "c1", nil, map[sunset.Outcome]int{sunset.Kept: 1}, 1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Empty(t, verify(t, evidenceOf(t, o), key).Problems)
}

func TestAForeignManifestIsNeverSealed(t *testing.T) {
	k, key := newKey(t)
	thief, _ := newKey(t)
	for name, forger := range map[string]*audit.SealingKey{"unsealed": nil, "another key": thief} {
		t.Run(name, func(t *testing.T) {
			o := objects(t)
			write(t, audit.NewBook(o, fixed{}), "cleanup/c1", "begun", "closed")
			// Whoever can write to the store puts a manifest there first.
			scratch := storeOf(t, evidenceOf(t, o))
			b := audit.NewBook(scratch, fixed{})
			if forger != nil {
				b.SealWith(forger)
			}
			require.NoError(t, b.WriteManifest(t.Context(), "c1", nil, map[sunset.Outcome]int{sunset.Kept: 9}, 9))
			forged := evidenceOf(t, scratch)["manifest/c1.json"].Data
			require.NoError(t, o.Put(t.Context(), "evidence/manifest/c1.json", forged))

			err := sealedBook(o, k).WriteManifest(t.Context(), "c1", nil, map[sunset.Outcome]int{sunset.Kept: 1}, 1)
			kindIs(t, sunset.Internal, err)
			require.NotEmpty(t, verify(t, evidenceOf(t, o), key).Problems)
			require.NotContains(t, evidenceOf(t, o), "cleanup/c1/000003.json", "nothing vouches for it")
		})
	}
}

func TestAManifestFromBeforeThereWereSealsStands(t *testing.T) {
	k, key := newKey(t)
	o := cleanup(t)
	before := evidenceOf(t, o)
	manifest(t, sealedBook(o, k))
	require.Equal(t, before, evidenceOf(t, o))
	checkpoint(t, o, k, "2026-01-06")
	report := verify(t, evidenceOf(t, o))
	require.Empty(t, report.Problems)
	require.Equal(t, []string{"manifest/c1.json"}, report.Unsealed)
	require.Equal(t, []string{"manifest/c1.json"}, filesOf(verify(t, evidenceOf(t, o), key).Problems))
}

// sealer is a key service that answers whatever a test wants.
type sealer struct {
	seal      func(digest [32]byte) ([]byte, error)
	publicKey func() ([]byte, error)
}

func (s sealer) Seal(_ context.Context, digest [32]byte) ([]byte, error) { return s.seal(digest) }
func (s sealer) PublicKey(context.Context) ([]byte, error)               { return s.publicKey() }

func TestNothingIsWrittenWithoutAGoodSignature(t *testing.T) {
	k, _ := newKey(t)
	good := func() ([]byte, error) { return k.PublicKey(t.Context()) }
	away := sunset.Faultf(sunset.Unavailable, "the key service is away")
	for name, tt := range map[string]struct {
		sealer sealer
		kind   sunset.Kind
	}{
		"a signature of something else": {sealer{func([32]byte) ([]byte, error) { return k.Seal(t.Context(), [32]byte{1}) }, good}, sunset.Internal},
		"no signature":                  {sealer{func([32]byte) ([]byte, error) { return nil, nil }, good}, sunset.Internal},
		"not signed":                    {sealer{func([32]byte) ([]byte, error) { return nil, away }, good}, sunset.Unavailable},
		"no public key":                 {sealer{nil, func() ([]byte, error) { return nil, away }}, sunset.Unavailable},
		"a public key of another kind":  {sealer{nil, func() ([]byte, error) { return []byte("rsa"), nil }}, sunset.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			o := objects(t)
			write(t, audit.NewBook(o, fixed{}), "cleanup/c1", "begun", "closed")
			b := sealedBook(o, tt.sealer)
			kindIs(t, tt.kind, b.WriteManifest(t.Context(), "c1", nil, map[sunset.Outcome]int{sunset.Kept: 1}, 1))
			_, err := b.Checkpoint(t.Context(), "2026-01-05")
			kindIs(t, tt.kind, err)
			_, err = o.Get(t.Context(), "evidence/manifest/c1.json")
			require.ErrorIs(t, err, store.ErrMissing)
			_, err = o.Get(t.Context(), "evidence/checkpoint/2026-01-05.json")
			require.ErrorIs(t, err, store.ErrMissing)
			require.NoError(t, sealedBook(o, k).WriteManifest(t.Context(), "c1", nil, map[sunset.Outcome]int{sunset.Kept: 1}, 1), "with the key back")
		})
	}
}
