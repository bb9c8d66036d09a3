package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// writeJSON writes a value for machines and people.
func (d *Dir) writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return d.write(name, append(b, '\n'))
}

// write puts a file, 0600, into place whole and durably.
func (d *Dir) write(name string, body []byte) error {
	f, err := os.CreateTemp(d.path, unfinished+"*") // made 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), d.In(name))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", d.In(name), errors.Join(err, os.Remove(f.Name())))
	}
	if err := syncDir(filepath.Dir(d.In(name))); err != nil {
		return fmt.Errorf("writing %s: %w", d.In(name), err)
	}
	return nil
}

// clear takes away what was being written when a process before this one died.
func (d *Dir) clear() error {
	for dir, prefix := range map[string]string{d.path: unfinished, d.In(keysDir): ".key-"} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clearing the data directory: %w", err)
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), prefix) {
				continue
			}
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("clearing the data directory: %w", err)
			}
		}
	}
	return nil
}

// mkdir makes a directory 0700, and what is above it, durably.
func mkdir(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if above := filepath.Dir(path); above != path {
		if err := mkdir(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
