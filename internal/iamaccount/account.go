// Package iamaccount is IAM read in bulk and changed: the census of an account's users, one user's snapshot,
// quarantine, deactivation, restoring and deletion, over plain aws-sdk-go-v2 clients.
//
// A user is known by its UserId. IAM's calls take names, and names are reused and changed, so each change looks up the
// name that the UserId has at that moment, and no call is ever sent with an empty name, which IAM would take for the
// caller's own. A list is whole or it is a fault; it is never shorter than AWS's.
//
// Every error is a sunset.Fault: its kind, the AWS action, and the user that it was about. Once anything was changed,
// its text also says what.
package iamaccount

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Account is one AWS account's IAM. It is safe for concurrent use.
type Account struct {
	iam   *iam.Client
	sts   *sts.Client
	clock clock.Clock
}

// New reaches the account whose credentials cfg has. Where cfg names no region, us-east-1 is asked: IAM is global and
// answers there.
func New(cfg aws.Config, c clock.Clock) *Account {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	return &Account{iam: iam.NewFromConfig(cfg), sts: sts.NewFromConfig(cfg), clock: c}
}

// Caller is whom the product acts as.
type Caller struct {
	Account string `json:"account"`
	ARN     string `json:"arn"`
	UserID  string `json:"user_id"`
}

// Caller asks AWS who the product is.
func (a *Account) Caller(ctx context.Context) (Caller, error) {
	out, err := a.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Caller{}, awsfault.Wrap(err, "sts:GetCallerIdentity", "asking AWS who the caller is")
	}
	return Caller{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), UserID: aws.ToString(out.UserId)}, nil
}

// maxPages bounds every paged read; at IAM's quotas no list comes near.
const maxPages = 2000

// readPages calls read until its list is whole. read gets the marker of the page to ask for, nil for the first, and
// reports what the page said of more. A page that says that there is more and not where, or sends back to a page
// already read, makes the list Unavailable: part of a list passes for a whole one too easily.
func readPages(action, what string, read func(marker *string) (more bool, next *string, err error)) error {
	seen := map[string]bool{}
	var marker *string
	for range maxPages {
		more, next, err := read(marker)
		if err != nil {
			return awsfault.Wrap(err, action, "reading %s", what)
		}
		if !more {
			return nil
		}
		at := aws.ToString(next)
		if at == "" || seen[at] {
			return halfRead(action, what, "says that there is more but not where")
		}
		seen[at] = true
		marker = next
	}
	return halfRead(action, what, fmt.Sprintf("does not end within %d pages", maxPages))
}

func halfRead(action, what, why string) error {
	return &sunset.Fault{
		Kind: sunset.Unavailable, Action: action,
		Err: fmt.Errorf("reading %s: %s: the answer %s; try again", what, action, why),
	}
}

// lacking is the fault of an answer without a field that AWS always sends.
func lacking(action, what, field string) error {
	return &sunset.Fault{
		Kind: sunset.Unavailable, Action: action,
		Err: fmt.Errorf("reading %s: %s: the answer has no %s; try again", what, action, field),
	}
}
