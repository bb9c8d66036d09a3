package stepfunctions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// start makes an execution and runs it up to its first pause. e.mu is held.
func (e *Engine) start(name, input, by string) (*execution, error) {
	origin := asl.Origin{
		ExecutionARN: e.executionARN(name), ExecutionName: name,
		StateMachineARN: e.StateMachineARN(), StateMachineName: e.cfg.Name, RoleARN: e.roleARN(),
		Input: input,
	}
	if _, err := io.ReadFull(e.cfg.Rand, origin.Seed[:]); err != nil {
		return nil, fmt.Errorf("drawing the seed of execution %s: %w", name, err)
	}
	machine, step, err := asl.Start(e.cfg.Definition, origin, e.cfg.Timers.Now())
	if err != nil {
		return nil, err
	}
	x := &execution{number: uint64(len(e.inTurn)) + 1, name: name, definition: e.current, startedBy: by, machine: machine}
	e.byName[name] = x
	e.inTurn = append(e.inTurn, x)
	e.moved(x, step)
	return x, nil
}

// tell moves an execution: the one way by which anything happens to it after its start. Who tells has it committed. e.mu
// is held.
func (e *Engine) tell(x *execution, in asl.Input) error {
	if e.closed || e.broken != nil {
		return nil
	}
	machine, err := e.load(x)
	if err != nil {
		return err
	}
	before := machine.Pending()
	step, err := machine.Apply(e.cfg.Timers.Now(), in)
	if len(step.Events) == 0 && in.Kind != asl.TokenHeartbeat {
		return err // it came too late, or too early
	}
	x.machine = machine
	// A function whose time is over is ended, as by Lambda: another try may begin. Time passes while a machine sleeps, too.
	if before != nil && before.Attempt == x.working && timedOut(step) {
		x.cut()
	}
	e.moved(x, step)
	return err
}

func timedOut(step asl.Step) bool {
	return slices.ContainsFunc(step.Events, func(ev asl.Event) bool {
		return ev.Type == asl.LambdaFunctionTimedOut || ev.Type == asl.TaskTimedOut
	})
}

// moved puts an execution among those to be written.
func (e *Engine) moved(x *execution, step asl.Step) {
	x.fresh = append(x.fresh, step.Events...)
	if !x.waiting {
		x.waiting = true
		e.unwritten = append(e.unwritten, x)
	}
}

// later commits once all that is due at this moment has been told, so that a crowd is written at once.
func (e *Engine) later() {
	if len(e.unwritten) == 0 || e.due {
		return
	}
	e.due = true
	e.cfg.Timers.AfterFunc(e.cfg.Timers.Now(), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.due = false
		_ = e.commit() // OnBroken hears of it
	})
}

// together is how many executions are written in one commit at most: memory follows it.
const together = 256

// commit writes what moved, and then does what it asks for. e.mu is held.
func (e *Engine) commit() error {
	for len(e.unwritten) > 0 && !e.closed && e.broken == nil {
		some := e.unwritten[:min(together, len(e.unwritten))]
		writes := make([]Write, len(some))
		for i, x := range some {
			saved, err := x.machine.Save()
			if err != nil {
				return e.fail(err)
			}
			writes[i] = Write{Events: x.fresh, Entry: Entry{
				Number: x.number, Definition: x.definition, StartedBy: x.startedBy, RedriveToken: x.redriveToken, Saved: saved,
			}}
		}
		if err := e.cfg.Journal.Commit(writes); err != nil {
			return e.fail(err)
		}
		e.unwritten = e.unwritten[len(some):]
		for _, x := range some {
			e.settle(x)
		}
	}
	if len(e.unwritten) == 0 {
		e.unwritten = nil
	}
	return e.broken
}

// fail stops an engine whose journal failed for good: what is in memory may be ahead of what was written.
func (e *Engine) fail(err error) error {
	if e.broken != nil || e.closed {
		return errors.Join(e.broken, err)
	}
	e.broken = fmt.Errorf("the journal of executions failed: %w", err)
	e.cancel()
	e.stopTimers()
	if e.cfg.OnBroken != nil {
		release, why := e.cfg.Timers.Hold(), e.broken
		go func() {
			defer release()
			e.cfg.OnBroken(why)
		}()
	}
	return e.broken
}

