package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// servedBy is who runs the engines of these tests.
const servedBy = "arn:aws:sts::123456789012:assumed-role/box/serve"

// asEngine makes a machine one that is reached by its address: with a key in a file, an office, and callers whom STS proves.
func (s *site) asEngine(dir string, cfg *onemachine.Config) error {
	key, err := signature.NewKey(rand.Reader)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "credentials")
	if err := os.WriteFile(file, fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.ID, key.Secret), 0o600); err != nil {
		return err
	}
	checker := identity.NewChecker(cfg.AWS, key.ID, clock.Wall{}.Now)
	cfg.Key, cfg.Identify, cfg.Self = key, checker.Starter, servedBy
	cfg.Office = func(m *onemachine.Machine) http.Handler {
		restore := m.Functions()["restore"]
		return office.New(office.Config{
			Key: key, Workflow: m.Workflow, Identity: checker, Rights: office.Operators(), Account: cfg.AccountID, Region: cfg.Region, Version: "test",
			Credentials: file, Hold: s.clock.Hold,
			Restore: func(ctx context.Context, payload []byte) ([]byte, error) {
				var in workflow.Invocation
				if err := json.Unmarshal(payload, &in); err == nil && in.Rescue != nil && s.rescue != nil {
					if err := s.rescue(in.Rescue.UserID); err != nil {
						return nil, err
					}
				}
				return restore(ctx, payload)
			},
		})
	}
	return nil
}

// reachEngine reaches the site by its address, as whoever operates or decides.
func (s *site) reachEngine() reach {
	by := func(who *string) reach {
		return engine(s.clock, func(context.Context) (aws.Config, error) { return s.as(*who), nil })
	}
	return reach{
		station: func(ctx context.Context, _ string) (station, error) {
			return by(&s.operator).station(ctx, s.machine.EngineURL)
		},
		counter: func(ctx context.Context, _ string) (counter, error) {
			return by(&s.decider).counter(ctx, s.machine.EngineURL)
		},
	}
}

