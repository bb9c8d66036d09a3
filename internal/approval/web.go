package approval

import (
	"context"
	"net/http"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// NewWeb serves the approvers' pages.
func NewWeb(desk *Desk, onDecided func(context.Context, sunset.ApprovalRequest, sunset.Choice) error,
	recordDecision func(context.Context, sunset.ApprovalRequest, sunset.Decision) error, baseURL string,
) http.Handler {
	return http.NotFoundHandler()
}
