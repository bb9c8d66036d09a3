package asl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// loader keeps the first fault it meets; what is read after it doesn't matter.
type loader struct{ err error }

func (l *loader) fail(format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf(format, args...)
	}
}

// fields is an object whose members are taken one by one; done refuses those that nobody took.
type fields struct {
	l     *loader
	where string // the sentence's subject: `state "Disable"`
	at    string // the way from there: `Retry[0]`
	left  map[string]any
}

func (l *loader) object(at, where string, v any) *fields {
	m, ok := v.(map[string]any)
	f := &fields{l: l, where: where, at: at, left: maps.Clone(m)}
	switch {
	case !ok && at == "":
		l.fail("%s must be an object", where)
	case !ok:
		l.fail("%s: field %s must be an object", where, at)
	}
	return f
}

func (f *fields) name(field string) string {
	if f.at == "" {
		return field
	}
	return f.at + "." + field
}

func (f *fields) refuse(field, format string, args ...any) {
	f.l.fail("%s: field %s %s", f.where, f.name(field), fmt.Sprintf(format, args...))
}

func (f *fields) take(field string) (any, bool) {
	v, ok := f.left[field]
	delete(f.left, field)
	return v, ok
}

func (f *fields) text(field string) (string, bool) {
	v, ok := f.take(field)
	if !ok {
		return "", false
	}
	s, isText := v.(string)
	if !isText {
		f.refuse(field, "must be a string")
	}
	return s, isText
}

func (f *fields) required(field string) string {
	s, _ := f.text(field)
	if s == "" {
		f.refuse(field, "is missing")
	}
	return s
}

func (f *fields) integer(field string, least, most int64) *int64 {
	v, ok := f.take(field)
	if !ok {
		return nil
	}
	n, isNumber := v.(json.Number)
	i, err := n.Int64()
	if !isNumber || err != nil || i < least || i > most {
		f.refuse(field, "must be a whole number from %d to %d", least, most)
		return nil
	}
	return &i
}

// duration is a number of seconds, at least one; 0 where the field is absent.
func (f *fields) duration(field string) time.Duration {
	if n := f.integer(field, 1, maxSeconds); n != nil {
		return time.Duration(*n) * time.Second
	}
	return 0
}

func (f *fields) path(field string) *path {
	s, ok := f.text(field)
	if !ok {
		return nil
	}
	p, err := parsePath(s)
	if err != nil {
		f.refuse(field, "%v", err)
		return nil
	}
	if p.mentionsToken() {
		f.refuse(field, "may not read the task token: only Parameters of a waitForTaskToken Task may")
	}
	return &p
}

// selector is a path that null switches off; absent it is the whole ($).
func (f *fields) selector(field string) selector {
	if v, there := f.left[field]; there && v == nil {
		f.take(field)
		return selector{null: true}
	}
	if p := f.path(field); p != nil {
		return selector{path: *p}
	}
	return selector{path: path{text: "$"}}
}

func (f *fields) reference(field string) selector {
	s := f.selector(field)
	if s.path.context {
		f.refuse(field, "must begin with $, since the context object can't be written")
	}
	return s
}

func (f *fields) list(field string) []*fields {
	v, ok := f.take(field)
	if !ok {
		return nil
	}
	items, isList := v.([]any)
	if !isList || len(items) == 0 {
		f.refuse(field, "must be a list with at least one entry")
		return nil
	}
	out := make([]*fields, len(items))
	for i, item := range items {
		out[i] = f.l.object(fmt.Sprintf("%s[%d]", f.name(field), i), f.where, item)
	}
	return out
}

func (f *fields) done(in string) {
	if len(f.left) > 0 {
		f.refuse(slices.Sorted(maps.Keys(f.left))[0], "is not supported %s", in)
	}
}

// noPlaceholders refuses ${…}, which Terraform would have filled in.
func (l *loader) noPlaceholders(at string, v any) {
	switch v := v.(type) {
	case string:
		if i := strings.Index(v, "${"); i >= 0 {
			l.fail("field %s has a placeholder that was not filled in: %s", strings.TrimPrefix(at, "."), v)
		}
	case []any:
		for i, item := range v {
			l.noPlaceholders(fmt.Sprintf("%s[%d]", at, i), item)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			l.noPlaceholders(at+"."+k, v[k])
		}
	}
}

// decodeStrict reads one JSON value, numbers as written, and refuses a name that an object has twice.
func decodeStrict(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := decodeValue(dec, "")
	if err != nil {
		return nil, fmt.Errorf("the definition can't be read: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the definition has something after its end")
	}
	return v, nil
}

func decodeValue(dec *json.Decoder, at string) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		m := map[string]any{}
		for dec.More() {
			k, err := dec.Token()
			if err != nil {
				return nil, err
			}
			key := k.(string)
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("field %s stands there twice", strings.TrimPrefix(at+"."+key, "."))
			}
			if m[key], err = decodeValue(dec, at+"."+key); err != nil {
				return nil, err
			}
		}
		_, err := dec.Token()
		return m, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := decodeValue(dec, fmt.Sprintf("%s[%d]", at, len(list)))
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return t, nil
}

// connected refuses links to nowhere, states that nothing leads to and states that lead to no end.
func (d *Definition) connected() error {
	if d.states[d.startAt] == nil {
		return fmt.Errorf("the definition: field StartAt names %q, which is not a state", d.startAt)
	}
	names := slices.Sorted(maps.Keys(d.states))
	before := map[string][]string{}
	var ends []string
	for _, name := range names {
		s := d.states[name]
		if s.terminal() {
			ends = append(ends, name)
		}
		for _, to := range s.successors() {
			if d.states[to.to] == nil {
				return fmt.Errorf("state %q: field %s names %q, which is not a state", name, to.field, to.to)
			}
			before[to.to] = append(before[to.to], name)
		}
	}
	if len(ends) == 0 {
		return errors.New("the definition has no state that ends it: one needs End, or to be of type Succeed or Fail")
	}
	reached := spread([]string{d.startAt}, func(name string) []string {
		var out []string
		for _, to := range d.states[name].successors() {
			out = append(out, to.to)
		}
		return out
	})
	ending := spread(ends, func(name string) []string { return before[name] })
	for _, name := range names {
		switch {
		case !reached[name]:
			return fmt.Errorf("state %q can't be reached from StartAt", name)
		case !ending[name]:
			return fmt.Errorf("state %q leads to no end, whatever its Next", name)
		}
	}
	return nil
}

// spread is everything that can be reached from the given names.
func spread(from []string, next func(string) []string) map[string]bool {
	seen := map[string]bool{}
	for len(from) > 0 {
		name := from[len(from)-1]
		from = from[:len(from)-1]
		if !seen[name] {
			seen[name] = true
			from = append(from, next(name)...)
		}
	}
	return seen
}