// as is the configuration of the session of a role, which may do everything.
func (s *site) as(arn string) aws.Config {
	role, session, _ := strings.Cut(arn[strings.Index(arn, "/")+1:], "/")
	c := s.sessions[arn]
	if c.AccessKeyID == "" {
		if !s.roles[role] {
			s.account.AddRole(fakeaws.RoleSpec{
				Name: role, CreatedAt: s.clock.Now().AddDate(-1, 0, 0), Inline: map[string]string{"all": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
			})
			s.roles[role] = true
		}
		c = s.account.RoleSession(role, session)
		s.sessions[arn] = c
	}
	cfg := s.aws.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	return cfg
}

// engine USER… makes a site that is reached as an engine, by processes of their own; the environment says where.
func makeEngine(ts *testscript.TestScript, _ bool, args []string) {
	s, err := newSiteReached(ts.MkAbs("engine"), true, args...)
	ts.Check(err)
	ts.Defer(s.end)
	ts.Value(siteKey{}).(*scripted).site = s
	ts.Setenv("ENGINE", s.machine.EngineURL)
	ts.Setenv("PAGES", s.machine.Workflow.PagesURL)
	// The caller knows the account by another name and another region than the engine does.
	ts.Setenv("AWS_ENDPOINT_URL", strings.Replace(aws.ToString(s.aws.BaseEndpoint), "127.0.0.1", "localhost", 1))
	ts.Setenv("AWS_REGION", "eu-west-1")
	iAm(ts, false, []string{"security", "olga"})
}

// i-am ROLE NAME: whose credentials the processes have that follow.
func iAm(ts *testscript.TestScript, _ bool, args []string) {
	c, err := ours(ts).as("arn:aws:sts::123456789012:assumed-role/" + args[0] + "/" + args[1]).Credentials.Retrieve(context.Background())
	ts.Check(err)
	ts.Setenv("AWS_ACCESS_KEY_ID", c.AccessKeyID)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", c.SecretAccessKey)
	ts.Setenv("AWS_SESSION_TOKEN", c.SessionToken)
}

// servedNoMore ends the site's machine.
func servedNoMore(ts *testscript.TestScript, _ bool, _ []string) { ours(ts).machine.Close() }

// inAnotherAccount is iam-sunset with credentials of another account than every site's.
func inAnotherAccount() {
	account := fakeaws.New(fakeaws.Config{AccountID: "210987654321"})
	server, err := account.Serve("127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	admin := account.Administrator()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY": admin.SecretAccessKey, "AWS_SESSION_TOKEN": admin.SessionToken,
	} {
		_ = os.Setenv(name, value) // the names are good
	}
	main()
}

// Who started is whom AWS names, whatever the request claims; an approver's own start counts against the approver also where
// somebody else's name is on it.
func TestAStarterIsProvenToAnEngine(t *testing.T) {
	s := engineFor(t, "old-a")
	s.settings.Approvers = append(s.settings.Approvers, sunset.Approver{Email: "ben@example.com", Principals: []string{"arn:aws:iam::123456789012:role/bens"}})
	ctx := t.Context()
	var arn string
	require.NoError(t, s.clock.Run(ctx, func(ctx context.Context) error {
		s.operator = adaARN
		ada, err := s.reach().station(ctx, "")
		if err != nil {
			return err
		}
		require.Equal(t, adaARN, ada.who.ARN)
		arn, err = ada.StartCleanup(ctx, "spring", sunset.Request{Starter: operatorARN})
		return err
	}))
	who, ok := s.machine.Engine.StartedBy(arn)
	require.True(t, ok)
	require.Equal(t, adaARN, who)
	require.NoError(t, s.pass(ctx, 18*day))
	s.operator = operatorARN
	out, _ := s.does(t, 0, "history", "spring")
	require.Contains(t, strings.Join(strings.Fields(out), " "), "was started by "+adaARN+", while its request claims "+operatorARN)
	out, errs := s.does(t, 2, "approve", "old-a", "--decision", "delete", "--reason", "I want it gone", "--yes")
	require.Contains(t, out, "not decided: old-a: ada@example.com started this cleanup", errs)
	require.Len(t, s.account.Users(), 1)
	s.decider = "arn:aws:sts::123456789012:assumed-role/bens/ben"
	out, _ = s.does(t, 0, "approve", "old-a", "--decision", "delete", "--reason", "it is over", "--yes")
	require.Contains(t, out, "old-a: decided, delete.")
	require.NoError(t, s.pass(ctx, 2*time.Hour))
	require.Empty(t, s.account.Users())
}

// Whoever starts with the engine's key alone is whoever serves, and starts nothing that could delete anybody; a proof that doesn't
// hold starts nothing at all.
func TestStartsWithoutAProof(t *testing.T) {
	s := engineFor(t, "old-a")
	var proof string
	executions := func() *sfn.Client {
		return sfn.New(s.machine.Executions.Options(), func(o *sfn.Options) {
			if proof != "" {
				o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue(identity.Header, proof))
			}
		})
	}
	startWith := func(name string, input *string) (string, error) {
		defer s.clock.Hold()()
		out, err := executions().StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &s.machine.StateMachine, Name: &name, Input: input})
		if err != nil {
			return "", err
		}
		return *out.ExecutionArn, nil
	}
	start := func(name string) (string, error) {
		return startWith(name, aws.String(`{"dry_run":true,"starter":"`+operatorARN+`"}`))
	}
	arn, err := start("plain")
	require.NoError(t, err)
	who, ok := s.machine.Engine.StartedBy(arn)
	require.True(t, ok)
	require.Equal(t, servedBy, who)
	for i, earnest := range []string{
		`{}`, `{"starter":"` + operatorARN + `"}`, `{"dry_run":false}`, `{"dry_run":"true"}`, `{"Dry_Run":true}`, `{"dry_run":true,"dry_run":false}`,
		`{"case":{}}`, `{"case":"user_id"}`, `{"Case":{"user_id":"AIDA1"}}`, `[]`, `"dry_run"`, ` `,
	} {
		input := &earnest
		if earnest == " " {
			input = nil
		}
		_, err := startWith(fmt.Sprintf("earnest-%d", i), input)
		require.ErrorContains(t, err, "AccessDeniedException: a cleanup that opens cases has to prove who starts it", earnest)
	}

	audience := s.machine.Engine.Key().ID
	prove := func(audience string, p identity.Purpose, at time.Time) string {
		text, err := identity.Prove(t.Context(), s.as(adaARN), audience, p, at)
		require.NoError(t, err)
		return text
	}
	now := time.Now()
	for name, bad := range map[string]string{
		"another-engine": prove("SUNSETANOTHERAAAAAAA", identity.ToStart, now), "a-look": prove(audience, identity.ToSend(http.MethodGet, "/office/v1/requests", nil), now),
		"old": prove(audience, identity.ToStart, now.Add(-6*time.Minute)), "made-up": "e30",
	} {
		proof = bad
		_, err := start(name)
		require.ErrorContains(t, err, "AccessDeniedException", name)
	}
	proof = prove(audience, identity.ToStart, now)
	arn, err = start("proven")
	require.NoError(t, err)
	who, _ = s.machine.Engine.StartedBy(arn)
	require.Equal(t, adaARN, who)
	all, err := executions().ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &s.machine.StateMachine})
	require.NoError(t, err)
	require.Len(t, all.Executions, 2)
}

// Any user of the machine may take a port and make a key: which file is the key's is believed only of one's own.
func TestWhoseKeyIsBelieved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	require.ErrorContains(t, trusted(file, os.Geteuid()), "no such file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, trusted(file, os.Geteuid()))
	require.ErrorContains(t, trusted(file, os.Geteuid()+1), "belongs to another user of this machine")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602} {
		require.NoError(t, os.Chmod(file, mode))
		require.ErrorContains(t, trusted(file, os.Geteuid()), "others may read or write")
	}
}

func engineFor(t *testing.T, names ...string) *site {
	t.Helper()
	s, err := newSiteReached(t.TempDir(), true, names...)
	require.NoError(t, err)
	t.Cleanup(s.end)
	return s
}
