package fakeaws

import (
	"net/http"
	"slices"
	"strings"
)

func (a *Account) sqsService() *service {
	return &service{
		name: "sqs", protocol: json10,
		operations: map[string]operation{
			"ListQueues":         {handle: a.listQueues},
			"GetQueueAttributes": {handle: a.getQueueAttributes, resource: a.onField("sqs", "", "QueueUrl")},
		},
	}
}

func (a *Account) queueURL(name, region string) string {
	return "https://sqs." + region + ".amazonaws.com/" + a.id + "/" + name
}

// listQueues answers with at most 1,000 queues, and with a token for more only where MaxResults was given.
// See https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html.
func (a *Account) listQueues(r *request) (any, error) {
	var in struct {
		MaxResults      *int
		NextToken       string
		QueueNamePrefix string
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	size := 1000
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	if size < 1 || size > 1000 {
		return nil, refuse(http.StatusBadRequest, "InvalidParameterValue", "Value %d for parameter MaxResults is invalid. Reason: Must be an integer from 1 to 1000.", size)
	}
	all := slices.DeleteFunc(inRegion(a.state.resources.queues, r.region), func(q *resource) bool { return !strings.HasPrefix(q.name, in.QueueNamePrefix) })
	page, next, ok := pageOf(r, all, (*resource).key, in.NextToken, size)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "InvalidParameterValue", "Invalid or expired next token.")
	}
	if in.MaxResults == nil {
		next = ""
	}
	out := struct {
		NextToken string   `json:",omitempty"`
		QueueUrls []string `json:",omitempty"`
	}{NextToken: next}
	for _, q := range page {
		out.QueueUrls = append(out.QueueUrls, a.queueURL(q.name, r.region))
	}
	return out, nil
}

func (a *Account) getQueueAttributes(r *request) (any, error) {
	var in struct {
		QueueURL       string `json:"QueueUrl"`
		AttributeNames []string
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	r.target = in.QueueURL
	q := find(a.state.resources.queues, afterLast(in.QueueURL, "/"), r.region)
	if q == nil {
		return nil, &apiError{
			status: http.StatusBadRequest, code: "QueueDoesNotExist", message: "The specified queue does not exist.",
			header: map[string]string{"X-Amzn-Query-Error": "AWS.SimpleQueueService.NonExistentQueue;Sender"},
		}
	}
	attributes := map[string]string{"QueueArn": q.arn, "Policy": a.principalARNs(q.policy), "VisibilityTimeout": "30"}
	for name, value := range attributes {
		if value == "" || !slices.Contains(in.AttributeNames, name) && !slices.Contains(in.AttributeNames, "All") {
			delete(attributes, name)
		}
	}
	out := map[string]any{}
	if len(attributes) > 0 {
		out["Attributes"] = attributes
	}
	return out, nil
}
