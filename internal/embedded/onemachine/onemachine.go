// Package onemachine puts the whole product on one machine: the embedded engine with the shipped definition, the
// handlers, the pages, and reconcile on its schedule. It changes nothing of the product; it only hands it a world.
package onemachine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// turnWithin is how long a function waits for its turn among those at work, before it is refused as AWS refuses one: short
// beside the quarter of an hour that a task has.
const turnWithin = 20 * time.Second

// Time is a clock that handlers live on and an engine sets timers with: clock.Wall or *clock.Virtual.
type Time interface {
	clock.Clock
	clock.Timers
}

// Config is what differs between machines.
type Config struct {
	AWS       aws.Config // reaches the account
	AccountID string
	Region    string
	Time      Time
	Objects   store.Objects
	Rows      store.Rows
	Signers   approval.Signers
	Messenger approval.Messenger
	Settings  func(context.Context) (sunset.Settings, error)
	Log       *slog.Logger
	// Sealer signs the ends of chains of records; nil: nothing is signed.
	Sealer audit.Sealer
	// Journal is where executions are kept; nil: in memory. It stays the caller's to close, after Close.
	Journal stepfunctions.Journal
	// Key signs requests to the engine; a key is drawn where this is zero.
	Key signature.Key
	// EngineAddr is where the engine's API is served, on loopback; empty is 127.0.0.1:0, which takes a free port.
	EngineAddr string
	// PagesAddr is where the pages are served; ":0" takes a free port.
	PagesAddr string
	// PagesURL is what links begin with, where a proxy stands before the pages; empty: the pages' own address.
	PagesURL string
	// ClientSecret is what the pages show the identity provider that settings name; empty: they are a public client.
	ClientSecret string
	// Office, where set, makes what is served under /office/ and /dashboard/ beside the engine's API. It checks its callers itself.
	Office func(*Machine) http.Handler
	// Rand seeds jitter and task tokens; nil is crypto/rand.
	Rand io.Reader
	// Identify and Self tell who started an execution, as the engine's Config has them.
	Identify func(context.Context, http.Header) (arn string, err error)
	Self     string
	// StartedBy gives who started an execution. nil: whom the engine knows; where neither Identify nor Self is set, it
	// can't tell its callers apart, and whom the request claims.
	StartedBy func(ctx context.Context, execution string, began time.Time) (who string, err error)
	// Own lists ARNs of the machine's own principals, which no cleanup may touch.
	Own      []string
	Budget   time.Duration
	Progress func(string)
	// Each, where set, gives a function a world of its own, as on AWS, where each has its own role.
	Each func(function string, w workflow.World) workflow.World
	// OnInvoke, where set, is told of each call of a function: for tests that break things.
	OnInvoke func(function string, payload []byte) error
	// AtOnce is how many functions may be at work at once; 0: any number. After a long sleep a crowd is due in one moment, and
	// AWS would throttle it. Not under a virtual clock, which stands still while somebody waits for his turn.
	AtOnce int
	// OnPage, where set, is called after each page that was served, while time still stands.
	OnPage func()
	// OnEnd, where set, is told of each execution that ended.
	OnEnd func(stepfunctions.Execution)
	// OnBroken, where set, is told once that the journal can't be written: no function is called any more.
	OnBroken func(error)
}

// Machine runs.
type Machine struct {
	*workflow.Workflow
	Engine *stepfunctions.Engine
	// EngineURL is where Step Functions' API is served, and the office under /office/; PagesURL is what links begin with.
	EngineURL, PagesURL string

	time      Time
	log       *slog.Logger
	functions map[string]lambdahost.Function
	turns     chan struct{} // as many as functions may be at work at once; nil: any number
	ready     chan struct{} // closed once functions is there
	ctx       context.Context
	cancel    context.CancelFunc
	atWork    sync.WaitGroup // rounds of reconcile
	mu        sync.Mutex
	servers   []*http.Server
	stop      func() bool
	closed    bool
}

