package asl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// template is Parameters or ResultSelector: JSON in which a member whose name ends in .$ holds a path.
type template struct{ root any }

// template compiles a field: each "x.$": "$.y" becomes x with a path to read when it is filled in.
func (f *fields) template(field string, token bool) *template {
	v, ok := f.take(field)
	if !ok {
		return nil
	}
	if _, isObject := v.(map[string]any); !isObject {
		f.refuse(field, "must be an object")
		return nil
	}
	return &template{root: f.compile(field, v, token)}
}

func (f *fields) compile(at string, v any, token bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			where := at + "." + key
			name, isPath := strings.CutSuffix(key, ".$")
			if _, twice := out[name]; twice {
				f.refuse(where, "stands there with and without .$")
			}
			if !isPath {
				out[name] = f.compile(where, v[key], token)
				continue
			}
			text, isText := v[key].(string)
			if !isText {
				f.refuse(where, "must be a path, since its name ends in .$")
				continue
			}
			p, err := parsePath(text)
			switch {
			case err != nil:
				f.refuse(where, "%v", err)
			case p.mentionsToken() && !token:
				f.refuse(where, "may not read the task token: only Parameters of a waitForTaskToken Task may")
			}
			out[name] = p
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = f.compile(fmt.Sprintf("%s[%d]", at, i), item, token)
		}
		return out
	}
	return v
}

func (t *template) members() map[string]any { return t.root.(map[string]any) }

func (t *template) carriesToken() bool { return carriesToken(t.members()["Payload"]) }

func carriesToken(v any) bool {
	switch v := v.(type) {
	case path:
		return v.mentionsToken()
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), carriesToken)
	case []any:
		return slices.ContainsFunc(v, carriesToken)
	}
	return false
}

// fill puts values in place of the paths. missing is told of the first path that finds nothing, and its field.
func fill(name string, v any, read func(path) (any, bool), missing func(field string, p path)) any {
	switch v := v.(type) {
	case path:
		value, ok := read(v)
		if !ok {
			missing(name+".$", v)
		}
		return value
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out[key] = fill(key, v[key], read, missing)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = fill(name, item, read, missing)
		}
		return out
	}
	return v
}
