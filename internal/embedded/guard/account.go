package guard

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

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
	return bound, guard
}

// OnHalt sets who is told that the credentials are another account's; nobody is before.
func (a *Account) OnHalt(h Halt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.halt = h
}

// Retrieve gives the credentials. It is an AccessDenied fault where they are of another account, and whatever fault it is
// where that can't be found out.
func (a *Account) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := a.inner.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	id := sha256.Sum256([]byte(c.AccessKeyID + "\n" + c.SecretAccessKey + "\n" + c.SessionToken))
	a.mu.Lock()
	proven, halt := a.proven, a.halt
	a.mu.Unlock()
	if id == proven {
		return c, nil
	}
	account, err := a.ask(ctx, c)
	if err != nil {
		return aws.Credentials{}, err
	}
	if account != a.account {
		err := sunset.Faultf(sunset.AccessDenied, "the credentials are of account %s now, and no more of account %s", account, a.account)
		if halt != nil {
			halt(ctx, err)
		}
		return aws.Credentials{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proven = id
	return c, nil
}
