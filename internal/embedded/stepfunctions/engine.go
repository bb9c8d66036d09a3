// Package stepfunctions is AWS Step Functions on one machine: one state machine, run by package asl, behind Step
// Functions' own API over HTTP (JSON 1.0), so that a plain aws-sdk-go-v2 client or the AWS CLI works against it. It
// answers on loopback only and checks no signatures.
//
//	StartExecution                    names, idempotence and refusals as on AWS; a name stays taken for ever
//	DescribeExecution                 with redrive status
//	ListExecutions                    newest first; statusFilter, redriveFilter, paging
//	GetExecutionHistory               paging, reverseOrder, includeExecutionData
//	StopExecution                     an ended execution stays as it is
//	RedriveExecution                  clientToken; ExecutionNotRedrivable
//	SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat
//	                                  TaskTimedOut for a token used or expired, TaskDoesNotExist, InvalidToken
//	DescribeStateMachine, DescribeStateMachineForExecution, ListStateMachines
//	ListStateMachineVersions, ListStateMachineAliases, ListTagsForResource
//	                                  there are none
//
// Any other operation is refused with UnknownOperationException. The machine is made by New, not over the API.
//
// Executions live in memory. Everything that moves one passes through Engine.tell with its time: whoever writes those
// inputs down, with each execution's asl.Origin, can replay them.
package stepfunctions

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// Config is what an engine is made of.
type Config struct {
	Timers clock.Timers
	// Name is the state machine's.
	Name, Region, AccountID string
	Definition              *asl.Definition
	// Invoke calls a Lambda function and gives its result, JSON. A FunctionError is the function's own failure; an
	// error says that the function could not be called. Under a virtual clock time stands still while it runs, except
	// where it sleeps on the clock. Its context ends with the engine, not with the execution: AWS lets a function of a
	// stopped execution run on.
	Invoke func(ctx context.Context, functionARN string, payload []byte) ([]byte, *FunctionError, error)
	// Rand is where executions' seeds come from, and so task tokens; nil is crypto/rand.
	Rand io.Reader
	// OnEnd, where set, is told of each execution that ended, as EventBridge would be. The clock stands still meanwhile.
	OnEnd func(Execution)
}

// FunctionError is an error that a Lambda function answered with: Retry and Catch name its Type.
type FunctionError struct {
	Type, Message string
}

// Engine runs executions of one state machine. It is an http.Handler that speaks the API. Safe for concurrent use.
type Engine struct {
	cfg     Config
	created time.Time
	ctx     context.Context
	cancel  context.CancelFunc

	mu     sync.Mutex
	closed bool
	byARN  map[string]*execution
	inTurn []*execution // in the order of their starts
}

// execution is one that the engine keeps, with its history and the one timer that it may need.
type execution struct {
	machine  *asl.Execution
	history  []asl.Event
	wakeAt   time.Time
	stopWake func() bool
	// redriveToken is the clientToken of the last redrive.
	redriveToken string
}

// New makes an engine with no executions. Close ends it.
func New(cfg Config) (*Engine, error) {
	switch {
	case cfg.Timers == nil || cfg.Definition == nil || cfg.Invoke == nil:
		return nil, errors.New("making a Step Functions engine: Timers, Definition and Invoke are needed")
	case cfg.Region == "" || cfg.AccountID == "":
		return nil, errors.New("making a Step Functions engine: Region and AccountID are needed")
	case !validName(cfg.Name):
		return nil, fmt.Errorf("making a Step Functions engine: the state machine can't be named %q", cfg.Name)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Engine{
		cfg: cfg, created: cfg.Timers.Now(), ctx: ctx, cancel: cancel, byARN: map[string]*execution{},
	}, nil
}

// Close ends the engine: no timer fires any more, functions that run see their context done, answers are dropped.
func (e *Engine) Close() {
	e.cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for _, x := range e.inTurn {
		if x.stopWake != nil {
			x.stopWake()
		}
	}
}

// StateMachineARN is what StartExecution asks for.
func (e *Engine) StateMachineARN() string {
	return fmt.Sprintf("arn:aws:states:%s:%s:stateMachine:%s", e.cfg.Region, e.cfg.AccountID, e.cfg.Name)
}

func (e *Engine) executionARN(name string) string {
	return fmt.Sprintf("arn:aws:states:%s:%s:execution:%s:%s", e.cfg.Region, e.cfg.AccountID, e.cfg.Name, name)
}

func (e *Engine) roleARN() string {
	return fmt.Sprintf("arn:aws:iam::%s:role/%s", e.cfg.AccountID, e.cfg.Name)
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
	found := e.byARN[arn]
	if found == nil {
		return Execution{}, false
	}
	return found.view(), true
}

// Executions are all, in the order of their starts.
func (e *Engine) Executions() []Execution {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Execution, len(e.inTurn))
	for i, x := range e.inTurn {
		out[i] = x.view()
	}
	return out
}

// Counts tells how many executions have each status.
func (e *Engine) Counts() map[asl.Status]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[asl.Status]int{}
	for _, x := range e.inTurn {
		out[x.machine.Status()]++
	}
	return out
}

// History is all that has happened in an execution, or nil if there is none of that ARN.
func (e *Engine) History(arn string) []asl.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.byARN[arn]; x != nil {
		return append([]asl.Event(nil), x.history...)
	}
	return nil
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

func (x *execution) view() Execution {
	o := x.machine.Origin()
	v := Execution{
		ARN: o.ExecutionARN, Name: o.ExecutionName, Status: x.machine.Status(), State: x.machine.State(),
		Input: o.Input, Output: x.machine.Output(), Started: x.machine.Started(), Stopped: x.machine.Stopped(),
	}
	v.Error, v.Cause = x.machine.Failure()
	return v
}
