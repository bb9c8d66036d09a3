package asl

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	maxPayload = 262144 // bytes, https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
	maxEvents  = 25000
	// redrivable is how long after its end an execution may be redriven.
	redrivable = 14 * 24 * time.Hour
)

// Status is AWS's name for where an execution is.
type Status string

const (
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
	TimedOut  Status = "TIMED_OUT"
	Aborted   Status = "ABORTED"
)

var (
	// ErrTaskTimedOut: the task of that token has ended or run out of time.
	ErrTaskTimedOut = errors.New("the task of this token has ended or timed out")
	// ErrTaskDoesNotExist: this execution never gave out that token.
	ErrTaskDoesNotExist = errors.New("no task has this token")
	// ErrNotRunning: the execution has ended.
	ErrNotRunning = errors.New("the execution is not running")
	// ErrNotRedrivable: the execution runs, has succeeded, ended over 14 days ago or has too long a history.
	ErrNotRedrivable = errors.New("the execution can't be redriven")
)

// Origin is what an execution begins with.
type Origin struct {
	ExecutionARN, ExecutionName, StateMachineARN, StateMachineName, RoleARN string
	// Input is JSON.
	Input string
	// Seed is all the chance in the execution: jitter and task tokens. It must be secret and unguessable where
	// tokens must be.
	Seed [32]byte
}

// InputKind tells what an execution is told of.
type InputKind string

const (
	// FunctionSucceeded, FunctionFailed: the function called for Attempt answered with Output, or with Error and Cause.
	FunctionSucceeded InputKind = "FunctionSucceeded"
	FunctionFailed    InputKind = "FunctionFailed"
	// FunctionLost: nobody will answer for Attempt any more, since whoever called the function has died. It fails as
	// Lambda.Unknown with Cause, even where its time has run out since: that says nothing of the function.
	FunctionLost InputKind = "FunctionLost"
	// TokenSucceeded, TokenFailed, TokenHeartbeat: somebody holds Token and says so.
	TokenSucceeded InputKind = "TokenSucceeded"
	TokenFailed    InputKind = "TokenFailed"
	TokenHeartbeat InputKind = "TokenHeartbeat"
	// Woken: the time that Wake named has come.
	Woken InputKind = "Woken"
	// Stopped: somebody ends the execution, with Error and Cause.
	Stopped InputKind = "Stopped"
	// Redriven: somebody wants the state that failed, was aborted or timed out run again.
	Redriven InputKind = "Redriven"
)

// Input is one thing that an execution is told.
type Input struct {
	Kind InputKind
	// Attempt is the Invocation's that a function answers.
	Attempt      int64
	Token        string
	Output       string
	Error, Cause string
}

// Invocation is a call of a Lambda function that the execution waits for.
type Invocation struct {
	// Attempt goes back with the answer: the ID of the event that scheduled the call.
	Attempt  int64
	Function string
	Payload  string
}

// Step is what came of an input.
type Step struct {
	Events []Event
	// Invoke is a function to call now, or nil.
	Invoke *Invocation
}

// Execution is one run of a definition. It is not safe for concurrent use.
type Execution struct {
	def    *Definition
	origin Origin
	random *rand.Rand
	source *rand.ChaCha8
	now    time.Time
	step   Step

	status    Status
	started   time.Time
	stopped   time.Time
	output    string
	failure   failure
	deadline  time.Time // the definition's TimeoutSeconds
	redrives  int
	redriven  time.Time
	lastEvent int64

	// next and data are the state to enter and its input, until it is entered.
	next, data string
	state      *state
	input      string // the state's, as it came
	entered    time.Time
	enteredID  int64
	retries    []int64 // how often each retrier has been used since the state was entered
	attempt    *attempt
	wake       time.Time // the end of a Wait, or of the pause before a retry
	tokens     []string  // all that were given out
}

// attempt is one try of a Task.
type attempt struct {
	id        int64
	token     string // of a callback
	submitted bool   // a callback's function has answered
	deadline  time.Time
	heartbeat time.Time
	interval  time.Duration // between heartbeats
	payload   string
}

