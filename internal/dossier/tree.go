package dossier

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"
)

// tree is a file system in memory, so that what is verified is what is told of, whatever happens to the store meanwhile.
type tree struct {
	files map[string][]byte
	dirs  map[string]map[string]bool // what is in each; true: a directory
}

func newTree() *tree {
	return &tree{files: map[string][]byte{}, dirs: map[string]map[string]bool{".": {}}}
}

func (t *tree) add(name string, body []byte) {
	t.files[name] = body
	isDir := false
	for name != "." {
		dir := path.Dir(name)
		_, known := t.dirs[dir]
		if !known {
			t.dirs[dir] = map[string]bool{}
		}
		t.dirs[dir][path.Base(name)] = isDir
		if known {
			return
		}
		name, isDir = dir, true
	}
}

func (t *tree) ReadFile(name string) ([]byte, error) {
	body, ok := t.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return body, nil
}

func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, ok := t.dirs[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	var out []fs.DirEntry
	for _, base := range slices.Sorted(maps.Keys(entries)) {
		out = append(out, fs.FileInfoToDirEntry(leaf{base, int64(len(t.files[path.Join(name, base)])), entries[base]}))
	}
	return out, nil
}

func (t *tree) Stat(name string) (fs.FileInfo, error) {
	if _, ok := t.dirs[name]; ok {
		return leaf{path.Base(name), 0, true}, nil
	}
	body, err := t.ReadFile(name)
	return leaf{path.Base(name), int64(len(body)), false}, err
}

func (t *tree) Open(name string) (fs.File, error) {
	info, err := t.Stat(name)
	if err != nil {
		return nil, err
	}
	return opened{bytes.NewReader(t.files[name]), info}, nil
}

type leaf struct {
	name string
	size int64
	dir  bool
}

func (l leaf) Name() string       { return l.name }
func (l leaf) Size() int64        { return l.size }
func (l leaf) IsDir() bool        { return l.dir }
func (l leaf) ModTime() time.Time { return time.Time{} }
func (l leaf) Sys() any           { return nil }

func (l leaf) Mode() fs.FileMode {
	if l.dir {
		return fs.ModeDir | 0o700
	}
	return 0o600
}

type opened struct {
	io.Reader
	info fs.FileInfo
}

func (o opened) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o opened) Close() error               { return nil }
