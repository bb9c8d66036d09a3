package stepfunctions

import (
	"fmt"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// interrupted is the cause of Lambda.Unknown for a function that an earlier engine called.
const interrupted = "The engine ended while the function was under way, so that nobody knows how far it came."

// takeUp goes on with what the journal holds, as the engine that wrote it would have.
func (e *Engine) takeUp() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var err error
	if e.created, err = e.cfg.Journal.Begin(e.StateMachineARN(), e.cfg.Definition.Source(), e.cfg.Timers.Now()); err != nil {
		return err
	}
	if err := e.cfg.Journal.Entries(e.remember); err != nil {
		return err
	}
	for _, x := range e.inTurn {
		if x.machine == nil {
			continue
		}
		if call := x.machine.Pending(); call != nil {
			if err := e.tell(x, asl.Input{Kind: asl.FunctionLost, Attempt: call.Attempt, Cause: interrupted}); err != nil {
				return err
			}
			continue
		}
		e.setTimer(x)
	}
	return e.commit()
}

// remember keeps of an execution on record what is needed in memory.
func (e *Engine) remember(entry Entry) error {
	if want := uint64(len(e.inTurn)) + 1; entry.Number != want {
		return fmt.Errorf("the journal has execution number %d where %d should be", entry.Number, want)
	}
	definition, err := e.definition(entry.Definition)
	if err != nil {
		return err
	}
	machine, err := asl.Resume(definition, entry.Saved)
	if err != nil {
		return err
	}
	x := &execution{
		number: entry.Number, name: machine.Origin().ExecutionName, definition: entry.Definition,
		startedBy: entry.StartedBy, redriveToken: entry.RedriveToken, machine: machine,
		status: machine.Status(), state: machine.State(), started: machine.Started(), stopped: machine.Stopped(),
		events: machine.Events(),
	}
	x.redrives, x.redriven = machine.Redrives()
	if machine.Origin().ExecutionARN != e.executionARN(x.name) || e.byName[x.name] != nil {
		return fmt.Errorf("the journal has execution %s twice, or of another state machine", x.name)
	}
	if x.status != asl.Running {
		x.machine = nil
	}
	e.byName[x.name] = x
	e.inTurn = append(e.inTurn, x)
	return nil
}

// definition is one that executions on record began with.
func (e *Engine) definition(sum string) (*asl.Definition, error) {
	if d := e.definitions[sum]; d != nil {
		return d, nil
	}
	source, err := e.cfg.Journal.Definition(sum)
	if err != nil {
		return nil, err
	}
	d, err := asl.Load([]byte(source))
	if err != nil {
		return nil, fmt.Errorf("loading the definition %s, which executions on record began with: %w", sum, err)
	}
	e.definitions[sum] = d
	return d, nil
}
