package packaging_test

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/packaging"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// copied gives a copy of what a function is built from, in a new folder.
func copied(t *testing.T, from, name string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), name)
	for _, part := range []string{"go.mod", "go.sum", "functions", "internal", "statemachine"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(from, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			inside, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(to, inside)), 0o755); err != nil {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(to, inside), b, 0o600)
		}))
	}
	return to
}

func built(t *testing.T, o packaging.Options) packaging.Package {
	t.Helper()
	packages, err := packaging.Build(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, packages, 1)
	return packages[0]
}

// program reads the one file of a zip.
func program(t *testing.T, p packaging.Package) (*zip.File, []byte) {
	t.Helper()
	z, err := zip.OpenReader(p.Path)
	require.NoError(t, err)
	defer z.Close()
	require.Len(t, z.File, 1)
	r, err := z.File[0].Open()
	require.NoError(t, err)
	code, err := io.ReadAll(r)
	require.NoError(t, err)
	return z.File[0], code
}

// The same source gives the same zip wherever it lies, whoever builds it; another version or processor another one.
// One function stands for all: `make package` builds the others.
func TestPackagesAreReproducible(t *testing.T) {
	root, err := packaging.Source(".")
	require.NoError(t, err)
	here := copied(t, root, "here")
	there := copied(t, here, "a folder with a longer name")
	o := packaging.Options{Source: here, Out: filepath.Join(t.TempDir(), "new", "dist"), Arch: runtime.GOARCH, Functions: []string{"log"}}
	first := built(t, o)
	require.Equal(t, "log", first.Function)
	require.Equal(t, filepath.Join(o.Out, "log.zip"), first.Path)
	require.LessOrEqual(t, first.Bytes, int64(packaging.MostBytes))
	stat, err := os.Stat(first.Path)
	require.NoError(t, err)
	require.Equal(t, first.Bytes, stat.Size())
	file, code := program(t, first)
	require.Equal(t, "bootstrap", file.Name)
	require.Equal(t, fs.FileMode(0o755), file.Mode())
	require.True(t, file.Modified.Equal(time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)), file.Modified)
	for _, telling := range []string{here, root, "a folder with a longer name"} {
		require.False(t, bytes.Contains(code, []byte(telling)), "the program says where it was built: %s", telling)
	}

	t.Run("from another folder, by somebody with other habits", func(t *testing.T) {
		t.Setenv("GOFLAGS", "-race -buildvcs=true")
		t.Setenv("CGO_ENABLED", "1")
		t.Setenv("GOARCH", "386")
		t.Setenv("GOAMD64", "v3")
		second := o
		second.Source, second.Out = there, t.TempDir()
		require.Equal(t, first.SHA256, built(t, second).SHA256)
	})
	t.Run("another version", func(t *testing.T) {
		stamped := o
		stamped.Version, stamped.Out = "2.0.0-stamped", t.TempDir()
		other := built(t, stamped)
		require.NotEqual(t, first.SHA256, other.SHA256)
		_, code := program(t, other)
		require.True(t, bytes.Contains(code, []byte("2.0.0-stamped")))
	})
	t.Run("source that does not compile", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(there, "functions", "log", "main.go"), []byte("package main\n\nfunc main() { nothing() }\n"), 0o600))
		broken := o
		broken.Source = there
		_, err := packaging.Build(t.Context(), broken)
		require.ErrorContains(t, err, "building log for "+runtime.GOARCH)
		require.ErrorContains(t, err, "undefined: nothing")
		require.NotContains(t, err.Error(), "\n")
		_, err = os.Stat(first.Path)
		require.NoError(t, err, "what was built before stays")
	})
}

func TestWhatCantBePackagedIsSaid(t *testing.T) {
	root, err := packaging.Source(".")
	require.NoError(t, err)
	good := packaging.Options{Source: root, Out: filepath.Join(t.TempDir(), "dist"), Arch: "arm64", Functions: []string{"log"}}
	for name, c := range map[string]struct {
		change func(*packaging.Options)
		says   string
	}{
		"architecture":           {func(o *packaging.Options) { o.Arch = "x86_64" }, `architecture "x86_64": Lambda runs arm64 and amd64`},
		"no architecture":        {func(o *packaging.Options) { o.Arch = "" }, `architecture ""`},
		"function":               {func(o *packaging.Options) { o.Functions = []string{"log", "lunch"} }, `there is no function "lunch"; there are approval-web, `},
		"function as path":       {func(o *packaging.Options) { o.Functions = []string{"../cmd/iam-sunset"} }, "there is no function"},
		"version":                {func(o *packaging.Options) { o.Version = "1.0 -X main.x=y" }, `version "1.0 -X main.x=y": only letters`},
		"version that is a flag": {func(o *packaging.Options) { o.Version = "-s" }, `version "-s"`},
		"nowhere to put it":      {func(o *packaging.Options) { o.Out = "" }, "no folder is named"},
		"elsewhere":              {func(o *packaging.Options) { o.Source = t.TempDir() }, "this is not the source of IAM Sunset"},
		"out is a file":          {func(o *packaging.Options) { o.Out = filepath.Join(root, "go.mod") }, "making the folder for the packages"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			c.change(&o)
			_, err := packaging.Build(t.Context(), o)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, sunset.Invalid, sunset.KindOf(err))
			require.NoDirExists(t, good.Out)
		})
	}
	t.Run("no toolchain", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := packaging.Build(t.Context(), good)
		require.ErrorIs(t, err, packaging.ErrNoToolchain)
		require.NoFileExists(t, filepath.Join(good.Out, "log.zip"))
	})
}

func TestSource(t *testing.T) {
	root, err := packaging.Source(".")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "internal", "packaging", "packaging.go"))
	deep, err := packaging.Source(filepath.Join(root, "functions", "log"))
	require.NoError(t, err)
	require.Equal(t, root, deep)

	_, err = packaging.Source(t.TempDir())
	require.ErrorIs(t, err, packaging.ErrNoSource)
	other := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "go.mod"), []byte("module example.com/another\n"), 0o600))
	_, err = packaging.Source(other)
	require.ErrorIs(t, err, packaging.ErrNoSource)
}
