package fakecloud

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const snsNamespace = "http://sns.amazonaws.com/doc/2010-03-31/"

// Publication is a message that SNS took.
type Publication struct {
	At                      time.Time
	Principal, ID           string
	Topic, Subject, Message string
}

// CreateTopic makes a topic and gives its ARN. kmsKey is the ARN of the key that it is encrypted with, or empty.
func (c *Cloud) CreateTopic(name, kmsKey string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	arn := c.arn("sns", name)
	c.topics[arn] = kmsKey
	return arn
}

// Published are all messages that were taken, oldest first.
func (c *Cloud) Published() []Publication {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.published)
}

type publishAnswer struct {
	XMLName   xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ PublishResponse"`
	MessageID string   `xml:"PublishResult>MessageId"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

// sns is the query API. See https://docs.aws.amazon.com/sns/latest/api/API_Publish.html.
func (c *Cloud) sns(r *request) (operation, *refusal) {
	form, err := url.ParseQuery(string(r.body))
	if err != nil || form.Get("Action") != "Publish" {
		return operation{}, refuse(http.StatusBadRequest, "InvalidAction", "the fake cloud's sns has no action %q", form.Get("Action"))
	}
	topic, subject, message := form.Get("TopicArn"), form.Get("Subject"), form.Get("Message")
	on := operation{action: "sns:Publish", resource: topic}
	kmsKey, ok := c.topics[topic]
	wrong := func(what string) (operation, *refusal) {
		return on, refuse(http.StatusBadRequest, "InvalidParameter", "Invalid parameter: %s", what)
	}
	for name := range form {
		if !slices.Contains([]string{"Action", "Version", "TopicArn", "Subject", "Message"}, name) && !strings.HasPrefix(name, "MessageAttributes.") {
			return wrong(name)
		}
	}
	switch {
	case !ok || r.region != c.config.Region:
		return on, refuse(http.StatusNotFound, "NotFound", "Topic does not exist")
	case message == "":
		return wrong("Empty message")
	case len(message)+len(subject) > 256<<10:
		return wrong("Message too long")
	case form.Has("Subject") && (subject == "" || len(subject) > 100 || !printableASCII(subject)):
		return wrong("Subject")
	}
	if kmsKey != "" {
		// See https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html.
		on.implied = []Call{{Action: "kms:GenerateDataKey", Resource: kmsKey, Via: "sns"}, {Action: "kms:Decrypt", Resource: kmsKey, Via: "sns"}}
	}
	on.do = func(r *request) (answer, *refusal) {
		p := Publication{At: c.now(), Principal: r.principal, ID: randomHex(16), Topic: topic, Subject: subject, Message: message}
		c.published = append(c.published, p)
		return asXML(publishAnswer{MessageID: p.ID, RequestID: r.id}), nil
	}
	return on, nil
}

// printableASCII is what a subject may hold, and it must not begin with white space.
func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s[0] != ' '
}
