// Package onemachine puts the whole product on one machine: the embedded engine with the shipped definition, the
// handlers, the pages, and reconcile on its schedule. It changes nothing of the product; it only hands it a world.
package onemachine

import (
	"bytes"
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
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// ReconcileEvery is how often reconcile runs.
const ReconcileEvery = time.Hour

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
	// PagesAddr is where the pages are served, on loopback; ":0" takes a free port.
	PagesAddr string
	// Rand seeds jitter and task tokens; nil is crypto/rand.
	Rand io.Reader
	// StartedBy gives who started an execution; nil: what its request claims, since the engine can't tell its callers apart.
	StartedBy func(ctx context.Context, execution string, began time.Time) (who string, err error)
	// Own lists ARNs of the machine's own principals, which no cleanup may touch.
	Own      []string
	Budget   time.Duration
	Progress func(string)
	// Each, where set, gives a function a world of its own, as on AWS, where each has its own role.
	Each func(function string, w workflow.World) workflow.World
	// OnInvoke, where set, is told of each call of a function: for tests that break things.
	OnInvoke func(function string, payload []byte) error
	// OnPage, where set, is called after each page that was served, while time still stands.
	OnPage func()
	// OnEnd, where set, is told of each execution that ended.
	OnEnd func(stepfunctions.Execution)
}

// Machine runs.
type Machine struct {
	*workflow.Workflow
	Engine *stepfunctions.Engine

	time      Time
	log       *slog.Logger
	functions map[string]lambdahost.Function
	servers   []*http.Server
	stop      func() bool
	mu        sync.Mutex
	closed    bool
}

// Start begins to serve. Close it.
func Start(cfg Config) (*Machine, error) {
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
	m := &Machine{time: cfg.Time, log: cfg.Log}
	if cfg.StartedBy == nil {
		cfg.StartedBy = m.claimed
	}
	m.Engine, err = stepfunctions.New(stepfunctions.Config{
		Timers: cfg.Time, Name: "iam-sunset", Region: cfg.Region, AccountID: cfg.AccountID, Definition: definition,
		Invoke: func(ctx context.Context, arn string, payload []byte) ([]byte, *stepfunctions.FunctionError, error) {
			return m.invoke(ctx, arn, payload, cfg.OnInvoke)
		},
		Rand: cfg.Rand, OnEnd: cfg.OnEnd,
	})
	if err != nil {
		return nil, err
	}
	engineURL, err := m.serve("127.0.0.1:0", m.Engine)
	if err != nil {
		return nil, fmt.Errorf("serving the embedded engine: %w", err)
	}
	var pages http.Handler
	pagesURL, err := m.serve(cfg.PagesAddr, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// While a page is made, time stands still.
		defer cfg.Time.Hold()()
		pages.ServeHTTP(rw, r)
		if cfg.OnPage != nil {
			cfg.OnPage()
		}
	}))
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("serving the approval pages on %s: %w", cfg.PagesAddr, err)
	}
	world := workflow.World{
		AWS: cfg.AWS, Executions: sfn.New(sfn.Options{
			Region: cfg.Region, BaseEndpoint: &engineURL, Retryer: awsfault.RetryOn(cfg.Time)(),
			Credentials: credentials.NewStaticCredentialsProvider("embedded", "embedded", ""),
		}),
		StateMachine: m.Engine.StateMachineARN(), Objects: cfg.Objects, Rows: cfg.Rows, Signers: cfg.Signers, Messenger: cfg.Messenger,
		Settings: cfg.Settings, Clock: cfg.Time, Log: cfg.Log, PagesURL: pagesURL, StartedBy: cfg.StartedBy, Own: cfg.Own, Budget: cfg.Budget, Progress: cfg.Progress,
	}
	m.Workflow = workflow.New(world)
	pages = m.Pages()
	m.functions = m.Functions()
	if cfg.Each != nil {
		for name := range m.functions {
			m.functions[name] = workflow.New(cfg.Each(name, world)).Functions()[name]
		}
		pages = workflow.NewPages(cfg.Each("approval-web", world)).Pages()
	}
	m.schedule()
	return m, nil
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

// serve answers on a loopback address until Close.
func (m *Machine) serve(addr string, h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	m.servers = append(m.servers, s)
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("a server on loopback ended", "address", l.Addr().String(), "error", err)
		}
	}()
	return "http://" + l.Addr().String(), nil
}

// invoke calls the handler that a function ARN names, as bytes.
func (m *Machine) invoke(ctx context.Context, arn string, payload []byte, tell func(string, []byte) error) ([]byte, *stepfunctions.FunctionError, error) {
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
	result, err := f(ctx, payload)
	var named messages.InvokeResponse_Error
	if errors.As(err, &named) {
		return nil, &stepfunctions.FunctionError{Type: named.Type, Message: named.Message}, nil
	}
	return bytes.TrimSpace(result), nil, err
}

// schedule runs reconcile every hour.
func (m *Machine) schedule() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.stop = m.time.AfterFunc(m.time.Now().Add(ReconcileEvery), func() {
		if _, err := m.functions["reconcile"](context.Background(), []byte("{}")); err != nil {
			m.log.Error("reconcile failed and will run again", "error", err)
		}
		m.schedule()
	})
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

// Close ends everything that runs.
func (m *Machine) Close() {
	m.mu.Lock()
	m.closed = true
	stop := m.stop
	m.mu.Unlock()
	if stop != nil {
		stop()
	}
	for _, s := range m.servers {
		_ = s.Close() // nobody is left to be told
	}
	m.Engine.Close()
}
