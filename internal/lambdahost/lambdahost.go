// Package lambdahost stands between bytes and handlers: it decodes the input strictly, logs, stops in time, and names
// errors so that the definition's Retry and Catch meet the same names on AWS Lambda and on the embedded engine.
package lambdahost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Function is a handler as bytes. Its error is always a messages.InvokeResponse_Error by value, whose Type is a
// sunset.Kind: the Lambda runtime keeps a chosen name only in that form.
type Function func(ctx context.Context, payload []byte) ([]byte, error)

// Invoke makes a Function a lambda.Handler.
func (f Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

// Host makes a Function of a handler.
//
// A panic becomes an Internal fault that names the handler; its value and stack go to the log alone, because they might
// hold what nobody should read in a history. The handler's context ends a little before the caller's, so that what was
// stopped by it still answers, as an Unavailable fault, which is tried again; a killed process would be nothing but a
// timeout.
func Host[In, Out any](log *slog.Logger, name string, handle func(context.Context, In) (Out, error)) Function {
	var warm atomic.Bool
	return func(ctx context.Context, payload []byte) (result []byte, err error) {
		log := log.With("function", name)
		if _, ok := lambdacontext.FromContext(ctx); ok {
			log = log.With("cold_start", !warm.Swap(true))
		}
		defer func() {
			if p := recover(); p != nil {
				log.ErrorContext(ctx, "handler panicked", "panic", p, "stack", string(debug.Stack()))
				result, err = nil, named(sunset.Internal, name+" stopped at a programming error; see its log")
			}
		}()
		var in In
		d := json.NewDecoder(bytes.NewReader(payload))
		if err := d.Decode(&in); err != nil {
			log.WarnContext(ctx, "input can't be read", "kind", sunset.Invalid, "error", err)
			return nil, named(sunset.Invalid, fmt.Sprintf("%s: reading its input: %v", name, err))
		}
		log = log.With(about(payload)...)
		inTime, cancel := withMargin(ctx)
		defer cancel()
		out, err := handle(inTime, in)
		if err != nil {
			if stopped(inTime, err) {
				err = sunset.Faultf(sunset.Unavailable, "%s was stopped before its time limit; it will be tried again: %w", name, err)
			}
			kind := sunset.KindOf(err)
			log.WarnContext(ctx, "handler failed", "kind", kind, "error", err)
			return nil, named(kind, err.Error())
		}
		result, err = json.Marshal(out)
		if err != nil {
			log.ErrorContext(ctx, "result can't be written", "kind", sunset.Internal, "error", err)
			return nil, named(sunset.Internal, fmt.Sprintf("%s: writing its result: %v", name, err))
		}
		log.InfoContext(ctx, "handler done", "bytes", len(result))
		return result, nil
	}
}

// margin is what is kept of the time limit, at most, for answering and logging.
const margin = 20 * time.Second

// withMargin ends ctx earlier than it would end by itself: by the margin, or by a tenth of the time where that is less.
func withMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end.Add(-min(margin, max(0, time.Until(end)/10))))
}

// stopped reports whether err is but what became of the end of ctx's time. Where several requests went side by side, the
// others were cancelled by the first that it ended.
func stopped(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled))
}

// about tells from a payload whose execution it belongs to, for the log. The rest of it, a task token among others, is
// nobody's business.
func about(payload []byte) []any {
	var task struct {
		Execution string `json:"execution"`
		Name      string `json:"name"`
		Stage     string `json:"stage"`
	}
	if json.Unmarshal(payload, &task) != nil {
		return nil
	}
	var attrs []any
	for _, a := range []struct{ key, value string }{{"execution", task.Execution}, {"name", task.Name}, {"stage", task.Stage}} {
		if a.value != "" {
			attrs = append(attrs, a.key, a.value)
		}
	}
	return attrs
}

func named(kind sunset.Kind, message string) error {
	return messages.InvokeResponse_Error{Type: string(kind), Message: redact(message)}
}
