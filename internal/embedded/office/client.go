package office

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	maxAnswer = 256 << 20 // a plan of a large account has tens of millions of bytes
	attempts  = 4
	firstWait = 200 * time.Millisecond
	// A rescue makes many calls of IAM, and may wait where that throttles.
	answerWithin = 30 * time.Second
	rescueWithin = 16 * time.Minute
)

// Client reaches an office. It is safe for concurrent use.
type Client struct {
	url    string
	key    signature.Key
	region string
	clock  clock.Clock
	http   *http.Client
	slow   *http.Client
	run    atomic.Value // string: the process that answered last
}

// CheckURL says in a sentence why an engine can't be at url, or is nil.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("%q is no address such as http://127.0.0.1:8765", address)
	case u.Scheme != "http" || !loopback(u.Host):
		return fmt.Errorf("%q is not on this machine's loopback, where alone an engine answers, by http", address)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("%q has more than a host and a port", address)
	}
	return nil
}

// Transport is how an engine is reached: never by a proxy, never beyond this machine, and nowhere that an answer sends to.
func Transport() *http.Client { return answering(answerWithin) }

func answering(within time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if !loopback(address) {
			return fmt.Errorf("%s is not on this machine", address)
		}
		return nil
	}}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, ResponseHeaderTimeout: within, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ErrNoEngine says that something answers, and is no engine.
var ErrNoEngine = errors.New("what answers there is no engine of iam-sunset")

// ErrClocks says that a request was dated too far from the engine's own time.
var ErrClocks = errors.New("this machine's clock is too far")

// ErrSilent says that an engine gave no answer that its key vouches for, however often it was asked.
var ErrSilent = errors.New("no answer of the engine")

