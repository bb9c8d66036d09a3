// Package asl interprets the part of the Amazon States Language that the product's definition uses, as AWS Step
// Functions does, and refuses the rest when it loads a definition.
//
// It knows JSONPath definitions of Task, Choice, Wait, Pass, Succeed and Fail states, with Retry and Catch. A Task is
// a Lambda function by its ARN, or lambda:invoke.waitForTaskToken. Paths are plain ($.a.b[0]): no wildcards, filters
// or intrinsic functions. Map, Parallel, JSONata and variables are refused.
//
// An Execution is a value that moves when it is told of something (Apply) and answers with what happened and which
// function to call. It needs no goroutine while it waits, reads no clock and draws chance from its seed alone: equal
// inputs at equal times give equal histories. Between inputs it can be saved, and taken up again by another process.
//
// The language: https://states-language.net/spec.html and
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
package asl

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	maxDefinition = 1 << 20 // bytes, https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
	maxNameLength = 80
	maxSeconds    = 99999999
)

// Definition is a loaded state machine. It doesn't change and may be shared.
type Definition struct {
	source  string
	comment string
	startAt string
	timeout time.Duration
	states  map[string]*state
}

// Source is the JSON that the definition was loaded from.
func (d *Definition) Source() string { return d.source }

// Comment is the definition's own.
func (d *Definition) Comment() string { return d.comment }

// Functions are the ARNs of the Lambda functions that its Tasks call, sorted, each once.
func (d *Definition) Functions() []string {
	seen := map[string]bool{}
	for _, s := range d.states {
		if s.kind == kindTask {
			seen[s.task.function] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

type kind string

const (
	kindTask    kind = "Task"
	kindChoice  kind = "Choice"
	kindWait    kind = "Wait"
	kindPass    kind = "Pass"
	kindSucceed kind = "Succeed"
	kindFail    kind = "Fail"
)

// state is one of the definition's, whatever its kind: what its kind doesn't have stays zero.
type state struct {
	name       string
	kind       kind
	inputPath  selector
	outputPath selector
	parameters *template
	selection  *template // ResultSelector
	resultPath selector
	next       string // empty where End is true, and for Choice, Succeed and Fail
	end        bool

	task     *task
	wait     *wait
	choices  []choice
	fallback string // Default
	result   any    // Pass
	has      bool   // Result is there: it may be null
	failure  *failSpec
}

type failSpec struct {
	err, cause         string
	errPath, causePath *path
}

type wait struct {
	seconds       *int64
	timestamp     *time.Time
	secondsPath   *path
	timestampPath *path
}

// successors are the states that may follow, in the order written.
func (s *state) successors() []link {
	var out []link
	if s.next != "" {
		out = append(out, link{"Next", s.next})
	}
	for _, c := range s.choices {
		out = append(out, link{c.field + ".Next", c.next})
	}
	if s.fallback != "" {
		out = append(out, link{"Default", s.fallback})
	}
	if s.task != nil {
		for _, c := range s.task.catch {
			out = append(out, link{c.field + ".Next", c.next})
		}
	}
	return out
}

func (s *state) terminal() bool { return s.end || s.kind == kindSucceed || s.kind == kindFail }

// link is a way out of a state, and the field that names it.
type link struct{ field, to string }

// Load reads a definition. It refuses, with one sentence that names state and field, whatever it would not run
// exactly as AWS does.
func Load(data []byte) (*Definition, error) {
	if len(data) > maxDefinition {
		return nil, errors.New("the definition is longer than 1 MB")
	}
	tree, err := decodeStrict(data)
	if err != nil {
		return nil, err
	}
	l := &loader{}
	l.noPlaceholders("", tree)
	top := l.object("", "the definition", tree)
	d := &Definition{source: string(data), states: map[string]*state{}}
	d.comment, _ = top.text("Comment")
	if v, ok := top.text("Version"); ok && v != "1.0" {
		top.refuse("Version", "must be 1.0")
	}
	if v, ok := top.text("QueryLanguage"); ok && v != "JSONPath" {
		top.refuse("QueryLanguage", "%s is not supported: use JSONPath", v)
	}
	d.timeout = top.duration("TimeoutSeconds")
	d.startAt = top.required("StartAt")
	raw, _ := top.take("States")
	states := l.object("", "States", raw)
	for _, name := range slices.Sorted(maps.Keys(states.left)) {
		if len([]rune(name)) > maxNameLength {
			l.fail("state %q: the name is longer than 80 characters", name)
		}
		d.states[name] = l.state(name, states.left[name])
	}
	top.done("in a definition")
	if l.err != nil {
		return nil, l.err
	}
	if err := d.connected(); err != nil {
		return nil, err
	}
	return d, nil
}

// splitResource tells what a Task's Resource asks for: a function by its ARN, or the call-back integration.
func splitResource(resource string) (function string, callback, ok bool) {
	if resource == "arn:aws:states:::lambda:invoke.waitForTaskToken" {
		return "", true, true
	}
	return resource, false, isFunctionARN(resource)
}

func isFunctionARN(s string) bool {
	parts := strings.Split(s, ":")
	return (len(parts) == 7 || len(parts) == 8) && parts[0] == "arn" && parts[2] == "lambda" &&
		parts[5] == "function" && !slices.Contains(parts, "")
}
