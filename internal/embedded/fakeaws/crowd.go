package fakeaws

import (
	"fmt"
	"time"
)

// Crowd makes n users in the proportions of a grown account: of 100, 52 work, 10 only sign in, 24 are unused in one way
// or another, and the rest are what a careless look takes for unused. Their history is thin, so that 5,000 are quickly
// made. Equal seeds make equal crowds.
func (a *Account) Crowd(n int) error {
	defer a.enter()()
	return a.withoutLag(func() error { return a.crowd(n) })
}

func (a *Account) crowd(n int) error {
	teams := []string{"platform", "data", "web", "finance", "mobile", "research"}
	for i := range n {
		name, life := a.passerBy(i)
		owner := fmt.Sprintf("owner%02d@example.com", i%40)
		if _, err := a.join(name, Tagged("team", teams[i%len(teams)]), Tagged("owner", owner), life); err != nil {
			return fmt.Errorf("making a crowd of %d: %w", n, err)
		}
	}
	return nil
}

func (a *Account) passerBy(i int) (name string, life Life) {
	given := []string{"alex", "bea", "carl", "dina", "emil", "fay", "gus", "hana", "ivo", "jana"}
	family := []string{"adler", "berg", "costa", "dietz", "engel", "fuchs", "graf", "hoff", "iten", "jung", "kern"}
	human := fmt.Sprintf("%s.%s-%04d", given[i%len(given)], family[i%len(family)], i)
	machine := fmt.Sprintf("svc-%s-%04d", []string{"deploy", "sync", "export", "backup", "metrics"}[i%5], i)
	// A prime step through the hundred mixes the kinds.
	switch k := i * 37 % 100; {
	case k < 30:
		return machine, works(7*day, 20*day)
	case k < 52:
		return human, both(works(7*day, 20*day), withPassword(14*day))
	case k < 62:
		return human, withPassword(10 * day)
	case k < 70:
		return human, Dead()
	case k < 76:
		return machine, OldKey()
	case k < 81:
		return machine, NeverUsedKey()
	case k < 86:
		return human, NeverSignedIn()
	case k < 89:
		return machine, Quarterly(a.now().Add(time.Duration(1+i%80) * day))
	case k < 91:
		return fmt.Sprintf("BedrockAPIKey-%04d", i), BedrockOnly()
	case k < 93:
		return fmt.Sprintf("ses-smtp-user.%04d", i), uses("ses", "SendRawEmail", actOptions{unlogged: true, write: true})
	case k < 95:
		return machine, uses("s3", "PutObject", actOptions{data: true, write: true})
	case k < 97:
		return human, TooYoung()
	case k < 98:
		return machine, ThirdParty("datadog")
	case k < 99:
		return human, BreakGlass()
	default:
		return machine, both(OldKey(), CodeManaged("terraform"))
	}
}

// both is two lives in one.
func both(one, other Life) Life {
	return func(p *person) {
		one(p)
		other(p)
	}
}

// withPassword signs in now and then, for the last three weeks.
func withPassword(every time.Duration) Life {
	return func(p *person) {
		p.spec.Password = &PasswordSpec{LastRotated: p.ago(150 * day)}
		p.then(func() { p.habit(p.ago(21*day), every, func() { p.signIn("us-east-1") }) })
	}
}

// uses does one thing with a key every week, for the last two.
func uses(service, action string, o actOptions) Life {
	return func(p *person) {
		p.attach("PowerUserAccess")
		p.spec.Keys = append(p.spec.Keys, AccessKeySpec{CreatedAt: p.ago(400 * day)})
		p.then(func() { p.habit(p.ago(14*day), 7*day, func() { p.call(0, service, action, "eu-west-1", o) }) })
	}
}
