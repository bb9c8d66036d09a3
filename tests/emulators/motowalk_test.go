//go:build emulators

package emulators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

func TestMoto(t *testing.T) {
	t.Parallel()
	l := startLambdas(t)
	m := startMoto(t, l.port)
	t.Run("the shipped definition", func(t *testing.T) {
		t.Parallel()
		walksOnMoto(t, m, l)
	})
	asAccount(t, emulated{
		url: m.url, key: accountID, hardware: true, opaque: true,
		lacks: []string{"ListServiceSpecificCredentials"},
	})
}

// lambdas is what moto takes for Lambda: calls of a function are answered by the product's handlers, in this process.
// Everything else goes to moto itself.
type lambdas struct {
	port string

	mu        sync.Mutex
	functions map[string]lambdahost.Function
	rest      http.Handler
}

// waitOut waits for the times that an execution had to wait for before it called. moto leaves out the fractions of their seconds
// and rounds the rest down, so that its Waits end up to two seconds early; the functions would only have it wait again.
func waitOut(ctx context.Context, payload []byte) {
	var in workflow.Invocation
	if json.Unmarshal(payload, &in) != nil {
		return
	}
	var times []time.Time
	if in.State.Case != nil {
		times = append(times, in.State.Case.TurnAt)
	}
	if in.State.Disable != nil {
		times = append(times, in.State.Disable.AgainAt)
	}
	if in.State.Soak != nil {
		times = append(times, in.State.Soak.NextCheckAt)
	}
	for _, at := range times {
		if left := time.Until(at); left > 0 && left < 2*time.Second {
			pause(ctx, left)
		}
	}
}

// shortly is how many seconds a request of moto's walk stays open where nobody decides: more than the function takes that makes it.
const shortly = 15

// shortened has a request of one user end shortly, rather than after what settings say and the grace beyond, which nobody waits
// for here.
func shortened(checkSoak lambdahost.Function, name string) lambdahost.Function {
	seconds := regexp.MustCompile(`"approval_seconds":\d+`)
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		answer, err := checkSoak(ctx, payload)
		var in workflow.Invocation
		if err == nil && json.Unmarshal(payload, &in) == nil && in.Name == name {
			answer = seconds.ReplaceAll(answer, fmt.Appendf(nil, `"approval_seconds":%d`, shortly))
		}
		return answer, err
	}
}

func startLambdas(t *testing.T) *lambdas {
	t.Helper()
	l := &lambdas{rest: http.NotFoundHandler()}
	s := httptest.NewServer(l)
	t.Cleanup(s.Close)
	l.port = s.URL[strings.LastIndex(s.URL, ":")+1:]
	return l
}

