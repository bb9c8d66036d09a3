package fakeaws

import (
	"fmt"
	"hash/fnv"
	"net/url"
	"slices"
	"time"
)

const day = 24 * time.Hour

// Life is how a user came to be, what it did before now, and what it, or somebody else about it, goes on doing as the
// account's clock moves. Lives add up: Join takes as many as describe the user, applied in order.
//
// What they do goes through the same authentication, authorization and recording as calls over the wire, so last-used
// and CloudTrail follow from it: under a deny-all policy an attempt is an AccessDenied event that moves last-used, with
// an Inactive key it leaves nothing. History before now is lived when the user joins; of it, events of the last 90 days
// are kept.
type Life func(*person)

// person is a user in the making, and afterwards the one who lives.
type person struct {
	account *Account
	spec    UserSpec
	// now is when the user joined the account's story: the end of its history.
	now time.Time
	// after runs once the user is there.
	after []func()
	user  *user
	made  NewUser
}

// Join writes a user into the account and has it live.
func (a *Account) Join(name string, lives ...Life) (NewUser, error) {
	defer a.enter()()
	return a.join(name, lives...)
}

func (a *Account) join(name string, lives ...Life) (NewUser, error) {
	p := &person{account: a, now: a.now()}
	p.spec = UserSpec{Name: name, CreatedAt: p.ago(900 * day)}
	for _, live := range lives {
		live(p)
	}
	var err error
	if p.made, err = a.addUser(p.spec); err != nil {
		return NewUser{}, err
	}
	p.user = a.state.iam.users[name]
	defer func() { a.at = p.now }()
	for _, f := range p.after {
		f()
	}
	return p.made, nil
}

// withoutLag has f set the account up: what was there before a story begins is visible from its first read on, and
// needs no earlier states to lag behind to.
func (a *Account) withoutLag(f func() error) error {
	lag := a.config.IAMLag
	a.config.IAMLag = 0
	defer func() { a.config.IAMLag = lag }()
	return f()
}

func (p *person) ago(d time.Duration) time.Time { return p.now.Add(-d).Truncate(time.Second) }

func (p *person) then(f func()) { p.after = append(p.after, f) }

// gone says that the user has been deleted: nobody acts for it any more.
func (p *person) gone() bool { return !p.user.deletedAt.IsZero() }

// jitter is a duration below span that belongs to this user's n-th time, whatever else goes on in the account.
func (p *person) jitter(n int, span time.Duration) time.Duration {
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%s/%d", p.made.ID, n)
	return time.Duration(sum.Sum64() % uint64(span)).Truncate(time.Second)
}

// habit does something again and again: the first time at or after since, until the user is gone. Past times are
// lived at once, those to come are scheduled.
func (p *person) habit(since time.Time, every time.Duration, do func()) {
	var next func(n int)
	next = func(n int) {
		at := since.Add(time.Duration(n)*every + p.jitter(n, every/10+time.Second))
		p.account.schedule(at, func() {
			if p.gone() {
				return
			}
			do()
			next(n + 1)
		})
	}
	n := 0
	for ; ; n++ {
		at := since.Add(time.Duration(n)*every + p.jitter(n, every/10+time.Second))
		if at.After(p.now) {
			break
		}
		p.account.at = at
		do()
	}
	p.account.at = p.now
	next(n)
}

// at has do happen once, then, if the user is still there.
func (p *person) at(t time.Time, do func()) {
	p.account.schedule(t, func() {
		if !p.gone() {
			do()
		}
	})
}

// call acts with the user's n-th access key as it was made.
func (p *person) call(n int, service, action, region string, o actOptions) {
	p.account.act(principal{accessKeyID: p.made.Keys[n].AccessKeyID}, service, action, region, "", o)
}

func (p *person) signIn(region string) {
	p.account.act(principal{password: p.user.name}, "", "", region, "", actOptions{mfa: len(p.user.mfa) > 0})
}

// administer calls IAM about the user with the administrator's rights.
func (p *person) administer(action string, params ...string) actResult {
	v := url.Values{"UserName": {p.user.name}}
	for i := 0; i+1 < len(params); i += 2 {
		v.Set(params[i], params[i+1])
	}
	return p.account.asAdministrator("iam", action, "us-east-1", actOptions{params: v})
}

// group makes a group where it isn't there yet and has the user be in it.
func (p *person) group(name string, attached ...string) {
	if p.account.state.iam.groups[name] == nil {
		p.account.addGroup(GroupSpec{Name: name, CreatedAt: p.ago(1500 * day), Attached: attached})
	}
	if !slices.Contains(p.spec.Groups, name) {
		p.spec.Groups = append(p.spec.Groups, name)
	}
}

// role makes a role that the account's own users may take, where it isn't there yet.
func (p *person) role(name string) *role {
	if r := p.account.state.iam.roles[name]; r != nil {
		return r
	}
	return p.account.addRole(RoleSpec{Name: name, CreatedAt: p.ago(1500 * day), Attached: []string{awsPolicy("PowerUserAccess")}})
}

func (p *person) attach(policy string) {
	if arn := awsPolicy(policy); !slices.Contains(p.spec.Attached, arn) {
		p.spec.Attached = append(p.spec.Attached, arn)
	}
}

func (p *person) inline(name, document string) {
	if p.spec.Inline == nil {
		p.spec.Inline = map[string]string{}
	}
	p.spec.Inline[name] = document
}

func awsPolicy(name string) string { return "arn:aws:iam::aws:policy/" + name }

func allowing(action string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`
}

// Tagged gives the user a tag.
func Tagged(key, value string) Life {
	return func(p *person) { p.spec.Tags = append(p.spec.Tags, Tag{Key: key, Value: value}) }
}

// InPath puts the user into a path such as "/service/".
func InPath(path string) Life {
	return func(p *person) { p.spec.Path = path }
}

// InGroup puts the user into a group, which is made where it isn't there.
func InGroup(name string) Life {
	return func(p *person) { p.group(name, awsPolicy("ReadOnlyAccess")) }
}

// CreatedAgo makes the user that old. It goes before lives that take their times from the creation.
func CreatedAgo(d time.Duration) Life {
	return func(p *person) { p.spec.CreatedAt = p.ago(d) }
}