// settle does what an execution asks for, now that it is on record: it calls the function, sets the timer, tells of the
// end. Work is handed to the clock, which stands still until that is done. e.mu is held.
func (e *Engine) settle(x *execution) {
	machine := x.machine
	events := len(x.fresh)
	x.events += int64(events)
	x.fresh, x.waiting = nil, false
	x.status, x.state, x.started, x.stopped = machine.Status(), machine.State(), machine.Started(), machine.Stopped()
	x.redrives, x.redriven = machine.Redrives()
	if call := machine.Pending(); call != nil && call.Attempt != x.called {
		x.called = call.Attempt
		e.cfg.Timers.AfterFunc(e.cfg.Timers.Now(), func() { e.invoke(x, *call) })
	}
	e.setTimer(x)
	if x.status == asl.Running {
		return
	}
	if e.cfg.OnEnd != nil && events > 0 {
		ended := e.view(x)
		release := e.cfg.Timers.Hold() // no time passes before OnEnd knows
		go func() {
			defer release()
			e.cfg.OnEnd(ended)
		}()
	}
	x.machine = nil
}

func (e *Engine) setTimer(x *execution) {
	wake := x.machine.Wake()
	if wake.Equal(x.wakeAt) {
		return
	}
	if x.stopWake != nil {
		x.stopWake()
		x.stopWake = nil
	}
	x.wakeAt = wake
	if !wake.IsZero() && !e.draining {
		x.stopWake = e.cfg.Timers.AfterFunc(wake, func() { e.wake(x) })
	}
}

func (e *Engine) wake(x *execution) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.draining || e.broken != nil || x.machine == nil {
		return
	}
	x.wakeAt = time.Time{}
	_ = e.tell(x, asl.Input{Kind: asl.Woken}) // to be woken is never refused
	if !x.waiting {
		e.setTimer(x) // the clock was put back at this very moment
	}
	e.later()
}

func (e *Engine) invoke(x *execution, call asl.Invocation) {
	e.mu.Lock()
	if e.closed || e.draining || e.broken != nil {
		e.mu.Unlock()
		return
	}
	e.atWork.Add(1)
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	x.working, x.cut = call.Attempt, cancel
	e.mu.Unlock()
	defer e.atWork.Done()
	in := e.call(ctx, call)
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.tell(x, in) // an answer that comes too late is dropped, not refused
	if e.draining {
		_ = e.commit() // OnBroken hears of it
		return
	}
	e.later()
}

// call runs the function and puts its answer in Step Functions' terms.
// https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
func (e *Engine) call(ctx context.Context, call asl.Invocation) (in asl.Input) {
	failed := func(name, cause string) asl.Input {
		return asl.Input{Kind: asl.FunctionFailed, Attempt: call.Attempt, Error: cut(name, 256), Cause: cut(cause, 32768)}
	}
	defer func() {
		if p := recover(); p != nil {
			in = failed("Lambda.Unknown", fmt.Sprintf("function %s panicked: %v", call.Function, p))
		}
	}()
	result, broken, err := e.cfg.Invoke(ctx, call.Function, []byte(call.Payload))
	switch {
	case err != nil:
		return failed("Lambda.SdkClientException", fmt.Sprintf("calling function %s: %v", call.Function, err))
	case broken != nil:
		cause, err := json.Marshal(map[string]string{"errorMessage": broken.Message, "errorType": broken.Type})
		if err != nil {
			return failed("Lambda.Unknown", err.Error())
		}
		return failed(broken.Type, string(cause))
	case len(result) == 0:
		result = []byte("null")
	case !json.Valid(result):
		return failed("Lambda.Unknown", fmt.Sprintf("function %s answered with something that is not JSON", call.Function))
	}
	return asl.Input{Kind: asl.FunctionSucceeded, Attempt: call.Attempt, Output: string(result)}
}

func cut(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most])
}