// Start begins to serve, and goes on with the executions of the journal. Close it.
func Start(cfg Config) (*Machine, error) {
	definition, err := shipped(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.EngineAddr == "" {
		cfg.EngineAddr = "127.0.0.1:0"
	}
	engineAt, err := listenOnLoopback(cfg.EngineAddr)
	if err != nil {
		return nil, fmt.Errorf("serving the embedded engine on %s: %w", cfg.EngineAddr, err)
	}
	pagesAt, err := net.Listen("tcp", cfg.PagesAddr)
	if err != nil {
		_ = engineAt.Close() // nobody knows of it yet
		return nil, fmt.Errorf("serving the approval pages on %s: %w", cfg.PagesAddr, err)
	}
	m := &Machine{time: cfg.Time, log: cfg.Log, ready: make(chan struct{}), EngineURL: urlOf(engineAt), PagesURL: cmp.Or(cfg.PagesURL, urlOf(pagesAt))}
	if cfg.AtOnce > 0 {
		m.turns = make(chan struct{}, cfg.AtOnce)
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.Engine, err = stepfunctions.New(stepfunctions.Config{
		Timers: cfg.Time, Name: "iam-sunset", Region: cfg.Region, AccountID: cfg.AccountID, Definition: definition,
		Invoke: func(ctx context.Context, arn string, payload []byte) ([]byte, *stepfunctions.FunctionError, error) {
			return m.invoke(ctx, arn, payload, cfg.OnInvoke)
		},
		Journal: cfg.Journal, Key: cfg.Key, Identify: cfg.Identify, Anonymous: anonymous(cfg), Self: cfg.Self,
		Rand: cfg.Rand, OnEnd: cfg.OnEnd, OnBroken: cfg.OnBroken,
	})
	if err != nil {
		m.cancel()
		return nil, errors.Join(err, engineAt.Close(), pagesAt.Close())
	}
	switch {
	case cfg.StartedBy != nil:
	case cfg.Identify == nil && cfg.Self == "":
		cfg.StartedBy = m.claimed
	default:
		cfg.StartedBy = m.known
	}
	world := workflow.World{
		AWS: cfg.AWS, Executions: sfn.New(sfn.Options{
			Region: cfg.Region, BaseEndpoint: &m.EngineURL, Retryer: awsfault.RetryOn(cfg.Time)(),
			HTTPClient: awsfault.WholeBodies(nil), Credentials: m.Engine.Key().Provider(),
		}),
		StateMachine: m.Engine.StateMachineARN(), Objects: cfg.Objects, Rows: cfg.Rows, Signers: cfg.Signers, Messenger: cfg.Messenger, Sealer: cfg.Sealer,
		Settings: cfg.Settings, Clock: cfg.Time, Log: cfg.Log, PagesURL: m.PagesURL, StartedBy: cfg.StartedBy, Own: cfg.Own, Budget: cfg.Budget, Progress: cfg.Progress,
	}
	// The key of decisions has another purpose here; what makes decisions and who serves the pages is one process.
	world.SignIn = signin.New(signin.Config{
		Settings: cfg.Settings, Signer: cfg.Signers.Decisions, BaseURL: m.PagesURL, ClientSecret: cfg.ClientSecret, Clock: cfg.Time,
	})
	m.Workflow = workflow.New(world)
	pages := m.Pages()
	m.functions = m.Functions()
	if cfg.Each != nil {
		for name := range m.functions {
			m.functions[name] = workflow.New(cfg.Each(name, world)).Functions()[name]
		}
		apart := cfg.Each("approval-web", world)
		if apart.Rescuer == nil {
			apart.Rescuer = m.RescueAsked
		}
		pages = workflow.NewPages(apart).Pages()
	}
	engine := http.NewServeMux()
	engine.Handle("/", m.Engine)
	if cfg.Office != nil {
		office := cfg.Office(m)
		engine.Handle("/office/", office)
		engine.Handle("/dashboard/", office)
	}
	m.serve(engineAt, engine)
	m.serve(pagesAt, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// While a page is made, time stands still.
		defer cfg.Time.Hold()()
		pages.ServeHTTP(rw, r)
		if cfg.OnPage != nil {
			cfg.OnPage()
		}
	}))
	close(m.ready)
	first := ReconcileEvery
	if len(m.Engine.Counts()) > 0 { // nobody looked after these while the machine was down
		first = 5 * time.Second
	}
	m.schedule(first)
	return m, nil
}

