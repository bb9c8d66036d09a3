package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/store/storetest"
)

// shelf keeps both contracts of storing in memory, for runs by the thousand. It counts its writes.
type shelf struct {
	mu      sync.Mutex
	objects map[string][]byte
	rows    map[string]store.Row
	writes  int
}

func newShelf() *shelf { return &shelf{objects: map[string][]byte{}, rows: map[string]store.Row{}} }

type (
	shelfObjects struct{ *shelf }
	shelfRows    struct{ *shelf }
)

func (s shelfObjects) Put(_ context.Context, key string, body []byte) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.objects[key]; taken {
		return fmt.Errorf("writing %s: %w", key, store.ErrExists)
	}
	s.objects[key] = bytes.Clone(body)
	s.writes++
	return nil
}

func (s shelfObjects) Get(_ context.Context, key string) ([]byte, error) {
	if err := store.CheckKey(key); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.objects[key]
	if !ok {
		return nil, fmt.Errorf("reading %s: %w", key, store.ErrMissing)
	}
	return bytes.Clone(body), nil
}

func (s shelfObjects) List(_ context.Context, prefix string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return beginning(s.objects, prefix), nil
}

func (s shelfRows) Put(_ context.Context, key string, version int64, body []byte) (int64, error) {
	if err := store.CheckKey(key); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows[key].Version != version {
		return 0, fmt.Errorf("writing %s: %w", key, store.ErrMoved)
	}
	s.rows[key] = store.Row{Key: key, Version: version + 1, Body: bytes.Clone(body)}
	s.writes++
	return version + 1, nil
}

func (s shelfRows) Get(_ context.Context, key string) (store.Row, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Row{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.rows[key]
	if !ok {
		return store.Row{}, fmt.Errorf("reading %s: %w", key, store.ErrMissing)
	}
	row.Body = bytes.Clone(row.Body)
	return row, nil
}

func (s shelfRows) List(_ context.Context, prefix string) ([]store.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []store.Row
	for _, key := range beginning(s.rows, prefix) {
		row := s.rows[key]
		row.Body = bytes.Clone(row.Body)
		out = append(out, row)
	}
	return out, nil
}

func beginning[V any](m map[string]V, prefix string) []string {
	var out []string
	for key := range m {
		if strings.HasPrefix(key, prefix) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// wrote says how often anything was written.
func (s *shelf) wrote() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// has says whether an object is there whose key begins and ends like this.
func (s *shelf) has(prefix, suffix string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(beginning(s.objects, prefix), func(key string) bool { return strings.HasSuffix(key, suffix) })
}

// evidence is what an auditor gets, as files.
func (s *shelf) evidence() fstest.MapFS {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := fstest.MapFS{}
	for key, body := range s.objects {
		if name, ok := strings.CutPrefix(key, "evidence/"); ok {
			out[name] = &fstest.MapFile{Data: body, Mode: 0o600}
		}
	}
	return out
}

// text is everything that is stored under a prefix of objects.
func (s *shelf) text(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, key := range beginning(s.objects, prefix) {
		b.Write(s.objects[key])
	}
	return b.String()
}

func (s *shelf) row(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[key].Body
}

func (s *shelf) rowKeys(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return beginning(s.rows, prefix)
}

// The store of the property test keeps the contract that all stores keep.
func TestPropertyStoreKeepsTheContract(t *testing.T) {
	storetest.Objects(t, func(*testing.T) store.Objects { return shelfObjects{newShelf()} })
	storetest.Rows(t, func(*testing.T) store.Rows { return shelfRows{newShelf()} })
}

// direct is the way to a fake account without a socket between. tell is told of each call of the query protocol, before
// it is answered.
type direct struct {
	handler http.Handler
	tell    func(action string)
}

func (d direct) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close() // it has been read
	}
	in := r.Clone(r.Context())
	in.Body, in.RemoteAddr, in.RequestURI = io.NopCloser(bytes.NewReader(body)), "127.0.0.1:1", r.URL.RequestURI()
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	in.ContentLength = int64(len(body))
	if d.tell != nil {
		action := r.Header.Get("X-Amz-Target")
		if form, err := url.ParseQuery(string(body)); err == nil && action == "" {
			action = form.Get("Action")
		}
		d.tell(action[strings.LastIndex(action, ".")+1:])
	}
	out := httptest.NewRecorder()
	if broken(d.handler, out, in) {
		if out.Body.Len() == 0 {
			return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: io.EOF}
		}
		answer := out.Result()
		answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader(out.Body.Bytes()), breaksOff{}))
		return answer, nil
	}
	return out.Result(), nil
}

// broken serves, and says whether the connection was closed meanwhile.
func broken(h http.Handler, out http.ResponseWriter, in *http.Request) (closed bool) {
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			closed = true
		default:
			panic(cause)
		}
	}()
	h.ServeHTTP(out, in)
	return false
}

type breaksOff struct{}

func (breaksOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

var _ fs.FS = fstest.MapFS{}

// cloned is a copy of evidence, to spoil.
func cloned(m fstest.MapFS) fstest.MapFS {
	out := maps.Clone(m)
	for name, file := range out {
		out[name] = &fstest.MapFile{Data: bytes.Clone(file.Data), Mode: file.Mode}
	}
	return out
}
