package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/iam-sunset/iam-sunset/internal/embedded/datadir"
	"github.com/iam-sunset/iam-sunset/internal/embedded/guard"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
)

// account is the one that is served, behind its guards.
type account struct {
	aws    aws.Config
	caller iamaccount.Caller
	alias  string // empty: it has none, or it can't be read
	// passing says that the credentials end by themselves, with nothing here to renew them.
	passing bool
	clock   *guard.Clock
	keys    *guard.Account
}

// reachAccount asks AWS whose the credentials are. A directory keeps its region, whatever the profile says today.
func (o serveOptions) reachAccount(ctx context.Context, bound datadir.Binding) (account, error) {
	cfg, err := awsConfig(ctx)
	if err != nil {
		return account{}, err
	}
	if bound.Region != "" {
		cfg.Region = bound.Region
	}
	to := account{clock: guard.NewClock(cfg.HTTPClient, o.around.clock.Now)}
	cfg.HTTPClient = to.clock
	to.caller, err = iamaccount.New(cfg, o.around.clock).Caller(ctx)
	if off := to.clock.Err(); off != nil {
		return account{}, verdictNo{"iam-sunset: " + off.Error() + ". Nothing has begun: set the clock, then start again."}
	}
	switch {
	case err != nil:
		return account{}, err
	case to.clock.Agreed().IsZero():
		return account{}, hinted{errors.New("AWS's answers don't say what time it is, so that this machine's clock can't be compared"), "check AWS_ENDPOINT_URL, and what stands between"}
	}
	if c, err := cfg.Credentials.Retrieve(ctx); err == nil {
		to.passing = c.SessionToken != "" && !c.CanExpire
	}
	to.aws, to.keys = guard.OfAccount(cfg, to.caller.Account)
	if out, err := iam.NewFromConfig(to.aws).ListAccountAliases(ctx, &iam.ListAccountAliasesInput{}); err == nil && len(out.AccountAliases) > 0 {
		to.alias = out.AccountAliases[0] // a help for whoever reads it, and no more
	}
	return to, nil
}

func (a account) String() string {
	if a.alias == "" {
		return fmt.Sprintf("%s, region %s", a.caller.Account, a.aws.Region)
	}
	return fmt.Sprintf("%s (%s), region %s", a.caller.Account, printable(a.alias), a.aws.Region)
}
