package fakeaws

import (
	"net/http"
	"regexp"
	"strconv"
	"time"
)

func (a *Account) stsService() *service {
	return &service{
		name: "sts", protocol: queryXML, namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		operations: map[string]operation{
			"GetCallerIdentity":  {handle: a.getCallerIdentity, free: true},
			"GetSessionToken":    {handle: a.getSessionToken, free: true},
			"GetFederationToken": {handle: a.getFederationToken},
			"AssumeRole":         {handle: a.assumeRole, resource: func(r *request) string { return r.get("RoleArn") }},
			"GetAccessKeyInfo":   {handle: a.getAccessKeyInfo},
		},
	}
}

type credentialsXML struct {
	AccessKeyId, SecretAccessKey, SessionToken string
	Expiration                                 *stamp
}

func (s *session) xml() credentialsXML {
	return credentialsXML{s.accessKeyID, s.secret, s.token, stampOf(s.expires)}
}

// trailed is what CloudTrail keeps of temporary credentials.
func (s *session) trailed() map[string]any {
	return map[string]any{"accessKeyId": s.accessKeyID, "expiration": s.expires.UTC().Format("Jan 2, 2006, 3:04:05 PM")}
}

func (a *Account) getCallerIdentity(r *request) (any, error) {
	return struct{ Arn, UserId, Account string }{r.caller.arn, r.caller.principalID, a.id}, nil
}

// lasting reads DurationSeconds between 15 minutes and most.
func (r *request) lasting(usual, most int) (time.Duration, *apiError) {
	text := r.get("DurationSeconds")
	if text == "" {
		return time.Duration(usual) * time.Second, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 900:
		return 0, refusedValue("durationSeconds", text, "Member must have value greater than or equal to 900")
	case n > most:
		return 0, refusedValue("durationSeconds", text, "Member must have value less than or equal to "+itoa(most))
	}
	return time.Duration(n) * time.Second, nil
}

// getSessionToken gives a user credentials that are judged against its own policies on every call, for up to 36 h.
func (a *Account) getSessionToken(r *request) (any, error) {
	if r.caller.session != nil {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	d, e := r.lasting(43200, 129600)
	if e != nil {
		return nil, e
	}
	s := a.newSession(session{kind: "IAMUser", user: r.caller.user, expires: a.now().Add(d), mfa: r.get("TokenCode") != ""})
	r.responseElements = map[string]any{"credentials": s.trailed()}
	return struct{ Credentials credentialsXML }{s.xml()}, nil
}

func (a *Account) getFederationToken(r *request) (any, error) {
	if r.caller.session != nil {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "Cannot call GetFederationToken with session credentials")
	}
	name := r.get("Name")
	if !sessionName.MatchString(name) {
		return nil, refusedValue("name", name, `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	}
	// Without a policy of its own, a federated session may do nothing that identity policies grant.
	policy := `{"Version":"2012-10-17","Statement":[]}`
	if r.has("Policy") {
		policy = r.get("Policy")
		if e := checkIdentityPolicy(policy); e != nil {
			return nil, e
		}
	}
	d, e := r.lasting(43200, 129600)
	if e != nil {
		return nil, e
	}
	s := a.newSession(session{kind: "FederatedUser", name: name, user: r.caller.user, policy: policy, expires: a.now().Add(d)})
	c := a.sessionCaller(s)
	r.responseElements = map[string]any{"credentials": s.trailed()}
	return struct {
		Credentials   credentialsXML
		FederatedUser struct{ Arn, FederatedUserId string }
	}{s.xml(), struct{ Arn, FederatedUserId string }{c.arn, c.principalID}}, nil
}

var externalID = regexp.MustCompile(`^[\w+=,.@:/-]+$`)

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// assumeRole needs the role's trust and, for the trust in the whole account, the caller's own policy. The session goes
// on for its time, whatever happens to the caller.
func (a *Account) assumeRole(r *request) (any, error) {
	name := r.get("RoleSessionName")
	if !sessionName.MatchString(name) {
		return nil, refusedValue("roleSessionName", name, `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	}
	if id := r.get("ExternalId"); r.has("ExternalId") && (len(id) < 2 || len(id) > 1224 || !externalID.MatchString(id)) {
		return nil, refusedValue("externalId", id, `Member must satisfy regular expression pattern: [\w+=,.@:\/-]*`)
	}
	arn := r.get("RoleArn")
	owner := a.ownerOf(arn)
	if owner != nil && owner != a {
		defer owner.enter()()
	}
	var assumed *role
	if owner != nil {
		for _, candidate := range owner.state.iam.roles {
			if candidate.arn == arn {
				assumed = candidate
			}
		}
	}
	if assumed == nil || !owner.trusts(assumed, r) {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", r.caller.arn, arn)
	}
	d, e := r.lasting(3600, 43200)
	if e != nil {
		return nil, e
	}
	if s := r.caller.session; s != nil && s.kind == "AssumedRole" && d > time.Hour {
		return nil, refuse(http.StatusBadRequest, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	s := owner.newSession(session{kind: "AssumedRole", name: name, role: assumed, expires: owner.now().Add(d)})
	c := owner.sessionCaller(s)
	type assumedXML struct{ Arn, AssumedRoleId string }
	r.responseElements = map[string]any{"credentials": s.trailed(), "assumedRoleUser": map[string]any{"assumedRoleId": c.principalID, "arn": c.arn}}
	return struct {
		Credentials     credentialsXML
		AssumedRoleUser assumedXML
	}{s.xml(), assumedXML{c.arn, c.principalID}}, nil
}

// trusts judges a role's trust in a caller, who may be of another account, and its conditions, the external id's too.
func (a *Account) trusts(assumed *role, r *request) bool {
	facts := a.conditionFacts(r.caller, r)
	trusted := false
	for _, s := range a.document(assumed.trust).Statement {
		if !s.covers("sts:AssumeRole", "", facts) || !r.caller.among(principals(s.Principal)) {
			continue
		}
		if s.Effect == "Deny" {
			return false
		}
		trusted = true
	}
	return trusted
}

// among reports whether a caller is one of a statement's principals.
func (c *caller) among(named []string) bool {
	for _, p := range named {
		switch {
		case p == "*", p == c.accountID, p == "arn:aws:iam::"+c.accountID+":root", p == c.arn, p == c.principalID:
			return true
		case c.session != nil && c.session.role != nil && (p == c.session.role.arn || p == c.session.role.id):
			return true
		}
	}
	return false
}

func (a *Account) getAccessKeyInfo(r *request) (any, error) {
	id := r.get("AccessKeyId")
	if id == "" {
		return nil, required("accessKeyId")
	}
	if _, isSession := a.sessions[id]; a.state.iam.keys[id] == nil && !isSession {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: sts:GetAccessKeyInfo", r.caller.arn)
	}
	return struct{ Account string }{a.id}, nil
}