// Greet asks what is at address; nothing of the answer is proven. It is an Unavailable fault where nothing answers, and
// ErrNoEngine where something else does.
func Greet(ctx context.Context, client *http.Client, address string) (Greeting, error) {
	var g Greeting
	if err := CheckURL(address); err != nil {
		return g, sunset.Faultf(sunset.Invalid, "%w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(address, "/")+path, nil)
	if err != nil {
		return g, sunset.Faultf(sunset.Invalid, "%q can't be asked: %w", address, err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return g, sunset.Faultf(sunset.Unavailable, "%s: %w", address, within(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRequest))
	if err != nil {
		return g, sunset.Faultf(sunset.Unavailable, "%s: %w", address, err)
	}
	switch err := json.Unmarshal(body, &g); {
	case resp.StatusCode != http.StatusOK || err != nil || g.Product != product:
		return Greeting{}, ErrNoEngine
	case g.Protocol != protocol:
		return Greeting{}, sunset.Faultf(sunset.Invalid, "the engine speaks another form of this API (%d, not %d): use the iam-sunset that serves it", g.Protocol, protocol)
	}
	return g, nil
}

// NewClient reaches the office of the engine at address, whose key and region these are. What waits, waits on c;
// signatures are dated by real time, as AWS wants them.
func NewClient(client *http.Client, address string, key signature.Key, region string, c clock.Clock) *Client {
	return &Client{url: strings.TrimRight(address, "/"), key: key, region: region, clock: c, http: client, slow: answering(rescueWithin)}
}

// request is one that may be sent more than once.
type request struct {
	method, path string
	query        url.Values
	body         []byte
	header       http.Header
	doing        string
	slow         bool // it may take as long as a function
}

// answer is one that the engine gave. Unsure says that an earlier try of the same request may have reached the engine, and
// that it was a process before the one that answered, which knows nothing of it.
type answer struct {
	status int
	body   []byte
	header http.Header
	unsure bool
}

func (c *Client) call(ctx context.Context, r request, into any) (unsure bool, err error) {
	a, err := c.ask(ctx, r)
	if err != nil {
		return false, err
	}
	if a.status != http.StatusOK {
		var no refusal
		if err := json.Unmarshal(a.body, &no); err != nil || no.Kind == "" {
			return a.unsure, sunset.Faultf(sunset.Unavailable, "%s: the engine at %s answered %d", r.doing, c.url, a.status)
		}
		return a.unsure, fmt.Errorf("%s: %w", r.doing, no.err())
	}
	if b, ok := into.(*raw); ok {
		*b = a.body
		return a.unsure, nil
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return a.unsure, sunset.Faultf(sunset.Unavailable, "%s: the answer of %s can't be read: %w", r.doing, c.url, err)
	}
	return a.unsure, nil
}

// ask sends a request until there is an answer that the engine's key vouches for. Every request of this API may be sent
// twice: reads change nothing, writes have an id, a rescue takes up what is left.
func (c *Client) ask(ctx context.Context, r request) (answer, error) {
	if r.method == http.MethodPut {
		r.header = http.Header{writeHeader: {rand.Text()}}
	}
	before, _ := c.run.Load().(string)
	wait, lost := firstWait, false
	var failed error
	for try := range attempts {
		if try > 0 {
			if err := c.clock.Sleep(ctx, wait); err != nil {
				return answer{}, err
			}
			wait *= 2
		}
		a, err := c.once(ctx, r)
		var denied *sunset.Fault
		switch {
		case err == nil:
			now := a.header.Get(runHeader)
			a.unsure = lost && now != before
			c.run.Store(now)
			return a, nil
		case ctx.Err() != nil:
			return answer{}, fmt.Errorf("%s: %w", r.doing, ctx.Err())
		case errors.As(err, &denied):
			return answer{}, err
		}
		failed, lost = err, true
	}
	return answer{}, sunset.Faultf(sunset.Unavailable, "%s: %w at %s: %w", r.doing, ErrSilent, c.url, failed)
}

// once sends a request once. A fault needs no second try.
func (c *Client) once(ctx context.Context, r request) (answer, error) {
	address := c.url + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	h, err := http.NewRequestWithContext(ctx, r.method, address, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, sunset.Faultf(sunset.Invalid, "%s: %w", r.doing, err)
	}
	for name, values := range r.header {
		h.Header[name] = values
	}
	by := c.http
	if r.slow {
		by = c.slow
	}
	return c.send(by, h, r.body)
}

// send signs a request, sends it, and reads the whole answer.
func (c *Client) send(by *http.Client, r *http.Request, body []byte) (answer, error) {
	sum := sha256.Sum256(body)
	key := aws.Credentials{AccessKeyID: c.key.ID, SecretAccessKey: c.key.Secret}
	if err := v4.NewSigner().SignHTTP(r.Context(), key, r, hex.EncodeToString(sum[:]), service, c.region, clock.Wall{}.Now()); err != nil {
		return answer{}, sunset.Faultf(sunset.Internal, "signing a request to the engine: %w", err)
	}
	resp, err := by.Do(r)
	if err != nil {
		return answer{}, within(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("its answer broke off: %w", err)
	}
	if c.key.Answered(resp.Header.Get(macHeader), r.Header.Get("Authorization"), resp.StatusCode, got) {
		return answer{status: resp.StatusCode, body: got, header: resp.Header}, nil
	}
	// A request that was refused for its signature is answered without a proof, and so tells nothing else.
	var no refusal
	if json.Unmarshal(got, &no) == nil && no.Kind == sunset.AccessDenied {
		if strings.HasPrefix(no.Error, "Signature expired") || strings.HasPrefix(no.Error, "Signature not yet current") {
			return answer{}, sunset.Faultf(sunset.AccessDenied, "%w from that of the engine at %s: %s", ErrClocks, c.url, no.Error)
		}
		return answer{}, sunset.Faultf(sunset.AccessDenied, "the engine at %s did not take the request: %s", c.url, no.Error)
	}
	return answer{}, fmt.Errorf("what answered (%d) does not have the engine's key, or its answer was changed", resp.StatusCode)
}

// Approvals sends requests of the approval API, whose address is Counter's, with a proof of who has cfg's credentials.
// cfg must lead to the STS that the engine asks.
func (c *Client) Approvals(cfg aws.Config) func(*http.Request, []byte) (*http.Response, error) {
	return func(r *http.Request, body []byte) (*http.Response, error) {
		proof, err := identity.Prove(r.Context(), cfg, c.key.ID, identity.ToSend(r.Method, r.URL.RequestURI(), body), clock.Wall{}.Now())
		if err != nil {
			return nil, err
		}
		r.Header.Set(identity.Header, proof)
		a, err := c.send(c.http, r, body)
		var fault *sunset.Fault
		switch {
		case errors.As(err, &fault):
			return nil, err
		case err != nil:
			return nil, sunset.Faultf(sunset.Unavailable, "asking about decisions: %w at %s: %w", ErrSilent, c.url, err)
		}
		return &http.Response{
			Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status, Header: a.header,
			Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
		}, nil
	}
}

// Counter is where the approval API is.
func (c *Client) Counter() string { return c.url + strings.TrimSuffix(path, "/") }

// within is what went wrong, without the request in whose course it did.
func within(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