// Start begins an execution and runs it up to its first pause.
func Start(def *Definition, origin Origin, at time.Time) (*Execution, Step, error) {
	if !json.Valid([]byte(origin.Input)) {
		return nil, Step{}, fmt.Errorf("starting execution %s: the input is not JSON", origin.ExecutionName)
	}
	source := rand.NewChaCha8(origin.Seed)
	origin.Input = text(origin.Input)
	e := &Execution{
		def: def, origin: origin, source: source, random: rand.New(source),
		now: wall(at), started: wall(at), status: Running,
	}
	e.emit(Event{Type: ExecutionStarted, Payload: origin.Input})
	e.setDeadline()
	e.next, e.data = def.startAt, origin.Input
	e.run()
	return e, e.take(), nil
}

// Apply tells the execution of something. A time before the last one counts as that: a clock may be put back, and no
// history runs backwards. What comes too late (an answer of an attempt that is over, a wake that is not due) changes
// nothing and is no error, except where somebody asked: ErrTaskTimedOut, ErrTaskDoesNotExist, ErrNotRunning,
// ErrNotRedrivable.
func (e *Execution) Apply(at time.Time, in Input) (Step, error) {
	if at = wall(at); at.After(e.now) {
		e.now = at
	}
	in.Output, in.Error, in.Cause = text(in.Output), text(in.Error), text(in.Cause)
	if in.Kind != FunctionLost {
		e.expire()
	}
	err := e.apply(in)
	if in.Kind == FunctionLost {
		e.expire()
	}
	e.run()
	return e.take(), err
}

func (e *Execution) apply(in Input) error {
	switch in.Kind {
	case FunctionSucceeded, FunctionFailed:
		if a := e.attempt; a != nil && a.id == in.Attempt && !a.submitted {
			e.functionAnswered(in)
		}
	case FunctionLost:
		if call := e.Pending(); call != nil && call.Attempt == in.Attempt {
			e.functionAnswered(Input{Kind: FunctionFailed, Error: errUnknown, Cause: in.Cause})
		}
	case TokenSucceeded, TokenFailed, TokenHeartbeat:
		switch {
		case !slices.Contains(e.tokens, in.Token):
			return ErrTaskDoesNotExist
		case e.attempt == nil || e.attempt.token != in.Token:
			return ErrTaskTimedOut
		}
		e.tokenAnswered(in)
	case Woken: // expire and run do what is due
	case Stopped:
		if e.status != Running {
			return ErrNotRunning
		}
		e.end(Aborted, ExecutionAborted, failure{Error: in.Error, Cause: in.Cause})
	case Redriven:
		return e.redrive()
	default:
		return fmt.Errorf("execution %s can't be told of %q", e.origin.ExecutionName, in.Kind)
	}
	return nil
}

