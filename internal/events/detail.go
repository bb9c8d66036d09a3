package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/iam-sunset/iam-sunset/internal/audit"
)

// Version is of the form of Detail. Within a version fields are only added.
const Version = "1"

// Detail is an event's detail. docs/events.schema.json is its JSON schema.
type Detail struct {
	Version string `json:"version"`
	// ID is the record's chain and number. Of two events with the same ID one is a repetition.
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	At        time.Time `json:"at"`
	CleanupID string    `json:"cleanup_id,omitempty"`
	CaseID    string    `json:"case_id,omitempty"`
	UserID    string    `json:"user_id,omitempty"`
	UserName  string    `json:"user_name,omitempty"`
	By        string    `json:"by,omitempty"`
	Text      string    `json:"text,omitempty"`
	Chain     string    `json:"chain"`
	Seq       int       `json:"seq"`
	// Record is the key of the whole record in the evidence bucket.
	Record string                     `json:"record"`
	Data   map[string]json.RawMessage `json:"data,omitempty"`
	// LeftOut names what the record has and the event has not: fields of its data, "data" for all of it, "text" where that
	// was cut.
	LeftOut []string `json:"left_out,omitempty"`
}

// Sizes in bytes. EventBridge takes 256 KB an entry, and what hangs off the bus has limits of its own: together these
// keep a detail below 128 KB, however it is escaped.
const (
	longestText  = 4_000
	longestName  = 1_000
	longestField = 8_000
)

func detailOf(r audit.Record) Detail {
	d := Detail{
		Version: Version, ID: fmt.Sprintf("%s/%d", r.Chain, r.Seq), Kind: r.Kind, At: r.At, CleanupID: r.CleanupID, CaseID: r.CaseID,
		UserID: r.UserID, UserName: r.UserName, By: r.By, Chain: r.Chain, Seq: r.Seq, Record: fmt.Sprintf("evidence/%s/%06d.json", r.Chain, r.Seq),
	}
	for _, s := range []*string{&d.CleanupID, &d.CaseID, &d.UserID, &d.UserName, &d.By} {
		*s, _ = cut(audit.Redact(*s), longestName)
	}
	var whole bool
	if d.Text, whole = cut(audit.Redact(r.Text), longestText); !whole {
		d.LeftOut = append(d.LeftOut, "text")
	}
	var out []string
	d.Data, out = dataOf(r)
	d.LeftOut = append(d.LeftOut, out...)
	return d
}

// dataOf takes from a record's data what is told of its kind, and names the rest.
func dataOf(r audit.Record) (data map[string]json.RawMessage, leftOut []string) {
	if len(r.Data) == 0 || string(r.Data) == "null" {
		return nil, nil
	}
	var all map[string]json.RawMessage
	if _, known := told[r.Kind]; !known || json.Unmarshal(r.Data, &all) != nil {
		return nil, []string{"data"}
	}
	data = map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value, ok := cleaned(name, all[name])
		if !ok || !slices.Contains(told[r.Kind].fields, name) {
			leftOut = append(leftOut, name)
			continue
		}
		data[name] = value
	}
	return data, leftOut
}

// cleaned gives a field once more without what looks like a secret, where it is small enough.
func cleaned(name string, value json.RawMessage) (json.RawMessage, bool) {
	if len(value) > longestField {
		return nil, false
	}
	field, err := encode(map[string]json.RawMessage{name: value})
	if err != nil {
		return nil, false
	}
	if field, err = audit.Clean(field); err != nil {
		return nil, false
	}
	var out map[string]json.RawMessage
	err = json.Unmarshal(field, &out)
	return out[name], err == nil && len(out[name]) <= longestField
}

// cut shortens s to at most n bytes, and says whether it was whole.
func cut(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, true
	}
	const more = " […]"
	n -= len(more)
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + more, false
}

// encode writes v as JSON, with & < > as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
