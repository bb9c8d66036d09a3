package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

type dirObjects struct{ d *Dir }

func (o dirObjects) path(key string) string {
	return filepath.Join(o.d.path, "objects", filepath.FromSlash(key))
}

// Put writes the whole file elsewhere and then links it to its name, which fails where the name is taken: nobody ever
// sees half an object, and of two writers one wins. A key can't be another one's folder.
func (o dirObjects) Put(ctx context.Context, key string, body []byte) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("writing an object: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing object %s: %w", key, err)
	}
	path := o.path(key)
	if err := o.d.mkdir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("writing object %s: %w", key, err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("writing object %s: %w", key, ErrExists)
	}
	temp, err := o.d.temp(body)
	if err != nil {
		return fmt.Errorf("writing object %s: %w", key, err)
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("writing object %s: %w", key, ErrExists)
		}
		return fmt.Errorf("writing object %s: %w", key, err)
	}
	if err := o.d.sync(filepath.Dir(path)); err != nil {
		return fmt.Errorf("writing object %s: %w", key, err)
	}
	return nil
}

func (o dirObjects) Get(ctx context.Context, key string) ([]byte, error) {
	if err := CheckKey(key); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading object %s: %w", key, err)
	}
	body, err := os.ReadFile(o.path(key))
	switch {
	case absent(err), errors.Is(err, syscall.EISDIR):
		return nil, fmt.Errorf("reading object %s: %w", key, ErrMissing)
	case err != nil:
		return nil, fmt.Errorf("reading object %s: %w", key, err)
	}
	return body, nil
}

func (o dirObjects) List(ctx context.Context, prefix string) ([]string, error) {
	return walk(ctx, filepath.Join(o.d.path, "objects"), prefix, "")
}
