// Package stepfunctions is AWS Step Functions on one machine: one state machine, run by package asl, behind Step
// Functions' own API over HTTP (JSON 1.0), so that a plain aws-sdk-go-v2 client or the AWS CLI works against it. It
// answers on loopback only, and only requests that its key has signed.
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
// What moves an execution is written to the Journal before anybody learns of it: a function is called, a request
// answered, a timer set once the journal has what led there. So the process may die anywhere. The next one takes every
// execution up where it was: a function that was under way fails as Lambda.Unknown, for the definition to call it
// again; a callback waits on under its token; a Wait that has passed ends once. An execution keeps the definition that
// it began with, as on AWS, whatever the program ships by then.
package stepfunctions

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
)

// Config is what an engine is made of.
type Config struct {
	Timers clock.Timers
	// Name is the state machine's.
	Name, Region, AccountID string
	// Definition is what executions begin with from now on.
	Definition *asl.Definition
	// Invoke calls a Lambda function and gives its result, JSON. A FunctionError is the function's own failure; an
	// error says that the function could not be called. Under a virtual clock time stands still while it runs, except
	// where it sleeps on the clock. Its context ends with the engine and where the task's time runs out, but not with the
	// execution: AWS lets a function of a stopped execution run on. A journal with executions has it called from within New on.
	Invoke func(ctx context.Context, functionARN string, payload []byte) ([]byte, *FunctionError, error)
	// Journal is where executions are kept; nil is a new Memory. It stays the caller's to close, after Close.
	Journal Journal
	// Key signs requests of the API; a key is drawn where this is zero.
	Key signature.Key
	// Identify gives the ARN of who sends a request of StartExecution, by a proof in its header: "" where there is none,
	// and an error where the proof is wrong, so that the start is refused; as is one by somebody of another account, who could
	// have any name there. nil: nobody proves anything.
	Identify func(context.Context, http.Header) (arn string, err error)
	// Anonymous, where set, says why nobody may start an execution with this input without a proof, or is nil.
	Anonymous func(input string) error
	// Self is the principal that the engine runs as: the starter of executions without a proof.
	Self string
	// Rand is where executions' seeds come from, and so task tokens; nil is crypto/rand.
	Rand io.Reader
	// OnEnd, where set, is told of each execution that ended, as EventBridge would be. The clock stands still meanwhile.
	// It is told once, and not at all where the process dies first: whoever must know of each end asks the API as well.
	OnEnd func(Execution)
	// OnBroken, where set, is told once that the journal can't be written. The engine then calls no function any more and
	// refuses every request; a new one goes on from what was written.
	OnBroken func(error)
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
	atWork  sync.WaitGroup // functions that run

	mu          sync.Mutex
	closed      bool
	draining    bool
	broken      error
	definitions map[string]*asl.Definition // by Sum
	current     string                     // the Sum of cfg.Definition
	byName      map[string]*execution
	inTurn      []*execution // in the order of their starts
	// unwritten are executions that moved since the last commit, in turn.
	unwritten []*execution
	due       bool // a commit of them is on its way
}

// New makes an engine and takes up the executions of its journal. Close ends it.
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
	if cfg.Journal == nil {
		cfg.Journal = &Memory{}
	}
	if cfg.Key == (signature.Key{}) {
		var err error
		if cfg.Key, err = signature.NewKey(rand.Reader); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &Engine{
		cfg: cfg, ctx: ctx, cancel: cancel, byName: map[string]*execution{},
		current: Sum(cfg.Definition.Source()), definitions: map[string]*asl.Definition{},
	}
	e.definitions[e.current] = cfg.Definition
	if err := e.takeUp(); err != nil {
		e.Close()
		return nil, fmt.Errorf("taking up the executions of %s: %w", e.StateMachineARN(), err)
	}
	return e, nil
}

// Key is what requests of the API are to be signed with.
func (e *Engine) Key() signature.Key { return e.cfg.Key }

// Close ends the engine at once, as a kill would: no timer fires any more, functions that run see their context done,
// and their answers are dropped, so that the next engine on the journal has them called again.
func (e *Engine) Close() {
	e.cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.stopTimers()
}

// Shutdown ends the engine once the functions that run have answered and that is written, or ctx is done. No other is
// called meanwhile. The API answers until the end, since functions use it.
func (e *Engine) Shutdown(ctx context.Context) {
	e.mu.Lock()
	e.draining = true
	e.stopTimers()
	e.mu.Unlock()
	done := make(chan struct{})
	go func() {
		e.atWork.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	e.mu.Lock()
	_ = e.commit() // what can't be written is done again by the next engine
	e.mu.Unlock()
	e.Close()
}

// stopTimers keeps executions from being woken. e.mu is held.
func (e *Engine) stopTimers() {
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

func (e *Engine) executionARN(name string) string { return e.executionPrefix() + name }

func (e *Engine) executionPrefix() string {
	return fmt.Sprintf("arn:aws:states:%s:%s:execution:%s:", e.cfg.Region, e.cfg.AccountID, e.cfg.Name)
}

func (e *Engine) roleARN() string {
	return fmt.Sprintf("arn:aws:iam::%s:role/%s", e.cfg.AccountID, e.cfg.Name)
}
