package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
)

// servedObjects are the directory's objects. Records that are put into them are logged, and a disk that fails ends the process:
// to a case it would be a failure of its own.
type servedObjects struct {
	store.Objects
	s *serving
}

// Put writes the object, and logs it where it is a record of something that happened.
func (o servedObjects) Put(ctx context.Context, key string, body []byte) error {
	if err := o.Objects.Put(ctx, key, body); err != nil {
		return o.s.onDisk(ctx, err)
	}
	var r audit.Record
	if !strings.HasPrefix(key, "evidence/") || json.Unmarshal(body, &r) != nil || r.Text == "" {
		return nil
	}
	if r.Kind == "listened" && !strings.HasPrefix(r.Text, "Something") {
		return nil
	}
	o.s.log.InfoContext(ctx, printable(r.Text), "kind", r.Kind, "chain", r.Chain)
	return nil
}

// Get reads an object.
func (o servedObjects) Get(ctx context.Context, key string) ([]byte, error) {
	body, err := o.Objects.Get(ctx, key)
	return body, o.s.onDisk(ctx, err)
}

// List gives keys.
func (o servedObjects) List(ctx context.Context, prefix string) ([]string, error) {
	keys, err := o.Objects.List(ctx, prefix)
	if err == nil && len(keys) == 0 {
		err = o.s.dir.There() // nothing is in what is gone
	}
	return keys, o.s.onDisk(ctx, err)
}

// servedRows are the directory's rows, with the same care.
type servedRows struct {
	store.Rows
	s *serving
}

// Put writes a row.
func (r servedRows) Put(ctx context.Context, key string, version int64, body []byte) (int64, error) {
	version, err := r.Rows.Put(ctx, key, version, body)
	return version, r.s.onDisk(ctx, err)
}

// Get reads a row.
func (r servedRows) Get(ctx context.Context, key string) (store.Row, error) {
	row, err := r.Rows.Get(ctx, key)
	return row, r.s.onDisk(ctx, err)
}

// List gives rows.
func (r servedRows) List(ctx context.Context, prefix string) ([]store.Row, error) {
	rows, err := r.Rows.List(ctx, prefix)
	if err == nil && len(rows) == 0 {
		err = r.s.dir.There()
	}
	return rows, r.s.onDisk(ctx, err)
}

// onDisk has the process end where the disk is what failed, or the directory is gone: what is in it would seem never to have been.
func (s *serving) onDisk(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	failed := []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE}
	if slices.ContainsFunc(failed, func(why error) bool { return errors.Is(err, why) }) {
		s.halt(ctx, fmt.Errorf("the data directory can't be used: %w", err))
	} else if gone := s.dir.There(); gone != nil {
		s.halt(ctx, gone)
		return gone
	}
	return err
}
