package fakeaws

import (
	"encoding/json"
	"strings"
	"time"
)

// eventRecord is the CloudTrailEvent of a look-up: the whole event, in AWS's own order of fields.
// See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html.
type eventRecord struct {
	EventVersion        string         `json:"eventVersion"`
	UserIdentity        UserIdentity   `json:"userIdentity"`
	EventTime           string         `json:"eventTime"`
	EventSource         string         `json:"eventSource"`
	EventName           string         `json:"eventName"`
	AWSRegion           string         `json:"awsRegion"`
	SourceIPAddress     string         `json:"sourceIPAddress"`
	UserAgent           string         `json:"userAgent"`
	ErrorCode           string         `json:"errorCode,omitempty"`
	ErrorMessage        string         `json:"errorMessage,omitempty"`
	RequestParameters   map[string]any `json:"requestParameters"`
	ResponseElements    map[string]any `json:"responseElements"`
	AdditionalEventData map[string]any `json:"additionalEventData,omitempty"`
	RequestID           string         `json:"requestID,omitempty"`
	EventID             string         `json:"eventID"`
	ReadOnly            bool           `json:"readOnly"`
	EventType           string         `json:"eventType"`
	ManagementEvent     bool           `json:"managementEvent"`
	RecipientAccountID  string         `json:"recipientAccountId"`
	EventCategory       string         `json:"eventCategory"`
}

func (e *Event) document(accountID string) (string, error) {
	kind := "AwsApiCall"
	if e.Source == "signin.amazonaws.com" {
		kind = "AwsConsoleSignIn"
	}
	raw, err := json.Marshal(eventRecord{
		EventVersion: "1.11", UserIdentity: e.UserIdentity, EventTime: e.Time.Format(time.RFC3339), EventSource: e.Source, EventName: e.Name,
		AWSRegion: e.Region, SourceIPAddress: e.SourceIP, UserAgent: e.UserAgent, ErrorCode: e.ErrorCode, ErrorMessage: e.ErrorMessage,
		RequestParameters: e.RequestParameters, ResponseElements: e.ResponseElements, AdditionalEventData: e.AdditionalEventData,
		RequestID: e.RequestID, EventID: e.EventID, ReadOnly: e.ReadOnly, EventType: kind, ManagementEvent: e.Management,
		RecipientAccountID: accountID, EventCategory: "Management",
	})
	return string(raw), err
}

// username is what the Username attribute finds: an IAM user's name, but a role's or a federated user's *session*
// name, which anybody may choose.
func (e *Event) username() string {
	switch e.UserIdentity.Type {
	case "Root":
		return "root"
	case "AssumedRole", "FederatedUser":
		arn := e.UserIdentity.ARN
		return arn[strings.LastIndexByte(arn, '/')+1:]
	default:
		return e.UserIdentity.UserName
	}
}

// eventResource is what an event is about.
type eventResource struct {
	ResourceType string `json:"ResourceType,omitempty"`
	ResourceName string `json:"ResourceName,omitempty"`
}

// resources names what the parameters name. Denied calls often have none.
func (e *Event) resources() []eventResource {
	types := []struct{ parameter, kind string }{
		{"userName", "AWS::IAM::User"},
		{"newUserName", "AWS::IAM::User"},
		{"accessKeyId", "AWS::IAM::AccessKey"},
		{"groupName", "AWS::IAM::Group"},
		{"roleName", "AWS::IAM::Role"},
		{"roleArn", "AWS::IAM::Role"},
		{"policyArn", "AWS::IAM::Policy"},
		{"bucketName", "AWS::S3::Bucket"},
		{"keyId", "AWS::KMS::Key"},
		{"functionName", "AWS::Lambda::Function"},
		{"instanceId", "AWS::EC2::Instance"},
		{"secretId", "AWS::SecretsManager::Secret"},
		{"queueUrl", "AWS::SQS::Queue"},
		{"topicArn", "AWS::SNS::Topic"},
		{"repositoryName", "AWS::ECR::Repository"},
	}
	out := []eventResource{}
	for _, t := range types {
		if name, ok := e.RequestParameters[t.parameter].(string); ok && name != "" {
			out = append(out, eventResource{ResourceType: t.kind, ResourceName: name})
		}
	}
	return out
}
