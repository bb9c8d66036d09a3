package stepfunctions_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

func works(context.Context, []byte) (any, *stepfunctions.FunctionError, error) { return 1, nil, nil }

func code(t *testing.T, err error) string {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	return api.ErrorCode()
}

func TestStartIsIdempotentWhileItRuns(t *testing.T) {
	w := newWorld(t, soak, map[string]handler{workARN: works})
	arn := w.start("one", `{"a":1}`)
	w.pass(time.Hour)
	require.Equal(t, arn, w.start("one", `{"a":1}`))
	require.Equal(t, map[asl.Status]int{asl.Running: 1}, w.Counts())
	again := func(input string) error {
		_, err := w.client.StartExecution(t.Context(), &sfn.StartExecutionInput{
			StateMachineArn: aws.String(w.StateMachineARN()), Name: aws.String("one"), Input: aws.String(input),
		})
		return err
	}
	require.Equal(t, "ExecutionAlreadyExists", code(t, again(`{"a":2}`)))
	w.settle()
	require.Equal(t, "ExecutionAlreadyExists", code(t, again(`{"a":1}`)))
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, soak, map[string]handler{workARN: works})
	ctx := t.Context()
	begin := func(machine, name, input string) error {
		in := &sfn.StartExecutionInput{StateMachineArn: aws.String(machine), Input: aws.String(input)}
		if name != "" {
			in.Name = aws.String(name)
		}
		_, err := w.client.StartExecution(ctx, in)
		return err
	}
	own := w.StateMachineARN()
	missing := "arn:aws:states:eu-west-1:123456789012:execution:sunset:none"
	for _, tt := range []struct {
		name string
		err  error
		code string
	}{
		{"a name of 81", begin(own, strings.Repeat("x", 81), `{}`), "InvalidName"},
		{"a name with a blank", begin(own, "a b", `{}`), "InvalidName"},
		{"a name with a colon", begin(own, "a:b", `{}`), "InvalidName"},
		{"input that is not JSON", begin(own, "bad", `{`), "InvalidExecutionInput"},
		{"input too long", begin(own, "long", `"`+strings.Repeat("x", 262144)+`"`), "InvalidExecutionInput"},
		{"another machine", begin(own+"x", "a", `{}`), "StateMachineDoesNotExist"},
		{"no ARN", begin("sunset", "a", `{}`), "InvalidArn"},
		{"no such execution", second(w.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &missing})), "ExecutionDoesNotExist"},
		{"history of none", second(w.client.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{ExecutionArn: &missing})), "ExecutionDoesNotExist"},
		{"stop of none", second(w.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &missing})), "ExecutionDoesNotExist"},
		{"stop without ARN", second(w.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: aws.String("x")})), "InvalidArn"},
		{"paging token", second(w.client.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &own, NextToken: aws.String("x")})), "InvalidToken"},
		{"page size", second(w.client.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &own, MaxResults: 1001})), "ValidationException"},
		{"status", second(w.client.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &own, StatusFilter: "BORED"})), "ValidationException"},
		{"operation", second(w.client.ListActivities(ctx, &sfn.ListActivitiesInput{})), "UnknownOperationException"},
	} {
		require.Equal(t, tt.code, code(t, tt.err), tt.name)
	}
	require.NoError(t, begin(own, strings.Repeat("x", 80), `{}`))
	require.NoError(t, begin(own, "", `{}`), "a name is made up where none is given")
}

// signed signs a request as AWS's clients do.
func signed(tb testing.TB, key signature.Key, r *http.Request, body string) {
	tb.Helper()
	sum := sha256.Sum256([]byte(body))
	r.Header.Del("Authorization")
	require.NoError(tb, v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret},
		r, hex.EncodeToString(sum[:]), "states", "eu-west-1", time.Now()))
}

func second[T any](_ T, err error) error { return err }

