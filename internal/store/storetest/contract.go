// Package storetest is the contract that every form of store keeps.
package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/store"
)

// Objects checks a form of store.Objects; open gives an empty one.
func Objects(t *testing.T, open func(t *testing.T) store.Objects) {
	t.Run("written once", func(t *testing.T) {
		o := open(t)
		body := []byte("a\r\n\x00b\n")
		require.NoError(t, o.Put(t.Context(), "a/b.json", body))
		require.ErrorIs(t, o.Put(t.Context(), "a/b.json", []byte("other")), store.ErrExists)
		require.ErrorIs(t, o.Put(t.Context(), "a/b.json", body), store.ErrExists)
		got, err := o.Get(t.Context(), "a/b.json")
		require.NoError(t, err)
		require.Equal(t, body, got)
	})
	t.Run("missing", func(t *testing.T) {
		o := open(t)
		require.NoError(t, o.Put(t.Context(), "a/b", nil))
		for _, key := range []string{"a", "b", "a/c", "x/y/z"} {
			_, err := o.Get(t.Context(), key)
			require.ErrorIs(t, err, store.ErrMissing, key)
		}
	})
	t.Run("listed by prefix in byte order", func(t *testing.T) {
		o := open(t)
		for _, key := range []string{"c/b/2", "c/b-1", "c/b/10", "c/bb", "d"} {
			require.NoError(t, o.Put(t.Context(), key, nil))
		}
		for prefix, want := range map[string][]string{
			"":     {"c/b-1", "c/b/10", "c/b/2", "c/bb", "d"},
			"c/b":  {"c/b-1", "c/b/10", "c/b/2", "c/bb"},
			"c/b/": {"c/b/10", "c/b/2"}, "c/bb/": nil, "nothing/here": nil,
		} {
			got, err := o.List(t.Context(), prefix)
			require.NoError(t, err)
			require.ElementsMatch(t, want, got, prefix)
			require.IsIncreasing(t, append([]string{""}, append(got, "~")...), prefix)
		}
	})
	t.Run("of many writers one wins and nobody sees half", func(t *testing.T) {
		o := open(t)
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				err := o.Put(t.Context(), "one", bytes.Repeat([]byte{byte('a' + i)}, 1<<16))
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, store.ErrExists) {
					t.Error(err)
				}
			})
			wg.Go(func() {
				got, err := o.Get(t.Context(), "one")
				if err == nil && (len(got) != 1<<16 || bytes.Count(got, got[:1]) != len(got)) {
					t.Errorf("a half-written object of %d bytes was seen", len(got))
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
	})
	t.Run("bad keys", func(t *testing.T) {
		o := open(t)
		for _, key := range badKeys() {
			require.Error(t, o.Put(t.Context(), key, nil), "%q", key)
			_, err := o.Get(t.Context(), key)
			require.Error(t, err, "%q", key)
		}
	})
}

func badKeys() []string {
	return []string{"", "/a", "a/", "a//b", "..", "a/../../b", "./a", "a b", "a\x00", `a\b`, "é", fmt.Sprintf("%0300d", 1)}
}

// Rows checks a form of store.Rows; open gives an empty one.
func Rows(t *testing.T, open func(t *testing.T) store.Rows) {
	t.Run("changed by who has seen the newest", func(t *testing.T) {
		r := open(t)
		_, err := r.Get(t.Context(), "case/A")
		require.ErrorIs(t, err, store.ErrMissing)
		_, err = r.Put(t.Context(), "case/A", 1, []byte("x"))
		require.ErrorIs(t, err, store.ErrMoved)
		first, err := r.Put(t.Context(), "case/A", 0, []byte("{ \"a\" : 1 }\n"))
		require.NoError(t, err)
		_, err = r.Put(t.Context(), "case/A", 0, []byte("x"))
		require.ErrorIs(t, err, store.ErrMoved)
		second, err := r.Put(t.Context(), "case/A", first, []byte("two"))
		require.NoError(t, err)
		require.Greater(t, second, first)
		_, err = r.Put(t.Context(), "case/A", first, []byte("x"))
		require.ErrorIs(t, err, store.ErrMoved)
		got, err := r.Get(t.Context(), "case/A")
		require.NoError(t, err)
		require.Equal(t, store.Row{Key: "case/A", Version: second, Body: []byte("two")}, got)
	})
	t.Run("listed by prefix in byte order", func(t *testing.T) {
		r := open(t)
		for _, key := range []string{"case/b", "case/a", "cast/c", "case/a/x", "case"} {
			_, err := r.Put(t.Context(), key, 0, []byte(key))
			require.NoError(t, err)
		}
		rows, err := r.List(t.Context(), "case/")
		require.NoError(t, err)
		var keys []string
		for _, row := range rows {
			require.Equal(t, row.Key, string(row.Body))
			keys = append(keys, row.Key)
		}
		require.Equal(t, []string{"case/a", "case/a/x", "case/b"}, keys)
	})
	t.Run("of many writers of a version one wins", func(t *testing.T) {
		r := open(t)
		version := int64(0)
		for range 5 {
			var next atomic.Int64
			var won atomic.Int32
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					v, err := r.Put(t.Context(), "k", version, []byte("v"))
					if err == nil {
						won.Add(1)
						next.Store(v)
					} else if !errors.Is(err, store.ErrMoved) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 1, won.Load())
			version = next.Load()
		}
	})
	t.Run("bad keys", func(t *testing.T) {
		r := open(t)
		for _, key := range badKeys() {
			_, err := r.Put(t.Context(), key, 0, nil)
			require.Error(t, err, "%q", key)
		}
	})
}
