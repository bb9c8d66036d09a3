package asl

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// path is a plain way into a document ($…) or into the context object ($$…): names and indexes, one value at most.
// The language calls it a reference path.
type path struct {
	text    string
	context bool
	steps   []step
}

// step goes to a member by its name, or to an item where name is nil.
type step struct {
	name  *string
	index int
}

// selector is a path, or null: then it takes nothing.
type selector struct {
	path path
	null bool
}

func parsePath(text string) (path, error) {
	if strings.HasPrefix(text, "States.") {
		return path{}, fmt.Errorf("uses an intrinsic function, which is not supported: %s", text)
	}
	refused := fmt.Errorf("must be a plain path like $.case.userId or $.items[0], not %q", text)
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return path{}, refused
	}
	p := path{text: text}
	rest, p.context = strings.CutPrefix(rest, "$")
	for rest != "" {
		var s step
		switch {
		case strings.HasPrefix(rest, "['"):
			name, after, found := strings.Cut(rest[2:], "']")
			if !found || name == "" || strings.ContainsAny(name, `'\`) {
				return path{}, refused
			}
			s.name, rest = &name, after
		case rest[0] == '[':
			digits, after, found := strings.Cut(rest[1:], "]")
			n, err := strconv.ParseUint(digits, 10, 31)
			if !found || err != nil {
				return path{}, refused
			}
			s.index, rest = int(n), after
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			name := rest[1:end]
			if name == "" || strings.ContainsAny(name, `*?@$()'"\,:&|!<>= ]`) {
				return path{}, refused
			}
			s.name, rest = &name, rest[end:]
		default:
			return path{}, refused
		}
		p.steps = append(p.steps, s)
	}
	return p, nil
}

// mentionsToken says that the path could read the task token.
func (p path) mentionsToken() bool {
	return p.context && (len(p.steps) == 0 || p.steps[0].name != nil && *p.steps[0].name == "Task")
}

// read finds the value, or says that there is none.
func (p path) read(doc any) (any, bool) {
	for _, s := range p.steps {
		if s.name == nil {
			list, ok := doc.([]any)
			if !ok || s.index >= len(list) {
				return nil, false
			}
			doc = list[s.index]
			continue
		}
		m, ok := doc.(map[string]any)
		if !ok {
			return nil, false
		}
		if doc, ok = m[*s.name]; !ok {
			return nil, false
		}
	}
	return doc, true
}

// write gives a copy of doc with value at the path. Objects on the way are made where they are missing; what is there
// and is not of the right kind, or an item that is not there, can't be written.
func (p path) write(doc, value any) (any, bool) { return write(doc, p.steps, value) }

func write(doc any, steps []step, value any) (any, bool) {
	if len(steps) == 0 {
		return value, true
	}
	s := steps[0]
	if s.name == nil {
		list, ok := doc.([]any)
		if !ok || s.index >= len(list) {
			return nil, false
		}
		item, ok := write(list[s.index], steps[1:], value)
		list = slices.Clone(list)
		list[s.index] = item
		return list, ok
	}
	m, ok := doc.(map[string]any)
	if !ok {
		return nil, false
	}
	inner, there := m[*s.name]
	if !there {
		inner = map[string]any{}
	}
	member, ok := write(inner, steps[1:], value)
	m = maps.Clone(m)
	m[*s.name] = member
	return m, ok
}
