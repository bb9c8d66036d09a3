package office

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Rights say by how keys begin what may be done. All objects may be read. The zero Rights are none.
type Rights struct {
	ReadRows, WriteRows, WriteObjects []string
}

// Operators are the rights that a deployment's operators have on AWS: they read cases, requests and decisions, pause and
// resume, and put on record what they did. What is kept for links, leases of the day's turns and messages is nothing of theirs.
func Operators() Rights {
	return Rights{
		ReadRows:  []string{"announced/", "case/", "cleanup/", "control/", "decision/", "request/"},
		WriteRows: []string{"case/", "control/"}, WriteObjects: []string{"evidence/account/"},
	}
}

func may(beginnings []string, key, doing string) error {
	if slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(key, b) }) {
		return nil
	}
	return sunset.Faultf(sunset.AccessDenied, "%s %.100q is no operator's right", doing, key)
}

// keyOf is the one key that a request is about.
func keyOf(r *http.Request, doing string) (string, error) {
	keys := r.URL.Query()["key"]
	if len(keys) != 1 {
		return "", sunset.Faultf(sunset.Invalid, "%s: name one key, not %d", doing, len(keys))
	}
	if err := store.CheckKey(keys[0]); err != nil {
		return "", sunset.Faultf(sunset.Invalid, "%s: %w", doing, err)
	}
	return keys[0], nil
}

// allowedKey is keyOf where that is among the rights.
func allowedKey(r *http.Request, beginnings []string, doing string) (string, error) {
	key, err := keyOf(r, doing)
	if err != nil {
		return "", err
	}
	return key, may(beginnings, key, doing)
}

// pageBytes is how much of a list goes into one answer: a store in files walks its folder for each.
const pageBytes = 4 << 20

// keysPage and rowsPage are a part of a list. More says that there is more, after the last one here.
type (
	keysPage struct {
		Keys []string `json:"keys"`
		More bool     `json:"more"`
	}
	rowsPage struct {
		Rows []rowBody `json:"rows"`
		More bool      `json:"more"`
	}
	rowBody struct {
		Key     string `json:"key"`
		Version int64  `json:"version"`
		Body    []byte `json:"body"`
	}
	versioned struct {
		Version int64 `json:"version"`
	}
)

func (o *office) getObject(r *http.Request, _ []byte) (any, error) {
	key, err := keyOf(r, "reading an object")
	if err != nil {
		return nil, err
	}
	body, err := o.Workflow.Objects.Get(r.Context(), key)
	return raw(body), err
}

func (o *office) putObject(r *http.Request, body []byte) (any, error) {
	key, err := allowedKey(r, o.Rights.WriteObjects, "writing object")
	if err != nil {
		return nil, err
	}
	return o.writes.once(r, body, func() (any, error) {
		return struct{}{}, o.Workflow.Objects.Put(r.Context(), key, body)
	})
}

func (o *office) listObjects(r *http.Request, _ []byte) (any, error) {
	all, err := o.Workflow.Objects.List(r.Context(), r.URL.Query().Get("prefix"))
	if err != nil {
		return nil, err
	}
	from, _ := slices.BinarySearch(all, r.URL.Query().Get("after")+"\x00") // the first one after it
	page := keysPage{Keys: []string{}}
	size := 0
	for _, key := range all[from:] {
		if size > pageBytes {
			page.More = true
			break
		}
		page.Keys = append(page.Keys, key)
		size += len(key) + 3
	}
	return page, nil
}

func (o *office) getRow(r *http.Request, _ []byte) (any, error) {
	key, err := allowedKey(r, o.Rights.ReadRows, "reading row")
	if err != nil {
		return nil, err
	}
	row, err := o.Workflow.Rows.Get(r.Context(), key)
	return rowBody(row), err
}

func (o *office) putRow(r *http.Request, body []byte) (any, error) {
	key, err := allowedKey(r, o.Rights.WriteRows, "writing row")
	if err != nil {
		return nil, err
	}
	version, err := strconv.ParseInt(r.URL.Query().Get("version"), 10, 64)
	if err != nil || version < 0 {
		return nil, sunset.Faultf(sunset.Invalid, "writing row %.100q: its version is missing or none", key)
	}
	return o.writes.once(r, body, func() (any, error) {
		next, err := o.Workflow.Rows.Put(r.Context(), key, version, body)
		return versioned{next}, err
	})
}

func (o *office) listRows(r *http.Request, _ []byte) (any, error) {
	prefix := r.URL.Query().Get("prefix")
	if err := may(o.Rights.ReadRows, prefix, "listing rows"); err != nil {
		return nil, err
	}
	all, err := o.Workflow.Rows.List(r.Context(), prefix)
	if err != nil {
		return nil, err
	}
	from, _ := slices.BinarySearchFunc(all, r.URL.Query().Get("after")+"\x00", func(row store.Row, after string) int { return strings.Compare(row.Key, after) })
	page := rowsPage{Rows: []rowBody{}}
	size := 0
	for _, row := range all[from:] {
		if size > pageBytes {
			page.More = true
			break
		}
		page.Rows = append(page.Rows, rowBody(row))
		size += len(row.Key) + len(row.Body)*4/3
	}
	return page, nil
}
