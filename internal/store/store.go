// Package store says what the product asks of a place to keep things, and keeps them in plain files.
//
// Two forms of keeping are enough for everything: Objects, each written once and never changed (plans, snapshots,
// records), and Rows, changed only by whoever has seen their newest version (cases, requests, decisions, links). Object
// storage with conditional writes and a table with conditional puts fit the same two contracts.
package store

import (
	"context"
	"errors"
)

// What a store answers beside success. ErrMoved says that the row has another version than the one handed in.
var (
	ErrExists  = errors.New("it is there already")
	ErrMissing = errors.New("it is not there")
	ErrMoved   = errors.New("somebody else changed it meanwhile")
)

// Objects are written once. A key is slash-separated, of letters, digits and ._-@+=, and never starts or ends with a
// slash.
type Objects interface {
	// Put writes a new object durably before it returns; ErrExists where the key is taken, whatever its content.
	Put(ctx context.Context, key string, body []byte) error
	// Get reads an object; ErrMissing where there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// List gives all keys that begin with prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
}

// Row is a value with the version at which it was read. A row that was never written has version 0.
type Row struct {
	Key     string
	Version int64
	Body    []byte
}

// Rows change under optimistic locking.
type Rows interface {
	// Put writes body where the row's version is still version (0: where there is no row) and gives the new version.
	// ErrMoved where it is not. The write is durable before it returns.
	Put(ctx context.Context, key string, version int64, body []byte) (int64, error)
	// Get reads a row; ErrMissing where there is none.
	Get(ctx context.Context, key string) (Row, error)
	// List gives all rows whose key begins with prefix, sorted by key.
	List(ctx context.Context, prefix string) ([]Row, error)
}
