package lambdahost_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// A handler that waits for its context is done before Lambda would end its process, and is tried again.
func TestHandlersStopBeforeTheirTimeLimit(t *testing.T) {
	for _, c := range []struct{ limit, after time.Duration }{
		{15 * time.Minute, 14*time.Minute + 40*time.Second},
		{time.Minute, 54 * time.Second},
		{3 * time.Second, 2700 * time.Millisecond},
	} {
		for name, wrap := range map[string]func(error) error{
			"as it is":      func(err error) error { return err },
			"wrapped":       func(err error) error { return fmt.Errorf("reading users: %w", err) },
			"in a fault":    func(err error) error { return sunset.Faultf(sunset.Invalid, "reading users: %w", err) },
			"joined":        func(err error) error { return errors.Join(errors.New("others"), err) },
			"one of others": func(error) error { return context.Canceled },
		} {
			t.Run(fmt.Sprint(c.limit, " ", name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), c.limit)
					defer cancel()
					began := time.Now()
					wait := lambdahost.Host(slog.New(slog.DiscardHandler), "discover", func(ctx context.Context, _ input) (any, error) {
						<-ctx.Done()
						return nil, wrap(ctx.Err())
					})
					_, err := wait(ctx, []byte(`{}`))
					require.Equal(t, c.after, time.Since(began))
					require.NoError(t, ctx.Err())
					named, ok := err.(messages.InvokeResponse_Error) //nolint:errorlint // the form is what is tested
					require.True(t, ok, "%T", err)
					require.Equal(t, string(sunset.Unavailable), named.Type)
					require.Contains(t, named.Message, "discover was stopped before its time limit; it will be tried again")
				})
			})
		}
	}
}

func TestOnlyTheTimeLimitIsTheTimeLimit(t *testing.T) {
	kindOf := func(t *testing.T, ctx context.Context, handle func(context.Context) error) string {
		t.Helper()
		_, err := lambdahost.Host(slog.New(slog.DiscardHandler), "discover", func(ctx context.Context, _ input) (any, error) {
			return nil, handle(ctx)
		})(ctx, []byte(`{}`))
		named, ok := err.(messages.InvokeResponse_Error) //nolint:errorlint // the form is what is tested
		require.True(t, ok, "%T", err)
		require.NotContains(t, named.Message, "time limit")
		return named.Type
	}
	t.Run("a deadline of the handler's own is its own matter", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.Equal(t, "Conflict", kindOf(t, ctx, func(context.Context) error {
			return sunset.Faultf(sunset.Conflict, "inner: %w", context.DeadlineExceeded)
		}))
	})
	t.Run("without a limit nothing ends", func(t *testing.T) {
		require.Equal(t, "Internal", kindOf(t, t.Context(), func(ctx context.Context) error {
			_, limited := ctx.Deadline()
			require.False(t, limited)
			return context.DeadlineExceeded
		}))
	})
	t.Run("what was found out in the last moment stands", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			require.Equal(t, "AccessDenied", kindOf(t, ctx, func(ctx context.Context) error {
				<-ctx.Done()
				return sunset.Faultf(sunset.AccessDenied, "not yours")
			}))
		})
	})
	t.Run("a result in the last moment stands", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := lambdahost.Host(slog.New(slog.DiscardHandler), "discover", func(ctx context.Context, in input) (int, error) {
				<-ctx.Done()
				return in.N, nil
			})(ctx, []byte(`{"n": 7}`))
			require.NoError(t, err)
			require.Equal(t, "7", string(out))
		})
	})
}
