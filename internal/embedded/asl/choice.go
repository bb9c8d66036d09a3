package asl

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// choice is one of a Choice state's rules with its way out.
type choice struct {
	rule  rule
	next  string
	field string
}

// rule says whether an input is meant. A path in it that finds nothing is an error, except under IsPresent.
type rule func(read func(path) (any, bool)) (bool, error)

func (f *fields) choices() []choice {
	var out []choice
	list := f.list("Choices")
	if list == nil {
		f.refuse("Choices", "must be a list with at least one rule")
	}
	for _, c := range list {
		one := choice{next: c.required("Next"), field: c.at}
		c.take("Comment")
		one.rule = c.rule()
		out = append(out, one)
	}
	return out
}

// rule takes And, Or, Not, or Variable with one operator.
func (f *fields) rule() rule {
	never := func(func(path) (any, bool)) (bool, error) { return false, nil }
	if _, ok := f.left["Variable"]; !ok {
		names := slices.Sorted(maps.Keys(f.left))
		if len(names) != 1 {
			f.refuse("Variable", "is missing, or And, Or or Not alone in its place")
			return never
		}
		switch names[0] {
		case "And", "Or":
			var parts []rule
			for _, part := range f.list(names[0]) {
				parts = append(parts, part.rule())
			}
			return combine(parts, names[0] == "And")
		case "Not":
			v, _ := f.take("Not")
			inner := f.l.object(f.name("Not"), f.where, v).rule()
			return func(read func(path) (any, bool)) (bool, error) {
				ok, err := inner(read)
				return !ok && err == nil, err
			}
		}
		f.done("in a Choice rule")
		return never
	}
	variable := f.path("Variable")
	operators := slices.Sorted(maps.Keys(f.left))
	if len(operators) != 1 {
		f.refuse("Variable", "must stand beside exactly one operator")
		return never
	}
	made := f.comparison(operators[0], variable)
	f.done("in a Choice rule")
	if made == nil || variable == nil {
		return never
	}
	return made
}

// combine asks one part after the other and stops at the first that settles it, so that And can guard a read with
// IsPresent (inferred: AWS documents the pattern, not the order).
func combine(parts []rule, all bool) rule {
	return func(read func(path) (any, bool)) (bool, error) {
		for _, part := range parts {
			ok, err := part(read)
			if err != nil || ok != all {
				return ok && err == nil, err
			}
		}
		return all, nil
	}
}

// comparison compiles one operator, or gives nil after refusing it.
// https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
func (f *fields) comparison(operator string, variable *path) rule {
	if is, ok := typeTests[operator]; ok {
		v, _ := f.take(operator)
		want, isBool := v.(bool)
		if !isBool {
			f.refuse(operator, "must be true or false")
		}
		return func(read func(path) (any, bool)) (bool, error) {
			v, there := read(*variable)
			if operator == "IsPresent" {
				return there == want, nil
			}
			if !there {
				return false, missingVariable(*variable)
			}
			return is(v) == want, nil
		}
	}
	name, fromPath := strings.CutSuffix(operator, "Path")
	compare, ok := comparisons[name]
	if !ok || (fromPath && name == "StringMatches") {
		return nil
	}
	var expected any
	var expectedPath *path
	if fromPath {
		if expectedPath = f.path(operator); expectedPath == nil {
			return nil
		}
	} else {
		expected, _ = f.take(operator)
		if _, fits := compare(expected, expected); !fits {
			f.refuse(operator, "holds a value of the wrong type")
		}
	}
	return func(read func(path) (any, bool)) (bool, error) {
		v, there := read(*variable)
		if !there {
			return false, missingVariable(*variable)
		}
		want := expected
		if expectedPath != nil {
			if want, there = read(*expectedPath); !there {
				return false, missingVariable(*expectedPath)
			}
		}
		ok, fits := compare(v, want)
		return ok && fits, nil
	}
}

// missingVariable is a rule's path that finds nothing, in AWS's words.
type missingVariable path