func TestListPagesNewestFirst(t *testing.T) {
	w := newWorld(t, soak, map[string]handler{workARN: works})
	ctx := t.Context()
	for i := range 7 {
		w.start(fmt.Sprintf("e%d", i), `{}`)
	}
	stop := "arn:aws:states:eu-west-1:123456789012:execution:sunset:e3"
	_, err := w.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &stop})
	require.NoError(t, err)
	walk := func(in *sfn.ListExecutionsInput) (names []string, pages int) {
		in.StateMachineArn = aws.String(w.StateMachineARN())
		p := sfn.NewListExecutionsPaginator(w.client, in)
		for p.HasMorePages() {
			out, err := p.NextPage(ctx)
			require.NoError(t, err)
			pages++
			for _, x := range out.Executions {
				names = append(names, *x.Name)
			}
		}
		return names, pages
	}
	names, pages := walk(&sfn.ListExecutionsInput{MaxResults: 3})
	require.Equal(t, []string{"e6", "e5", "e4", "e3", "e2", "e1", "e0"}, names)
	require.Equal(t, 3, pages)
	names, _ = walk(&sfn.ListExecutionsInput{MaxResults: 2, StatusFilter: types.ExecutionStatusRunning})
	require.Equal(t, []string{"e6", "e5", "e4", "e2", "e1", "e0"}, names)
	names, _ = walk(&sfn.ListExecutionsInput{StatusFilter: types.ExecutionStatusAborted})
	require.Equal(t, []string{"e3"}, names)
}

func TestHistoryOnTheWire(t *testing.T) {
	w := newWorld(t, soak, map[string]handler{workARN: works})
	ctx := t.Context()
	arn := w.start("one", `{"a":1}`)
	w.settle()
	var events []types.HistoryEvent
	p := sfn.NewGetExecutionHistoryPaginator(w.client, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, MaxResults: 3})
	for p.HasMorePages() {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(out.Events), 3)
		events = append(events, out.Events...)
	}
	var seen []types.HistoryEventType
	for i, ev := range events {
		require.EqualValues(t, i+1, ev.Id)
		seen = append(seen, ev.Type)
	}
	require.Equal(t, []types.HistoryEventType{
		"ExecutionStarted", "WaitStateEntered", "WaitStateExited", "TaskStateEntered", "LambdaFunctionScheduled",
		"LambdaFunctionStarted", "LambdaFunctionSucceeded", "TaskStateExited", "ExecutionSucceeded",
	}, seen)
	require.JSONEq(t, `{"a":1}`, *events[0].ExecutionStartedEventDetails.Input)
	require.Equal(t, "Rest", *events[1].StateEnteredEventDetails.Name)
	require.Equal(t, "Rest", *events[2].StateExitedEventDetails.Name)
	require.Equal(t, start().Add(14*24*time.Hour), *events[2].Timestamp)
	require.Equal(t, workARN, *events[4].LambdaFunctionScheduledEventDetails.Resource)
	require.Equal(t, "1", *events[6].LambdaFunctionSucceededEventDetails.Output)
	require.Equal(t, "1", *events[8].ExecutionSucceededEventDetails.Output)

	back, err := w.client.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{
		ExecutionArn: &arn, MaxResults: 2, ReverseOrder: true, IncludeExecutionData: aws.Bool(false),
	})
	require.NoError(t, err)
	require.Len(t, back.Events, 2)
	require.EqualValues(t, 9, back.Events[0].Id)
	require.Nil(t, back.Events[0].ExecutionSucceededEventDetails.Output)
	back, err = w.client.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{
		ExecutionArn: &arn, MaxResults: 100, ReverseOrder: true, NextToken: back.NextToken,
	})
	require.NoError(t, err)
	require.Len(t, back.Events, 7)
	require.EqualValues(t, 1, back.Events[6].Id)
	require.Nil(t, back.NextToken)
}

func TestCallbackHistoryOnTheWire(t *testing.T) {
	var token string
	w := newWorld(t, ask, asking(&token))
	arn := w.start("one", `{}`)
	w.settle()
	out, err := w.client.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &arn})
	require.NoError(t, err)
	scheduled := out.Events[2].TaskScheduledEventDetails
	require.Equal(t, "eu-west-1", *scheduled.Region)
	require.EqualValues(t, 86400, *scheduled.TimeoutInSeconds)
	require.Contains(t, *scheduled.Parameters, token)
	require.Equal(t, "invoke.waitForTaskToken", *out.Events[3].TaskStartedEventDetails.Resource)
	require.Equal(t, "lambda", *out.Events[4].TaskSubmittedEventDetails.ResourceType)
	require.Equal(t, "States.Timeout", *out.Events[5].TaskTimedOutEventDetails.Error)
}

