package fakeaws

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// inlineOperations are a user's own policies: inline ones, and managed ones attached to it.
func (a *Account) inlineOperations() map[string]operation {
	return map[string]operation{
		"PutUserPolicy":            writeUser(a.putUserPolicy),
		"GetUserPolicy":            onUser(a.getUserPolicy),
		"ListUserPolicies":         onUser(a.listUserPolicies),
		"DeleteUserPolicy":         writeUser(a.deleteUserPolicy),
		"AttachUserPolicy":         writeUser(a.attachUserPolicy),
		"DetachUserPolicy":         writeUser(a.detachUserPolicy),
		"ListAttachedUserPolicies": onUser(a.listAttachedUserPolicies),
	}
}

// putUserPolicy counts all inline policies of the user together, white space not counted.
func (a *Account) putUserPolicy(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	name, document := r.get("PolicyName"), r.get("PolicyDocument")
	if e := checkName("policyName", name, 128); e != nil {
		return nil, e
	}
	if e := checkIdentityPolicy(document); e != nil {
		return nil, e
	}
	size := policySize(document)
	for other, text := range u.inline {
		if other != name {
			size += policySize(text)
		}
	}
	if size > maxInlineCharacters {
		return nil, refuse(http.StatusConflict, "LimitExceeded", "Maximum policy size of %d bytes exceeded for user %s", maxInlineCharacters, u.name)
	}
	u.inline[name] = document
	return nil, nil
}

func noUserPolicy(name string) *apiError {
	return noSuch("The user policy with name %s cannot be found.", name)
}

func (a *Account) getUserPolicy(r *request) (any, error) {
	u, e := r.named(a.view())
	if e != nil {
		return nil, e
	}
	name := r.get("PolicyName")
	text, ok := u.inline[name]
	if !ok {
		return nil, noUserPolicy(name)
	}
	return struct{ UserName, PolicyName, PolicyDocument string }{u.name, name, quoted(text)}, nil
}

func (a *Account) listUserPolicies(r *request) (any, error) {
	u, e := r.named(a.view())
	if e != nil {
		return nil, e
	}
	page, cut, e := paged(r, slices.Sorted(maps.Keys(u.inline)), func(n string) string { return n })
	if e != nil {
		return nil, e
	}
	return struct {
		PolicyNames list[string]
		cutXML
	}{listOf(page), cut}, nil
}

func (a *Account) deleteUserPolicy(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	name := r.get("PolicyName")
	if _, ok := u.inline[name]; !ok {
		return nil, noUserPolicy(name)
	}
	delete(u.inline, name)
	return nil, nil
}

func checkPolicyARN(arn string) *apiError {
	if arn == "" {
		return required("policyArn")
	}
	if !strings.HasPrefix(arn, "arn:aws:iam::") || !strings.Contains(arn, ":policy/") {
		return refuse(http.StatusBadRequest, "InvalidInput", "ARN %s is not valid.", arn)
	}
	return nil
}

func (a *Account) attachUserPolicy(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	arn := r.get("PolicyArn")
	if e := checkPolicyARN(arn); e != nil {
		return nil, e
	}
	if _, ok := a.policyText(arn); !ok {
		return nil, noSuch("Policy %s does not exist or is not attachable.", arn)
	}
	if slices.Contains(u.attached, arn) {
		return nil, nil
	}
	if len(u.attached) >= maxAttached {
		return nil, exceeded("PoliciesPerUser", maxAttached)
	}
	u.attached = append(slices.Clone(u.attached), arn)
	return nil, nil
}

func (a *Account) detachUserPolicy(r *request) (any, error) {
	u, e := r.named(a.state.iam)
	if e != nil {
		return nil, e
	}
	arn := r.get("PolicyArn")
	if e := checkPolicyARN(arn); e != nil {
		return nil, e
	}
	n := slices.Index(u.attached, arn)
	if n < 0 {
		return nil, noSuch("Policy %s was not found.", arn)
	}
	u.attached = slices.Delete(slices.Clone(u.attached), n, n+1)
	return nil, nil
}

type attachedXML struct{ PolicyName, PolicyArn string }

func attachedOf(arns []string) list[attachedXML] {
	var all []attachedXML
	for _, arn := range arns {
		all = append(all, attachedXML{arn[strings.LastIndexByte(arn, '/')+1:], arn})
	}
	return listOf(all)
}

func (a *Account) listAttachedUserPolicies(r *request) (any, error) {
	u, e := r.named(a.view())
	if e != nil {
		return nil, e
	}
	prefix := r.get("PathPrefix")
	all := slices.DeleteFunc(slices.Sorted(slices.Values(u.attached)), func(arn string) bool {
		_, path, _ := strings.Cut(arn, ":policy")
		return !strings.HasPrefix(path, prefix)
	})
	page, cut, e := paged(r, all, func(arn string) string { return arn })
	if e != nil {
		return nil, e
	}
	return struct {
		AttachedPolicies list[attachedXML]
		cutXML
	}{attachedOf(page), cut}, nil
}
