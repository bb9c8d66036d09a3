package fakecloud

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Config says where the cloud is, and when.
type Config struct {
	// Region and Account are us-east-1 and 111122223333 where empty.
	Region, Account string
	// Now is the clock; real time where nil.
	Now func() time.Time
}

// Cloud holds the services of one account and region. All methods may be called at any time, by anybody at once.
type Cloud struct {
	config Config

	mu         sync.Mutex
	principals map[string]principal // by access key
	calls      []Call
	unknown    []string
	faults     []*armedFault
	mounted    map[string]mount

	buckets    map[string]*Bucket
	tables     map[string]*Table
	keys       map[string]*Key // by ARN
	topics     map[string]string
	buses      map[string]bool
	identities []string
	mails      []Mail
	published  []Publication
	events     []Event
}

type principal struct {
	name        string
	credentials aws.Credentials
}

// New makes an empty cloud. It has one event bus, default.
func New(c Config) *Cloud {
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Account == "" {
		c.Account = "111122223333"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Cloud{
		config: c, principals: map[string]principal{}, mounted: map[string]mount{}, buckets: map[string]*Bucket{}, tables: map[string]*Table{},
		keys: map[string]*Key{}, topics: map[string]string{}, buses: map[string]bool{"default": true},
	}
}

// AddPrincipal makes temporary credentials whose calls are logged under name.
func (c *Cloud) AddPrincipal(name string) aws.Credentials {
	c.mu.Lock()
	defer c.mu.Unlock()
	made := aws.Credentials{
		AccessKeyID: "ASIA" + strings.ToUpper(randomHex(8)), SecretAccessKey: randomHex(20), SessionToken: randomHex(32),
		AccountID: c.config.Account, Source: "fakecloud",
	}
	c.principals[made.AccessKeyID] = principal{name, made}
	return made
}

// Admit takes credentials that were made elsewhere, as those of a process that works in two accounts; its calls are
// logged under name.
func (c *Cloud) Admit(name string, made aws.Credentials) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.principals[made.AccessKeyID] = principal{name, made}
}

// Call is one thing that a principal asked for over the wire, in the terms that IAM judges it by.
type Call struct {
	At        time.Time
	Principal string // as AddPrincipal was told; empty where the signature didn't hold
	Region    string
	Action    string // "s3:PutObject"
	Resource  string // the ARN that a policy would have to name
	// LeadingKey is the partition key's value, for dynamodb:LeadingKeys.
	LeadingKey string
	// Via is the service that makes the call in the principal's name, where it isn't the principal itself: S3 and SNS
	// ask KMS for the data key of an encrypted bucket or topic.
	Via string
	// Error is the code that was answered, empty for success.
	Error string
}

// Calls are all calls since the start or the last ResetCalls, oldest first.
func (c *Cloud) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// ResetCalls empties the log.
func (c *Cloud) ResetCalls() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = nil
}

// Unknown are the operations that were asked for and that the cloud doesn't have.
func (c *Cloud) Unknown() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.unknown)
}

type mount struct {
	handler  http.Handler
	resource func(operation string, body []byte) string
}

// Mount hands the requests signed for a service ("states", "cloudtrail") on to h, once their signature holds and they are
// logged as <service>:<operation> on what resource says, or on "*" where it is nil. The operation is the end of the header
// X-Amz-Target, or else the method and path. Faults happen to them too, but for ApplyFirst, Truncate and Entries.
func (c *Cloud) Mount(service string, h http.Handler, resource func(operation string, body []byte) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mounted[service] = mount{h, resource}
}

func (c *Cloud) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, c.config.Region, c.config.Account, resource)
}

func (c *Cloud) now() time.Time { return c.config.Now().UTC() }

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, says its documentation
	return hex.EncodeToString(b)
}