func (p missingVariable) Error() string {
	return fmt.Sprintf("Invalid path '%s': The choice state's condition path references an invalid value.", p.text)
}

var typeTests = map[string]func(any) bool{
	"IsPresent": func(any) bool { return true },
	"IsNull":    func(v any) bool { return v == nil },
	"IsString":  func(v any) bool { _, ok := v.(string); return ok },
	"IsNumeric": func(v any) bool { _, ok := v.(json.Number); return ok },
	"IsBoolean": func(v any) bool { _, ok := v.(bool); return ok },
	"IsTimestamp": func(v any) bool {
		s, ok := v.(string)
		if !ok {
			return false
		}
		_, err := parseTimestamp(s)
		return err == nil
	},
}

// comparisons tell whether the value is as expected, and whether both are of the operator's type: a value of another
// type is simply not so.
var comparisons = map[string]func(v, want any) (ok, fits bool){
	"StringEquals": func(v, want any) (bool, bool) {
		a, okA := v.(string)
		b, okB := want.(string)
		return a == b, okA && okB
	},
	"StringMatches": func(v, want any) (bool, bool) {
		a, okA := v.(string)
		b, okB := want.(string)
		return okA && okB && matchWildcard(b, a), okA && okB
	},
	"BooleanEquals": func(v, want any) (bool, bool) {
		a, okA := v.(bool)
		b, okB := want.(bool)
		return a == b, okA && okB
	},
	"NumericEquals":              numeric(func(c int) bool { return c == 0 }),
	"NumericLessThan":            numeric(func(c int) bool { return c < 0 }),
	"NumericLessThanEquals":      numeric(func(c int) bool { return c <= 0 }),
	"NumericGreaterThan":         numeric(func(c int) bool { return c > 0 }),
	"NumericGreaterThanEquals":   numeric(func(c int) bool { return c >= 0 }),
	"TimestampEquals":            timestamps(func(c int) bool { return c == 0 }),
	"TimestampLessThan":          timestamps(func(c int) bool { return c < 0 }),
	"TimestampLessThanEquals":    timestamps(func(c int) bool { return c <= 0 }),
	"TimestampGreaterThan":       timestamps(func(c int) bool { return c > 0 }),
	"TimestampGreaterThanEquals": timestamps(func(c int) bool { return c >= 0 }),
}

func numeric(holds func(int) bool) func(v, want any) (bool, bool) {
	return func(v, want any) (bool, bool) {
		a, okA := v.(json.Number)
		b, okB := want.(json.Number)
		if !okA || !okB {
			return false, false
		}
		return holds(compareNumbers(a, b)), true
	}
}

// compareNumbers keeps whole numbers exact; others are doubles, as in AWS.
func compareNumbers(a, b json.Number) int {
	i, errI := a.Int64()
	j, errJ := b.Int64()
	if errI == nil && errJ == nil {
		switch {
		case i < j:
			return -1
		case i > j:
			return 1
		}
		return 0
	}
	x, _ := number(a)
	y, _ := number(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	x, err := strconv.ParseFloat(n.String(), 64)
	return x, err == nil
}

func timestamps(holds func(int) bool) func(v, want any) (bool, bool) {
	return func(v, want any) (bool, bool) {
		a, okA := timestamp(v)
		b, okB := timestamp(want)
		return okA && okB && holds(a.Compare(b)), okA && okB
	}
}

func timestamp(v any) (time.Time, bool) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, false
	}
	t, err := parseTimestamp(s)
	return t, err == nil
}

// matchWildcard knows * for any characters; \* is the star itself and \\ the backslash.
func matchWildcard(pattern, s string) bool {
	for pattern != "" {
		switch {
		case pattern[0] == '*':
			pattern = pattern[1:]
			for i := range len(s) + 1 {
				if matchWildcard(pattern, s[i:]) {
					return true
				}
			}
			return false
		case pattern[0] == '\\' && len(pattern) > 1:
			pattern = pattern[1:]
		}
		if s == "" || s[0] != pattern[0] {
			return false
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}
