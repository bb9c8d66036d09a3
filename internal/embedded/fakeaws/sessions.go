package fakeaws

import (
	"net/http"
	"time"
)

// Credentials are temporary, or a user's access key (then without a session token).
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
}

// session is a set of temporary credentials.
type session struct {
	accessKeyID, secret, token string
	issued, expires            time.Time
	// kind is AssumedRole, IAMUser (GetSessionToken, aws login) or FederatedUser.
	kind string
	// name is the role session name, or the federated user's.
	name string
	role *role
	// user is the one whose session it is, or who federated it. A session ends with its user.
	user *user
	mfa  bool
	// console sessions come from a sign-in, as those of `aws login`; IAM takes them as it takes MFA.
	console bool
	// policy is the session's own, which narrows the user's; none where empty.
	policy string
}

// caller is who a request comes from.
type caller struct {
	kind, arn, principalID, accountID string
	userName, accessKeyID             string
	user                              *user
	session                           *session
}

func (a *Account) makeAdministrator() {
	r := a.addRole(RoleSpec{
		Name: "Administrator", Description: "Runs the account",
		Trust:    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + a.id + `:root"},"Action":"sts:AssumeRole"}]}`,
		Attached: []string{"arn:aws:iam::aws:policy/AdministratorAccess"},
		// Older than anybody in it.
		CreatedAt: a.now().AddDate(-8, 0, 0),
	})
	a.admin = a.newSession(session{kind: "AssumedRole", name: "operator", role: r, expires: a.now().AddDate(100, 0, 0)})
}

// Administrator are credentials that may do everything: a session of the role Administrator that doesn't expire.
func (a *Account) Administrator() Credentials {
	defer a.enter()()
	return a.admin.credentials()
}

// RoleSession are credentials of a role's session that doesn't expire, such as a service hands to what runs in it. It
// panics where there is no such role.
func (a *Account) RoleSession(role, name string) Credentials {
	defer a.enter()()
	r := a.state.iam.roles[role]
	if r == nil {
		panic("fakeaws: there is no role " + role)
	}
	return a.newSession(session{kind: "AssumedRole", name: name, role: r, expires: a.now().AddDate(100, 0, 0)}).credentials()
}

func (a *Account) newSession(s session) *session {
	s.accessKeyID, s.secret, s.issued = a.keyID("ASIA"), a.secret(), a.now()
	s.token = "IQoJb3JpZ2luX2Vj" + a.secret() + a.secret()
	a.sessions[s.accessKeyID] = &s
	return &s
}

func (s *session) credentials() Credentials {
	return Credentials{AccessKeyID: s.accessKeyID, SecretAccessKey: s.secret, SessionToken: s.token, Expires: s.expires}
}

