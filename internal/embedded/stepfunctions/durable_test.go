package stepfunctions_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// station is an engine that can be ended and begun again on the same journal and clock.
type station struct {
	*stepfunctions.Engine
	t      *testing.T
	clock  *clock.Virtual
	cfg    stepfunctions.Config
	client *sfn.Client
	mu     sync.Mutex
	broken []error
}

func newStation(t *testing.T, definition string, handlers map[string]handler, change func(*stepfunctions.Config)) *station {
	t.Helper()
	s := &station{t: t, clock: clock.NewVirtual(start())}
	key, err := signature.NewKey(rand.NewChaCha8([32]byte{5}))
	require.NoError(t, err)
	s.cfg = stepfunctions.Config{
		Timers: s.clock, Name: "sunset", Region: "eu-west-1", AccountID: "123456789012", Key: key, Journal: &stepfunctions.Memory{},
		Invoke: func(ctx context.Context, arn string, payload []byte) ([]byte, *stepfunctions.FunctionError, error) {
			_, broken, err := handlers[arn](ctx, payload)
			return nil, broken, err
		},
		OnBroken: func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.broken = append(s.broken, err)
		},
	}
	if change != nil {
		change(&s.cfg)
	}
	s.begin(definition)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s.client = sfn.New(sfn.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1, HTTPClient: awsfault.WholeBodies(nil), Credentials: key.Provider()})
	return s
}

// begin has an engine take up what the one before left, with the definition that is shipped by now.
func (s *station) begin(definition string) {
	s.t.Helper()
	if s.Engine != nil {
		s.Close()
	}
	d, err := asl.Load([]byte(definition))
	require.NoError(s.t, err)
	s.cfg.Definition = d
	s.Engine, err = stepfunctions.New(s.cfg)
	require.NoError(s.t, err)
	s.t.Cleanup(s.Close)
}

func (s *station) start(name string, proof string) (string, error) {
	out, err := s.client.StartExecution(s.t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(s.StateMachineARN()), Name: &name},
		sfn.WithAPIOptions(func(stack *middleware.Stack) error {
			if proof == "" {
				return nil
			}
			return stack.Build.Add(middleware.BuildMiddlewareFunc("proof", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
				in.Request.(*smithyhttp.Request).Header.Set("X-Iam-Sunset-Proof", proof)
				return next.HandleBuild(ctx, in)
			}), middleware.After)
		}))
	if err != nil {
		return "", err
	}
	return *out.ExecutionArn, nil
}

func (s *station) pass(d time.Duration) {
	s.t.Helper()
	over := false
	s.clock.AfterFunc(s.clock.Now().Add(d), func() { over = true })
	require.NoError(s.t, s.clock.RunUntil(s.t.Context(), func() bool { return over }))
}

func TestAWaitThatEndedMeanwhileEndsOnce(t *testing.T) {
	calls := 0
	s := newStation(t, soak, map[string]handler{workARN: func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) {
		calls++
		return nil, nil, nil
	}}, nil)
	arn, err := s.start("one", "")
	require.NoError(t, err)
	s.Close()
	s.pass(40 * 24 * time.Hour)
	require.Zero(t, calls)
	for range 3 {
		s.begin(soak)
	}
	s.pass(time.Hour)
	require.Equal(t, 1, calls)
	require.Equal(t, []string{"Rest", "Work"}, s.StatesEntered(arn))
	x, _ := s.Execution(arn)
	require.Equal(t, asl.Succeeded, x.Status)
	require.Equal(t, start().Add(40*24*time.Hour), x.Stopped)
	s.begin(soak)
	x, _ = s.Execution(arn)
	require.Equal(t, asl.Succeeded, x.Status)
	require.Equal(t, "null", x.Output)
	require.Equal(t, "{}", x.Input)
}