func (l *lambdas) lead(t *testing.T, to string, functions map[string]lambdahost.Function) {
	t.Helper()
	target, err := url.Parse(to)
	require.NoError(t, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest, l.functions = httputil.NewSingleHostReverseProxy(target), functions
}

// ServeHTTP is the API of Lambda as far as it is Invoke: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html.
func (l *lambdas) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	rest, functions := l.rest, l.functions
	l.mu.Unlock()
	arn, ok := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/")
	arn, invoked := strings.CutSuffix(arn, "/invocations")
	f := functions[arn[strings.LastIndex(arn, ":")+1:]]
	if !ok || !invoked || f == nil {
		rest.ServeHTTP(w, r)
		return
	}
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	waitOut(r.Context(), payload)
	// moto ends the request of an execution that it stops; Lambda would let the function run on.
	answer, err := f(context.WithoutCancel(r.Context()), payload)
	var named messages.InvokeResponse_Error
	if errors.As(err, &named) {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		answer, err = json.Marshal(struct {
			Message string `json:"errorMessage"`
			Type    string `json:"errorType"`
		}{named.Message, named.Type})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	_, _ = w.Write(answer)
}

// routesOnMoto are walked by moto, and by the embedded engine for comparison.
func routesOnMoto() []route {
	var out []route
	for _, r := range routesAtOnce() {
		switch r.name {
		case "exempted-meanwhile", "exempted-after-the-decision":
			// They change the settings, which has whatever is being deleted just then read everything again; real time would decide
			// whose history tells of it.
			continue
		case "expired":
			r.when = nil // moto ends the token by itself, as the embedded engine does
		}
		out = append(out, r)
	}
	return out
}

// walksOnMoto has moto's Step Functions run the shipped definition, and compares what it says has happened with what the
// embedded engine says of the same cleanup.
func walksOnMoto(t *testing.T, m *moto, l *lambdas) {
	account, routes := newAccount(), routesOnMoto()
	users := people(t, account, routes)
	server, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	path := t.TempDir()
	dir, err := store.OpenDir(path, store.NoSync())
	require.NoError(t, err)
	signer, err := approval.OpenKeyFile(filepath.Join(path, "decisions.key"))
	require.NoError(t, err)
	engine := sfn.NewFromConfig(configAt(m.url, accountID))
	var (
		box      postbox
		mu       sync.Mutex
		settings = quick()
		pages    http.Handler
	)
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { pages.ServeHTTP(w, r) }))
	t.Cleanup(served.Close)
	flow := workflow.New(workflow.World{
		AWS: server.Config(region), Executions: engine, StateMachine: makeOnMoto(t, engine), Objects: dir.Objects(), Rows: dir.Rows(),
		Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: &box, Clock: clock.Wall{}, Log: slog.New(slog.DiscardHandler), PagesURL: served.URL,
		Settings: func(context.Context) (sunset.Settings, error) {
			mu.Lock()
			defer mu.Unlock()
			return settings, nil
		},
	})
	pages = flow.Pages()
	functions := flow.Functions()
	functions["wait-soak"] = shortened(functions["wait-soak"], "spring-"+users["expired"].ID)
	l.lead(t, m.url, functions)
	w := &world{
		t: t, account: account, server: server, flow: flow, routes: routes, users: users, link: box.link, do: together,
		states: func(execution string) []string { return entered(historyOf(t, engine, execution)) },
		rescue: func(c sunset.Case, reason string) error {
			return flow.Rescue(context.Background(), c.UserID, owner, reason)
		},
		set: func(f func(*sunset.Settings)) {
			mu.Lock()
			defer mu.Unlock()
			f(&settings)
		},
	}
	defer func() {
		if t.Failed() {
			tellExecutions(t, engine, flow.StateMachine)
		}
	}()
	w.begin()
	input, err := json.Marshal(sunset.Request{Starter: starter})
	require.NoError(t, err)
	started, err := engine.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &flow.StateMachine, Name: aws.String("spring"), Input: aws.String(string(input))})
	require.NoError(t, err)
	account.AddStartExecution(fakeaws.Started{
		Execution: *started.ExecutionArn, Region: region, At: time.Now(), By: fakeaws.UserIdentity{Type: "AssumedRole", ARN: starter, AccountID: accountID},
	})
	last := time.Now()
	until(t, 180*time.Second, "the cleanup's end on moto", func() bool {
		if time.Since(last) > time.Second {
			last = time.Now()
			if _, err := functions["reconcile"](t.Context(), []byte(`{}`)); err != nil {
				t.Logf("reconcile: %v", err) // it will run again; what stays undone fails the test elsewhere
			}
		}
		return w.look("spring")
	})
	w.check(t, "spring")
	report, err := audit.Verify(os.DirFS(filepath.Join(path, "objects", "evidence")))
	require.NoError(t, err)
	require.Empty(t, report.Problems)

	there := w.histories(t, engine, "spring")
	_, here := embedded(t, quick(), "spring", sunset.Request{Starter: starter}, routesOnMoto())
	compare(t, here, there)
}

// makeOnMoto makes the state machine that Terraform makes, by the name that the embedded one has.
func makeOnMoto(t *testing.T, engine *sfn.Client) string {
	t.Helper()
	// moto's context object has no RedriveCount, nor has moto redrives.
	definition := strings.ReplaceAll(rendered(t), `"redrives.$": "$$.Execution.RedriveCount"`, `"redrives": 0`)
	made, err := engine.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("iam-sunset"), Definition: &definition, RoleArn: aws.String("arn:aws:iam::" + accountID + ":role/iam-sunset"),
	})
	require.NoError(t, err)
	return *made.StateMachineArn
}
