package asl

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// run goes from state to state until the execution ends or has to wait for something.
func (e *Execution) run() {
	for e.status == Running && e.next != "" {
		e.enter()
		if e.status == Running {
			e.perform()
		}
	}
}

func (e *Execution) enter() {
	e.state, e.input = e.def.states[e.next], e.data
	e.next, e.data = "", ""
	e.attempt, e.wake, e.retries = nil, time.Time{}, nil
	e.entered = e.now
	e.emit(Event{Type: entered(e.state.kind), State: e.state.name, Payload: e.input})
	e.enteredID = e.lastEvent
}

func (e *Execution) perform() {
	s := e.state
	switch s.kind {
	case kindTask:
		e.schedule()
	case kindChoice:
		e.choose()
	case kindWait:
		e.startWait()
	case kindPass:
		doc, ok := e.effectiveInput()
		if !ok {
			return
		}
		result, ok := e.fill("Parameters", s.parameters, doc)
		if !ok {
			return
		}
		if s.has {
			result = s.result
		}
		e.finish(result)
	case kindSucceed:
		if doc, ok := e.effectiveInput(); ok {
			e.exit(doc)
		}
	case kindFail:
		e.failState()
	}
}

// finish gives the state's result its place in the input (ResultPath), then leaves by Next or End.
func (e *Execution) finish(result any) {
	raw := decode(e.input)
	combined, ok := place(e.state.resultPath, raw, result)
	if !ok {
		e.taskFailure(failure{Error: errResultPath, Cause: fmt.Sprintf(
			"Unable to apply ReferencePath %s to input %s", e.state.resultPath.path.text, e.input)})
		return
	}
	e.exit(combined)
}

func place(where selector, input, value any) (any, bool) {
	if where.null {
		return input, true
	}
	return where.path.write(input, value)
}

// exit applies OutputPath and leaves.
func (e *Execution) exit(doc any) {
	out, ok := e.pick("OutputPath", e.state.outputPath, doc)
	if !ok {
		return
	}
	e.leave(encode(out), e.state.next)
}

func (e *Execution) leave(output, next string) {
	if len(output) > maxPayload {
		e.taskFailure(tooLarge(e.state.name))
		return
	}
	e.attempt, e.wake = nil, time.Time{}
	e.emit(Event{Type: exited(e.state.kind), State: e.state.name, Payload: output})
	if e.status != Running {
		return
	}
	if next != "" {
		e.next, e.data = next, output
		return
	}
	e.status, e.stopped, e.output, e.deadline = Succeeded, e.now, output, time.Time{}
	e.emit(Event{Type: ExecutionSucceeded, Payload: output})
}

func (e *Execution) choose() {
	doc, ok := e.effectiveInput()
	if !ok {
		return
	}
	read := e.reader(doc)
	next := e.state.fallback
	for _, c := range e.state.choices {
		holds, err := c.rule(read)
		if err != nil {
			e.runtimeFailure(err.Error())
			return
		}
		if holds {
			next = c.next
			break
		}
	}
	if next == "" {
		e.fail(failure{Error: errNoChoice, Cause: e.where() + "No choice rule matched, and there is no Default."})
		return
	}
	if out, ok := e.pick("OutputPath", e.state.outputPath, doc); ok {
		e.leave(encode(out), next)
	}
}

func (e *Execution) startWait() {
	doc, ok := e.effectiveInput()
	if !ok {
		return
	}
	w := e.state.wait
	until := e.now
	switch {
	case w.seconds != nil:
		until = e.now.Add(time.Duration(*w.seconds) * time.Second)
	case w.timestamp != nil:
		until = *w.timestamp
	case w.secondsPath != nil:
		n, ok := e.seconds("SecondsPath", w.secondsPath, doc, 0)
		if !ok {
			return
		}
		until = e.now.Add(n)
	case w.timestampPath != nil:
		v, ok := e.read("TimestampPath", *w.timestampPath, doc)
		if !ok {
			return
		}
		t, isTime := timestamp(v)
		if !isTime {
			e.runtimeFailure(fmt.Sprintf("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: %s == %s",
				w.timestampPath.text, encode(v)))
			return
		}
		until = t
	}
	if until.After(e.now) {
		e.wake = until
		return
	}
	e.exit(doc)
}

