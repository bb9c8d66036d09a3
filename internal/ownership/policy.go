package ownership

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Policy is as much of a policy document as decides whom it names. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
type Policy struct {
	Statements []Statement
}

// Statement is one statement. Element names are matched whatever their case.
type Statement struct {
	Effect        string
	Principals    []Principal
	NotPrincipals []Principal
	Actions       []string
	NotActions    []string
	Resources     []string
	NotResources  []string
	Conditions    []Condition
}

// Principal is one entry of Principal or NotPrincipal. Kind is AWS, Service, Federated, CanonicalUser, or * for
// everybody.
type Principal struct {
	Kind, Value string
}

// Condition is one key of one operator.
type Condition struct {
	Operator, Key string
	Values        []string
}

// ParsePolicy reads a policy document, URL-encoded as IAM gives it or plain. An empty one has no statements. One in which
// an element stands twice is refused.
func ParsePolicy(text string) (Policy, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Policy{}, nil
	}
	if !strings.HasPrefix(text, "{") {
		plain, err := url.PathUnescape(text)
		if err != nil {
			return Policy{}, fmt.Errorf("reading a policy document: %w", err)
		}
		text = plain
	}
	var doc struct {
		Statement listOf[rawStatement]
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return Policy{}, fmt.Errorf("reading a policy document: %w", err)
	}
	// One of the two would get lost, and with it somebody whom it names.
	if twice := sunset.Repeated([]byte(text)); twice != "" {
		return Policy{}, fmt.Errorf("reading a policy document: %s stands there twice", twice)
	}
	var p Policy
	for _, raw := range doc.Statement {
		s := Statement{
			Effect: raw.Effect, Principals: raw.Principal, NotPrincipals: raw.NotPrincipal,
			Actions: texts(raw.Action), NotActions: texts(raw.NotAction), Resources: texts(raw.Resource), NotResources: texts(raw.NotResource),
		}
		for operator, keys := range raw.Condition {
			for key, values := range keys {
				s.Conditions = append(s.Conditions, Condition{Operator: operator, Key: key, Values: texts(values)})
			}
		}
		p.Statements = append(p.Statements, s)
	}
	return p, nil
}

type rawStatement struct {
	Effect       string
	Principal    principals
	NotPrincipal principals
	Action       listOf[scalar]
	NotAction    listOf[scalar]
	Resource     listOf[scalar]
	NotResource  listOf[scalar]
	Condition    map[string]map[string]listOf[scalar]
}

// listOf is a JSON list, or a single element that stands for a list of one.
type listOf[T any] []T

func (l *listOf[T]) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return json.Unmarshal(b, (*[]T)(l))
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*l = listOf[T]{one}
	return nil
}

// scalar is text; numbers and booleans, which condition values may be, are taken as they are written.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err == nil {
		*s = scalar(text)
		return nil
	}
	if strings.ContainsAny(string(b[:1]), "{[") {
		return fmt.Errorf("%.40s is neither text nor a number", b)
	}
	*s = scalar(b)
	return nil
}

func texts(l listOf[scalar]) []string {
	var out []string
	for _, s := range l {
		out = append(out, string(s))
	}
	return out
}

type principals []Principal

func (p *principals) UnmarshalJSON(b []byte) error {
	var everybody string
	if json.Unmarshal(b, &everybody) == nil {
		*p = principals{{Kind: everybody, Value: everybody}}
		return nil
	}
	var kinds map[string]listOf[scalar]
	if err := json.Unmarshal(b, &kinds); err != nil {
		return err
	}
	for kind, values := range kinds {
		for _, v := range values {
			*p = append(*p, Principal{Kind: canonicalKind(kind), Value: string(v)})
		}
	}
	return nil
}

func canonicalKind(kind string) string {
	for _, k := range []string{"AWS", "Service", "Federated", "CanonicalUser"} {
		if strings.EqualFold(kind, k) {
			return k
		}
	}
	return kind
}

// principalKey is a condition key that says who calls.
type principalKey string

const (
	byARN  principalKey = "aws:principalarn"
	byID   principalKey = "aws:userid"
	byName principalKey = "aws:username"
)

// about gives the key, if the condition is about who calls.
func (c Condition) about() (principalKey, bool) {
	switch k := principalKey(strings.ToLower(c.Key)); k {
	case byARN, byID, byName:
		return k, true
	}
	return "", false
}

// base is the operator without its set and existence parts, in lower case.
func (c Condition) base() string {
	op := strings.ToLower(c.Operator)
	op = strings.TrimPrefix(op, "forallvalues:")
	op = strings.TrimPrefix(op, "foranyvalue:")
	return strings.TrimSuffix(op, "ifexists")
}

// negative reports whether the operator holds for everybody but its values.
func (c Condition) negative() bool { return strings.Contains(c.base(), "not") }

// compares reports whether the operator compares texts or ARNs at all; Null, for one, names nobody.
func (c Condition) compares() bool {
	return strings.HasPrefix(c.base(), "string") || strings.HasPrefix(c.base(), "arn")
}

// matches reports whether one of the operator's values is v, by pattern where the operator takes patterns. ArnEquals
// takes them as ArnLike does.
func (c Condition) matches(pattern, v string) bool {
	switch op := c.base(); {
	case strings.HasPrefix(op, "arn"), strings.HasSuffix(op, "like"):
		return wildcard(pattern, v)
	case strings.HasSuffix(op, "ignorecase"):
		return strings.EqualFold(pattern, v)
	default:
		return pattern == v
	}
}

// wildcard matches * (anything) and ? (one character). path.Match would stop * at a slash, so slashes are hidden, and
// its brackets and escapes mean nothing in a policy.
func wildcard(pattern, v string) bool {
	hide := strings.NewReplacer("/", "\x01", "[", "\x02", "]", "\x03", `\`, "\x04")
	ok, err := path.Match(hide.Replace(pattern), hide.Replace(v))
	return ok && err == nil
}
