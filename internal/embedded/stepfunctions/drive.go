package stepfunctions

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// start makes an execution and runs it up to its first pause. e.mu is held.
func (e *Engine) start(name, input string) (*execution, error) {
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
	x := &execution{machine: machine}
	e.byARN[origin.ExecutionARN] = x
	e.inTurn = append(e.inTurn, x)
	e.settle(x, step)
	return x, nil
}

// tell moves an execution: the one way by which anything happens to it after its start. e.mu is held.
func (e *Engine) tell(x *execution, in asl.Input) error {
	if e.closed {
		return nil
	}
	step, err := x.machine.Apply(e.cfg.Timers.Now(), in)
	e.settle(x, step)
	return err
}

// settle does what an execution asks for: it keeps the history, calls the function, sets the timer. Work is handed to
// the clock, which stands still until that is done. e.mu is held.
func (e *Engine) settle(x *execution, step asl.Step) {
	x.history = append(x.history, step.Events...)
	if call := step.Invoke; call != nil {
		e.cfg.Timers.AfterFunc(e.cfg.Timers.Now(), func() { e.invoke(x, *call) })
	}
	if wake := x.machine.Wake(); !wake.Equal(x.wakeAt) {
		if x.stopWake != nil {
			x.stopWake()
			x.stopWake = nil
		}
		x.wakeAt = wake
		if !wake.IsZero() {
			x.stopWake = e.cfg.Timers.AfterFunc(wake, func() { e.wake(x) })
		}
	}
	if e.cfg.OnEnd != nil && len(step.Events) > 0 && x.machine.Status() != asl.Running {
		ended := x.view()
		release := e.cfg.Timers.Hold() // no time passes before OnEnd knows
		go func() {
			defer release()
			e.cfg.OnEnd(ended)
		}()
	}
}

func (e *Engine) wake(x *execution) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.tell(x, asl.Input{Kind: asl.Woken}) // to be woken is never refused
}

func (e *Engine) invoke(x *execution, call asl.Invocation) {
	if e.ctx.Err() != nil { // closed since
		return
	}
	in := e.call(call)
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.tell(x, in) // an answer that comes too late is dropped, not refused
}

// call runs the function and puts its answer in Step Functions' terms.
// https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
func (e *Engine) call(call asl.Invocation) (in asl.Input) {
	failed := func(name, cause string) asl.Input {
		return asl.Input{Kind: asl.FunctionFailed, Attempt: call.Attempt, Error: cut(name, 256), Cause: cut(cause, 32768)}
	}
	defer func() {
		if p := recover(); p != nil {
			in = failed("Lambda.Unknown", fmt.Sprintf("function %s panicked: %v", call.Function, p))
		}
	}()
	result, broken, err := e.cfg.Invoke(e.ctx, call.Function, []byte(call.Payload))
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
