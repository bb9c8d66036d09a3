// Package casebook keeps the rows of cases and cleanups: who has claimed a user, who may change it now, where its case
// stands, and whether everything is paused.
//
// Every change is a conditional write on the version that was read. Of two writers one is refused by the store, reads
// again and judges anew; so one open case a UserId, and one winner between a rescue and a deletion, need no lock.
package casebook

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Book is the casebook of one deployment.
type Book struct {
	rows  store.Rows
	clock interface{ Now() time.Time }
}

// New is a casebook over rows; leases end by c.
func New(rows store.Rows, c interface{ Now() time.Time }) *Book { return &Book{rows: rows, clock: c} }

// attempts bounds the race for one row. Whoever loses has seen another one win, so few are ever needed.
const attempts = 200

// Where rows are. A UserId is unique for ever, so it alone is a case's key.
const (
	casePrefix    = "case/"
	cleanupPrefix = "cleanup/"
	pauseKey      = "control/pause"
	dayPrefix     = "turns/"
)

// change reads the row under key, lets f alter it and writes it back; again where somebody else was faster. f learns
// whether the row is there, and says whether to write. The value is what the row then holds.
func change[T any](ctx context.Context, rows store.Rows, key, doing string, f func(v *T, found bool) (write bool, err error)) (T, error) {
	var none T
	for range attempts {
		v, row, err := readRow[T](ctx, rows, key, doing)
		if err != nil {
			return none, err
		}
		write, err := f(&v, row.Version > 0)
		if err != nil {
			return none, err
		}
		if !write {
			return v, nil
		}
		body, err := json.Marshal(v)
		if err == nil {
			body, err = store.KeepUnknown[T](row.Body, body)
		}
		if err != nil {
			return none, sunset.Faultf(sunset.Internal, "%s: %w", doing, err)
		}
		_, err = rows.Put(ctx, key, row.Version, body)
		switch {
		case err == nil:
			return v, nil
		case !errors.Is(err, store.ErrMoved):
			return none, asFault(doing, err)
		}
	}
	return none, sunset.Faultf(sunset.Unavailable, "%s: others changed the row %s %d times in a row; try again", doing, key, attempts)
}

// read gives the row's value and version, which is 0 where there is none.
func read[T any](ctx context.Context, rows store.Rows, key, doing string) (T, int64, error) {
	v, row, err := readRow[T](ctx, rows, key, doing)
	return v, row.Version, err
}

func readRow[T any](ctx context.Context, rows store.Rows, key, doing string) (T, store.Row, error) {
	var v T
	row, err := rows.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrMissing):
		return v, store.Row{}, nil
	case err != nil:
		return v, store.Row{}, asFault(doing, err)
	}
	if err := json.Unmarshal(row.Body, &v); err != nil {
		return v, store.Row{}, sunset.Faultf(sunset.Internal, "%s: the row %s can't be read: %w", doing, key, err)
	}
	return v, row, nil
}

func list[T any](ctx context.Context, rows store.Rows, prefix, doing string) ([]T, error) {
	all, err := rows.List(ctx, prefix)
	if err != nil {
		return nil, asFault(doing, err)
	}
	out := make([]T, len(all))
	for i, row := range all {
		if err := json.Unmarshal(row.Body, &out[i]); err != nil {
			return nil, sunset.Faultf(sunset.Internal, "%s: the row %s can't be read: %w", doing, row.Key, err)
		}
	}
	return out, nil
}

// asFault keeps the kind that the store gave, if it did.
func asFault(doing string, err error) error {
	return sunset.Faultf(sunset.KindOf(err), "%s: %w", doing, err)
}
