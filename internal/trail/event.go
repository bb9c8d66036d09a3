package trail

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// event is as much of a CloudTrail record as is judged here. See
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html.
type event struct {
	UserIdentity *struct {
		Type           string `json:"type"`
		PrincipalID    string `json:"principalId"`
		ARN            string `json:"arn"`
		SessionContext struct {
			SessionIssuer struct {
				PrincipalID string `json:"principalId"`
			} `json:"sessionIssuer"`
		} `json:"sessionContext"`
	} `json:"userIdentity"`
	EventTime         time.Time       `json:"eventTime"`
	EventSource       string          `json:"eventSource"`
	EventName         string          `json:"eventName"`
	AWSRegion         string          `json:"awsRegion"`
	SourceIPAddress   string          `json:"sourceIPAddress"`
	UserAgent         string          `json:"userAgent"`
	ErrorCode         string          `json:"errorCode"`
	ErrorMessage      string          `json:"errorMessage"`
	RequestParameters json.RawMessage `json:"requestParameters"`
	ResponseElements  json.RawMessage `json:"responseElements"`
}

// whose says how an event relates to a user.
type whose int

const (
	others whose = iota // another principal of the same name, a role's session of that name …
	theirs
	attempted // a sign-in with the user's name that failed: it need not have been the user
	unclear   // the record can't be read, or doesn't say who it was
)

func readEvent(e types.Event) (event, error) {
	var out event
	if err := json.Unmarshal([]byte(aws.ToString(e.CloudTrailEvent)), &out); err != nil {
		return event{}, fmt.Errorf("reading CloudTrail event %s: %w", aws.ToString(e.EventId), err)
	}
	if e.EventTime != nil {
		out.EventTime = *e.EventTime
	}
	out.EventTime = out.EventTime.UTC()
	return out, nil
}

// of judges whether the event is the user's. The name alone proves nothing: names are used again, and a role's session
// may carry any name.
func (e event) of(userID string) whose {
	id := e.UserIdentity
	if id == nil || id.Type == "" {
		return unclear
	}
	principal, _, _ := strings.Cut(id.PrincipalID, ":")
	switch {
	case id.Type == "FederatedUser" && id.SessionContext.SessionIssuer.PrincipalID == userID:
		return theirs
	case id.Type == "IAMUser" && e.failedSignIn() && (principal == userID || principal == ""):
		return attempted
	case principal == userID:
		return theirs
	case id.Type == "IAMUser" && principal == "":
		return unclear
	}
	return others
}

func (e event) signIn() bool { return e.EventName == "ConsoleLogin" }

func (e event) failedSignIn() bool {
	if !e.signIn() {
		return false
	}
	var answer struct{ ConsoleLogin string }
	// What can't be read was no proven success; the error fields still tell a failure from a record that says nothing.
	err := json.Unmarshal(e.ResponseElements, &answer)
	return e.ErrorMessage != "" || e.ErrorCode != "" || err == nil && answer.ConsoleLogin == "Failure"
}

func (e event) denied() bool {
	return strings.Contains(e.ErrorCode, "AccessDenied") || strings.Contains(e.ErrorCode, "UnauthorizedOperation") ||
		e.ErrorCode == "AuthorizationError" || e.ErrorCode == "Client.UnauthorizedOperation"
}

func (e event) service() string { return strings.TrimSuffix(e.EventSource, ".amazonaws.com") }

func (e event) activity(region string) sunset.Activity {
	a := sunset.Activity{
		At: e.EventTime, Service: e.service(), Call: e.EventName, Region: region,
		Address: short(e.SourceIPAddress), Agent: short(e.UserAgent), Error: e.ErrorCode,
	}
	if e.failedSignIn() && a.Error == "" {
		a.Error = short(e.ErrorMessage)
	}
	return a
}

// sentence says what was done, without the region, which stands beside it wherever it is shown.
func (e event) sentence() string {
	when := e.EventTime.Format(time.RFC3339)
	from := ""
	if e.SourceIPAddress != "" {
		from = " from " + short(e.SourceIPAddress)
	}
	switch call := e.service() + ":" + e.EventName; {
	case e.failedSignIn():
		return fmt.Sprintf("somebody failed to sign in with its name%s at %s", from, when)
	case e.signIn():
		return fmt.Sprintf("it signed in to the console%s at %s", from, when)
	case e.denied():
		return fmt.Sprintf("it tried %s%s at %s and was denied", call, from, when)
	case e.ErrorCode != "":
		return fmt.Sprintf("it called %s%s at %s and got %s", call, from, when, e.ErrorCode)
	default:
		return fmt.Sprintf("it called %s%s at %s", call, from, when)
	}
}

// short keeps what a caller chose freely, such as a user agent, from filling a plan.
func short(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// newerActivity chooses between two things that a user did. A failed sign-in may have been anybody's, so it stands only
// where nothing else is known.
func newerActivity(a, b sunset.Activity) sunset.Activity {
	failed := func(x sunset.Activity) bool { return x.Call == "ConsoleLogin" && x.Error != "" }
	if a.At.IsZero() || failed(a) != failed(b) {
		if a.At.IsZero() || failed(a) {
			return b
		}
		return a
	}
	// Equal times are told apart, so that the order in which regions answer changes nothing.
	if c := cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Region, a.Region), cmp.Compare(b.Call, a.Call)); c > 0 {
		return b
	}
	return a
}
