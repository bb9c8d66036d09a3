package fakeaws

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// principal is who acts: the holder of an access key (permanent or temporary), or of a user's password.
type principal struct {
	accessKeyID string
	// password is the user name to sign in with.
	password string
}

// actOptions are the circumstances of an act.
type actOptions struct {
	// params are the parameters of a query or REST call; body those of a JSON one.
	params url.Values
	body   any
	// sourceIP and userAgent have defaults.
	sourceIP, userAgent string
	// write and data describe a service or operation that the account doesn't have: one that changes something,
	// and one that Event History doesn't show.
	write, data bool
	// unlogged leaves no event at all, as SES's SMTP interface does.
	unlogged bool
	// mfa says that the caller signed in with MFA.
	mfa bool
	// requestParameters and responseElements are for the event of a call that the account doesn't have.
	requestParameters, responseElements map[string]any
}

// actResult is what came of an act: the error code, empty for success, and the answer of an operation that the
// account has.
type actResult struct {
	err    *apiError
	answer any
}

// act is how scripted people do something to AWS without HTTP. A key that doesn't exist, is Inactive or has expired
// leaves no trace. Otherwise last-used moves, the caller is authorized, an operation that the account has is done, and
// the event is recorded: success or AccessDenied.
func (a *Account) act(p principal, serviceName, action, region, resource string, o actOptions) actResult {
	if p.password != "" {
		return a.signIn(p.password, region, o)
	}
	c, e := a.callerOf(p.accessKeyID)
	if e != nil {
		return actResult{err: e}
	}
	r := a.actRequest(c, serviceName, action, region, resource, o)
	if o.unlogged {
		a.touchKey(r)
		return actResult{err: a.authorizeRequest(r)}
	}
	answer, err := a.perform(r, nil)
	return actResult{err: err, answer: answer}
}

func (a *Account) actRequest(c *caller, serviceName, action, region, resource string, o actOptions) *request {
	s := a.services[serviceName]
	if s == nil {
		s = &service{name: serviceName, protocol: json11}
	}
	op, known := s.operations[action]
	if !known {
		op = operation{
			write: o.write, data: o.data,
			handle: func(*request) (any, error) { return nil, nil },
		}
	}
	if resource != "" {
		op.resource = func(*request) string { return resource }
	}
	r := &request{
		account: a, service: s, op: op, action: action, region: region, id: a.uuid(), caller: c, params: o.params,
		sourceIP: o.sourceIP, userAgent: o.userAgent, requestParameters: o.requestParameters, responseElements: o.responseElements,
	}
	if r.params == nil {
		r.params = url.Values{}
	}
	if o.body != nil {
		// Scripts hand in maps and structs of strings.
		r.body, _ = json.Marshal(o.body)
	}
	if s.global {
		r.region = "us-east-1"
	}
	if r.sourceIP == "" {
		r.sourceIP = "198.51.100.7"
	}
	if r.userAgent == "" {
		r.userAgent = "aws-cli/2.27.0"
	}
	return r
}

// signIn is a console sign-in with a password. A deny-all policy doesn't keep anybody from signing in.
func (a *Account) signIn(userName, region string, o actOptions) actResult {
	event := Event{
		EventID: a.uuid(), Time: a.now(), Region: region, Source: "signin.amazonaws.com", Name: "ConsoleLogin",
		SourceIP: o.sourceIP, UserAgent: o.userAgent, Management: true,
		AdditionalEventData: map[string]any{"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": "No"},
		ResponseElements:    map[string]any{"ConsoleLogin": "Failure"},
	}
	if event.SourceIP == "" {
		event.SourceIP = "198.51.100.7"
	}
	if event.UserAgent == "" {
		event.UserAgent = "Mozilla/5.0"
	}
	if o.mfa {
		event.AdditionalEventData["MFAUsed"] = "Yes"
	}
	u := a.state.iam.users[userName]
	if u == nil || u.password == nil {
		// CloudTrail hides a name that no user has: it may be a password typed into the wrong field.
		event.UserIdentity = UserIdentity{Type: "IAMUser", AccountID: a.id, UserName: "HIDDEN_DUE_TO_SECURITY_REASONS"}
		event.ErrorMessage = "No username found in supplied account"
		if u != nil {
			event.UserIdentity.UserName, event.UserIdentity.PrincipalID, event.UserIdentity.ARN = u.name, u.id, a.userARN(u)
			event.ErrorMessage = "Failed authentication"
		}
		a.recordEvent(event)
		return actResult{err: refuse(http.StatusForbidden, "AccessDenied", "%s", event.ErrorMessage)}
	}
	if a.now().Sub(u.passwordLastUsed) >= passwordResolution {
		u.passwordLastUsed = a.now()
	}
	event.UserIdentity = (&caller{kind: "IAMUser", arn: a.userARN(u), principalID: u.id, accountID: a.id, userName: u.name}).identity()
	event.ResponseElements = map[string]any{"ConsoleLogin": "Success"}
	a.recordEvent(event)
	return actResult{}
}

// Actor acts inside a scheduled step (see At).
type Actor struct{ account *Account }

// Now is the step's time.
func (p *Actor) Now() time.Time { return p.account.now() }

// Do has the holder of an access key call an operation of the query protocol (iam, sts), or any action of a service
// that the account doesn't have. It returns the error code, empty for success.
func (p *Actor) Do(accessKeyID, service, action, region string, params url.Values) string {
	return code(p.account.act(principal{accessKeyID: accessKeyID}, service, action, region, "", actOptions{params: params}).err)
}

// AsAdministrator calls an IAM operation with the administrator's rights.
func (p *Actor) AsAdministrator(action string, params url.Values) string {
	return code(p.account.asAdministrator("iam", action, "us-east-1", actOptions{params: params}).err)
}

// SignIn signs a user in to the console.
func (p *Actor) SignIn(userName, region string) string {
	return code(p.account.act(principal{password: userName}, "", "", region, "", actOptions{}).err)
}

func (a *Account) asAdministrator(service, action, region string, o actOptions) actResult {
	return a.act(principal{accessKeyID: a.admin.accessKeyID}, service, action, region, "", o)
}

func code(e *apiError) string {
	if e == nil {
		return ""
	}
	return e.code
}
