package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Caller is whom STS knows by a proof.
type Caller struct {
	ARN, Account, UserID string
}

// Checker checks proofs for one engine.
type Checker struct {
	cfg      aws.Config
	audience string
	now      func() time.Time
}

// NewChecker checks proofs for the engine that is called audience, by the STS that cfg leads to. Proofs are dated by now.
func NewChecker(cfg aws.Config, audience string, now func() time.Time) *Checker {
	return &Checker{cfg, audience, now}
}

// Region is the one whose STS is asked, and Endpoint the address: a proof has to be signed for both.
func (c *Checker) Region() string { return c.cfg.Region }

// Endpoint is the address of the STS that is asked.
func (c *Checker) Endpoint(ctx context.Context) (string, error) {
	at, err := endpoint(ctx, c.cfg)
	if err != nil {
		return "", err
	}
	return at.String(), nil
}

// For is cfg as it makes proofs for the engine that asks STS at an address, in a region.
func For(cfg aws.Config, region, address string) aws.Config {
	to := cfg.Copy()
	to.Region, to.BaseEndpoint, to.ConfigSources = region, &address, nil
	return to
}

const (
	maxHeader = 16 << 10 // a session token has a few thousand bytes
	maxAnswer = 64 << 10
	askWithin = 20 * time.Second
)

// signed is the only form of signature that the one request can have.
var signed = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[A-Z0-9]{4,128}/(\d{8})/([a-z0-9-]{1,32})/sts/aws4_request, ` +
	`SignedHeaders=content-length;content-type;host;x-amz-date;(x-amz-security-token;)?x-iam-sunset-audience, Signature=[0-9a-f]{64}$`)

var visible = regexp.MustCompile(`^[\x21-\x7e]*$`)

// Check gives whose proof it is. What doesn't hold, or is for another engine, purpose or time, is an AccessDenied fault,
// and an STS that can't be asked an Unavailable one: nobody is anybody until AWS says so.
func (c *Checker) Check(ctx context.Context, header string, purpose Purpose) (Caller, error) {
	p, err := c.read(header)
	if err != nil {
		return Caller{}, sunset.Faultf(sunset.AccessDenied, "the proof of your AWS identity is not taken: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	r, err := asking(ctx, c.cfg, c.audience, purpose)
	if err != nil {
		return Caller{}, err
	}
	r.Header.Set("Authorization", p.Authorization)
	r.Header.Set("X-Amz-Date", p.Date)
	if p.Token != "" {
		r.Header.Set("X-Amz-Security-Token", p.Token)
	}
	status, body, err := c.send(r)
	if err != nil {
		return Caller{}, sunset.Faultf(sunset.Unavailable, "asking STS at %s whose proof of identity it is: %w", r.URL.Host, err)
	}
	if status != http.StatusOK {
		return Caller{}, refused(status, body, r.URL.Host)
	}
	caller, err := parseAnswer(body)
	if err != nil {
		return Caller{}, sunset.Faultf(sunset.Unavailable, "the answer of %s is not STS's: %w", r.URL.Host, err)
	}
	return caller, nil
}

// Starter gives who sent a request to start an execution, by the proof among its headers; empty where there is none. A
// proof that doesn't hold is a fault, never no proof.
func (c *Checker) Starter(ctx context.Context, h http.Header) (arn string, err error) {
	switch proofs := h.Values(Header); len(proofs) {
	case 0:
		return "", nil
	case 1:
		caller, err := c.Check(ctx, proofs[0], ToStart)
		return caller.ARN, err
	}
	return "", sunset.Faultf(sunset.AccessDenied, "the request comes with more than one proof of identity")
}

// read takes a proof apart, and refuses what no honest caller would send before anybody is asked.
func (c *Checker) read(header string) (proof, error) {
	var p proof
	if len(header) > maxHeader {
		return p, errors.New("it is too long")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(header)
	if err != nil {
		return p, errors.New("it can't be read")
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, errors.New("it can't be read")
	}
	// Written again it must be the same: no field twice, none unknown, none in another case.
	again, err := json.Marshal(p)
	if err != nil || base64.RawURLEncoding.EncodeToString(again) != header {
		return p, errors.New("it is not in the one form that there is")
	}
	parts := signed.FindStringSubmatch(p.Authorization)
	if parts == nil || (parts[3] != "") != (p.Token != "") || !visible.MatchString(p.Token) {
		return p, errors.New("it is no signature of STS's GetCallerIdentity for an engine of IAM Sunset")
	}
	at, err := time.Parse(dateLayout, p.Date)
	switch {
	case err != nil || at.Format(dateLayout) != p.Date || at.Format("20060102") != parts[1]:
		return p, errors.New("its date is none")
	case at.Before(c.now().Add(-MaxAge)) || at.After(c.now().Add(MaxAge)):
		return p, fmt.Errorf("it is dated %s, and it is %s now: it is taken within %s", p.Date, c.now().UTC().Format(dateLayout), MaxAge)
	case parts[2] != c.cfg.Region:
		return p, fmt.Errorf("it is for STS in %s, and this engine asks STS in %s", parts[2], c.cfg.Region)
	}
	return p, nil
}

func (c *Checker) send(r *http.Request) (status int, body []byte, err error) {
	client := c.cfg.HTTPClient
	if client == nil {
		client = awsfault.WholeBodies(nil)
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("reading its answer: %w", err)
	case len(body) > maxAnswer:
		return 0, nil, errors.New("its answer is too long")
	case resp.Request != nil && resp.Request.URL.Host != r.URL.Host:
		return 0, nil, fmt.Errorf("it sent us on to %s", resp.Request.URL.Host)
	}
	return resp.StatusCode, body, nil
}
