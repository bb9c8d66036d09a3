package workflow

import (
	"context"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type callerIdentity = iamaccount.Caller

// own says why the product must never touch a user, whatever anybody decides, or is empty. An approver's user is known by
// its ARN in the settings, or by being called as the approver's address.
func (w *Workflow) own(u sunset.User, s sunset.Settings, caller callerIdentity) string {
	switch {
	case u.ARN != "" && strings.EqualFold(u.ARN, caller.ARN), u.ID != "" && u.ID == caller.UserID:
		return "the cleanup itself runs as this user"
	case slices.ContainsFunc(w.Own, func(arn string) bool { return strings.EqualFold(arn, u.ARN) }):
		return "it belongs to IAM Sunset itself"
	}
	for _, a := range s.Approvers {
		if a.Is(u.ARN) {
			return "it is the user of the approver " + a.Email
		}
	}
	return ""
}

// callerFor says whom the product acts as, and refuses to look for a case's user in another account than the case's:
// there every user would seem to be gone, and its case would be given up with the user left disabled.
func (w *Workflow) callerFor(ctx context.Context, c sunset.Case) (callerIdentity, error) {
	caller, err := w.IAM.Caller(ctx)
	if err == nil && caller.Account != c.Account {
		err = sunset.Faultf(sunset.AccessDenied, "case %s is in account %s, but the credentials are of account %s; run it with the right ones", c.ID, c.Account, caller.Account)
	}
	return caller, err
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
