package fakeaws

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// decision is what policies say about a call.
type decision int

const (
	implicitDeny decision = iota
	explicitDeny
	allow
)

// authorizeRequest judges the caller's identity policies. Operations that need no permission can't be denied:
// GetCallerIdentity, GetSessionToken.
func (a *Account) authorizeRequest(r *request) *apiError {
	if r.op.free {
		return nil
	}
	if s := r.caller.session; s != nil && s.kind == "IAMUser" && !s.mfa && !s.console && r.service.name == "iam" {
		// GetSessionToken's credentials can't call IAM unless MFA was given.
		// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html.
		return invalidToken().in(r.service.protocol)
	}
	action := r.op.permission
	if action == "" {
		action = r.service.actionPrefix() + ":" + r.action
	}
	resource := "*"
	if r.op.resource != nil {
		resource = r.op.resource(r)
	}
	r.permission, r.resource = action, resource
	d, boundary := a.authorize(r.caller, action, resource, r)
	if d == allow {
		return nil
	}
	message := "User: " + r.caller.arn + " is not authorized to perform: " + action
	if resource != "*" {
		message += " on resource: " + resource
	}
	kind := "identity-based policy"
	if boundary {
		kind = "permissions boundary"
	}
	if d == explicitDeny {
		message += " with an explicit deny in an " + kind
	} else {
		message += " because no " + kind + " allows the " + action + " action"
	}
	message = strings.Replace(message, "an permissions", "a permissions", 1)
	return refuse(http.StatusForbidden, "AccessDenied", "%s", message).in(r.service.protocol)
}

// authorize decides by the policies of the user (inline, attached, its groups', boundary) or of the role. An
// explicit Deny wins. boundary says that the permissions boundary decided.
func (a *Account) authorize(c *caller, action, resource string, r *request) (d decision, boundary bool) {
	if c.kind == "Root" {
		return allow, false
	}
	var documents []string
	limit := ""
	if c.user != nil {
		documents, limit = a.userDocuments(c.user), c.user.boundary
	} else {
		documents, limit = a.roleDocuments(c.session.role), c.session.role.boundary
	}
	facts := a.conditionFacts(c, r)
	d = a.judge(documents, action, resource, facts)
	if s := c.session; s != nil && s.policy != "" && d == allow {
		d = a.judge([]string{s.policy}, action, resource, facts)
	}
	if limit == "" || d == explicitDeny {
		return d, false
	}
	within := implicitDeny
	if text, ok := a.policyText(limit); ok {
		within = a.judge([]string{text}, action, resource, facts)
	}
	if within != allow {
		return within, true
	}
	return d, false
}

func (a *Account) judge(documents []string, action, resource string, facts map[string]string) decision {
	d := implicitDeny
	for _, text := range documents {
		for _, s := range a.document(text).Statement {
			if !s.covers(action, resource, facts) {
				continue
			}
			if s.Effect == "Deny" {
				return explicitDeny
			}
			d = allow
		}
	}
	return d
}

// document parses a policy once. What can't be read allows nothing; it can't get in over the wire.
func (a *Account) document(text string) *policyDocument {
	d, ok := a.documents[text]
	if !ok {
		var err error
		if d, err = parsePolicy(text); err != nil {
			d = &policyDocument{}
		}
		a.documents[text] = d
	}
	return d
}

func (s *statement) covers(action, resource string, facts map[string]string) bool {
	switch {
	case len(s.Action) > 0 && !anyMatches(s.Action, strings.ToLower(action), true, facts),
		len(s.NotAction) > 0 && anyMatches(s.NotAction, strings.ToLower(action), true, facts),
		len(s.Resource) > 0 && !anyMatches(s.Resource, resource, false, facts),
		len(s.NotResource) > 0 && anyMatches(s.NotResource, resource, false, facts):
		return false
	}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			holds, known := conditionHolds(operator, strings.ToLower(key), values, facts)
			if !known {
				// A condition that the account can't judge never grants and always forbids (inferred: stricter).
				holds = s.Effect == "Deny"
			}
			if !holds {
				return false
			}
		}
	}
	return true
}

func anyMatches(patterns texts, value string, lower bool, facts map[string]string) bool {
	for _, p := range patterns {
		if strings.Contains(p, "${") {
			for key, fact := range facts {
				p = strings.ReplaceAll(p, "${"+key+"}", fact)
			}
		}
		if lower {
			p = strings.ToLower(p)
		}
		if wildcard(p, value) {
			return true
		}
	}
	return false
}

// wildcard matches * (any run) and ? (one character).
func wildcard(pattern, s string) bool {
	star, mark, i, j := -1, 0, 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]) && pattern[i] != '*':
			i++
			j++
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

func (a *Account) conditionFacts(c *caller, r *request) map[string]string {
	facts := map[string]string{
		"aws:principalarn": c.arn, "aws:userid": c.principalID, "aws:principalaccount": c.accountID,
		"aws:currenttime": a.now().Format(time.RFC3339), "aws:principaltype": "User",
	}
	if c.userName != "" {
		facts["aws:username"] = c.userName
	}
	if c.session != nil {
		facts["aws:tokenissuetime"] = c.session.issued.Format(time.RFC3339)
		facts["aws:multifactorauthpresent"] = boolText(c.session.mfa)
		if c.session.kind == "AssumedRole" {
			facts["aws:principalarn"], facts["aws:principaltype"] = c.session.role.arn, "AssumedRole"
		}
	}
	if r != nil {
		facts["aws:requestedregion"], facts["aws:sourceip"] = r.region, r.sourceIP
		maps.Copy(facts, r.aboutTarget(r.resource))
	}
	return facts
}

// conditionHolds judges the operators that the policies of real accounts use against users; known is false for the
// others.
func conditionHolds(operator, key string, values texts, facts map[string]string) (holds, known bool) {
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	if operator == "ForAllValues:StringEquals" {
		// Of a key with several values each has to be among those; a request without any passes.
		for _, have := range strings.FieldsFunc(facts[key], func(r rune) bool { return r == '\n' }) {
			if !slices.Contains(values, have) {
				return false, true
			}
		}
		return true, true
	}
	fact, present := facts[key]
	if operator == "Null" {
		return len(values) == 1 && (values[0] == "true") != present, true
	}
	negative := strings.Contains(operator, "Not")
	var match func(value string) bool
	switch strings.Replace(operator, "Not", "", 1) {
	case "StringEquals", "ArnEquals":
		match = func(v string) bool { return v == fact }
		if strings.HasPrefix(operator, "Arn") {
			match = func(v string) bool { return wildcard(v, fact) }
		}
	case "StringEqualsIgnoreCase", "Bool":
		match = func(v string) bool { return strings.EqualFold(v, fact) }
	case "StringLike", "ArnLike":
		match = func(v string) bool { return wildcard(v, fact) }
	case "DateLessThan", "DateGreaterThan":
		match = func(v string) bool {
			limit, err1 := time.Parse(time.RFC3339, v)
			at, err2 := time.Parse(time.RFC3339, fact)
			return err1 == nil && err2 == nil && (operator == "DateLessThan" && at.Before(limit) || operator == "DateGreaterThan" && at.After(limit))
		}
	default:
		return false, false
	}
	if !present {
		return ifExists || negative, true
	}
	for _, v := range values {
		if match(v) {
			return !negative, true
		}
	}
	return negative, true
}
