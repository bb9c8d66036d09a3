package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	operatorARN = "arn:aws:sts::123456789012:assumed-role/security/olga"
	adaARN      = "arn:aws:sts::123456789012:assumed-role/approvers/ada"
)

// site is a deployment in this process, in virtual time, that operators' commands are let loose on.
type site struct {
	clock    *clock.Virtual
	account  *fakeaws.Account
	machine  *onemachine.Machine
	api      *httptest.Server
	key      fakeaws.Credentials // signs for the counter
	aws      aws.Config
	users    map[string]fakeaws.NewUser
	settings sunset.Settings
	operator string // who the commands are run as
	decider  string // who the counter's signatures prove to be
	answers  string
	// rescue, where set, is asked before each rescue.
	rescue func(userID string) error
	// engine says that commands reach the site as an engine, by its address alone.
	engine bool
	// refuse, where set, is why nothing can be put on record.
	refuse error
	// roles and sessions are those of people who reached an engine.
	roles    map[string]bool
	sessions map[string]fakeaws.Credentials
	close    []func()
	faults   []func() // disarm what the account was told to get wrong
}

// refusing is the store of a site's objects.
type refusing struct {
	store.Objects
	site *site
}

func (r refusing) Put(ctx context.Context, key string, body []byte) error {
	if r.site.refuse != nil {
		return r.site.refuse
	}
	return r.Objects.Put(ctx, key, body)
}

func newSite(dir string, names ...string) (*site, error) {
	return newSiteReached(dir, false, names...)
}

func newSiteReached(dir string, asEngine bool, names ...string) (*site, error) {
	begin := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) // a Monday
	s := &site{clock: clock.NewVirtual(begin), users: map[string]fakeaws.NewUser{}, roles: map[string]bool{}, sessions: map[string]fakeaws.Credentials{}, settings: sunset.DefaultSettings(), operator: operatorARN, decider: adaARN, engine: asEngine}
	s.settings.Approvers = []sunset.Approver{{Email: "ada@example.com", Principals: []string{"arn:aws:iam::123456789012:role/approvers"}}}
	s.settings.CapPercent = 100
	s.settings.Batch = 2
	s.account = fakeaws.New(fakeaws.Config{Now: s.clock.Now, Seed: 7, Regions: []string{"eu-west-1", "us-east-1"}})
	for _, name := range names {
		user, err := s.account.Join(name, fakeaws.OldKey())
		if err != nil {
			return nil, err
		}
		s.users[name] = user
	}
	server, err := s.account.Serve("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, func() { _ = server.Close() })
	s.aws = server.Config("us-east-1")
	objects, err := store.OpenDir(dir, store.NoSync())
	if err != nil {
		return nil, err
	}
	signer, err := approval.OpenKeyFile(filepath.Join(dir, "decisions.key"))
	if err != nil {
		return nil, err
	}
	cfg := onemachine.Config{
		AWS: server.Config("us-east-1"), AccountID: s.account.ID(), Region: "us-east-1", Time: s.clock, Objects: refusing{objects.Objects(), s}, Rows: objects.Rows(),
		Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: deaf{}, Log: slog.New(slog.DiscardHandler), PagesAddr: "127.0.0.1:0",
		Settings: func(context.Context) (sunset.Settings, error) { return s.settings, nil }, Rand: rand.NewChaCha8([32]byte{1}),
	}
	if asEngine {
		if err := s.asEngine(dir, &cfg); err != nil {
			return nil, err
		}
	}
	if s.machine, err = onemachine.Start(cfg); err != nil {
		return nil, err
	}
	s.close = append(s.close, s.machine.Close)
	s.key = s.account.Administrator()
	s.api = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer s.clock.Hold()()
		s.machine.API(s.identify).ServeHTTP(rw, r)
	}))
	s.close = append(s.close, s.api.Close)
	return s, nil
}

// deaf is where messages go that nobody reads.
type deaf struct{}

func (deaf) Send(context.Context, approval.Message) error { return nil }

// identify is API Gateway's part: it checks the signature, and says whose it is.
func (s *site) identify(r *http.Request) (string, bool) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	signature, ok := fakeaws.SignatureOf(r)
	if err != nil || !ok || signature.Service != "execute-api" || signature.Region != "eu-west-1" || signature.AccessKeyID != s.key.AccessKeyID {
		return "", false
	}
	return s.decider, signature.Holds(r, body, s.key.SecretAccessKey)
}

func (s *site) reach() reach {
	if s.engine {
		return s.reachEngine()
	}
	cfg := aws.Config{Credentials: credentials.NewStaticCredentialsProvider(s.key.AccessKeyID, s.key.SecretAccessKey, s.key.SessionToken)}
	return reach{
		station: func(context.Context, string) (station, error) {
			return station{
				Workflow: s.machine.Workflow, who: iamaccount.Caller{Account: s.account.ID(), ARN: s.operator}, aws: s.aws,
				rescue: func(ctx context.Context, userID, by, reason string) error {
					if s.rescue != nil {
						if err := s.rescue(userID); err != nil {
							return err
						}
					}
					return s.machine.Rescue(ctx, userID, by, reason)
				},
			}, nil
		},
		counter: func(context.Context, string) (counter, error) {
			return counter{url: s.api.URL, send: signed(cfg, "eu-west-1", s.clock)}, nil
		},
	}
}