// authenticate finds the caller of a signed request and checks the signature. A key that is Inactive is as good as
// none: the answer is InvalidClientTokenId and nothing is recorded anywhere.
func (a *Account) authenticate(r *request, s scope) *apiError {
	c, e := a.callerOf(s.accessKeyID)
	if e != nil {
		return e.in(r.service.protocol)
	}
	secret := ""
	if c.session != nil {
		if r.http.Header.Get("X-Amz-Security-Token") != c.session.token {
			return invalidToken().in(r.service.protocol)
		}
		secret = c.session.secret
	} else {
		secret = a.state.iam.keys[s.accessKeyID].secret
	}
	if !signatureHolds(r.http, r.body, s, secret) {
		return refuse(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.").in(r.service.protocol)
	}
	r.caller = c
	return nil
}

func invalidToken() *apiError {
	return refuse(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
}

// in words an authentication error as the protocol's services do.
func (e *apiError) in(p protocol) *apiError {
	codes := map[string]string{}
	switch p {
	case json10, json11:
		codes = map[string]string{"InvalidClientTokenId": "UnrecognizedClientException", "SignatureDoesNotMatch": "InvalidSignatureException", "ExpiredToken": "ExpiredTokenException", "AccessDenied": "AccessDeniedException"}
	case restJSON:
		codes = map[string]string{"InvalidClientTokenId": "UnrecognizedClientException", "SignatureDoesNotMatch": "InvalidSignatureException", "ExpiredToken": "ExpiredTokenException", "AccessDenied": "AccessDeniedException"}
	case restXML:
		codes = map[string]string{"InvalidClientTokenId": "InvalidAccessKeyId"}
	}
	out := *e
	if other, ok := codes[e.code]; ok {
		out.code = other
		if p == json10 || p == json11 {
			out.status = http.StatusBadRequest
		}
	}
	return &out
}

// callerOf finds who holds an access key that works.
func (a *Account) callerOf(accessKeyID string) (*caller, *apiError) {
	if s, ok := a.sessions[accessKeyID]; ok {
		if s.user != nil && !s.user.deletedAt.IsZero() || s.role != nil && a.state.iam.roles[s.role.name] != s.role {
			return nil, invalidToken()
		}
		if !s.expires.IsZero() && !a.now().Before(s.expires) {
			return nil, refuse(http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired")
		}
		return a.sessionCaller(s), nil
	}
	k, ok := a.state.iam.keys[accessKeyID]
	if !ok || k.status != active {
		return nil, invalidToken()
	}
	u := k.user
	return &caller{kind: "IAMUser", arn: a.userARN(u), principalID: u.id, accountID: a.id, userName: u.name, accessKeyID: k.id, user: u}, nil
}

func (a *Account) sessionCaller(s *session) *caller {
	c := &caller{kind: s.kind, accountID: a.id, accessKeyID: s.accessKeyID, session: s}
	switch s.kind {
	case "AssumedRole":
		c.arn = a.arn("sts", "assumed-role/"+s.role.name+"/"+s.name)
		c.principalID = s.role.id + ":" + s.name
	case "FederatedUser":
		c.arn = a.arn("sts", "federated-user/"+s.name)
		c.principalID = a.id + ":" + s.name
		c.user = s.user
	default:
		c.arn, c.principalID, c.userName, c.user = a.userARN(s.user), s.user.id, s.user.name, s.user
	}
	return c
}

// identity is how CloudTrail writes the caller.
func (c *caller) identity() UserIdentity {
	id := UserIdentity{Type: c.kind, PrincipalID: c.principalID, ARN: c.arn, AccountID: c.accountID, AccessKeyID: c.accessKeyID, UserName: c.userName}
	s := c.session
	if s == nil {
		return id
	}
	id.SessionContext = &SessionContext{Attributes: map[string]string{"creationDate": s.issued.UTC().Format("2006-01-02T15:04:05Z"), "mfaAuthenticated": boolText(s.mfa)}}
	switch s.kind {
	case "AssumedRole":
		id.SessionContext.SessionIssuer = &SessionIssuer{Type: "Role", PrincipalID: s.role.id, ARN: s.role.arn, AccountID: c.accountID, UserName: s.role.name}
	case "FederatedUser":
		id.SessionContext.SessionIssuer = &SessionIssuer{Type: "IAMUser", PrincipalID: s.user.id, ARN: s.user.arn, AccountID: c.accountID, UserName: s.user.name}
	}
	return id
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// AWS records the first use in a span only: "when an access key is used more than once in a 15-minute span, only the
// first use is recorded"; five minutes for passwords.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html.
const (
	keyResolution      = 15 * time.Minute
	passwordResolution = 5 * time.Minute
)

// touchKey moves the last-used of a permanent access key, or of a role. Calls with a user's temporary credentials move
// nothing (inferred).
func (a *Account) touchKey(r *request) {
	used := LastUsed{At: a.now(), Service: r.service.name, Region: r.region}
	if s := r.caller.session; s != nil && s.role != nil {
		s.role.lastUsed = used
	}
	k, ok := a.state.iam.keys[r.caller.accessKeyID]
	if !ok || a.now().Sub(k.lastUsed.At) < keyResolution {
		return
	}
	k.lastUsed = used
	k.user.access(r.service.actionPrefix(), a.now())
}

// access is what Access Advisor notes: the last attempt of each service.
func (u *user) access(service string, at time.Time) {
	if service == "" || !at.After(u.accessed[service]) {
		return
	}
	if u.accessed == nil {
		u.accessed = map[string]time.Time{}
	}
	u.accessed[service] = at
}

// NewUserSession gives temporary credentials of a user without an access key, as `aws login` does.
func (a *Account) NewUserSession(userName string, lasting time.Duration) (Credentials, bool) {
	defer a.enter()()
	u := a.state.iam.users[userName]
	if u == nil {
		return Credentials{}, false
	}
	return a.newSession(session{kind: "IAMUser", user: u, console: true, expires: a.now().Add(lasting)}).credentials(), true
}
