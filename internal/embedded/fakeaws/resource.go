package fakeaws

import (
	"encoding/json"
	"strings"
)

// What a regional service's call is about, as a policy has to name it.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html.

// onField is an operation about the resource that a field of its JSON body names, by ARN or by what stands behind prefix.
func (a *Account) onField(service, prefix, field string) func(*request) string {
	return func(r *request) string {
		var body map[string]json.RawMessage
		var value string
		if json.Unmarshal(r.body, &body) != nil || json.Unmarshal(body[field], &value) != nil || value == "" {
			return a.regionalARN(service, r.region, prefix+"*") // of a list, whichever
		}
		return a.regionalNamed(service, r.region, prefix, value)
	}
}

func (a *Account) onFunction(r *request) string {
	return a.regionalNamed("lambda", r.region, "function:", r.labels["FunctionName"])
}

func (a *Account) regionalNamed(service, region, prefix, value string) string {
	if strings.HasPrefix(value, "arn:") {
		return value
	}
	if service == "sqs" {
		value = afterLast(value, "/") // its URL
	}
	return a.regionalARN(service, region, prefix+value)
}

// onKeysUser is the user whose access key the request names.
func (a *Account) onKeysUser(r *request) string {
	if k, ok := a.state.iam.keys[r.get("AccessKeyId")]; ok {
		return a.userARN(k.user)
	}
	return a.iamARN("user", "/", "*")
}

// aboutTarget are the condition keys that a call on a user or with a policy brings.
func (r *request) aboutTarget(resource string) map[string]string {
	facts := map[string]string{}
	if arn := r.get("PolicyArn"); arn != "" {
		facts["iam:policyarn"] = arn
	}
	if r.has("ExternalId") {
		facts["sts:externalid"] = r.get("ExternalId")
	}
	for name := range r.params {
		if strings.HasPrefix(name, "Tags.member.") && strings.HasSuffix(name, ".Key") || strings.HasPrefix(name, "TagKeys.member.") {
			facts["aws:tagkeys"] = strings.Trim(facts["aws:tagkeys"]+"\n"+r.params.Get(name), "\n")
		}
	}
	for _, u := range r.account.state.iam.users {
		if u.arn == resource {
			for _, tag := range u.tags {
				facts["aws:resourcetag/"+strings.ToLower(tag.Key)] = tag.Value
				facts["iam:resourcetag/"+strings.ToLower(tag.Key)] = tag.Value
			}
		}
	}
	return facts
}
