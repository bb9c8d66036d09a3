package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// dirRows keeps a row in a file of two parts: one line of JSON with the version, then the body as it was handed in.
type dirRows struct{ d *Dir }

const rowSuffix = ".row"

type rowHead struct {
	Version int64 `json:"version"`
}

func (r dirRows) path(key string) string {
	return filepath.Join(r.d.path, "rows", filepath.FromSlash(key)+rowSuffix)
}

func (r dirRows) lock(key string) *sync.Mutex {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	m := r.d.keys[key]
	if m == nil {
		m = &sync.Mutex{}
		r.d.keys[key] = m
	}
	return m
}

func (r dirRows) Put(ctx context.Context, key string, version int64, body []byte) (int64, error) {
	if err := CheckKey(key); err != nil {
		return 0, fmt.Errorf("writing a row: %w", err)
	}
	m := r.lock(key)
	m.Lock()
	defer m.Unlock()
	row, err := r.Get(ctx, key)
	if err != nil && !errors.Is(err, ErrMissing) {
		return 0, err
	}
	if row.Version != version {
		return 0, fmt.Errorf("writing row %s: %w", key, ErrMoved)
	}
	head, err := json.Marshal(rowHead{version + 1})
	if err != nil {
		return 0, fmt.Errorf("writing row %s: %w", key, err)
	}
	path := r.path(key)
	if err := r.d.mkdir(filepath.Dir(path)); err != nil {
		return 0, fmt.Errorf("writing row %s: %w", key, err)
	}
	temp, err := r.d.temp(head, []byte("\n"), body)
	if err != nil {
		return 0, fmt.Errorf("writing row %s: %w", key, err)
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return 0, fmt.Errorf("writing row %s: %w", key, err)
	}
	if err := r.d.sync(filepath.Dir(path)); err != nil {
		return 0, fmt.Errorf("writing row %s: %w", key, err)
	}
	return version + 1, nil
}

func (r dirRows) Get(ctx context.Context, key string) (Row, error) {
	if err := CheckKey(key); err != nil {
		return Row{}, fmt.Errorf("reading a row: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return Row{}, fmt.Errorf("reading row %s: %w", key, err)
	}
	b, err := os.ReadFile(r.path(key))
	switch {
	case absent(err):
		return Row{}, fmt.Errorf("reading row %s: %w", key, ErrMissing)
	case err != nil:
		return Row{}, fmt.Errorf("reading row %s: %w", key, err)
	}
	line, body, ok := bytes.Cut(b, []byte("\n"))
	var head rowHead
	if !ok || json.Unmarshal(line, &head) != nil || head.Version < 1 {
		return Row{}, fmt.Errorf("reading row %s: the first line of %s is not a version; the file was changed by something else", key, r.path(key))
	}
	return Row{Key: key, Version: head.Version, Body: body}, nil
}

func (r dirRows) List(ctx context.Context, prefix string) ([]Row, error) {
	keys, err := walk(ctx, filepath.Join(r.d.path, "rows"), prefix, rowSuffix)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, 0, len(keys))
	for _, key := range keys {
		row, err := r.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}
