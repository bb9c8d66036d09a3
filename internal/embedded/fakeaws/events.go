package fakeaws

import (
	"encoding/json"
	"maps"
	"strings"
	"time"
	"unicode"
)

// Event is one CloudTrail event, before CloudTrail delivers it.
type Event struct {
	// Order counts all events of the account as they happened; Time has whole seconds.
	Order               int
	EventID             string
	Time                time.Time
	Region              string
	Source, Name        string
	UserIdentity        UserIdentity
	SourceIP            string
	UserAgent           string
	ErrorCode           string
	ErrorMessage        string
	RequestParameters   map[string]any
	ResponseElements    map[string]any
	RequestID           string
	ReadOnly            bool
	Management          bool
	AdditionalEventData map[string]any
}

// UserIdentity says who, as CloudTrail writes it.
// See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html.
type UserIdentity struct {
	Type           string          `json:"type"`
	PrincipalID    string          `json:"principalId,omitempty"`
	ARN            string          `json:"arn,omitempty"`
	AccountID      string          `json:"accountId,omitempty"`
	AccessKeyID    string          `json:"accessKeyId,omitempty"`
	UserName       string          `json:"userName,omitempty"`
	SessionContext *SessionContext `json:"sessionContext,omitempty"`
}

// SessionContext is there for temporary credentials.
type SessionContext struct {
	SessionIssuer *SessionIssuer    `json:"sessionIssuer,omitempty"`
	Attributes    map[string]string `json:"attributes,omitempty"`
}

// SessionIssuer is whose role, or whose federation, a session comes from.
type SessionIssuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"`
}

// trail records what a call leaves in CloudTrail. Throttled calls leave nothing (inferred).
func (a *Account) trail(r *request, e *apiError) {
	if e != nil && (strings.HasPrefix(e.code, "Throttling") || e.code == "SlowDown" || e.code == "TooManyRequestsException") {
		return
	}
	event := Event{
		EventID: a.uuid(), Time: a.now(), Region: r.region, Source: r.service.eventSource(), Name: r.action,
		UserIdentity: r.caller.identity(), SourceIP: r.sourceIP, UserAgent: r.userAgent, RequestID: r.id,
		RequestParameters: r.parametersForTrail(), ReadOnly: !r.op.write, Management: !r.op.data,
	}
	switch {
	case e != nil:
		event.ErrorCode, event.ErrorMessage = e.code, e.message
		if accessDenied(e.code) {
			event.RequestParameters = nil
			// IAM writes AccessDenied where other services' events carry their own exception's name.
			event.ErrorCode = "AccessDenied"
		}
	case r.op.write:
		event.ResponseElements = r.responseElements
	}
	a.recordEvent(event)
}

func accessDenied(code string) bool { return code == "AccessDenied" || code == "AccessDeniedException" }

func (r *request) parametersForTrail() map[string]any {
	if r.requestParameters != nil {
		return r.requestParameters
	}
	all := map[string]any{}
	if r.service.protocol != queryXML && len(r.body) > 0 {
		// A body that isn't JSON was refused by the handler; its event has no parameters.
		_ = json.Unmarshal(r.body, &all)
	}
	out := map[string]any{}
	for name, value := range all {
		if !secretParameter(name) {
			out[lowerFirst(name)] = value
		}
	}
	for name := range r.params {
		if name != "Action" && name != "Version" && !secretParameter(name) && !strings.Contains(name, ".member.") {
			out[lowerFirst(name)] = r.params.Get(name)
		}
	}
	labels := map[string]any{}
	for name, value := range r.labels {
		labels[lowerFirst(name)] = value
	}
	maps.Copy(out, labels)
	if len(out) == 0 {
		return nil
	}
	return out
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return string(unicode.ToLower(rune(s[0]))) + s[1:]
}