func TestACallbackWaitsOnUnderItsToken(t *testing.T) {
	var token string
	s := newStation(t, ask, asking(&token), nil)
	arn, err := s.start("one", "")
	require.NoError(t, err)
	s.pass(time.Hour)
	s.begin(ask)
	s.pass(time.Hour)
	_, err = s.client.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"delete":true}`)})
	require.NoError(t, err)
	s.begin(ask)
	x, _ := s.Execution(arn)
	require.JSONEq(t, `{"answer":{"delete":true}}`, x.Output)
	var used *types.TaskTimedOut
	_, err = s.client.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{}`)})
	require.ErrorAs(t, err, &used)
}

func TestAnExecutionKeepsItsDefinition(t *testing.T) {
	done := map[string]handler{workARN: works}
	s := newStation(t, soak, done, nil)
	old, err := s.start("old", "")
	require.NoError(t, err)
	newer := strings.Replace(soak, `"Rest": {"Type": "Wait", "Seconds": 1209600, "Next": "Work"}`, `"Rest": {"Type": "Pass", "Next": "Work"}`, 1)
	require.NotEqual(t, soak, newer)
	s.begin(newer)
	s.pass(time.Hour)
	recent, err := s.start("new", "")
	require.NoError(t, err)
	s.begin(newer)
	s.pass(20 * 24 * time.Hour)
	require.Equal(t, start().Add(14*24*time.Hour), s.Executions()[0].Stopped)
	require.Equal(t, start().Add(time.Hour), s.Executions()[1].Stopped)
	for arn, definition := range map[string]string{old: soak, recent: newer} {
		out, err := s.client.DescribeStateMachineForExecution(t.Context(), &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: &arn})
		require.NoError(t, err)
		require.Equal(t, definition, *out.Definition)
	}
	out, err := s.client.DescribeStateMachine(t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(s.StateMachineARN())})
	require.NoError(t, err)
	require.Equal(t, newer, *out.Definition)
	require.Equal(t, start(), *out.CreationDate)
}

func TestARedriveIsTheSameAfterARestart(t *testing.T) {
	s := newStation(t, soak, map[string]handler{workARN: works}, nil)
	arn, err := s.start("one", "")
	require.NoError(t, err)
	_, err = s.client.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn})
	require.NoError(t, err)
	s.pass(time.Hour)
	first, err := s.client.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &arn, ClientToken: aws.String("t")})
	require.NoError(t, err)
	s.begin(soak)
	s.pass(time.Hour)
	second, err := s.client.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &arn, ClientToken: aws.String("t")})
	require.NoError(t, err)
	require.Equal(t, *first.RedriveDate, *second.RedriveDate)
}

func TestTheStarterIsKept(t *testing.T) {
	const ann, serve = "arn:aws:iam::123456789012:user/ann", "arn:aws:iam::123456789012:role/serve"
	s := newStation(t, soak, nil, func(c *stepfunctions.Config) {
		c.Self = serve
		c.Identify = func(_ context.Context, h http.Header) (string, error) {
			if h.Get("X-Iam-Sunset-Proof") == "forged" {
				return "", errors.New("the proof is wrong")
			}
			return h.Get("X-Iam-Sunset-Proof"), nil
		}
	})
	proven, err := s.start("proven", ann)
	require.NoError(t, err)
	_, err = s.start("proven", "arn:aws:iam::123456789012:user/bob")
	require.NoError(t, err, "the same start again")
	plain, err := s.start("plain", "")
	require.NoError(t, err)
	_, err = s.start("forged", "forged")
	require.Equal(t, "AccessDeniedException", code(t, err))
	_, err = s.start("foreign", "arn:aws:iam::210987654321:user/ann")
	require.Equal(t, "AccessDeniedException", code(t, err), "whoever has an account of their own could be anybody")
	s.begin(soak)
	for arn, want := range map[string]string{proven: ann, plain: serve} {
		who, ok := s.StartedBy(arn)
		require.True(t, ok)
		require.Equal(t, want, who)
	}
	_, ok := s.StartedBy(proven + "x")
	require.False(t, ok)
}

