package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Dir keeps objects and rows as plain files below one directory: objects/<key>, rows/<key>.row. Evidence is therefore
// found at objects/evidence. Files are 0600, directories 0700.
//
// Within one process any number of goroutines may use it. Of several processes only one may write rows: see Lock.
type Dir struct {
	path   string
	noSync bool

	mu   sync.Mutex
	made map[string]bool // directories whose own entries are known to be durable
	keys map[string]*sync.Mutex
}

// Option changes how a Dir works.
type Option func(*Dir)

// NoSync leaves durability to the operating system: a power cut may lose what was written. It is for tests, the demo
// and benchmarks.
func NoSync() Option { return func(d *Dir) { d.noSync = true } }

// OpenDir uses the directory at path, and makes it where there is none.
func OpenDir(path string, options ...Option) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	d := &Dir{path: abs, made: map[string]bool{}, keys: map[string]*sync.Mutex{}}
	for _, o := range options {
		o(d)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	for _, part := range []string{"objects", "rows", "tmp"} {
		if err := d.mkdir(filepath.Join(abs, part)); err != nil {
			return nil, fmt.Errorf("opening the store: %w", err)
		}
	}
	return d, nil
}

// Path is where the store is.
func (d *Dir) Path() string { return d.path }

// Objects are the store's objects.
func (d *Dir) Objects() Objects { return dirObjects{d} }

// Rows are the store's rows.
func (d *Dir) Rows() Rows { return dirRows{d} }

// Lock keeps every other process that asks for it out of the store until release is called or this process ends,
// however it ends. It fails at once where another has it. What a process before this one wrote and did not live to make
// durable is durable then, so that nobody acts on what a power cut could still take back; its unfinished files go.
func (d *Dir) Lock() (release func() error, err error) {
	f, err := os.OpenFile(filepath.Join(d.path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the store: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the store %s is in use by another process; stop that one, or name another directory", d.path)
		}
		return nil, fmt.Errorf("locking the store %s: %w", d.path, err)
	}
	if err := d.takeOver(); err != nil {
		f.Close()
		return nil, fmt.Errorf("taking over the store %s: %w", d.path, err)
	}
	return f.Close, nil
}

func (d *Dir) takeOver() error {
	if !d.noSync {
		syscall.Sync()
	}
	unfinished, err := filepath.Glob(filepath.Join(d.path, "tmp", "new-*"))
	if err != nil {
		return err
	}
	for _, path := range unfinished {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// mkdir makes dir and what is above it within the store, durably.
func (d *Dir) mkdir(dir string) error {
	d.mu.Lock()
	done := d.made[dir]
	d.mu.Unlock()
	if done || dir == d.path {
		return nil
	}
	if err := d.mkdir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Also where it was there already: whoever made it may have died before this.
	if err := d.sync(filepath.Dir(dir)); err != nil {
		return err
	}
	d.mu.Lock()
	d.made[dir] = true
	d.mu.Unlock()
	return nil
}

func (d *Dir) sync(dir string) error {
	if d.noSync {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// temp writes a file that no List or Get sees, and gives its path.
func (d *Dir) temp(parts ...[]byte) (path string, err error) {
	f, err := os.CreateTemp(filepath.Join(d.path, "tmp"), "new-*") // made 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			return "", err
		}
	}
	if !d.noSync {
		if err := f.Sync(); err != nil {
			return "", err
		}
	}
	return f.Name(), nil
}

// walk gives the keys below root that begin with prefix, sorted. Every file's name must end in suffix, which is cut off.
func walk(ctx context.Context, root, prefix, suffix string) ([]string, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	from := root
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		from = filepath.Join(root, filepath.FromSlash(prefix[:i]))
	}
	var keys []string
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			if path == from && absent(err) {
				return nil
			}
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		if e.IsDir() {
			if path != from && !strings.HasPrefix(key, prefix) && !strings.HasPrefix(prefix, key) {
				return fs.SkipDir
			}
			return nil
		}
		if key, ok := strings.CutSuffix(key, suffix); ok && strings.HasPrefix(key, prefix) {
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

// absent says that a file isn't there, or that what should be its directory is a file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
