package workflow

import (
	"context"
	"slices"

	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type callerIdentity = iamaccount.Caller

// own says why the product must never touch a user, whatever anybody decides, or is empty.
func (w *Workflow) own(u sunset.User, s sunset.Settings, caller callerIdentity) string {
	switch {
	case u.ARN != "" && u.ARN == caller.ARN, u.ID != "" && u.ID == caller.UserID:
		return "the cleanup itself runs as this user"
	case slices.Contains(w.Own, u.ARN):
		return "it belongs to IAM Sunset itself"
	}
	for _, a := range s.Approvers {
		if slices.Contains(a.Principals, u.ARN) {
			return "it is the user of the approver " + a.Email
		}
	}
	return ""
}

// liveSettings are today's settings as the case's request tightens them. Where today's already ask for more than the
// request did, today's hold.
func (w *Workflow) liveSettings(ctx context.Context, r sunset.Request) (sunset.Settings, error) {
	s, err := w.Settings(ctx)
	if err != nil {
		return sunset.Settings{}, err
	}
	return r.Tighten(s), nil
}
