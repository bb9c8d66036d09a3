package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Folder is a directory that objects lie in, which is only read: a data directory, or a copy of a bucket.
type Folder struct{ files fs.FS }

// OpenFolder finds the objects below dir: in the data directory of serve, in that of the demo, or in a copy of a bucket.
// It is an Invalid fault where none of these is there.
func OpenFolder(dir string) (Folder, error) {
	for _, below := range []string{"store/objects", "objects", "."} {
		root := filepath.Join(dir, filepath.FromSlash(below))
		if info, err := os.Stat(filepath.Join(root, "evidence")); err == nil && info.IsDir() {
			return Folder{os.DirFS(root)}, nil
		}
	}
	return Folder{}, sunset.Faultf(sunset.Invalid, "there is no evidence in %s", dir)
}

// Get reads an object.
func (f Folder) Get(ctx context.Context, key string) ([]byte, error) {
	if err := errors.Join(ctx.Err(), store.CheckKey(key)); err != nil {
		return nil, fmt.Errorf("reading object %.80q: %w", key, err)
	}
	body, err := fs.ReadFile(f.files, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading object %s: %w", key, store.ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("reading object %s: %w", key, err)
	}
	return body, nil
}

// List gives all keys that begin with prefix, sorted. Links are not followed.
func (f Folder) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	from := path.Dir(prefix + "x")
	err := fs.WalkDir(f.files, from, func(key string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && key == from:
			return fs.SkipAll
		case err != nil || ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case e.IsDir() && key != from && !strings.HasPrefix(key, prefix):
			return fs.SkipDir // what is in it begins as its name does
		case e.Type().IsRegular() && strings.HasPrefix(key, prefix):
			keys = append(keys, key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing %q: %w", prefix, err)
	}
	slices.Sort(keys)
	return keys, nil
}
