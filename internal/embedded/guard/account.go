package guard

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Account gives credentials of one account and no other. Profiles are edited and roles are switched while a process
// runs; whenever the credentials are others than before, AWS is asked first whose they are, with these credentials themselves.
type Account struct {
	inner   aws.CredentialsProvider
	account string
	ask     func(context.Context, aws.Credentials) (account string, err error)

	mu     sync.Mutex
	proven [sha256.Size]byte
	halt   Halt
}

// OfAccount makes cfg's credentials those of one account; guard is where they are watched.
func OfAccount(cfg aws.Config, account string) (bound aws.Config, guard *Account) {
	guard = &Account{inner: cfg.Credentials, account: account, ask: func(ctx context.Context, c aws.Credentials) (string, error) {
		as := cfg.Copy()
		as.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
		out, err := sts.NewFromConfig(as).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", awsfault.Wrap(err, "sts:GetCallerIdentity", "asking AWS whose the credentials are")
		}
		return aws.ToString(out.Account), nil
	}}
	bound = cfg.Copy()
	bound.Credentials = guard
	bound.APIOptions = append(bound.APIOptions, guard.expired)
	return bound, guard
}

// OnHalt sets who is told that the credentials are another account's, or can't be used any more; nobody is before.
func (a *Account) OnHalt(h Halt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.halt = h
}

// Retrieve gives the credentials. It is an AccessDenied fault where they are of another account or can't be had, and an
// Unavailable one where whose they are can't be found out at the moment. An AWS profile whose session has ended is no
// matter of the user that a call was about: whoever watches is told.
func (a *Account) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := a.inner.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, a.halted(ctx, sunset.Faultf(sunset.AccessDenied, "AWS credentials can't be had: %w", err))
	}
	id := sha256.Sum256([]byte(c.AccessKeyID + "\n" + c.SecretAccessKey + "\n" + c.SessionToken))
	a.mu.Lock()
	proven := a.proven
	a.mu.Unlock()
	if id == proven {
		return c, nil
	}
	account, err := a.ask(ctx, c)
	switch {
	case sunset.KindOf(err) == sunset.AccessDenied:
		return aws.Credentials{}, a.halted(ctx, err)
	case err != nil:
		return aws.Credentials{}, err
	case account != a.account:
		return aws.Credentials{}, a.halted(ctx, sunset.Faultf(sunset.AccessDenied, "the credentials are of account %s now, and no more of account %s", account, a.account))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proven = id
	return c, nil
}

func (a *Account) halted(ctx context.Context, why error) error {
	a.mu.Lock()
	halt := a.halt
	a.mu.Unlock()
	if halt != nil && ctx.Err() == nil {
		halt(ctx, why)
	}
	return why
}

// expired watches answers that say that the session is over: every call would say so from now on.
func (a *Account) expired(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("CredentialsExpired", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if awsfault.IsExpired(err) {
			_ = a.halted(ctx, sunset.Faultf(sunset.AccessDenied, "the AWS credentials have expired (%s)", awsfault.Code(err))) // the call has its own error
		}
		return out, metadata, err
	}), middleware.Before)
}