func TestStateMachineIsDescribed(t *testing.T) {
	w := newWorld(t, soak, map[string]handler{workARN: works})
	ctx := t.Context()
	out, err := w.client.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(w.StateMachineARN())})
	require.NoError(t, err)
	require.Equal(t, soak, *out.Definition)
	require.Equal(t, types.StateMachineStatusActive, out.Status)
	list, err := w.client.ListStateMachines(ctx, &sfn.ListStateMachinesInput{})
	require.NoError(t, err)
	require.Len(t, list.StateMachines, 1)
	require.Equal(t, w.StateMachineARN(), *list.StateMachines[0].StateMachineArn)
	arn := w.start("one", `{}`)
	its, err := w.client.DescribeStateMachineForExecution(ctx, &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: &arn})
	require.NoError(t, err)
	require.Equal(t, soak, *its.Definition)
	versions, err := w.client.ListStateMachineVersions(ctx, &sfn.ListStateMachineVersionsInput{StateMachineArn: aws.String(w.StateMachineARN())})
	require.NoError(t, err)
	require.Empty(t, versions.StateMachineVersions)
	aliases, err := w.client.ListStateMachineAliases(ctx, &sfn.ListStateMachineAliasesInput{StateMachineArn: aws.String(w.StateMachineARN())})
	require.NoError(t, err)
	require.Empty(t, aliases.StateMachineAliases)
	tags, err := w.client.ListTagsForResource(ctx, &sfn.ListTagsForResourceInput{ResourceArn: aws.String(w.StateMachineARN())})
	require.NoError(t, err)
	require.Empty(t, tags.Tags)
}

// recorder keeps what the client sends: an SDK that switched protocols would show here.
type recorder struct{ seen []http.Header }

func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	r.seen = append(r.seen, req.Header.Clone())
	return http.DefaultClient.Do(req)
}

func TestWhatTheClientSends(t *testing.T) {
	w := newWorld(t, soak, map[string]handler{workARN: works})
	r := &recorder{}
	_, err := w.client.ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{}, func(o *sfn.Options) { o.HTTPClient = r })
	require.NoError(t, err)
	require.Equal(t, "application/x-amz-json-1.0", r.seen[0].Get("Content-Type"))
	require.Equal(t, "AWSStepFunctions.ListStateMachines", r.seen[0].Get("X-Amz-Target"))
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	w := newWorld(t, soak, map[string]handler{workARN: works})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- w.Serve(l) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String(), strings.NewReader("{}"))
	require.NoError(t, err)
	req.Header.Set("X-Amz-Target", "AWSStepFunctions.ListStateMachines")
	for host, status := range map[string]int{"": http.StatusOK, "evil.example.com": http.StatusBadRequest} {
		req.Host = host
		signed(t, w.Key(), req, "{}")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode, host)
		req.Body, err = req.GetBody()
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	require.NoError(t, <-done)

	open, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	defer open.Close()
	require.ErrorContains(t, w.Serve(open), "loopback")
}

func TestManyAtOnce(t *testing.T) {
	const n = 1000
	var w *world
	w = newWorld(t, soak, map[string]handler{workARN: func(ctx context.Context, _ []byte) (any, *stepfunctions.FunctionError, error) {
		return 1, nil, w.clock.Sleep(ctx, time.Minute)
	}})
	require.NoError(t, w.clock.Run(t.Context(), func(ctx context.Context) error {
		var each []func(context.Context) error
		for i := range 10 {
			each = append(each, func(ctx context.Context) error {
				for j := i; j < n; j += 10 {
					if _, err := w.client.StartExecution(ctx, &sfn.StartExecutionInput{
						StateMachineArn: aws.String(w.StateMachineARN()), Name: aws.String(fmt.Sprint("e", j)),
					}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return w.clock.Together(ctx, each...)
	}))
	w.settle()
	require.Equal(t, map[asl.Status]int{asl.Succeeded: n}, w.Counts())
	require.Equal(t, start().Add(14*24*time.Hour+time.Minute), w.clock.Now(), "they sleep side by side")
}
