package fakeaws

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// IAM's quotas, the defaults of an account.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const (
	maxUsers            = 5000
	maxKeys             = 2
	maxMFA              = 8
	maxSSHKeys          = 5
	maxCertificates     = 2
	maxServiceKeys      = 2
	maxGroups           = 10
	maxAttached         = 10
	maxInlineCharacters = 2048
	maxTags             = 50
)

func (a *Account) iamService() *service {
	s := &service{name: "iam", protocol: queryXML, namespace: "https://iam.amazonaws.com/doc/2010-05-08/", global: true, operations: map[string]operation{}}
	for _, part := range []map[string]operation{
		a.userOperations(), a.keyOperations(), a.passwordOperations(), a.sshOperations(), a.certificateOperations(), a.serviceCredentialOperations(),
		a.mfaOperations(), a.inlineOperations(), a.policyOperations(), a.groupOperations(), a.roleOperations(), a.reportOperations(),
		a.detailsOperations(), a.accessAdvisorOperations(), a.accountOperations(),
	} {
		for name, op := range part {
			if op.write {
				op.handle = a.remembering(op.handle)
			}
			s.operations[name] = op
		}
	}
	return s
}

// remembering keeps the state before each write, for reads that lag.
func (a *Account) remembering(handle func(*request) (any, error)) func(*request) (any, error) {
	return func(r *request) (any, error) {
		a.remember()
		return handle(r)
	}
}

// onUser is an operation that reads a user, writeUser one that changes it: both are judged on the user's ARN.
func onUser(handle func(*request) (any, error)) operation {
	return operation{handle: handle, resource: (*request).userResource}
}

func writeUser(handle func(*request) (any, error)) operation {
	return operation{handle: handle, resource: (*request).userResource, write: true}
}

// userResource is the ARN of the user that the request names, or of the caller.
func (r *request) userResource() string {
	name := r.get("UserName")
	if name == "" {
		if r.caller.user == nil {
			return "*"
		}
		name = r.caller.user.name
	}
	r.target = name
	if u := r.account.state.iam.users[name]; u != nil {
		return u.arn
	}
	return r.account.iamARN("user", "/", name)
}

// named finds the user that the request must name.
func (r *request) named(s *iamState) (*user, *apiError) {
	name := r.get("UserName")
	if e := checkName("userName", name, 128); e != nil {
		return nil, e
	}
	r.target = name
	u := s.users[name]
	if u == nil {
		return nil, noUser(name)
	}
	return u, nil
}

// namedOrCaller is the user that the request names or, without a name, the caller: AWS's own trap.
func (r *request) namedOrCaller(s *iamState) (*user, *apiError) {
	if r.get("UserName") != "" {
		return r.named(s)
	}
	if r.caller.user == nil {
		return nil, invalid("Must specify userName when calling with non-User credentials")
	}
	r.target = r.caller.user.name
	if u := s.userByID(r.caller.user.id); u != nil {
		return u, nil
	}
	return nil, noUser(r.caller.user.name)
}

func invalid(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, "ValidationError", format, args...)
}

func noSuch(format string, args ...any) *apiError {
	return refuse(http.StatusNotFound, "NoSuchEntity", format, args...)
}

func exists(format string, args ...any) *apiError {
	return refuse(http.StatusConflict, "EntityAlreadyExists", format, args...)
}

func conflict(what string) *apiError {
	return refuse(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must %s first.", what)
}

func exceeded(quota string, n int) *apiError {
	return refuse(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for %s: %d", quota, n)
}

func noUser(name string) *apiError { return noSuch("The user with name %s cannot be found.", name) }

var (
	namePattern = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathPattern = regexp.MustCompile(`^(/|/[!-~]+/)$`)
)

// checkName refuses names as IAM does; limit is the greatest length.
func checkName(member, value string, limit int) *apiError {
	switch {
	case value == "":
		return refusedValue(member, value, "Member must have length greater than or equal to 1")
	case len(value) > limit:
		return refusedValue(member, value, "Member must have length less than or equal to "+itoa(limit))
	case !namePattern.MatchString(value):
		return refuse(http.StatusBadRequest, "ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", member)
	}
	return nil
}

func refusedValue(member, value, constraint string) *apiError {
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, member, constraint)
}

func required(member string) *apiError {
	return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member)
}

// path reads an optional path, "/" where there is none.
func (r *request) path() (string, *apiError) {
	p := r.get("Path")
	if p == "" {
		return "/", nil
	}
	if !pathPattern.MatchString(p) || len(p) > 512 {
		return "", invalid("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return p, nil
}

// toggle reads a new status of a credential.
func (r *request) toggle() (string, *apiError) {
	switch s := r.get("Status"); s {
	case active, inactive:
		return s, nil
	case "":
		return "", required("status")
	default:
		return "", refusedValue("status", s, "Member must satisfy enum value set: [Active, Inactive]")
	}
}

// tags reads Tags.member.N.Key and .Value.
func (r *request) tags() ([]Tag, *apiError) {
	var all []Tag
	for n := 1; r.has("Tags.member." + itoa(n) + ".Key"); n++ {
		t := Tag{Key: r.get("Tags.member." + itoa(n) + ".Key"), Value: r.get("Tags.member." + itoa(n) + ".Value")}
		switch {
		case t.Key == "" || len(t.Key) > 128:
			return nil, refusedValue("tags."+itoa(n)+".member.key", t.Key, "Member must have length less than or equal to 128")
		case len(t.Value) > 256:
			return nil, refusedValue("tags."+itoa(n)+".member.value", t.Value, "Member must have length less than or equal to 256")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, refuse(http.StatusBadRequest, "InvalidInput", "Invalid value for tag key: %s. aws: prefixed tag key names are not allowed for external use.", t.Key)
		}
		all = append(all, t)
	}
	return all, nil
}

func withTags(old, added []Tag) []Tag {
	out := append([]Tag{}, old...)
next:
	for _, t := range added {
		for i := range out {
			if strings.EqualFold(out[i].Key, t.Key) {
				out[i] = t
				continue next
			}
		}
		out = append(out, t)
	}
	return out
}

// paged cuts a list by Marker and MaxItems (100 where there is none, at most 1,000).
func paged[T any](r *request, items []T, key func(T) string) (page []T, cut cutXML, e *apiError) {
	size := 100
	if text := r.get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		switch {
		case err != nil:
			return nil, cut, refuse(http.StatusBadRequest, "MalformedInput", "MaxItems must be a number")
		case n < 1:
			return nil, cut, refusedValue("maxItems", text, "Member must have value greater than or equal to 1")
		case n > 1000:
			return nil, cut, refusedValue("maxItems", text, "Member must have value less than or equal to 1000")
		}
		size = n
	}
	page, next, ok := pageOf(r, items, key, r.get("Marker"), size)
	if !ok {
		return nil, cut, invalid("Invalid Marker")
	}
	return page, cutXML{IsTruncated: next != "", Marker: next}, nil
}

// cutXML ends an answer that comes in pages.
type cutXML struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}

// quoted writes a policy as IAM answers it: URL-encoded by RFC 3986, a space as %20.
func quoted(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

// policySize counts as IAM's quota does: white space is free.
func policySize(document string) int {
	n := 0
	for _, c := range document {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}
