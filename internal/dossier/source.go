// Package dossier tells of a cleanup, or of one user in it, what its evidence says: to an auditor as one HTML file, to whoever
// asks why as a paragraph, and to whoever needs the user back as Terraform and commands.
//
// It goes by records alone, never by rows, and runs audit.Verify over the very bytes that it reads: what comes of that is part
// of all it tells.
package dossier

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Objects is what is read of a place with evidence: that below evidence/, and the plans and snapshots that it names.
// store.Objects are such; ErrMissing says that there is none.
type Objects interface {
	Get(ctx context.Context, key string) ([]byte, error)
	List(ctx context.Context, prefix string) ([]string, error)
}

// Dir reads evidence from a directory: a copy of a deployment's bucket, the directory of iam-sunset serve, or the folder
// evidence alone, of which neighbours named plans and snapshots are read too where they are there.
func Dir(dir string) (Objects, error) {
	const doing = "reading the evidence"
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, sunset.Faultf(sunset.Invalid, "%s: %w", doing, err)
	case !info.IsDir():
		return nil, sunset.Faultf(sunset.Invalid, "%s: %s is not a directory", doing, dir)
	}
	for _, d := range []directory{
		{evidence: filepath.Join(dir, "objects", "evidence"), rest: filepath.Join(dir, "objects")},
		{evidence: filepath.Join(dir, "evidence"), rest: dir},
		{evidence: dir, rest: filepath.Dir(filepath.Clean(dir))},
	} {
		if isDir(filepath.Join(d.evidence, "case")) || isDir(filepath.Join(d.evidence, "cleanup")) {
			return d, nil
		}
	}
	return nil, sunset.Faultf(sunset.Invalid, "%s: there is none in %s", doing, dir)
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// directory has the evidence in one folder, and beside it whatever the evidence names.
type directory struct{ evidence, rest string }

const evidencePrefix = "evidence/"

func (d directory) Get(_ context.Context, key string) ([]byte, error) {
	if !fs.ValidPath(key) { // a record may name any key
		return nil, sunset.Faultf(sunset.Invalid, "%q is not the key of an object", key)
	}
	file := filepath.Join(d.rest, filepath.FromSlash(key))
	if inner, ok := strings.CutPrefix(key, evidencePrefix); ok {
		file = filepath.Join(d.evidence, filepath.FromSlash(inner))
	}
	body, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrMissing
	}
	return body, err
}

// List gives what is in the evidence; prefix begins with its name.
func (d directory) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := filepath.WalkDir(d.evidence, func(file string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir():
			return nil
		case !e.Type().IsRegular():
			return sunset.Faultf(sunset.Invalid, "%s is not a regular file", file)
		}
		rel, err := filepath.Rel(d.evidence, file)
		if key := path.Join(evidencePrefix, filepath.ToSlash(rel)); err == nil && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
		return err
	})
	slices.Sort(keys)
	return keys, err
}
