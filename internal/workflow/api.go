package workflow

import (
	"context"
	"net/http"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// API is the other half of the function approval-web: approvers who come with an AWS identity, which identify tells. See
// approval.NewAPI.
func (w *Workflow) API(identify func(*http.Request) (arn string, ok bool)) http.Handler {
	return approval.NewAPI(w.Desk, identify, func(ctx context.Context, r sunset.ApprovalRequest, _ sunset.Choice) error {
		return w.deliver(ctx, r.ID)
	}, w.recordDecision, w.Log)
}