// shipped is the definition with the machine's own functions in it.
func shipped(cfg Config) (*asl.Definition, error) {
	arns := map[string]string{}
	for _, name := range statemachine.Functions() {
		arns[name] = fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", cfg.Region, cfg.AccountID, name)
	}
	rendered, err := statemachine.Render(arns)
	if err != nil {
		return nil, err
	}
	definition, err := asl.Load([]byte(rendered))
	if err != nil {
		return nil, fmt.Errorf("loading the shipped definition: %w", err)
	}
	return definition, nil
}

// known is the starter whom the engine keeps.
func (m *Machine) known(_ context.Context, execution string, _ time.Time) (string, error) {
	who, _ := m.Engine.StartedBy(execution)
	return who, nil
}

// anonymous keeps whoever has the engine's key and no more from starting what ends in deletions: nobody could tell later
// that it was no approver. A dry run deletes nobody, and a case is started by open-cases and found in the store.
func anonymous(cfg Config) func(input string) error {
	if cfg.Identify == nil {
		return nil
	}
	return func(input string) error {
		var request, inCase map[string]json.RawMessage
		_ = json.Unmarshal([]byte(input), &request) // what is no object is a case as little as a dry run
		_ = json.Unmarshal(request["case"], &inCase)
		if _, isCase := inCase["user_id"]; isCase || string(request["dry_run"]) == "true" {
			return nil
		}
		return errors.New(`a cleanup that opens cases has to prove who starts it, as iam-sunset start --engine does; with {"dry_run": true} it needs no proof`)
	}
}

// claimed is the starter whom an execution's input names.
func (m *Machine) claimed(ctx context.Context, execution string, _ time.Time) (string, error) {
	x, err := m.Executions.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &execution})
	var gone *types.ExecutionDoesNotExist
	switch {
	case errors.As(err, &gone):
		return "", nil
	case err != nil:
		return "", awsfault.Wrap(err, "states:DescribeExecution", "looking for who started %s", execution)
	}
	var request sunset.Request
	if err := json.Unmarshal([]byte(aws.ToString(x.Input)), &request); err != nil {
		return "", sunset.Faultf(sunset.Invalid, "reading the request of %s: %w", execution, err)
	}
	return request.Starter, nil
}

// invoke calls the handler that a function ARN names, as bytes.
func (m *Machine) invoke(ctx context.Context, arn string, payload []byte, tell func(string, []byte) error) ([]byte, *stepfunctions.FunctionError, error) {
	select {
	case <-m.ready: // an execution may be taken up before all is there
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	name := arn[strings.LastIndex(arn, ":")+1:]
	f, ok := m.functions[name]
	if !ok {
		return nil, nil, fmt.Errorf("no function has the ARN %s", arn)
	}
	if tell != nil {
		if err := tell(name, payload); err != nil {
			return nil, nil, err
		}
	}
	if m.turns != nil {
		over := make(chan struct{})
		defer m.time.AfterFunc(m.time.Now().Add(turnWithin), func() { close(over) })()
		select {
		case m.turns <- struct{}{}:
			defer func() { <-m.turns }()
		case <-over:
			return nil, &stepfunctions.FunctionError{Type: "Lambda.TooManyRequestsException", Message: fmt.Sprintf("%d functions are at work already", cap(m.turns))}, nil
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	result, err := f(ctx, payload)
	var named messages.InvokeResponse_Error
	if errors.As(err, &named) {
		return nil, &stepfunctions.FunctionError{Type: named.Type, Message: named.Message}, nil
	}
	return bytes.TrimSpace(result), nil, err
}

// StartCleanup starts a cleanup over the engine's API and gives its ARN.
func (m *Machine) StartCleanup(ctx context.Context, name string, request sunset.Request) (string, error) {
	defer m.time.Hold()()
	input, err := json.Marshal(request)
	if err != nil {
		return "", fmt.Errorf("writing the request: %w", err)
	}
	out, err := m.Executions.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m.Alias, Name: &name, Input: aws.String(string(input))})
	if err != nil {
		var exists *types.ExecutionAlreadyExists
		if errors.As(err, &exists) {
			return "", sunset.Faultf(sunset.Conflict, "a cleanup named %s was started before with another request", name)
		}
		return "", awsfault.Wrap(err, "states:StartExecution", "starting cleanup %s", name)
	}
	return aws.ToString(out.ExecutionArn), nil
}
