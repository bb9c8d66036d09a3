package sunset

import (
	"path"
	"slices"
	"strings"
)

// Class is what kind of user it is, as far as can be told. It informs people and decides nothing.
type Class string

// The classes.
const (
	Human        Class = "human"
	Programmatic Class = "programmatic"
	CI           Class = "ci"
	ThirdParty   Class = "third-party"
	Unexplained  Class = "unexplained"
)

// ClassRule is one line of the classification. The first that matches names the class, and is shown in the plan.
type ClassRule struct {
	Class Class  `json:"class"`
	On    string `json:"on"`    // tag, path, name, agent, calls, has
	Match string `json:"match"` // for tag "key=glob", else a glob; for has: password, key, service-credential
}

// ClassRules is the classification, most telling sign first.
func ClassRules() []ClassRule {
	return []ClassRule{
		{CI, "tag", "purpose=ci*"},
		{Programmatic, "tag", "purpose=service*"},
		{Human, "tag", "purpose=human*"},
		{ThirdParty, "tag", "vendor=*"},
		{CI, "path", "/ci/*"},
		{ThirdParty, "path", "/vendor/*"},
		{ThirdParty, "path", "/third-party/*"},
		{Programmatic, "path", "/service/*"},
		{Programmatic, "path", "/system/*"},
		{Human, "path", "/people/*"},
		{CI, "name", "*github*"},
		{CI, "name", "*gitlab*"},
		{CI, "name", "*jenkins*"},
		{CI, "name", "*circleci*"},
		{CI, "name", "*terraform*"},
		{CI, "name", "ci-*"},
		{CI, "name", "*-ci"},
		{CI, "name", "*deploy*"},
		{ThirdParty, "name", "*datadog*"},
		{ThirdParty, "name", "*newrelic*"},
		{ThirdParty, "name", "*snowflake*"},
		{ThirdParty, "name", "*vendor*"},
		{Programmatic, "name", "ses-smtp-user*"},
		{Programmatic, "name", "bedrockapikey-*"},
		{Programmatic, "name", "svc-*"},
		{Programmatic, "name", "*-svc"},
		{Programmatic, "name", "*-service"},
		{Programmatic, "name", "*backup*"},
		{Human, "name", "*@*"},
		{CI, "agent", "*github-actions*"},
		{CI, "agent", "*terraform*"},
		{Human, "agent", "*mozilla*"},
		{CI, "calls", "codedeploy*"},
		{CI, "calls", "codepipeline*"},
		{Programmatic, "calls", "ses*"},
		{Programmatic, "calls", "bedrock*"},
		{Human, "calls", "signin*"},
		{Human, "has", "password"},
		{Programmatic, "has", "key"},
		{Programmatic, "has", "service-credential"},
	}
}

// Classify names the class of u and the rule that did, which is empty for Unexplained.
func Classify(u User, last *Activity) (Class, string) {
	for _, r := range ClassRules() {
		if r.matches(u, last) {
			return r.Class, r.On + " " + r.Match
		}
	}
	return Unexplained, ""
}

func (r ClassRule) matches(u User, last *Activity) bool {
	glob := func(pattern, s string) bool {
		// A slash in a path or an agent is a character like any other here.
		flat := strings.NewReplacer("/", "\x01")
		ok, err := path.Match(flat.Replace(pattern), flat.Replace(strings.ToLower(s)))
		return ok && err == nil
	}
	switch r.On {
	case "tag":
		key, want, _ := strings.Cut(r.Match, "=")
		value, ok := tagFold(u.Tags, key)
		return ok && glob(want, value)
	case "path":
		return glob(r.Match, u.Path)
	case "name":
		return glob(r.Match, u.Name)
	case "agent":
		return last != nil && glob(r.Match, last.Agent)
	case "calls":
		if last != nil && glob(r.Match, last.Service) {
			return true
		}
		return slices.ContainsFunc(u.Credentials, func(c Credential) bool { return c.Service != "" && glob(r.Match, c.Service) })
	case "has":
		kinds := map[string]CredentialKind{"password": Password, "key": AccessKey, "service-credential": ServiceCredential}
		return len(u.Of(kinds[r.Match])) > 0
	}
	return false
}

// Owner is whom to tell about a user, and how that is known.
type Owner struct {
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
	From  string `json:"from,omitempty"` // "tag owner", "created by", …
}

// OwnerOf reads the owner from tags.
func OwnerOf(u User) Owner {
	for _, key := range []string{"owner", "owner-email", "contact", "email", "created-by", "createdby", "team"} {
		if v, ok := tagFold(u.Tags, key); ok && strings.TrimSpace(v) != "" {
			o := Owner{Name: v, From: "tag " + key}
			if strings.Contains(v, "@") {
				o.Email = v
			}
			return o
		}
	}
	if strings.Contains(u.Name, "@") {
		return Owner{Email: u.Name, Name: u.Name, From: "user name"}
	}
	return Owner{}
}

// CreatorOf takes whoever made a user for its owner, by the ARN under which they did. A role's session is often named after
// a person.
func CreatorOf(arn string) Owner {
	if arn == "" {
		return Owner{}
	}
	o := Owner{Name: arn, From: "created by"}
	if name := arn[strings.LastIndex(arn, "/")+1:]; strings.Contains(name, "@") {
		o.Email = name
	}
	return o
}

// CodeManaged names the tool whose tags say that code made the user, or is empty. Such a user would come back, or its
// stack would break, if it was deleted by hand.
func CodeManaged(tags map[string]string) string {
	for _, tool := range []struct{ name, key, word string }{
		{"CloudFormation", "aws:cloudformation:", "cloudformation"},
		{"CDK", "aws-cdk:", "cdk"},
		{"Terraform", "terraform", "terraform"},
		{"Pulumi", "pulumi", "pulumi"},
	} {
		for k, v := range tags {
			key := strings.ToLower(k)
			if strings.HasPrefix(key, tool.key) || ((key == "managed-by" || key == "managedby") && strings.Contains(strings.ToLower(v), tool.word)) {
				return tool.name
			}
		}
	}
	return ""
}
