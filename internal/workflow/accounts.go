package workflow

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// roleSession is what a member account's CloudTrail calls us.
const roleSession = "iam-sunset"

// sessionTime is the most that AWS gives to a role that assumes another.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html: "role chaining"
const sessionTime = time.Hour

// in gives the workflow as it works in an account: w itself in the deployment's own, which an empty account means too,
// and in a member account a copy that assumes the role that today's settings name for w's access or, where w has none of
// its own, for what is needed.
//
// An account that the settings don't name any more is an AccessDenied fault, as is a role that can't be assumed: nothing
// is done then, and whoever is quarantined stays so.
func (w *Workflow) in(ctx context.Context, account string, need sunset.Access) (*Workflow, error) {
	if account == "" {
		return w, nil
	}
	home, err := w.members.homeOf(ctx, w.IAM)
	if err != nil || account == home {
		return w, err
	}
	s, err := w.Settings(ctx)
	if err != nil {
		return nil, err
	}
	m, ok := s.Member(account)
	if !ok {
		return nil, sunset.Faultf(sunset.AccessDenied, "account %s is not among the accounts in today's settings, and the credentials are of account %s; "+
			"nothing is done in it: put it back into the settings to go on", account, home)
	}
	role := m.Roles.For(cmp.Or(w.Access, need))
	if role == "" {
		return nil, sunset.Faultf(sunset.Invalid, "account %s has no role for the access %q; it is read, change or delete", account, cmp.Or(w.Access, need))
	}
	reach := w.members.reach(m, role)
	if _, err := reach.session.Retrieve(ctx); err != nil {
		err = awsfault.Wrap(err, "sts:AssumeRole", "acting in account %s as %s", account, role)
		if awsfault.IsDenied(err) {
			err = sunset.Faultf(sunset.AccessDenied, "the role %s can't be assumed; see that it is there, and that its trust names "+
				"the function's own role and the external id of the settings: %w", role, err)
		}
		return nil, err
	}
	there := *w
	there.IAM, there.Trail, there.Ownership = reach.iam, reach.trail, reach.ownership
	return &there, nil
}

// members are the ways into other accounts, which last as long as the process: a new Trail for each call would look
// CloudTrail up faster than it answers.
type members struct {
	base  aws.Config // of the deployment's own account
	clock clock.Clock

	mu      sync.Mutex
	home    string
	reached map[string]*reach
	trails  map[string]*trail.Trail // one an account, whose pace the others keep
}

// reach is one role in a member account.
type reach struct {
	session   *session
	iam       *iamaccount.Account
	trail     *trail.Trail
	ownership *ownership.Survey
}

func newMembers(cfg aws.Config, c clock.Clock) *members {
	return &members{base: cfg, clock: c, reached: map[string]*reach{}, trails: map[string]*trail.Trail{}}
}

// homeOf is the account of the process's own credentials. It is asked for once: they stay those of one account.
func (m *members) homeOf(ctx context.Context, own *iamaccount.Account) (string, error) {
	m.mu.Lock()
	home := m.home
	m.mu.Unlock()
	if home != "" {
		return home, nil
	}
	caller, err := own.Caller(ctx)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.home = caller.Account
	return m.home, nil
}

func (m *members) reach(a sunset.MemberAccount, role string) *reach {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := role + " " + a.ExternalID
	if r := m.reached[key]; r != nil {
		return r
	}
	cfg := m.base.Copy()
	s := &session{clock: m.clock, role: stscreds.NewAssumeRoleProvider(sts.NewFromConfig(m.base), role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.ExternalID, o.Duration = roleSession, aws.String(a.ExternalID), sessionTime
	})}
	cfg.Credentials = s
	r := &reach{session: s, iam: iamaccount.New(cfg, m.clock), ownership: ownership.New(cfg, m.clock)}
	if first := m.trails[a.ID]; first != nil {
		r.trail = first.As(cfg)
	} else {
		r.trail = trail.New(cfg, m.clock)
		m.trails[a.ID] = r.trail
	}
	m.reached[key] = r
	return r
}

// session keeps the credentials of an assumed role. The SDK's own cache would judge their end by the machine's clock, and
// hold a lock while it waits for AWS, under which time could not pass.
type session struct {
	role  aws.CredentialsProvider
	clock clock.Clock

	mu   sync.Mutex
	held aws.Credentials
	ends time.Time
}

// Retrieve gives credentials that outlast any handler that begins now.
func (s *session) Retrieve(ctx context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	held, ends := s.held, s.ends
	s.mu.Unlock()
	if s.clock.Now().Add(leaseTime).Before(ends) {
		return held, nil
	}
	fresh, err := s.role.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends, fresh.CanExpire = fresh.Expires, false
	s.held = fresh
	return fresh, nil
}

// straysEverywhere looks for strays in the deployment's own account and in every member. One that can't be reached does
// not keep the others from being looked at.
func (w *Workflow) straysEverywhere(ctx context.Context) (int, error) {
	found, err := w.strays(ctx)
	failures := []error{err}
	s, err := w.Settings(ctx)
	if err != nil {
		return found, errors.Join(append(failures, err)...)
	}
	for _, m := range s.Accounts {
		there, err := w.in(ctx, m.ID, sunset.AccessRead)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		if there == w {
			continue // the settings name the deployment's own
		}
		n, err := there.strays(ctx)
		found += n
		failures = append(failures, err)
	}
	return found, errors.Join(failures...)
}
