package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func begin() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// ended is a store with a cleanup of one case that has ended, and the beginning of another one whose name begins alike.
func ended(t *testing.T) *store.Dir {
	t.Helper()
	dir, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	book := audit.NewBook(dir.Objects(), clock.NewVirtual(begin()))
	for _, r := range []audit.Record{
		{Chain: "cleanup/spring", Kind: "begun", CleanupID: "spring", Data: []byte(`{"account":"123456789012"}`)},
		{Chain: "case/spring-AIDA1", Kind: "claimed", CleanupID: "spring", CaseID: "spring-AIDA1"},
		{Chain: "case/spring-AIDA1", Kind: "closed", CleanupID: "spring", CaseID: "spring-AIDA1"},
		{Chain: "cleanup/spring", Kind: "closed", CleanupID: "spring"},
		{Chain: "cleanup/spring-2", Kind: "begun", CleanupID: "spring-2"},
		{Chain: "case/spring-2-AIDA1", Kind: "claimed", CleanupID: "spring-2", CaseID: "spring-2-AIDA1"},
		{Chain: "account/operations", Kind: "paused"},
		{Chain: "account/messages", Kind: "refused"},
	} {
		_, err := book.Append(t.Context(), r)
		require.NoError(t, err)
	}
	require.NoError(t, book.WriteManifest(t.Context(), "spring", []string{"case/spring-AIDA1"}, map[sunset.Outcome]int{sunset.Deleted: 1}, 1))
	return dir
}

func pack(t *testing.T, from Source, cleanup string) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := Write(t.Context(), &b, from, cleanup, begin(), "v0")
	require.NoError(t, err)
	return b.Bytes()
}

func TestABundleHasItsCleanupAlone(t *testing.T) {
	dir := ended(t)
	folder, err := OpenFolder(dir.Path())
	require.NoError(t, err)
	whole := pack(t, dir.Objects(), "spring")
	require.Equal(t, whole, pack(t, folder, "spring"), "from the store's own files it is the same")
	files, err := unpack(bytes.NewReader(whole), most())
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	require.Equal(t, []string{
		"evidence/account/operations/000001.json", "evidence/case/spring-AIDA1/000001.json", "evidence/case/spring-AIDA1/000002.json",
		"evidence/cleanup/spring/000001.json", "evidence/cleanup/spring/000002.json", "evidence/cleanup/spring/000003.json", "evidence/manifest/spring.json", "bundle.json",
	}, names)
	report, err := VerifyFrom(bytes.NewReader(whole))
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	require.Equal(t, []string{"account/operations"}, report.Later)
	open, err := VerifyFrom(bytes.NewReader(pack(t, folder, "spring-2")))
	require.NoError(t, err)
	require.Empty(t, open.Problems)
	require.Equal(t, []string{"spring-2"}, open.Open)

	_, err = Write(t.Context(), &bytes.Buffer{}, folder, "sprin", begin(), "v0")
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
}

// A cleanup may end while its chains are listed: then it is packed as ended, not as one that lost its manifest.
func TestACleanupThatEndsMeanwhile(t *testing.T) {
	dir := ended(t)
	from := &late{Source: dir.Objects(), hidden: "evidence/manifest/spring.json"}
	report, err := VerifyFrom(bytes.NewReader(pack(t, from, "spring")))
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	require.Equal(t, 1, report.Discovered)
}

// late has a file only once it was asked for.
type late struct {
	Source
	hidden string
}

func (l *late) Get(ctx context.Context, key string) ([]byte, error) {
	if key == l.hidden {
		l.hidden = ""
		return nil, fmt.Errorf("reading %s: %w", key, store.ErrMissing)
	}
	return l.Source.Get(ctx, key)
}

// Whichever bit of the file is changed, it is found, or every file in it is as it was.
func TestEveryBit(t *testing.T) {
	whole := pack(t, ended(t).Objects(), "spring")
	want, err := unpack(bytes.NewReader(whole), most())
	require.NoError(t, err)
	harmless := 0
	for at := range whole {
		for bit := range 8 {
			changed := bytes.Clone(whole)
			changed[at] ^= 1 << bit
			got, err := unpack(bytes.NewReader(changed), most())
			if err == nil {
				require.Equal(t, want, got, "bit %d of byte %d", bit, at)
				harmless++
			}
		}
	}
	require.LessOrEqual(t, harmless, 16, "deflate leaves a few bits open, such as the last byte's")
}

func TestWhatIsNoBundleIsRefused(t *testing.T) {
	zipped := func(body []byte) []byte {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		_, err := zip.Write(body)
		require.NoError(t, errors.Join(err, zip.Close()))
		return b.Bytes()
	}
	tarred := func(files ...*tar.Header) []byte {
		var b bytes.Buffer
		archive := tar.NewWriter(&b)
		for _, h := range files {
			require.NoError(t, archive.WriteHeader(h))
			_, err := archive.Write(make([]byte, h.Size))
			require.NoError(t, err)
		}
		require.NoError(t, archive.Close())
		return zipped(b.Bytes())
	}
	var promised bytes.Buffer
	require.NoError(t, tar.NewWriter(&promised).WriteHeader(header("evidence/x", 1<<32)))
	small := limits{files: 2, file: 1000, whole: 2500}
	for name, r := range map[string]struct {
		body []byte
		want string
	}{
		"nothing":             {nil, "does not begin as these do"},
		"text":                {[]byte("a text that is no archive"), "does not begin as these do"},
		"a zip":               {[]byte("PK\x03\x04 and so on, for a while"), "does not begin as these do"},
		"gzip of text":        {zipped([]byte(strings.Repeat("text ", 500))), "no bundle"},
		"another archive":     {tarred(header("README", 3)), "its last file is not bundle.json"},
		"an empty archive":    {tarred(), "its last file is not bundle.json"},
		"a link":              {tarred(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bundle.json", Linkname: "/etc/passwd", Format: tar.FormatUSTAR}), `it holds "bundle.json"`},
		"a name that leads":   {tarred(header("../bundle.json", 3)), `it holds "../bundle.json"`},
		"too large a file":    {tarred(header("bundle.json", 1001)), "too large"},
		"a promise":           {zipped(promised.Bytes()), "too large"},
		"too much":            {tarred(header("evidence/a", 900), header("evidence/b", 900)), "too large"},
		"too many":            {tarred(header("evidence/a", 1), header("evidence/b", 1), header("evidence/c", 1)), "too large"},
		"zeros without end":   {zipped(make([]byte, 8<<20)), ""},
		"one file, then more": {tarred(header("evidence/b", 1), header("evidence/a", 1)), "not in its place"},
	} {
		t.Run(name, func(t *testing.T) {
			b, problems, err := readFrom(bytes.NewReader(r.body), small)
			if err == nil {
				require.NotEmpty(t, problems, b.Index)
				require.Contains(t, problems[0].Text, r.want)
				return
			}
			require.Equal(t, sunset.Invalid, sunset.KindOf(err), err)
			require.ErrorContains(t, err, r.want)
		})
	}
}

func TestOpenRefusesWhatItsIndexDoesNotSay(t *testing.T) {
	whole := pack(t, ended(t).Objects(), "spring")
	path := filepath.Join(t.TempDir(), "b"+Suffix)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-9], 0o600))
	_, err := Open(path)
	require.ErrorContains(t, err, "is damaged")
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	_, err = Open(filepath.Dir(path))
	require.ErrorContains(t, err, "it is not a file")
	_, err = Open(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	b, err := Open(path)
	require.NoError(t, err)
	require.Equal(t, "spring", b.Index.Cleanup)
	require.Empty(t, b.Verify().Problems)
}
