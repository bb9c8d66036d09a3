package fakeaws

import (
	"net/http"
)

func (a *Account) snsService() *service {
	topic := func(r *request) string { return r.get("TopicArn") }
	return &service{
		name: "sns", protocol: queryXML, namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
		operations: map[string]operation{
			"ListTopics":         {handle: a.listTopics},
			"GetTopicAttributes": {resource: topic, handle: a.getTopicAttributes},
		},
	}
}

type listedTopic struct {
	TopicArn string
}

func (a *Account) listTopics(r *request) (any, error) {
	page, next, ok := pageOf(r, inRegion(a.state.resources.topics, r.region), (*resource).key, r.get("NextToken"), 100)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "InvalidParameter", "Invalid parameter: NextToken Reason: invalid token")
	}
	var topics []listedTopic
	for _, t := range page {
		topics = append(topics, listedTopic{TopicArn: t.arn})
	}
	return struct {
		Topics    list[listedTopic]
		NextToken string `xml:",omitempty"`
	}{listOf(topics), next}, nil
}

type attributeEntry struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// getTopicAttributes answers with a policy always: SNS gives each topic one that lets its owner in.
func (a *Account) getTopicAttributes(r *request) (any, error) {
	r.target = r.get("TopicArn")
	t := find(a.state.resources.topics, afterLast(r.target, ":"), r.region)
	if t == nil || t.arn != r.target {
		return nil, refuse(http.StatusNotFound, "NotFound", "Topic does not exist")
	}
	policy := a.principalARNs(t.policy)
	if policy == "" {
		policy = `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},` +
			`"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe",` +
			`"SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"` + t.arn + `","Condition":{"StringEquals":{"AWS:SourceOwner":"` + a.id + `"}}}]}`
	}
	entries := []attributeEntry{{"TopicArn", t.arn}, {"Owner", a.id}, {"Policy", policy}, {"DisplayName", ""}, {"SubscriptionsConfirmed", "0"}}
	return struct {
		Attributes []attributeEntry `xml:"Attributes>entry"`
	}{entries}, nil
}
