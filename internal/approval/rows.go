package approval

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// attempts bounds the race for a row. Whoever loses has seen another one win, so few are ever needed.
const attempts = 50

func read[T any](ctx context.Context, rows store.Rows, key string) (T, int64, error) {
	v, row, err := readRow[T](ctx, rows, key)
	return v, row.Version, err
}

func readRow[T any](ctx context.Context, rows store.Rows, key string) (T, store.Row, error) {
	var v T
	row, err := rows.Get(ctx, key)
	if err != nil {
		return v, store.Row{}, err
	}
	if err := json.Unmarshal(row.Body, &v); err != nil {
		return v, store.Row{}, fmt.Errorf("row %s can't be read: %w", key, err)
	}
	return v, row, nil
}

func list[T any](ctx context.Context, rows store.Rows, prefix string) ([]T, error) {
	all, err := rows.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(all))
	for i, row := range all {
		if err := json.Unmarshal(row.Body, &out[i]); err != nil {
			return nil, fmt.Errorf("row %s can't be read: %w", row.Key, err)
		}
	}
	return out, nil
}

// writeOnce writes v where nothing is, and gives what is there then: v, or what somebody wrote before.
func writeOnce[T any](ctx context.Context, rows store.Rows, key string, v T) (T, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return v, err
	}
	_, err = rows.Put(ctx, key, 0, body)
	if errors.Is(err, store.ErrMoved) {
		v, _, err = read[T](ctx, rows, key)
	}
	return v, err
}

// change reads a row (the zero value where there is none), lets f alter it, and writes it if f says so; again if
// somebody else was quicker. It gives the row as it is then.
func change[T any](ctx context.Context, rows store.Rows, key string, f func(*T) bool) (T, error) {
	for range attempts {
		v, row, err := readRow[T](ctx, rows, key)
		if err != nil && !errors.Is(err, store.ErrMissing) {
			return v, err
		}
		if !f(&v) {
			return v, nil
		}
		body, err := json.Marshal(v)
		if err == nil {
			body, err = store.KeepUnknown[T](row.Body, body)
		}
		if err != nil {
			return v, err
		}
		if _, err = rows.Put(ctx, key, row.Version, body); !errors.Is(err, store.ErrMoved) {
			return v, err
		}
	}
	var none T
	return none, sunset.Faultf(sunset.Unavailable, "row %s was changed by others %d times in a row", key, attempts)
}

// plainKey reports whether s may be one part of a row's key.
func plainKey(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 200 &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+=") == ""
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
