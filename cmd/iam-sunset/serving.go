package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/embedded/dashboard"
	"github.com/iam-sunset/iam-sunset/internal/embedded/datadir"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/journal"
	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/outbox"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Names in the data directory that serve itself gives.
const (
	storeDir    = "store"
	outboxDir   = "outbox"
	journalFile = "journal.db"
)

const (
	// patience is how long a function waits for AWS or the settings before it is not called at all: within the quarter of an hour
	// that a task has, together with what the function may take itself. The definition tries again, for a day and more.
	patience = 4 * time.Minute
	// functionsAtOnce is how many functions may be at work at once: some hundred calls of AWS a second.
	functionsAtOnce = 16
	lookAgain       = 2 * time.Second
	// answersWithin is how long AWS may take to say whose the credentials are: people wait for it.
	answersWithin = 10 * time.Second
)

// serving is one process that serves.
type serving struct {
	serveOptions
	to  account
	dir *datadir.Dir
	log *slog.Logger
	// ended gets the first reason for which it must not go on.
	ended chan error
	// life ends when the machine is being closed: whoever is held lets go.
	life    context.Context
	release context.CancelFunc
	close   []func() error
}

func newServing(o serveOptions, to account, dir *datadir.Dir) *serving {
	o.around.stderr = &inTurn{out: o.around.stderr}
	s := &serving{serveOptions: o, to: to, dir: dir, log: lambdahost.NewTextLogger(o.around.stderr, slog.LevelInfo), ended: make(chan error, 1)}
	s.life, s.release = context.WithCancel(context.Background())
	return s
}

// begin opens what the directory has, and starts the machine.
func (s *serving) begin() (*onemachine.Machine, error) {
	keys, err := s.dir.Keys()
	if err != nil {
		return nil, err
	}
	kept, err := store.OpenDir(s.dir.In(storeDir))
	if err != nil {
		return nil, err
	}
	unlock, err := kept.Lock()
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, unlock)
	messenger, err := outbox.Open(s.dir.In(outboxDir), s.around.clock, s.liveSettings)
	if err != nil {
		return nil, err
	}
	executions, err := journal.Open(s.dir.In(journalFile))
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, executions.Close)
	timers, ok := s.around.clock.(onemachine.Time)
	if !ok {
		return nil, errors.New("this clock sets no timers")
	}
	now := rightTime{timers, s, &atomic.Bool{}}
	checker := identity.NewChecker(s.to.aws, keys.Engine.ID, now.Now)
	s.to.clock.OnHalt(s.halt)
	s.to.keys.OnHalt(s.halt)
	log := lambdahost.NewTextLogger(s.around.stderr, slog.LevelWarn)
	slog.SetDefault(log) // the pages' own, which has its secrets taken out as well
	machine, err := onemachine.Start(onemachine.Config{
		AWS: s.to.aws, AccountID: s.dir.Account, Region: s.dir.Region, Time: now,
		Objects: servedObjects{kept.Objects(), s}, Rows: servedRows{kept.Rows(), s}, Signers: keys.Signers, Sealer: keys.Sealer, Messenger: messenger,
		Settings: s.liveSettings, Log: log,
		Journal: executions, Key: keys.Engine, EngineAddr: s.listen, PagesAddr: s.pages, PagesURL: strings.TrimSuffix(s.pagesURL, "/"),
		ClientSecret: os.Getenv(signin.SecretVariable),
		Identify:     checker.Starter, Self: s.to.caller.ARN, Own: []string{s.to.caller.ARN},
		AtOnce: functionsAtOnce, OnInvoke: s.mayCall, OnBroken: func(err error) { s.halt(s.life, err) },
		Office: func(m *onemachine.Machine) http.Handler {
			pages := dashboard.New(dashboard.Config{
				Workflow: m.Workflow, Account: s.dir.Account, Region: s.dir.Region, SettingsFile: s.settings, Credentials: s.dir.In("credentials"),
				Now: now.Now, Hold: now.Hold, Log: log,
			})
			beside := http.NewServeMux()
			beside.Handle("/dashboard/", pages)
			beside.Handle("/office/", office.New(office.Config{
				Key: keys.Engine, Workflow: m.Workflow, Restore: s.guarded(m.Functions()["restore"]), Identity: checker, Rights: office.Operators(),
				Account: s.dir.Account, Region: s.dir.Region, Version: buildVersion(), Credentials: s.dir.In("credentials"), Hold: now.Hold,
				Invite: pages.Invite,
			}))
			return beside
		},
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, hinted{err, "stop what answers there, or choose other ports: --listen, --pages"}
	}
	return machine, err
}

// end closes what begin opened, the last first.
func (s *serving) end() {
	s.release()
	for i := len(s.close) - 1; i >= 0; i-- {
		if err := s.close[i](); err != nil {
			s.log.Error("closing the data directory", "error", err)
		}
	}
}

// liveSettings are today's, by a clock that is right: whatever has to be decided asks for them first. While they can't be
// read nothing is changed: to whoever needs them it is as if they were not there for the moment, and is tried again.
func (s *serving) liveSettings(ctx context.Context) (sunset.Settings, error) {
	_ = s.to.clock.Check(ctx, s.askAWS) // an AWS that can't be reached says nothing of the clock
	if off := s.to.clock.Err(); off != nil {
		s.halt(ctx, off)
		return sunset.Settings{}, off
	}
	settings, err := deployed.SettingsFile(s.settings)
	if err != nil {
		return sunset.Settings{}, sunset.Faultf(sunset.NotReady, "the settings can't be read, and nothing is changed until they can: %w", err)
	}
	return settings, nil
}

// halt has the process end, and holds whoever found the reason until it does: no case is to fail for what is wrong with
// the machine.
func (s *serving) halt(ctx context.Context, why error) {
	select {
	case s.ended <- why:
	default: // another reason was first
	}
	select {
	case <-ctx.Done():
	case <-s.life.Done():
	}
}

// mayCall lets a function be called once this machine's clock, its credentials and the settings are known to be right.
func (s *serving) mayCall(function string, _ []byte) error {
	said, until := "", s.around.clock.Now().Add(patience)
	for {
		err := s.ready()
		if err == nil || s.life.Err() != nil {
			return err
		}
		if why := err.Error(); why != said {
			s.log.Warn("no function is called until this is right again", "function", function, "error", err)
			said = why
		}
		if !s.around.clock.Now().Before(until) || s.around.clock.Sleep(s.life, lookAgain) != nil {
			return err
		}
	}
}

func (s *serving) ready() error {
	if err := s.dir.There(); err != nil {
		s.halt(s.life, err)
		return err
	}
	err := s.to.clock.Check(s.life, s.askAWS)
	switch {
	case s.to.clock.Err() != nil, sunset.KindOf(err) == sunset.AccessDenied:
		s.halt(s.life, err)
		return err
	case err != nil:
		return err
	}
	_, err = s.liveSettings(s.life)
	return err
}

// askAWS asks AWS the one thing that needs no permission.
func (s *serving) askAWS(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	_, err := iamaccount.New(s.to.aws, s.around.clock).Caller(ctx)
	return err
}

// guarded is a function that is not called by the engine.
func (s *serving) guarded(f lambdahost.Function) lambdahost.Function {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		if err := s.ready(); err != nil {
			return nil, err
		}
		return f(ctx, payload)
	}
}

// inTurn is written to by one after the other.
type inTurn struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *inTurn) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(b)
}
