package awsfault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestKindsOverTheWire(t *testing.T) {
	account := fakeaws.New(fakeaws.Config{Now: time.Now})
	server, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	cfg := server.Config("us-east-1")
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	client := iam.NewFromConfig(cfg)
	for _, c := range []struct {
		code   string
		status int
		want   sunset.Kind
	}{
		{"Throttling", 400, sunset.Throttled},
		{"ThrottlingException", 400, sunset.Throttled},
		{"RequestLimitExceeded", 503, sunset.Throttled},
		{"ServiceFailure", 500, sunset.Unavailable},
		{"SomethingNew", 503, sunset.Unavailable},
		{"SomethingNew", 429, sunset.Throttled},
		{"AccessDenied", 403, sunset.AccessDenied},
		{"ExpiredToken", 403, sunset.AccessDenied},
		{"InvalidClientTokenId", 403, sunset.AccessDenied},
		{"NoSuchEntity", 404, sunset.Conflict},
		{"DeleteConflict", 409, sunset.Conflict},
		{"ConcurrentModification", 409, sunset.Conflict},
		{"EntityTemporarilyUnmodifiable", 409, sunset.Conflict},
		{"LimitExceeded", 409, sunset.Invalid},
		{"ValidationError", 400, sunset.Invalid},
		{"ReportInProgress", 404, sunset.NotReady},
		{"SomethingNew", 400, sunset.Internal},
	} {
		t.Run(fmt.Sprintf("%s %d", c.code, c.status), func(t *testing.T) {
			defer account.Fail(fakeaws.Fault{Service: "iam", Action: "ListUsers", Code: c.code, Message: "as asked", Status: c.status})()
			_, err := client.ListUsers(t.Context(), &iam.ListUsersInput{})
			require.Equal(t, c.want, awsfault.KindOf(err), "%v", err)
			wrapped := awsfault.Wrap(err, "iam:ListUsers", "listing users of account %s", "1")
			require.Equal(t, c.want, sunset.KindOf(wrapped))
			require.Equal(t, "iam:ListUsers", sunset.ActionOf(fmt.Errorf("more: %w", wrapped)))
			require.ErrorContains(t, wrapped, "listing users of account 1: iam:ListUsers: ")
			gap := awsfault.Gap(err, "iam:ListUsers", "us-east-1")
			require.NotContains(t, gap.Why, "RequestID", "reading twice must say the same")
			require.NotEmpty(t, gap.Why)
			require.False(t, awsfault.IsNotOffered(wrapped), "AWS knows the operation and says what is wrong")
		})
	}
	t.Run("the answer is lost", func(t *testing.T) {
		defer account.Fail(fakeaws.Fault{Service: "iam", Action: "ListUsers", Drop: true})()
		_, err := client.ListUsers(t.Context(), &iam.ListUsersInput{})
		require.Equal(t, sunset.Unavailable, awsfault.KindOf(err), "%v", err)
		require.ErrorContains(t, awsfault.Wrap(err, "iam:ListUsers", "listing users"), "listing users: iam:ListUsers: no answer from 127.0.0.1:")
	})
	require.NoError(t, awsfault.Wrap(nil, "iam:ListUsers", "listing users"))
	require.Equal(t, sunset.Internal, awsfault.KindOf(errors.New("odd")))
}

// A throttled call waits on the clock that is handed in, in no real time.
func TestRetriesWaitOnTheClock(t *testing.T) {
	v := clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	account := fakeaws.New(fakeaws.Config{Now: v.Now})
	server, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	cfg := server.Config("us-east-1")
	cfg.Retryer = awsfault.RetryOn(v)
	account.Fail(fakeaws.Fault{Service: "iam", Action: "ListUsers", Times: 2, Code: "Throttling", Message: "Rate exceeded", Status: 400})
	before := v.Now()
	require.NoError(t, v.Run(t.Context(), func(ctx context.Context) error {
		_, err := iam.NewFromConfig(cfg).ListUsers(ctx, &iam.ListUsersInput{})
		return err
	}))
	require.True(t, v.Now().After(before), "the waits were not spent on the clock")
	require.Len(t, account.Calls(), 3)
}

func TestAnAnswerThatIsNotOfAWSIsToldPlainly(t *testing.T) {
	for status, want := range map[int]sunset.Kind{500: sunset.Unavailable, 502: sunset.Unavailable, 403: sunset.AccessDenied, 200: sunset.Unavailable} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<!doctype html>\n<html lang=en><title>Bad Gateway</title>")
		}))
		t.Cleanup(s.Close)
		cfg := aws.Config{
			Region: "us-east-1", BaseEndpoint: &s.URL, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
			Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		}
		_, err := iam.NewFromConfig(cfg).ListUsers(t.Context(), &iam.ListUsersInput{})
		require.Error(t, err)
		err = awsfault.Wrap(err, "iam:ListUsers", "listing users")
		require.Equal(t, want, sunset.KindOf(err), "%v", err)
		require.Equal(t, status == 500, awsfault.IsNotOffered(err), "what has never heard of an operation may break on it")
		require.EqualError(t, err, fmt.Sprintf("listing users: iam:ListUsers: HTTP %d with an answer that can't be read", status))
	}
}
