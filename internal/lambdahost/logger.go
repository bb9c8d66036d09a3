package lambdahost

import (
	"context"
	"io"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// version of the build, for its log lines. The linker sets it (-X); empty, it is left out.
var version string

// NewLogger logs lines of JSON for a Lambda's log group: each has the request id of the invocation it belongs to, where its
// context tells one. Whatever a caller hands in, what looks like a secret is taken out, in messages, names, errors and
// nested values.
func NewLogger(w io.Writer) *slog.Logger {
	log := slog.New(inContext{slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: withoutSecrets})})
	if version != "" {
		log = log.With("version", version)
	}
	return log
}

// NewTextLogger is the same for people: lines of text from a level on, without an invocation.
func NewTextLogger(w io.Writer, least slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: least, ReplaceAttr: withoutSecrets}))
}

// inContext adds what a record's context knows of the invocation.
type inContext struct{ slog.Handler }

func (h inContext) Handle(ctx context.Context, r slog.Record) error {
	if l, ok := lambdacontext.FromContext(ctx); ok && l.AwsRequestID != "" {
		r = r.Clone() // a record's attributes may be shared with other handlers
		r.AddAttrs(slog.String("request", l.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

func (h inContext) WithAttrs(attrs []slog.Attr) slog.Handler {
	return inContext{h.Handler.WithAttrs(attrs)}
}

func (h inContext) WithGroup(name string) slog.Handler { return inContext{h.Handler.WithGroup(name)} }
