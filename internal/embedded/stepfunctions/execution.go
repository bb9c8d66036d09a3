package stepfunctions

import (
	"math"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// execution is what the engine keeps of one in memory. Its fields from status on are as written: whoever asks is told
// of nothing else.
type execution struct {
	number       uint64
	name         string
	definition   string // its Sum
	startedBy    string
	redriveToken string

	// machine is nil for one that has ended: it is read from the journal where somebody wants to know.
	machine *asl.Execution
	fresh   []asl.Event // not written yet
	called  int64       // the last attempt whose function was called
	working int64       // the last attempt whose function has begun to work
	cut     func()      // ends that function's context
	waiting bool        // among the unwritten

	wakeAt   time.Time
	stopWake func() bool

	status           asl.Status
	state            string
	started, stopped time.Time
	redrives         int
	redriven         time.Time
	events           int64
}

// Execution is how one stands.
type Execution struct {
	ARN, Name string
	Status    asl.Status
	// State is where it is or ended.
	State string
	// Input and Output are JSON.
	Input, Output string
	Error, Cause  string
	// Stopped is zero while it runs.
	Started, Stopped time.Time
}

// Execution is the one of that ARN; ok is false if there is none.
func (e *Engine) Execution(arn string) (x Execution, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.lookup(arn)
	if found == nil {
		return Execution{}, false
	}
	return e.view(found), true
}

// Executions are all, in the order of their starts.
func (e *Engine) Executions() []Execution {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Execution, 0, len(e.inTurn))
	for _, x := range e.inTurn {
		if x.status != "" {
			out = append(out, e.view(x))
		}
	}
	return out
}

// Counts tells how many executions have each status.
func (e *Engine) Counts() map[asl.Status]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[asl.Status]int{}
	for _, x := range e.inTurn {
		if x.status != "" {
			out[x.status]++
		}
	}
	return out
}

// StartedBy is the ARN of who started an execution first: by a proof, or Self. ok is false where there is no such
// execution, or nothing to tell by.
func (e *Engine) StartedBy(arn string) (who string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.lookup(arn)
	if x == nil || x.startedBy == "" {
		return "", false
	}
	return x.startedBy, true
}

// History is all that has happened in an execution, or nil if there is none of that ARN.
func (e *Engine) History(arn string) []asl.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.lookup(arn)
	if x == nil {
		return nil
	}
	events, err := e.cfg.Journal.Events(x.number, 1, math.MaxInt)
	if err != nil {
		e.fail(err)
	}
	return events
}

// StatesEntered are the names of the states that an execution has entered, in order, each as often as it was.
func (e *Engine) StatesEntered(arn string) []string {
	var out []string
	for _, ev := range e.History(arn) {
		if ev.Entered() {
			out = append(out, ev.State)
		}
	}
	return out
}

// lookup finds an execution that is on record. e.mu is held.
func (e *Engine) lookup(arn string) *execution {
	name, ok := strings.CutPrefix(arn, e.executionPrefix())
	if !ok {
		return nil
	}
	if x := e.byName[name]; x != nil && x.status != "" {
		return x
	}
	return nil
}

// load gives an execution itself, from the journal where it has ended. e.mu is held.
func (e *Engine) load(x *execution) (*asl.Execution, error) {
	if x.machine != nil {
		return x.machine, nil
	}
	entry, err := e.cfg.Journal.Entry(x.number)
	if err != nil {
		return nil, e.fail(err)
	}
	machine, err := asl.Resume(e.definitions[x.definition], entry.Saved)
	if err != nil {
		return nil, e.fail(err)
	}
	return machine, nil
}

func (e *Engine) view(x *execution) Execution {
	v := Execution{
		ARN: e.executionARN(x.name), Name: x.name, Status: x.status, State: x.state,
		Started: x.started, Stopped: x.stopped,
	}
	machine, err := e.load(x)
	if err != nil {
		return v // the engine is broken and has said so
	}
	v.Input = machine.Origin().Input
	if x.status != asl.Running {
		v.Output = machine.Output()
		v.Error, v.Cause = machine.Failure()
	}
	return v
}