// operate runs a command on the deployment while time passes, and gives its exit status.
func (s *site) operate(ctx context.Context, stdout, stderr io.Writer, args ...string) int {
	around := surroundings{stdout: stdout, stderr: stderr, clock: s.clock, reach: s.reach()}
	if s.answers != "" {
		around.answers = strings.NewReader(s.answers + "\n")
	}
	code := 99
	_ = s.clock.Run(context.WithoutCancel(ctx), func(context.Context) error {
		code = run(ctx, args, around)
		return nil
	})
	return code
}

// pass lets time pass.
func (s *site) pass(ctx context.Context, d time.Duration) error {
	over := false
	s.clock.AfterFunc(s.clock.Now().Add(d), func() { over = true })
	return s.clock.RunUntil(ctx, func() bool { return over })
}

func (s *site) end() {
	for i := len(s.close) - 1; i >= 0; i-- {
		s.close[i]()
	}
}

type siteKey struct{}

// scripted is what a script has of its own, and of all scripts together: commands that run in this process do so one at
// a time, since whether colours are on is the process's.
type scripted struct {
	site   *site
	turn   *sync.Mutex
	engine bool // sites are reached as engines
}

// ours is the deployment of a script; the command "site" makes it.
func ours(ts *testscript.TestScript) *site {
	s := ts.Value(siteKey{}).(*scripted).site
	if s == nil {
		ts.Fatalf("there is no site yet")
	}
	return s
}

// site USER… makes a deployment over an account of unused users.
func makeSite(ts *testscript.TestScript, _ bool, args []string) {
	here := ts.Value(siteKey{}).(*scripted)
	s, err := newSiteReached(ts.MkAbs("deployment"), here.engine, args...)
	ts.Check(err)
	ts.Defer(s.end)
	here.site = s
}

// operate STATUS ARGUMENT… runs a command on the site, which must end with this status.
func operate(ts *testscript.TestScript, _ bool, args []string) {
	s := ours(ts)
	s.operator, s.decider, s.answers = operatorARN, adaARN, ts.Getenv("ANSWER")
	if who := ts.Getenv("OPERATOR"); who != "" {
		s.operator = who
	}
	if who := ts.Getenv("DECIDER"); who != "" {
		s.decider = who
	}
	s.rescue = nil
	if name := ts.Getenv("STUCK"); name != "" {
		s.rescue = func(userID string) error {
			if userID == s.users[name].ID {
				return sunset.Faultf(sunset.Throttled, "putting %s back: iam:DeleteUserPolicy: Throttling", name)
			}
			return nil
		}
	}
	turn := ts.Value(siteKey{}).(*scripted).turn
	turn.Lock()
	defer turn.Unlock()
	if code := s.operate(context.Background(), ts.Stdout(), ts.Stderr(), args[1:]...); fmt.Sprint(code) != args[0] {
		ts.Fatalf("iam-sunset %s ended with %d, not %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// pass DURATION lets time pass on the site.
func pass(ts *testscript.TestScript, _ bool, args []string) {
	d, err := sunset.ParseDuration(args[0])
	ts.Check(err)
	ts.Check(ours(ts).pass(context.Background(), d.Std()))
}

// tries USER has somebody use the key of a user.
func tries(ts *testscript.TestScript, _ bool, args []string) {
	s := ours(ts)
	s.account.At(s.clock.Now().Add(time.Minute), func(p *fakeaws.Actor) {
		p.Do(s.users[args[0]].Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil)
	})
}

// is USER disabled|enabled|gone: what the account says of a user.
func is(ts *testscript.TestScript, _ bool, args []string) {
	if state := ours(ts).stateOf(args[0]); state != args[1] {
		ts.Fatalf("%s is %s, not %s", args[0], state, args[1])
	}
}

func (s *site) stateOf(name string) string {
	for _, u := range s.account.Users() {
		if u.Name != name {
			continue
		}
		if _, denied := u.Inline[sunset.DenyPolicyName]; denied {
			return "disabled"
		}
		return "enabled"
	}
	return "gone"
}

// settle FIELD VALUE changes the site's settings.
func settle(ts *testscript.TestScript, _ bool, args []string) {
	s := ours(ts)
	switch args[0] {
	case "approvers":
		s.settings.Approvers = nil
		for _, email := range args[1:] {
			s.settings.Approvers = append(s.settings.Approvers, sunset.Approver{Email: email})
		}
	case "needed", "batch":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		*map[string]*int{"needed": &s.settings.ApprovalsNeeded, "batch": &s.settings.Batch}[args[0]] = n
	default:
		ts.Fatalf("%s can't be changed here", args[0])
	}
}