func (e *Execution) failState() {
	f := e.state.failure
	doc := decode(e.input)
	x := failure{Error: f.err, Cause: f.cause}
	for _, from := range []struct {
		field string
		path  *path
		to    *string
	}{{"ErrorPath", f.errPath, &x.Error}, {"CausePath", f.causePath, &x.Cause}} {
		if from.path == nil {
			continue
		}
		v, ok := e.read(from.field, *from.path, doc)
		if !ok {
			return
		}
		if *from.to, ok = v.(string); !ok {
			e.runtimeFailure(fmt.Sprintf("The %s parameter does not reference a string: %s", from.field, from.path.text))
			return
		}
	}
	e.fail(x)
}

// effectiveInput is the state's input after InputPath.
func (e *Execution) effectiveInput() (any, bool) {
	return e.pick("InputPath", e.state.inputPath, decode(e.input))
}

func (e *Execution) pick(field string, from selector, doc any) (any, bool) {
	if from.null {
		return map[string]any{}, true
	}
	return e.read(field, from.path, doc)
}

func (e *Execution) fill(name string, t *template, doc any) (any, bool) {
	if t == nil {
		return doc, true
	}
	var lost *path
	var lostField string
	out := fill(name, t.root, e.reader(doc), func(field string, p path) {
		if lost == nil {
			lost, lostField = &p, field
		}
	})
	if lost != nil {
		e.notFound(lostField, *lost, doc)
		return nil, false
	}
	return out, true
}

func (e *Execution) read(field string, p path, doc any) (any, bool) {
	v, ok := e.reader(doc)(p)
	if !ok {
		e.notFound(field, p, doc)
	}
	return v, ok
}

// reader reads paths of the document, or of the context object, which is made only if asked for.
func (e *Execution) reader(doc any) func(path) (any, bool) {
	var context any
	return func(p path) (any, bool) {
		if !p.context {
			return p.read(doc)
		}
		if context == nil {
			context = e.context()
		}
		return p.read(context)
	}
}

func (e *Execution) seconds(field string, p *path, doc any, least int64) (time.Duration, bool) {
	v, ok := e.read(field, *p, doc)
	if !ok {
		return 0, false
	}
	n, isNumber := v.(json.Number)
	i, err := n.Int64()
	if !isNumber || err != nil || i < least || i > maxSeconds {
		e.runtimeFailure(fmt.Sprintf("The %s parameter must reference a whole number from %d to %d: %s == %s",
			field, least, maxSeconds, p.text, encode(v)))
		return 0, false
	}
	return time.Duration(i) * time.Second, true
}

// context is the object behind $$.
// https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
func (e *Execution) context() map[string]any {
	execution := map[string]any{
		"Id": e.origin.ExecutionARN, "Name": e.origin.ExecutionName, "RoleArn": e.origin.RoleARN,
		"StartTime": stamp(e.started), "Input": decode(e.origin.Input),
		"RedriveCount": json.Number(strconv.Itoa(e.redrives)),
	}
	if e.redrives > 0 {
		execution["RedriveTime"] = stamp(e.redriven)
	}
	var retries int64
	for _, n := range e.retries {
		retries += n
	}
	c := map[string]any{
		"Execution": execution,
		"State": map[string]any{
			"Name": e.state.name, "EnteredTime": stamp(e.entered), "RetryCount": json.Number(strconv.FormatInt(retries, 10)),
		},
		"StateMachine": map[string]any{"Id": e.origin.StateMachineARN, "Name": e.origin.StateMachineName},
	}
	if e.attempt != nil && e.attempt.token != "" {
		c["Task"] = map[string]any{"Token": e.attempt.token}
	}
	return c
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// notFound ends the execution: a path that finds nothing can be neither retried nor caught. AWS documents
// States.ParameterPathFailure for Parameters; executions there fail with States.Runtime and this sentence.
func (e *Execution) notFound(field string, p path, doc any) {
	in := encode(doc)
	if p.context {
		in = "the context object"
	} else {
		in = "'" + in + "'"
	}
	e.runtimeFailure(fmt.Sprintf("The JSONPath '%s' specified for the field '%s' could not be found in the input %s", p.text, field, in))
}

func (e *Execution) runtimeFailure(what string) {
	e.fail(failure{Error: errRuntime, Cause: truncate(e.where() + what)})
}

func (e *Execution) where() string {
	return fmt.Sprintf("An error occurred while executing the state '%s' (entered at the event id #%d). ", e.state.name, e.enteredID)
}

// truncate keeps a cause within AWS's 32,768 characters.
func truncate(s string) string {
	const most = 32768
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
