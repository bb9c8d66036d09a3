package office

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// Engine says what runs.
func (c *Client) Engine(ctx context.Context) (Engine, error) {
	var e Engine
	_, err := c.call(ctx, request{method: http.MethodGet, path: path + "engine", doing: "asking the engine what it runs"}, &e)
	return e, err
}

// Settings are today's.
func (c *Client) Settings(ctx context.Context) (sunset.Settings, error) {
	var s sunset.Settings
	_, err := c.call(ctx, request{method: http.MethodGet, path: path + "settings", doing: "reading the engine's settings"}, &s)
	return s, err
}

// Rescue gives a user back at once. It is a fault of the kind that workflow.Rescue names.
func (c *Client) Rescue(ctx context.Context, in workflow.RescueInput) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("asking for the rescue of %s: %w", in.UserID, err)
	}
	_, err = c.call(ctx, request{method: http.MethodPost, path: path + "rescue", body: body, doing: "asking for the rescue of " + in.UserID, slow: true}, &struct{}{})
	return spoken(err)
}

// Send sends a message as the engine sends its own; one with a link is refused. One whose answer was lost may be sent twice.
func (c *Client) Send(ctx context.Context, m approval.Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("writing to %s: %w", m.To, err)
	}
	_, err = c.call(ctx, request{method: http.MethodPost, path: path + "messages", body: body, doing: "writing to " + m.To}, &struct{}{})
	return err
}

// spoken is what the engine said, as it said it.
func spoken(err error) error {
	var fault *sunset.Fault
	if errors.As(err, &fault) {
		return fault
	}
	return err
}

// Objects are the engine's, over its office.
type Objects struct{ c *Client }

// Rows are the engine's, over its office.
type Rows struct{ c *Client }

var (
	_ store.Objects = Objects{}
	_ store.Rows    = Rows{}
)

// Objects reach the engine's objects.
func (c *Client) Objects() Objects { return Objects{c} }

// Rows reach the engine's rows.
func (c *Client) Rows() Rows { return Rows{c} }

// Put writes an object; ErrExists where the key is taken, and never for its own write, also where an answer was lost. An
// Unavailable fault leaves open whether the object was written.
func (o Objects) Put(ctx context.Context, key string, body []byte) error {
	r := request{method: http.MethodPut, path: path + "object", query: url.Values{"key": {key}}, body: body, doing: "writing object " + key}
	if err := sendable(r, key); err != nil {
		return err
	}
	unsure, err := o.c.call(ctx, r, &struct{}{})
	return sure(unsure, err, store.ErrExists)
}

// Get reads an object; ErrMissing where there is none.
func (o Objects) Get(ctx context.Context, key string) ([]byte, error) {
	r := request{method: http.MethodGet, path: path + "object", query: url.Values{"key": {key}}, doing: "reading object " + key}
	if err := sendable(r, key); err != nil {
		return nil, err
	}
	var body raw
	_, err := o.c.call(ctx, r, &body)
	return body, err
}

// List gives all keys that begin with prefix, sorted.
func (o Objects) List(ctx context.Context, prefix string) ([]string, error) {
	var all []string
	for after := ""; ; {
		var page keysPage
		if _, err := o.c.call(ctx, request{
			method: http.MethodGet, path: path + "objects", query: url.Values{"prefix": {prefix}, "after": {after}}, doing: "listing objects " + prefix + "…",
		}, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Keys...)
		if !page.More {
			return all, nil
		}
		if len(page.Keys) == 0 {
			return nil, endless("objects", prefix)
		}
		after = page.Keys[len(page.Keys)-1]
	}
}

// Put writes body where the row's version is still version, and gives the new one; ErrMoved where it is not, and never for
// its own write. An Unavailable fault leaves open whether the row was written.
func (r Rows) Put(ctx context.Context, key string, version int64, body []byte) (int64, error) {
	q := request{
		method: http.MethodPut, path: path + "row", query: url.Values{"key": {key}, "version": {strconv.FormatInt(version, 10)}}, body: body, doing: "writing row " + key,
	}
	if err := sendable(q, key); err != nil {
		return 0, err
	}
	var next versioned
	unsure, err := r.c.call(ctx, q, &next)
	return next.Version, sure(unsure, err, store.ErrMoved)
}

// Get reads a row; ErrMissing where there is none.
func (r Rows) Get(ctx context.Context, key string) (store.Row, error) {
	q := request{method: http.MethodGet, path: path + "row", query: url.Values{"key": {key}}, doing: "reading row " + key}
	if err := sendable(q, key); err != nil {
		return store.Row{}, err
	}
	var row rowBody
	_, err := r.c.call(ctx, q, &row)
	return store.Row(row), err
}

// List gives all rows whose key begins with prefix, sorted by key.
func (r Rows) List(ctx context.Context, prefix string) ([]store.Row, error) {
	var all []store.Row
	for after := ""; ; {
		var page rowsPage
		if _, err := r.c.call(ctx, request{
			method: http.MethodGet, path: path + "rows", query: url.Values{"prefix": {prefix}, "after": {after}}, doing: "listing rows " + prefix + "…",
		}, &page); err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			all = append(all, store.Row(row))
		}
		if !page.More {
			return all, nil
		}
		if len(page.Rows) == 0 {
			return nil, endless("rows", prefix)
		}
		after = page.Rows[len(page.Rows)-1].Key
	}
}

// sendable refuses what no store takes, before it is sent.
func sendable(r request, key string) error {
	if err := store.CheckKey(key); err != nil {
		return fmt.Errorf("asking the engine's store: %w", err)
	}
	if len(r.body) > maxRequest {
		return sunset.Faultf(sunset.Invalid, "%s: it has %d bytes; an engine takes %d", r.doing, len(r.body), maxRequest)
	}
	return nil
}

// sure turns an answer that may be about this very write, made before the engine began anew, into one that says so.
func sure(unsure bool, err, taken error) error {
	if unsure && errors.Is(err, taken) {
		return sunset.Faultf(sunset.Unavailable, "whether it was written is not known, since the engine began anew meanwhile: %s", err)
	}
	return err
}

func endless(what, prefix string) error {
	return sunset.Faultf(sunset.Unavailable, "listing %s %s…: the engine says that there is more, but not where", what, prefix)
}
