package fakeaws

import (
	"encoding/json"
	"fmt"
	"strings"
)

// policyDocument is an identity policy as far as it decides calls.
type policyDocument struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid, Effect                              string
	Action, NotAction, Resource, NotResource texts
	Principal, NotPrincipal                  json.RawMessage
	Condition                                map[string]map[string]texts
}

// texts is a string or a list of strings; booleans in conditions count as text.
type texts []string

// UnmarshalJSON accepts one value or many.
func (t *texts) UnmarshalJSON(data []byte) error {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	many, ok := v.([]any)
	if !ok {
		many = []any{v}
	}
	for _, one := range many {
		switch one := one.(type) {
		case string:
			*t = append(*t, one)
		case bool, float64:
			*t = append(*t, fmt.Sprint(one))
		default:
			return fmt.Errorf("a string or a list of strings is wanted, not %s", data)
		}
	}
	return nil
}

// parsePolicy reads a policy; a single statement may stand without a list.
func parsePolicy(text string) (*policyDocument, error) {
	var raw struct {
		Version   string
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, err
	}
	d := &policyDocument{Version: raw.Version}
	if strings.HasPrefix(strings.TrimSpace(string(raw.Statement)), "{") {
		raw.Statement = json.RawMessage("[" + string(raw.Statement) + "]")
	}
	if len(raw.Statement) == 0 {
		return nil, fmt.Errorf("there is no Statement")
	}
	if err := json.Unmarshal(raw.Statement, &d.Statement); err != nil {
		return nil, err
	}
	return d, nil
}

// checkIdentityPolicy refuses what IAM refuses in an identity policy.
func checkIdentityPolicy(text string) *apiError {
	malformed := func(message string) *apiError { return refuse(400, "MalformedPolicyDocument", "%s", message) }
	d, err := parsePolicy(text)
	if err != nil {
		return malformed("Syntax errors in policy.")
	}
	if d.Version != "" && d.Version != "2012-10-17" && d.Version != "2008-10-17" {
		return malformed("The policy must contain a valid version string")
	}
	for _, s := range d.Statement {
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return malformed("Syntax errors in policy.")
		case len(s.Principal) > 0 || len(s.NotPrincipal) > 0:
			return malformed("Policy document should not specify a principal.")
		case len(s.Action) == 0 && len(s.NotAction) == 0:
			return malformed("Policy statement must contain actions.")
		case len(s.Resource) == 0 && len(s.NotResource) == 0:
			return malformed("Policy statement must contain resources.")
		}
		for _, action := range append(append(texts{}, s.Action...), s.NotAction...) {
			if action != "*" && !strings.Contains(action, ":") {
				return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
			}
		}
	}
	return nil
}

// checkTrustPolicy refuses a trust policy without principals, and users that don't exist.
func (a *Account) checkTrustPolicy(text string) *apiError {
	malformed := func(message string) *apiError { return refuse(400, "MalformedPolicyDocument", "%s", message) }
	d, err := parsePolicy(text)
	if err != nil {
		return malformed("This policy contains invalid Json")
	}
	for _, s := range d.Statement {
		if len(s.Principal) == 0 && len(s.NotPrincipal) == 0 {
			return malformed("Missing required field Principal")
		}
		if len(s.Resource) > 0 {
			return malformed("Has prohibited field Resource")
		}
		for _, p := range principals(s.Principal) {
			if a.danglingPrincipal(p) {
				return malformed(`Invalid principal in policy: "AWS":"` + p + `"`)
			}
		}
	}
	return nil
}

// principals are the AWS principals of a statement.
func principals(raw json.RawMessage) texts {
	var byKind map[string]texts
	if json.Unmarshal(raw, &byKind) == nil {
		return byKind["AWS"]
	}
	var all texts
	if json.Unmarshal(raw, &all) == nil {
		return all
	}
	return nil
}

// danglingPrincipal says that a principal is an ARN of this account whose user or role isn't there, or the bare id
// of one that is gone.
func (a *Account) danglingPrincipal(p string) bool {
	if kind, name, ok := a.ownARN(p); ok {
		switch kind {
		case "user":
			u := a.state.iam.users[name]
			return u == nil || a.userARN(u) != p
		case "role":
			return a.state.iam.roles[name] == nil
		}
		return false
	}
	return strings.HasPrefix(p, "AIDA") || strings.HasPrefix(p, "AROA")
}

// ownARN takes an IAM ARN of this account apart: kind and name without the path.
func (a *Account) ownARN(arn string) (kind, name string, ok bool) {
	rest, ok := strings.CutPrefix(arn, a.arn("iam", ""))
	if !ok {
		return "", "", false
	}
	kind, rest, ok = strings.Cut(rest, "/")
	return kind, rest[strings.LastIndexByte(rest, '/')+1:], ok
}

// principalIDs replaces the ARNs of this account's users and roles in a resource policy by their unique ids: that is
// how AWS stores them.
func (a *Account) principalIDs(document string) string {
	return a.replacePrincipals(document, func(p string) string {
		switch kind, name, _ := a.ownARN(p); kind {
		case "user":
			if u := a.state.iam.users[name]; u != nil && a.userARN(u) == p {
				return u.id
			}
		case "role":
			if r := a.state.iam.roles[name]; r != nil && r.arn == p {
				return r.id
			}
		}
		return p
	})
}

// principalARNs is how AWS shows a stored resource policy: ids of living users and roles as ARNs, of deleted ones bare.
func (a *Account) principalARNs(document string) string {
	return a.replacePrincipals(document, func(p string) string {
		switch {
		case strings.HasPrefix(p, "AIDA"):
			if u := a.state.iam.userByID(p); u != nil {
				return a.userARN(u)
			}
		case strings.HasPrefix(p, "AROA"):
			for _, r := range a.state.iam.roles {
				if r.id == p {
					return r.arn
				}
			}
		}
		return p
	})
}

// replacePrincipals changes the principals' strings and nothing else of the text, so that order and space stay.
func (a *Account) replacePrincipals(document string, replace func(string) string) string {
	d, err := parsePolicy(document)
	if err != nil {
		return document
	}
	for _, s := range d.Statement {
		for _, raw := range []json.RawMessage{s.Principal, s.NotPrincipal} {
			for _, p := range principals(raw) {
				if other := replace(p); other != p {
					document = strings.ReplaceAll(document, `"`+p+`"`, `"`+other+`"`)
				}
			}
		}
	}
	return document
}
