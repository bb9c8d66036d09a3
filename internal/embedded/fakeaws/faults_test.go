package fakeaws_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

func TestFaults(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	crowd(t, w, 3)
	list := func() (*iam.ListUsersOutput, error) { return w.iam.ListUsers(t.Context(), &iam.ListUsersInput{}) }
	fails := func(want bool) {
		t.Helper()
		_, err := list()
		require.Equal(t, want, err != nil)
	}

	remove := w.Fail(fakeaws.Fault{Service: "iam", Action: "ListUsers", Code: "ServiceFailure", Message: "later", Status: 500, After: 1, Times: 2})
	fails(false)
	_, err := list()
	refused(t, err, "ServiceFailure", "later")
	requireStatus(t, err, 500)
	fails(true)
	fails(false)
	remove()

	remove = w.Fail(fakeaws.Fault{Throttle: true, Match: func(c fakeaws.Call) bool { return c.Params["MaxItems"] == "7" }})
	fails(false)
	_, err = w.iam.ListUsers(t.Context(), &iam.ListUsersInput{MaxItems: aws.Int32(7)})
	refused(t, err, "Throttling", "Rate exceeded")
	remove()

	remove = w.Fail(fakeaws.Fault{Action: "ListUsers", CutPage: true})
	page, err := list()
	require.NoError(t, err)
	require.Len(t, page.Users, 1)
	require.True(t, page.IsTruncated)
	remove()

	for _, f := range []fakeaws.Fault{{Action: "ListUsers", Drop: true}, {Action: "ListUsers", Truncate: true}} {
		remove = w.Fail(f)
		fails(true)
		remove()
		fails(false)
	}

	for _, applied := range []bool{false, true} {
		remove = w.Fail(fakeaws.Fault{Action: "CreateUser", Drop: true, ApplyFirst: applied})
		_, err = w.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("dropped")})
		require.Error(t, err)
		_, done := w.User("dropped")
		require.Equal(t, applied, done)
		remove()
	}
	remove = w.Fail(fakeaws.Fault{Action: "CreateUser", ApplyFirst: true, Code: "ServiceFailure", Status: 500})
	_, err = w.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("made")})
	refused(t, err, "ServiceFailure", "")
	_, made := w.User("made")
	require.True(t, made, "the work was done, the answer lost")
	remove()

	remove = w.Limit(fakeaws.Rate{Service: "iam", PerSecond: 2, Burst: 2})
	fails(false)
	fails(false)
	fails(true)
	w.clock.pass(500 * time.Millisecond)
	fails(false)
	fails(true)
	remove()
	fails(false)
}

func TestWhatIsNotKnownFailsLoudly(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	_, err := w.iam.ListSAMLProviders(t.Context(), &iam.ListSAMLProvidersInput{})
	refused(t, err, "InvalidAction", "the fake account's iam has no operation ListSAMLProviders")
	requireStatus(t, err, http.StatusBadRequest)
	_, err = sfn.NewFromConfig(unretried(w.server.Config("us-east-1"))).ListActivities(t.Context(), &sfn.ListActivitiesInput{})
	refused(t, err, "UnknownOperationException", "")
	require.Len(t, w.UnknownCalls(), 2)
	require.Equal(t, "iam:ListSAMLProviders", w.UnknownCalls()[0])
	require.Contains(t, w.UnknownCalls()[1], "ListActivities")
}

func TestCallLogKeepsNoSecrets(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	w.add(t, fakeaws.UserSpec{Name: "x"})
	w.ResetCalls()
	_, err := w.iam.CreateLoginProfile(t.Context(), &iam.CreateLoginProfileInput{UserName: aws.String("x"), Password: aws.String("Correct-horse-9")})
	require.NoError(t, err)
	_, err = w.iam.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("y")})
	require.Error(t, err)
	calls := w.Calls()
	require.Len(t, calls, 2)
	require.NotEmpty(t, calls[0].RequestID)
	calls[0].RequestID = ""
	require.Equal(t, fakeaws.Call{
		At: w.clock.Now(), Service: "iam", Action: "CreateLoginProfile", Region: "us-east-1", Target: "x", Permission: "iam:CreateLoginProfile", Resource: "arn:aws:iam::123456789012:user/x",
		CallerARN: "arn:aws:sts::123456789012:assumed-role/Administrator/operator", Params: map[string]string{"UserName": "x"},
	}, calls[0])
	require.Equal(t, "NoSuchEntity", calls[1].Error)
	for _, e := range w.Events("us-east-1") {
		require.NotContains(t, e.RequestParameters, "password")
	}
}

func TestAnswersCarryTheAccountsDate(t *testing.T) {
	w := newIAMWorld(t, fakeaws.Config{})
	var date string
	_, err := w.iam.ListUsers(t.Context(), &iam.ListUsersInput{}, func(o *iam.Options) {
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			return s.Deserialize.Add(middleware.DeserializeMiddlewareFunc("date", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				out, m, err := next.HandleDeserialize(ctx, in)
				if res, ok := out.RawResponse.(*smithyhttp.Response); ok {
					date = strings.Join(res.Header.Values("Date"), "|")
				}
				return out, m, err
			}), middleware.After)
		})
	})
	require.NoError(t, err)
	require.Equal(t, "Mon, 05 Jan 2026 09:00:00 GMT", date)
}

func TestOnlyLoopback(t *testing.T) {
	a := fakeaws.New(fakeaws.Config{})
	for _, addr := range []string{":0", "0.0.0.0:0", "192.0.2.1:80", "nonsense"} {
		_, err := a.Serve(addr)
		require.Error(t, err, addr)
	}
}

// Equal seeds and equal calls make equal accounts.
func TestSeedDecidesIDs(t *testing.T) {
	made := func(seed uint64) fakeaws.NewUser {
		u, err := fakeaws.New(fakeaws.Config{Seed: seed}).AddUser(fakeaws.UserSpec{Name: "x", Keys: []fakeaws.AccessKeySpec{{}}})
		require.NoError(t, err)
		return u
	}
	require.Equal(t, made(1), made(1))
	require.NotEqual(t, made(1), made(2))
}
