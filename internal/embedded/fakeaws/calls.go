package fakeaws

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Call is one request that came over the wire.
type Call struct {
	At              time.Time
	Service, Action string
	Region          string
	// CallerARN is empty where the caller couldn't be authenticated.
	CallerARN string
	// Permission and Resource are what policies were asked about, such as iam:GetUser on a user's ARN, or "*" where AWS
	// knows no resource. Permission is empty where none is needed or the caller isn't known.
	Permission, Resource string
	// Target is the user name or the resource that the call is about.
	Target string
	// Params are the parameters, flat, without secrets.
	Params map[string]string
	// Error is the code that the caller got, empty for success.
	Error     string
	RequestID string
}

// Calls are all requests since the start or the last ResetCalls, oldest first.
func (a *Account) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// ResetCalls empties the call log.
func (a *Account) ResetCalls() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = nil
}

// UnknownCalls are the "service:Action" that were asked for and that the account doesn't know.
func (a *Account) UnknownCalls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.unknown)
}

func (r *request) call() Call {
	c := Call{At: r.now(), Service: r.service.name, Action: r.action, Region: r.region, RequestID: r.id, Permission: r.permission, Resource: r.resource, Params: map[string]string{}}
	for name := range r.params {
		if name != "Action" && name != "Version" && !secretParameter(name) {
			c.Params[name] = r.params.Get(name)
		}
	}
	var body map[string]json.RawMessage
	if r.service.protocol != queryXML && json.Unmarshal(r.body, &body) == nil {
		for name, raw := range body {
			if secretParameter(name) {
				continue
			}
			var s string
			if json.Unmarshal(raw, &s) != nil {
				s = string(raw)
			}
			c.Params[name] = s
		}
	}
	for name, value := range r.labels {
		c.Params[name] = value
	}
	c.Target = c.Params["UserName"]
	return c
}

func secretParameter(name string) bool {
	for _, s := range []string{"Password", "Secret", "AuthenticationCode", "TokenCode", "PrivateKey", "SessionToken"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}
