package iamaccount

import (
	"context"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Principals is who lives in an account, and the policies among which references to a user are looked for.
type Principals struct {
	Users    []sunset.User // without credentials
	Roles    []Role
	Policies []Policy
}

// Principals reads the account's users, roles and customer-managed policies in bulk.
func (a *Account) Principals(ctx context.Context) (Principals, error) {
	var c Census
	users, err := a.details(ctx, &c)
	if err != nil {
		return Principals{}, err
	}
	return Principals{Users: users, Roles: c.Roles, Policies: c.Policies}, nil
}

// Tagged gives the users that carry a tag key, without their credentials.
func (a *Account) Tagged(ctx context.Context, key string) ([]sunset.User, error) {
	p, err := a.Principals(ctx)
	if err != nil {
		return nil, err
	}
	var out []sunset.User
	for _, u := range p.Users {
		if _, ok := u.Tags[key]; ok {
			out = append(out, u)
		}
	}
	return out, nil
}
