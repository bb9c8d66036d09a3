// Package packaging makes the Lambda functions' zips from the module's source: the same source, toolchain, architecture
// and version give the same bytes, wherever and whenever they are built.
package packaging

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// MostBytes is the most that one function's zip may have: 6 MB, read strictly. Lambda takes 50 MB; what is far below starts
// sooner.
const MostBytes = 6_000_000

// ErrNoToolchain says that there is no go command to build with.
var ErrNoToolchain = errors.New("there is no Go toolchain: the command go is not on the PATH")

// ErrNoSource says that a directory is not part of the module's source.
var ErrNoSource = errors.New("this is not the source of IAM Sunset")

// versionForm keeps a version in one word of the linker's flags.
var versionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$`)

// Options say what to build.
type Options struct {
	Source    string   // the module's directory; see Source
	Out       string   // where the zips go, as <function>.zip; it is made where it is missing
	Arch      string   // of the functions: arm64 or amd64 (Lambda's x86_64)
	Functions []string // by their names in functions/; none: all
	// Version is carried by the functions' log lines, and makes their binaries differ from another version's. It may be
	// empty.
	Version string
}

// Package is one function's zip.
type Package struct {
	Function string
	Path     string
	Bytes    int64
	SHA256   string // of the zip, hexadecimal
}

// Build makes the zips, in the order of the functions' names. Each has one file, bootstrap, as Lambda's runtimes
// provided.al2023 want it. A zip of more than MostBytes is an Invalid fault; so is whatever in the options can't be, and
// it is found out before anything is built. Zips of earlier builds are replaced whole or not at all.
func Build(ctx context.Context, o Options) ([]Package, error) {
	functions, err := o.check()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return nil, sunset.Faultf(sunset.Invalid, "making the folder for the packages: %w", err)
	}
	work, err := os.MkdirTemp("", "iam-sunset-package-")
	if err != nil {
		return nil, sunset.Faultf(sunset.Invalid, "making a folder to build in: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // nothing but what was built
	if err := o.compile(ctx, functions, work); err != nil {
		return nil, err
	}
	packages := make([]Package, len(functions))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, f := range functions {
		g.Go(func() (err error) {
			if err = ctx.Err(); err == nil {
				packages[i], err = o.pack(filepath.Join(work, f), f)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return packages, nil
}

// pack puts a program into its zip.
func (o Options) pack(binary, function string) (Package, error) {
	code, err := os.ReadFile(binary)
	if err != nil {
		return Package{}, fmt.Errorf("packaging %s: %w", function, err)
	}
	zip, err := zipped(code)
	if err != nil {
		return Package{}, fmt.Errorf("packaging %s: %w", function, err)
	}
	if len(zip) > MostBytes {
		return Package{}, sunset.Faultf(sunset.Invalid, "packaging %s: its zip has %d bytes; %d are the most", function, len(zip), MostBytes)
	}
	path := filepath.Join(o.Out, function+".zip")
	if err := replace(path, zip); err != nil {
		return Package{}, fmt.Errorf("packaging %s: %w", function, err)
	}
	digest := sha256.Sum256(zip)
	return Package{Function: function, Path: path, Bytes: int64(len(zip)), SHA256: hex.EncodeToString(digest[:])}, nil
}

// check gives the functions to build, sorted.
func (o Options) check() ([]string, error) {
	if o.Arch != "arm64" && o.Arch != "amd64" {
		return nil, sunset.Faultf(sunset.Invalid, "architecture %q: Lambda runs arm64 and amd64, which it calls x86_64", o.Arch)
	}
	if o.Version != "" && !versionForm.MatchString(o.Version) {
		return nil, sunset.Faultf(sunset.Invalid, "version %q: only letters, digits, dots, hyphens, underscores and plus signs, at most 63", o.Version)
	}
	if o.Out == "" {
		return nil, sunset.Faultf(sunset.Invalid, "no folder is named for the packages")
	}
	all, err := Functions(o.Source)
	if err != nil {
		return nil, err
	}
	if len(o.Functions) == 0 {
		return all, nil
	}
	wanted := slices.Clone(o.Functions)
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	for _, f := range wanted {
		if !slices.Contains(all, f) {
			return nil, sunset.Faultf(sunset.Invalid, "there is no function %q; there are %s", f, strings.Join(all, ", "))
		}
	}
	return wanted, nil
}

// replace writes a file so that it is never seen half.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".package-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where all went well
	if _, err := f.Write(content); err != nil {
		_ = f.Close() // the first error is the one to tell
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
