// Package lambdahost stands between bytes and handlers: it decodes the input strictly, logs, and names errors so that
// the definition's Retry and Catch meet the same names on AWS Lambda and on the embedded engine.
package lambdahost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Function is a handler as bytes. Its error is always a messages.InvokeResponse_Error by value, whose Type is a
// sunset.Kind: the Lambda runtime keeps a chosen name only in that form.
type Function func(ctx context.Context, payload []byte) ([]byte, error)

// Invoke makes a Function a lambda.Handler.
func (f Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

// Host makes a Function of a handler. A panic becomes an Internal fault that names the handler; its value and stack go
// to the log alone, because they might hold what nobody should read in a history.
func Host[In, Out any](log *slog.Logger, name string, handle func(context.Context, In) (Out, error)) Function {
	return func(ctx context.Context, payload []byte) (result []byte, err error) {
		log := log.With("function", name)
		defer func() {
			if p := recover(); p != nil {
				log.ErrorContext(ctx, "handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				result, err = nil, named(sunset.Internal, name+" stopped at a programming error; see its log")
			}
		}()
		var in In
		d := json.NewDecoder(bytes.NewReader(payload))
		if err := d.Decode(&in); err != nil {
			return nil, named(sunset.Invalid, fmt.Sprintf("%s: reading its input: %v", name, err))
		}
		out, err := handle(ctx, in)
		if err != nil {
			kind := sunset.KindOf(err)
			log.WarnContext(ctx, "handler failed", "kind", kind, "error", err)
			return nil, named(kind, err.Error())
		}
		result, err = json.Marshal(out)
		if err != nil {
			return nil, named(sunset.Internal, fmt.Sprintf("%s: writing its result: %v", name, err))
		}
		log.DebugContext(ctx, "handler done", "bytes", len(result))
		return result, nil
	}
}

func named(kind sunset.Kind, message string) error {
	return messages.InvokeResponse_Error{Type: string(kind), Message: message}
}
