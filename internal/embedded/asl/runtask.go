package asl

import (
	"fmt"
	"strings"
	"time"
)

// schedule begins an attempt of the Task: the first, or a retry's.
func (e *Execution) schedule() {
	t := e.state.task
	doc, ok := e.effectiveInput()
	if !ok {
		return
	}
	a := &attempt{}
	e.attempt, e.wake = a, time.Time{}
	if t.callback {
		a.token = e.newToken()
	}
	parameters, ok := e.fill("Parameters", e.state.parameters, doc)
	if !ok {
		return
	}
	timeout, heartbeat := t.timeout, t.heartbeat
	if t.timeoutPath != nil {
		if timeout, ok = e.seconds("TimeoutSecondsPath", t.timeoutPath, doc, 1); !ok {
			return
		}
	}
	if t.heartbeatPath != nil {
		if heartbeat, ok = e.seconds("HeartbeatSecondsPath", t.heartbeatPath, doc, 1); !ok {
			return
		}
	}
	if timeout > 0 && heartbeat >= timeout {
		e.runtimeFailure("The heartbeat must be less than the time-out.")
		return
	}
	payload := encode(parameters)
	if len(payload) > maxPayload {
		e.attempt = nil
		e.taskFailure(failure{Error: errDataLimit, Cause: fmt.Sprintf(
			"The state/task '%s' got an input with a size exceeding the maximum number of bytes service limit.", e.state.name)})
		return
	}
	scheduled, started := LambdaFunctionScheduled, LambdaFunctionStarted
	if t.callback {
		scheduled, started = TaskScheduled, TaskStarted
	}
	ev := Event{Type: scheduled, Payload: payload, Timeout: timeout, Heartbeat: heartbeat}
	a.payload = payload
	if t.callback {
		a.payload = "{}"
		if given, there := parameters.(map[string]any)["Payload"]; there {
			a.payload = encode(given)
		}
	} else {
		ev.Function = t.function
	}
	e.emit(ev)
	a.id = e.lastEvent
	if timeout > 0 {
		a.deadline = e.now.Add(timeout)
	}
	if heartbeat > 0 {
		a.interval, a.heartbeat = heartbeat, e.now.Add(heartbeat)
	}
	e.emit(Event{Type: started})
	e.step.Invoke = e.Pending()
}

func (e *Execution) functionAnswered(in Input) {
	callback := e.state.task.callback
	succeeded, failed, named := LambdaFunctionSucceeded, LambdaFunctionFailed, e.state.task.function
	if callback {
		succeeded, failed, named = TaskSubmitted, TaskFailed, "lambda"
		in.Output = submitted(e.state.task.function, in.Output)
	}
	switch {
	case in.Kind == FunctionFailed:
		e.attemptFailed(failed, failure{Error: in.Error, Cause: in.Cause})
	case len(in.Output) > maxPayload:
		e.attemptFailed(failed, tooLarge(named))
	case callback:
		e.attempt.submitted = true
		e.emit(Event{Type: succeeded, Payload: in.Output})
	default:
		e.attemptSucceeded(succeeded, in.Output)
	}
}

// submitted is what lambda:invoke answers, less the response's headers.
func submitted(function, payload string) string {
	version := "$LATEST"
	if parts := strings.Split(function, ":"); len(parts) == 8 {
		version = parts[7]
	}
	return encode(map[string]any{"ExecutedVersion": version, "Payload": decode(payload), "StatusCode": 200})
}

func (e *Execution) tokenAnswered(in Input) {
	switch {
	case in.Kind == TokenHeartbeat:
		if e.attempt.interval > 0 {
			e.attempt.heartbeat = e.now.Add(e.attempt.interval)
		}
	case in.Kind == TokenFailed:
		e.attemptFailed(TaskFailed, failure{Error: in.Error, Cause: in.Cause})
	case len(in.Output) > maxPayload:
		e.attemptFailed(TaskFailed, tooLarge("lambda"))
	default:
		e.attemptSucceeded(TaskSucceeded, in.Output)
	}
}

func tooLarge(resource string) failure {
	return failure{Error: errDataLimit, Cause: fmt.Sprintf(
		"The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit.", resource)}
}

func (e *Execution) attemptSucceeded(event EventType, output string) {
	e.attempt = nil
	e.emit(Event{Type: event, Payload: output})
	if e.status != Running {
		return
	}
	if result, ok := e.fill("ResultSelector", e.state.selection, decode(output)); ok {
		e.finish(result)
	}
}

func (e *Execution) attemptFailed(event EventType, x failure) {
	e.attempt = nil
	e.emit(Event{Type: event, Error: x.Error, Cause: x.Cause})
	if e.status == Running {
		e.taskFailure(x)
	}
}

// taskFailure looks for a retrier, then for a catcher, else fails the execution.
func (e *Execution) taskFailure(x failure) {
	e.attempt, e.wake = nil, time.Time{}
	if e.state.task == nil {
		e.fail(x)
		return
	}
	if e.retries == nil {
		e.retries = make([]int64, len(e.state.task.retry))
	}
	for i, r := range e.state.task.retry {
		if !x.matches(r.errors) {
			continue
		}
		if e.retries[i] < r.maxAttempts {
			e.retries[i]++
			e.wake = e.now.Add(r.delay(e.retries[i], e.random))
			return
		}
		break // a retrier that is used up lets none of those after it have a go
	}
	for _, c := range e.state.task.catch {
		if x.matches(c.errors) {
			e.caught(c, x)
			return
		}
	}
	e.fail(x)
}

func (e *Execution) caught(c catcher, x failure) {
	out := map[string]any{"Error": x.Error, "Cause": x.Cause}
	combined, ok := place(c.resultPath, decode(e.input), out)
	if !ok {
		e.fail(failure{Error: errResultPath, Cause: fmt.Sprintf(
			"Unable to apply ReferencePath %s to input %s", c.resultPath.path.text, truncate(e.input))})
		return
	}
	output := encode(combined)
	if len(output) > maxPayload { // not caught again: it would only grow
		e.fail(tooLarge(e.state.name))
		return
	}
	e.leave(output, c.next)
}

// expire does what the passing of time has brought: of several things due, the one that was due first.
func (e *Execution) expire() {
	for e.status == Running {
		due := e.Wake()
		if due.IsZero() || due.After(e.now) {
			return
		}
		a := e.attempt
		switch {
		case due.Equal(e.deadline):
			e.end(TimedOut, ExecutionTimedOut, failure{Error: errTimeout})
		case a != nil:
			event := LambdaFunctionTimedOut
			if e.state.task.callback {
				event = TaskTimedOut
			}
			e.attemptFailed(event, failure{Error: errTimeout, heartbeat: due.Equal(a.heartbeat)})
		case e.state.kind == kindWait:
			e.wake = time.Time{}
			if doc, ok := e.effectiveInput(); ok {
				e.exit(doc)
			}
		default:
			e.schedule()
		}
		e.run()
	}
}
