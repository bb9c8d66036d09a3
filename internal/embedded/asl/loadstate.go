package asl

import (
	"fmt"
	"strings"
	"time"
)

func (l *loader) state(name string, v any) *state {
	f := l.object("", fmt.Sprintf("state %q", name), v)
	s := &state{name: name, kind: kind(f.required("Type"))}
	f.take("Comment")
	if q, ok := f.text("QueryLanguage"); ok && q != "JSONPath" {
		f.refuse("QueryLanguage", "%s is not supported: use JSONPath", q)
	}
	if s.kind != kindFail {
		s.inputPath = f.selector("InputPath")
		s.outputPath = f.selector("OutputPath")
	}
	switch s.kind {
	case kindTask:
		s.resultPath = f.reference("ResultPath")
		s.selection = f.template("ResultSelector", false)
		s.task = f.task()
		s.parameters = f.template("Parameters", s.task.callback)
		if s.task.callback {
			f.callbackFunction(s)
		}
		f.nextOrEnd(s)
	case kindPass:
		s.resultPath = f.reference("ResultPath")
		s.parameters = f.template("Parameters", false)
		s.result, s.has = f.take("Result")
		f.nextOrEnd(s)
	case kindWait:
		s.wait = f.wait()
		f.nextOrEnd(s)
	case kindChoice:
		s.choices = f.choices()
		s.fallback, _ = f.text("Default")
	case kindSucceed:
	case kindFail:
		s.failure = f.failSpec()
	default:
		f.refuse("Type", "%s is not supported", s.kind)
	}
	f.done(fmt.Sprintf("in a %s state", s.kind))
	return s
}

func (f *fields) nextOrEnd(s *state) {
	v, hasEnd := f.take("End")
	end, isBool := v.(bool)
	if hasEnd && (!isBool || !end) {
		f.refuse("End", "must be true where it is there")
	}
	s.end = end
	next, hasNext := f.text("Next")
	s.next = next
	switch {
	case hasNext && hasEnd:
		f.refuse("End", "may not be there beside Next")
	case !hasNext && !hasEnd:
		f.refuse("Next", "is missing, and so is End")
	}
}

func (f *fields) wait() *wait {
	w := &wait{
		seconds:       f.integer("Seconds", 0, maxSeconds),
		secondsPath:   f.path("SecondsPath"),
		timestampPath: f.path("TimestampPath"),
	}
	if s, ok := f.text("Timestamp"); ok {
		t, err := parseTimestamp(s)
		if err != nil {
			f.refuse("Timestamp", "%v", err)
		}
		w.timestamp = &t
	}
	n := 0
	for _, there := range []bool{w.seconds != nil, w.secondsPath != nil, w.timestamp != nil, w.timestampPath != nil} {
		if there {
			n++
		}
	}
	if n != 1 {
		f.refuse("Seconds", "or one of Timestamp, SecondsPath, TimestampPath must be there, and only one of them")
	}
	return w
}

func (f *fields) failSpec() *failSpec {
	s := &failSpec{errPath: f.path("ErrorPath"), causePath: f.path("CausePath")}
	var hasError, hasCause bool
	s.err, hasError = f.text("Error")
	s.cause, hasCause = f.text("Cause")
	if hasError && s.errPath != nil {
		f.refuse("ErrorPath", "may not be there beside Error")
	}
	if hasCause && s.causePath != nil {
		f.refuse("CausePath", "may not be there beside Cause")
	}
	return s
}

// callbackFunction checks what lambda:invoke takes here: a function, and a payload that carries the token.
func (f *fields) callbackFunction(s *state) {
	if s.parameters == nil {
		f.refuse("Parameters", "is missing: waitForTaskToken needs FunctionName and Payload")
		return
	}
	for key := range s.parameters.members() {
		if key != "FunctionName" && key != "Payload" {
			f.refuse("Parameters."+key, "is not supported: waitForTaskToken takes FunctionName and Payload")
		}
	}
	function, isText := s.parameters.members()["FunctionName"].(string)
	if !isText || !isFunctionARN(function) {
		f.refuse("Parameters.FunctionName", "must be the ARN of a Lambda function")
	}
	if !s.parameters.carriesToken() {
		f.refuse("Parameters.Payload", "does not carry $$.Task.Token, so nobody could answer")
	}
	s.task.function = function
}

// parseTimestamp reads RFC 3339 with a capital T, and a capital Z or an offset, as the language demands.
func parseTimestamp(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || strings.ContainsAny(s, "tz,") {
		return time.Time{}, fmt.Errorf("must be a timestamp like 2026-01-31T09:30:00Z, not %q", s)
	}
	return t, nil
}
