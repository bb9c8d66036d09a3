package office_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/store/storetest"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestContract(t *testing.T) {
	t.Run("objects", func(t *testing.T) {
		storetest.Objects(t, func(t *testing.T) store.Objects { return open(t, everything).client().Objects() })
	})
	t.Run("rows", func(t *testing.T) {
		storetest.Rows(t, func(t *testing.T) store.Rows { return open(t, everything).client().Rows() })
	})
}

// trouble are the ways in which a write's answer gets lost: before the office hears of it, and after it has written.
var trouble = map[string]func(next http.Handler, rw http.ResponseWriter, r *http.Request){
	"lost on the way there": func(_ http.Handler, rw http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	"lost on the way back": func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	},
	"a gateway's error": func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		http.Error(rw, "bad gateway", http.StatusBadGateway)
	},
	"half an answer": func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		next.ServeHTTP(whole, r)
		for name, values := range whole.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(whole.Code)
		_, _ = rw.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
	},
	"a changed answer": func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		next.ServeHTTP(whole, r)
		for name, values := range whole.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(whole.Code)
		_, _ = rw.Write([]byte(strings.Repeat(" ", whole.Body.Len())))
	},
	"somebody else's success": func(_ http.Handler, rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"version":99}`))
	},
}

// Whatever becomes of answers, what was written once is told as written once, and an answer that nobody vouches for counts
// for nothing.
func TestLostAnswers(t *testing.T) {
	for name, spoil := range trouble {
		t.Run(name, func(t *testing.T) {
			w := open(t, everything)
			c := w.client()
			_, err := c.Engine(t.Context())
			require.NoError(t, err)
			var spoiled atomic.Int32
			spoilFirst := func(most int) {
				var seen atomic.Int32
				w.meddling(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
					if int(seen.Add(1)) <= most {
						spoiled.Add(1)
						spoil(next, rw, r)
						return
					}
					next.ServeHTTP(rw, r)
				})
			}
			spoilFirst(2)
			require.NoError(t, c.Objects().Put(t.Context(), "a", []byte("one")))
			spoilFirst(2)
			require.ErrorIs(t, c.Objects().Put(t.Context(), "a", []byte("one")), store.ErrExists, "it is another write")
			spoilFirst(2)
			v, err := c.Rows().Put(t.Context(), "k", 0, []byte("one"))
			require.NoError(t, err)
			require.EqualValues(t, 1, v)
			spoilFirst(2)
			v, err = c.Rows().Put(t.Context(), "k", 1, []byte("two"))
			require.NoError(t, err)
			require.EqualValues(t, 2, v)
			spoilFirst(2)
			_, err = c.Rows().Put(t.Context(), "k", 1, []byte("two"))
			require.ErrorIs(t, err, store.ErrMoved)
			spoilFirst(2)
			row, err := c.Rows().Get(t.Context(), "k")
			require.NoError(t, err)
			require.Equal(t, store.Row{Key: "k", Version: 2, Body: []byte("two")}, row)
			require.EqualValues(t, 12, spoiled.Load())

			spoilFirst(1 << 30)
			err = c.Objects().Put(t.Context(), "b", []byte("two"))
			require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
			_, err = c.Rows().Get(t.Context(), "k")
			require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
			_, err = c.Rows().List(t.Context(), "k")
			require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
		})
	}
}

// Where the engine began anew between two tries, nobody knows whose the write is that is there.
func TestAnEngineThatBeganAnewDoesNotKnow(t *testing.T) {
	w := open(t, everything)
	c := w.client()
	_, err := c.Engine(t.Context())
	require.NoError(t, err)
	restart := func() {
		var again atomic.Bool
		w.meddling(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
			if again.Swap(true) {
				next.ServeHTTP(rw, r)
				return
			}
			next.ServeHTTP(httptest.NewRecorder(), r)
			w.begin(everything)
			panic(http.ErrAbortHandler)
		})
	}
	restart()
	err = c.Objects().Put(t.Context(), "a", []byte("one"))
	require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
	require.NotErrorIs(t, err, store.ErrExists)
	restart()
	_, err = c.Rows().Put(t.Context(), "k", 0, []byte("one"))
	require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
	require.NotErrorIs(t, err, store.ErrMoved)
	require.ErrorIs(t, c.Objects().Put(t.Context(), "a", []byte("one")), store.ErrExists, "asked once, it knows")
}

// Lists of any length come whole, a page at a time, and nothing twice.
func TestLongLists(t *testing.T) {
	w := open(t, everything)
	var keys []string
	body := []byte(strings.Repeat("x", 700<<10))
	for i := range 20 {
		key := fmt.Sprintf("case/%02d", i)
		keys = append(keys, key)
		_, err := w.store.Rows().Put(t.Context(), key, 0, body)
		require.NoError(t, err)
	}
	var asked atomic.Int32
	w.meddling(func(next http.Handler, rw http.ResponseWriter, r *http.Request) { asked.Add(1); next.ServeHTTP(rw, r) })
	rows, err := w.client().Rows().List(t.Context(), "case/")
	require.NoError(t, err)
	require.Greater(t, asked.Load(), int32(2))
	var got []string
	for _, row := range rows {
		got = append(got, row.Key)
		require.Len(t, row.Body, len(body))
	}
	require.Equal(t, keys, got)
}

// An operator's key reads what operators read and writes what they write, as a deployment's policy has it.
func TestRightsOfOperators(t *testing.T) {
	w := open(t, office.Operators())
	c := w.client()
	put := func(key string) error {
		_, err := c.Rows().Put(t.Context(), key, 0, []byte("{}"))
		return err
	}
	for _, k := range []string{"case/A", "control/pause"} {
		require.NoError(t, put(k), k)
		_, err := c.Rows().Get(t.Context(), k)
		require.NoError(t, err, k)
	}
	require.NoError(t, c.Objects().Put(t.Context(), "evidence/account/operations/000001.json", []byte("{}")))
	for _, k := range []string{"decision/A/b", "request/A", "link/A", "links/A", "token/A", "unsent/A", "turns/2026-03-02", "cleanup/A", "announced/A", "caseA", "control"} {
		require.Equal(t, sunset.AccessDenied, sunset.KindOf(put(k)), k)
		_, err := w.store.Rows().Get(t.Context(), k)
		require.ErrorIs(t, err, store.ErrMissing, k)
	}
	for _, k := range []string{
		"evidence/case/A/000001.json", "evidence/cleanup/A/000001.json", "evidence/accounts", "plans/A/plan.json", "snapshots/A.json", "cases/A/entry.json",
		"evidence/checkpoints/2026-03-02.json", "evidence/manifests/A.json",
	} {
		require.Equal(t, sunset.AccessDenied, sunset.KindOf(c.Objects().Put(t.Context(), k, []byte("{}"))), k)
		_, err := w.store.Objects().Get(t.Context(), k)
		require.ErrorIs(t, err, store.ErrMissing, k)
	}
	for _, k := range []string{"link/", "unsent/", "", "turns/", "c"} {
		_, err := c.Rows().List(t.Context(), k)
		require.Equal(t, sunset.AccessDenied, sunset.KindOf(err), k)
	}
	_, err := c.Rows().Get(t.Context(), "link/A")
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
	_, err = c.Rows().List(t.Context(), "case/")
	require.NoError(t, err)
	_, err = open(t, office.Rights{}).client().Rows().List(t.Context(), "case/")
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err), "no rights are none")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Rows().Get(ctx, "case/A")
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, sunset.Invalid, sunset.KindOf(c.Objects().Put(t.Context(), "evidence/account/big/1", make([]byte, 2<<20))))
}
