package lambdahost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type input struct {
	N int `json:"n"`
}

func TestHost(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	host := func(f func(context.Context, input) (any, error)) lambdahost.Function {
		return lambdahost.Host(logger, "test", f)
	}
	echo := host(func(_ context.Context, in input) (any, error) { return map[string]int{"twice": 2 * in.N}, nil })

	out, err := echo(t.Context(), []byte(`{"n": 21}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"twice": 42}`, string(out))

	for name, c := range map[string]struct {
		f       lambdahost.Function
		payload string
		kind    sunset.Kind
		message string
	}{
		"a fault keeps its kind through wrapping": {
			host(func(context.Context, input) (any, error) {
				return nil, fmt.Errorf("outside: %w", sunset.Faultf(sunset.Throttled, "inside"))
			}), `{}`, sunset.Throttled, "outside: inside",
		},
		"any other error is internal": {
			host(func(context.Context, input) (any, error) { return nil, errors.New("odd") }), `{}`, sunset.Internal, "odd",
		},
		"input of another shape": {echo, `{"n": "x"}`, sunset.Invalid, "test: reading its input"},
		"no input":               {echo, ``, sunset.Invalid, "test: reading its input"},
		"a panic tells nothing of its value": {
			host(func(context.Context, input) (any, error) { panic("the token is 1234") }), `{}`, sunset.Internal, "programming error",
		},
		"a result without JSON": {
			host(func(context.Context, input) (any, error) { return func() {}, nil }), `{}`, sunset.Internal, "writing its result",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.f(t.Context(), []byte(c.payload))
			// By value: a pointer or a wrapped one would lose its name in Lambda.
			named, ok := err.(messages.InvokeResponse_Error) //nolint:errorlint // the form is what is tested
			require.True(t, ok, "%T", err)
			require.Equal(t, string(c.kind), named.Type)
			require.Contains(t, named.Message, c.message)
			require.NotContains(t, named.Message, "1234")
			_, err = json.Marshal(named)
			require.NoError(t, err)
		})
	}
	require.Contains(t, log.String(), "handler panicked")
}