func TestUnsignedRequestsAreRefused(t *testing.T) {
	s := newStation(t, soak, nil, nil)
	other, err := signature.NewKey(rand.NewChaCha8([32]byte{6}))
	require.NoError(t, err)
	list := func(change func(*sfn.Options)) error {
		_, err := s.client.ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{}, change)
		return err
	}
	require.NoError(t, list(func(*sfn.Options) {}))
	require.Equal(t, "UnrecognizedClientException", code(t, list(func(o *sfn.Options) { o.Credentials = other.Provider() })))
	require.Equal(t, "InvalidSignatureException", code(t, list(func(o *sfn.Options) {
		o.Credentials = signature.Key{ID: s.Key().ID, Secret: other.Secret}.Provider()
	})))
	require.Equal(t, "InvalidSignatureException", code(t, list(func(o *sfn.Options) { o.Region = "us-east-1" })))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", strings.NewReader("{}"))
	r.Header.Set("X-Amz-Target", "AWSStepFunctions.ListStateMachines")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	require.Equal(t, "MissingAuthenticationTokenException", w.Header().Get("X-Amzn-Errortype"))
	require.GreaterOrEqual(t, w.Code, 400)
}

func TestAJournalThatFailsStopsTheEngineForGood(t *testing.T) {
	calls := 0
	inner := &mortal{Journal: &stepfunctions.Memory{}, dies: 2}
	s := newStation(t, soak, map[string]handler{workARN: func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) {
		calls++
		return nil, nil, nil
	}}, func(c *stepfunctions.Config) { c.Journal = inner })
	arn, err := s.start("one", "")
	require.NoError(t, err)
	s.pass(15 * 24 * time.Hour)
	require.Zero(t, calls, "what could not be written was not done")
	for range 2 {
		_, err = s.start("two", "")
		require.Equal(t, "ServiceUnavailable", code(t, err))
		_, err = s.client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		require.Equal(t, "ServiceUnavailable", code(t, err))
	}
	s.pass(time.Hour)
	require.Len(t, s.broken, 1)
	require.ErrorIs(t, s.broken[0], errKilled)

	s.cfg.Journal = inner.Journal
	s.begin(soak)
	s.pass(time.Hour)
	require.Equal(t, 1, calls)
	require.Equal(t, []string{"Rest", "Work"}, s.StatesEntered(arn))
}

func TestShutdownWaitsForTheFunctionThatRuns(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	calls := 0
	s := newStation(t, soak, map[string]handler{workARN: func(context.Context, []byte) (any, *stepfunctions.FunctionError, error) {
		calls++
		close(began)
		<-finish
		return nil, nil, nil
	}}, nil)
	arn, err := s.start("one", "")
	require.NoError(t, err)
	s.clock.AfterFunc(start().Add(15*24*time.Hour), func() {})
	ran := make(chan error, 1)
	go func() { ran <- s.clock.RunUntil(t.Context(), func() bool { return s.Counts()[asl.Running] == 0 }) }()
	<-began
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	engine := s.Engine
	done := make(chan struct{})
	go func() {
		engine.Shutdown(t.Context())
		close(done)
	}()
	close(finish)
	<-done
	<-ran
	s.begin(soak)
	x, _ := s.Execution(arn)
	require.Equal(t, asl.Succeeded, x.Status, "the answer was written")
	require.Equal(t, 1, calls)
	s.Shutdown(gone) // nothing runs
}

func TestAClockThatWasPutBackStopsNobody(t *testing.T) {
	s := newStation(t, soak, map[string]handler{workARN: works}, nil)
	s.pass(30 * 24 * time.Hour)
	arn, err := s.start("one", "")
	require.NoError(t, err)
	s.Close()
	s.clock = clock.NewVirtual(start())
	s.cfg.Timers = s.clock
	s.begin(soak)
	_, err = s.client.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn})
	require.NoError(t, err)
	x, _ := s.Execution(arn)
	require.Equal(t, asl.Aborted, x.Status)
	require.Equal(t, x.Started, x.Stopped)
}

func TestAJournalOfAnotherStateMachineIsRefused(t *testing.T) {
	s := newStation(t, soak, nil, nil)
	cfg := s.cfg
	cfg.AccountID = "999999999999"
	_, err := stepfunctions.New(cfg)
	require.ErrorContains(t, err, s.StateMachineARN())
}
