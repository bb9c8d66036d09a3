package fakeaws

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultAccountID is the account of a Config that names none.
const DefaultAccountID = "123456789012"

// Config says which account to make. Its zero value is a usable account in real time.
type Config struct {
	// Now is the account's clock; real time in UTC where nil.
	Now func() time.Time
	// AccountID is twelve digits; DefaultAccountID where empty.
	AccountID string
	// Regions are the enabled ones; the 17 that AWS enables by default where nil.
	Regions []string
	// Seed decides every id, secret and request id: equal seeds and equal calls make equal accounts.
	Seed uint64
	// ReportDelay is how long a credential report says INPROGRESS after it was STARTED.
	ReportDelay time.Duration
	// ReportExtraColumn adds additional_credentials_info, the 23rd column that some accounts get.
	ReportExtraColumn bool
	// IAMLag makes IAM's reads over the wire answer with the state of that long ago: IAM is eventually consistent.
	IAMLag time.Duration
	// NameReuse is how long CreateUser answers EntityTemporarilyUnmodifiable for the name of a user just deleted.
	NameReuse time.Duration
	// AccessAdvisorDelay is how long a job of GenerateServiceLastAccessedDetails says IN_PROGRESS.
	AccessAdvisorDelay time.Duration
}

// Account is one AWS account in memory. Its exported methods are safe for concurrent use.
//
// Unexported methods expect mu to be held, unless they say otherwise: a request is handled under the lock
// from its first read to its last write.
type Account struct {
	mu      sync.Mutex
	config  Config
	id      string
	regions []string
	rand    *rand.Rand
	// at is the present of the request or of the scheduled step that runs now.
	at time.Time

	services  map[string]*service
	state     state
	admin     *session
	sessions  map[string]*session
	calls     []Call
	unknown   []string
	faults    []*armedFault
	limits    []*limit
	steps     stepHeap
	stepSeq   int
	documents map[string]*policyDocument
	// linked are accounts whose roles this one's callers may assume.
	linked []*Account
}

func defaultRegions() []string {
	return []string{
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
		"eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	}
}

// New makes an account with a root, an Administrator role and nothing else.
func New(c Config) *Account {
	if c.Now == nil {
		c.Now = func() time.Time { return time.Now().UTC() }
	}
	if c.AccountID == "" {
		c.AccountID = DefaultAccountID
	}
	if c.Regions == nil {
		c.Regions = defaultRegions()
	}
	a := &Account{
		config: c, id: c.AccountID, regions: slices.Clone(c.Regions),
		rand:      rand.New(rand.NewPCG(c.Seed, 0x1a5)),
		services:  map[string]*service{},
		sessions:  map[string]*session{},
		documents: map[string]*policyDocument{},
	}
	a.at = c.Now().UTC()
	a.register()
	a.makeAdministrator()
	return a
}

// ID is the account's twelve digits.
func (a *Account) ID() string { return a.id }

// Regions are the enabled ones.
func (a *Account) Regions() []string { return slices.Clone(a.regions) }

// now is the present: of the request, or of the scheduled step that runs.
func (a *Account) now() time.Time { return a.at }

// enter takes the lock and brings the account up to its clock. Every exported method that reads or changes the
// account begins with `defer a.enter()()`.
func (a *Account) enter() (leave func()) {
	a.mu.Lock()
	a.catchUp(a.config.Now().UTC())
	return a.mu.Unlock
}

func (a *Account) arn(service, rest string) string {
	return "arn:aws:" + service + "::" + a.id + ":" + rest
}

// regionalARN names a resource of a regional service.
func (a *Account) regionalARN(service, region, rest string) string {
	return "arn:aws:" + service + ":" + region + ":" + a.id + ":" + rest
}

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

func (a *Account) letters(alphabet string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(alphabet[a.rand.IntN(len(alphabet))])
	}
	return b.String()
}

// uniqueID is an IAM id of 21 characters, such as AIDA… for a user.
func (a *Account) uniqueID(prefix string) string {
	return prefix + a.letters(idAlphabet, 21-len(prefix))
}

// keyID is an access key id of 20 characters, AKIA… or ASIA….
func (a *Account) keyID(prefix string) string { return prefix + a.letters(idAlphabet, 20-len(prefix)) }

// secret is as long as AWS's secret access keys.
func (a *Account) secret() string {
	return a.letters("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40)
}

// uuid is a random id in the form of request ids, event ids and KMS keys.
func (a *Account) uuid() string {
	const hex = "0123456789abcdef"
	return a.letters(hex, 8) + "-" + a.letters(hex, 4) + "-4" + a.letters(hex, 3) + "-" + a.letters("89ab", 1) + a.letters(hex, 3) + "-" + a.letters(hex, 12)
}