// Wake is when the execution wants to be Woken, or the zero time if never.
func (e *Execution) Wake() time.Time {
	if e.status != Running {
		return time.Time{}
	}
	wake := earliest(e.deadline, e.wake)
	if a := e.attempt; a != nil {
		wake = earliest(wake, earliest(a.deadline, a.heartbeat))
	}
	return wake
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Pending is the function whose answer the execution waits for, or nil: to be called again where the call was lost.
func (e *Execution) Pending() *Invocation {
	if e.attempt == nil || e.attempt.submitted {
		return nil
	}
	return &Invocation{Attempt: e.attempt.id, Function: e.state.task.function, Payload: e.attempt.payload}
}

// Status is where the execution is.
func (e *Execution) Status() Status { return e.status }

// Origin is what the execution began with.
func (e *Execution) Origin() Origin { return e.origin }

// Started is when the execution began.
func (e *Execution) Started() time.Time { return e.started }

// Stopped is when the execution ended, or the zero time.
func (e *Execution) Stopped() time.Time { return e.stopped }

// Output is the JSON that a successful execution ended with.
func (e *Execution) Output() string { return e.output }

// Failure is the error and cause of one that failed, timed out or was aborted.
func (e *Execution) Failure() (name, cause string) { return e.failure.Error, e.failure.Cause }

// Redrives is how often the execution was redriven, and when last.
func (e *Execution) Redrives() (count int, last time.Time) { return e.redrives, e.redriven }

// Events is how many events the execution has had: the ID of the last.
func (e *Execution) Events() int64 { return e.lastEvent }

// State is the state that the execution is in, or ended in.
func (e *Execution) State() string {
	if e.state == nil {
		return ""
	}
	return e.state.name
}

// Redrivable is nil where Redriven would be accepted at that time, and says why not elsewhere.
func (e *Execution) Redrivable(at time.Time) error {
	switch {
	case e.status == Running:
		return fmt.Errorf("%w: it is running", ErrNotRedrivable)
	case e.status == Succeeded:
		return fmt.Errorf("%w: it has succeeded", ErrNotRedrivable)
	case at.Sub(e.stopped) > redrivable:
		return fmt.Errorf("%w: it ended over 14 days ago", ErrNotRedrivable)
	case e.lastEvent >= maxEvents-1:
		return fmt.Errorf("%w: its history is full", ErrNotRedrivable)
	}
	return nil
}

// redrive enters the state that the execution ended in again, with the input it had, its retries and time-out
// beginning anew. https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html; that the state is
// entered again in the history is inferred.
func (e *Execution) redrive() error {
	if err := e.Redrivable(e.now); err != nil {
		return err
	}
	e.status, e.stopped, e.failure = Running, time.Time{}, failure{}
	e.redrives++
	e.redriven = e.now
	e.setDeadline()
	e.emit(Event{Type: ExecutionRedriven, Redrives: e.redrives})
	e.next, e.data = e.state.name, e.input
	return nil
}

func (e *Execution) setDeadline() {
	if e.def.timeout > 0 {
		e.deadline = e.now.Add(e.def.timeout)
	}
}

// emit adds to the history. The last place in a full one is kept for the failure that it is.
func (e *Execution) emit(ev Event) {
	if e.lastEvent >= maxEvents-1 && e.status == Running {
		e.end(Failed, ExecutionFailed, failure{
			Error: errRuntime,
			Cause: fmt.Sprintf("The execution reached the maximum number of history events (%d).", maxEvents),
		})
		return
	}
	if e.lastEvent >= maxEvents {
		return
	}
	e.lastEvent++
	ev.ID, ev.Time = e.lastEvent, e.now
	if ev.ID > 2 { // AWS: the first state's event has no predecessor
		ev.PreviousID = ev.ID - 1
	}
	e.step.Events = append(e.step.Events, ev)
}

func (e *Execution) take() Step {
	step := e.step
	e.step = Step{}
	return step
}

func (e *Execution) end(status Status, event EventType, x failure) {
	e.status, e.stopped, e.failure = status, e.now, x
	e.next, e.attempt, e.wake, e.deadline = "", nil, time.Time{}, time.Time{}
	e.step.Invoke = nil
	e.emit(Event{Type: event, Error: x.Error, Cause: x.Cause})
}

func (e *Execution) fail(x failure) { e.end(Failed, ExecutionFailed, x) }

// newToken makes a token that tells its execution, so that whoever is asked about it can find that.
func (e *Execution) newToken() string {
	secret := make([]byte, 24)
	for i := 0; i < len(secret); i += 8 {
		word := e.source.Uint64()
		for j := range 8 {
			secret[i+j] = byte(word >> (8 * j))
		}
	}
	raw := e.origin.ExecutionARN + "\n" + base64.RawURLEncoding.EncodeToString(secret)
	token := base64.RawURLEncoding.EncodeToString([]byte(raw))
	e.tokens = append(e.tokens, token)
	return token
}

// ExecutionOfToken is the ARN of the execution that a token claims to belong to; ok is false for what is no token.
func ExecutionOfToken(token string) (arn string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	arn, _, ok = strings.Cut(string(raw), "\n")
	return arn, ok
}

// wall is a time without the process's own monotonic reading, which neither a restart nor a sleeping machine keeps.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }

// text is what JSON would keep of s, so that a saved execution is the same as one that goes on.
func text(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func decode(s string) any {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil // every payload was valid JSON when it came in
	}
	return v
}

func encode(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "null" // trees of decode always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}
