// Package events tells the world outside what happens, so that chat, tickets and dashboards can hang off it: one Amazon
// EventBridge event for each audit record, of the form that docs/events.md promises.
//
// The record is what counts. An event carries its sentence and some of its data, and says where the rest is.
package events

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Source is the source of every event.
const Source = "iam-sunset"

const putEvents = "events:PutEvents"

// Bus is where events go.
type Bus struct {
	client *eventbridge.Client
	name   string
}

// New publishes to a bus, by its name or ARN.
func New(client *eventbridge.Client, bus string) *Bus { return &Bus{client: client, name: bus} }

// Publish sends the event of a record that was appended: its chain and number make the event's id. Published again, the
// same record makes the same event with the same id, except for EventBridge's own envelope.
//
// The error is a fault of the kind that EventBridge's code has, whether it refused the call or the one entry.
func (b *Bus) Publish(ctx context.Context, r audit.Record) error {
	if r.Chain == "" || r.Seq < 1 {
		return sunset.Faultf(sunset.Internal, "publishing %q of %q: it was not appended to its chain", r.Kind, r.Chain)
	}
	const doing = "publishing record %d of %s"
	detail, err := encode(detailOf(r))
	if err != nil {
		return sunset.Faultf(sunset.Internal, doing+": %w", r.Seq, r.Chain, err)
	}
	out, err := b.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: &b.name, Source: aws.String(Source), DetailType: aws.String(detailType(r)), Time: &r.At,
		Resources: resources(r), Detail: aws.String(string(detail)),
	}}})
	if err != nil {
		return &sunset.Fault{Kind: kindOf(err), Action: putEvents, Err: awsfault.Wrap(err, putEvents, doing, r.Seq, r.Chain)}
	}
	for _, e := range out.Entries {
		if code := aws.ToString(e.ErrorCode); code != "" {
			err = &smithy.GenericAPIError{Code: code, Message: aws.ToString(e.ErrorMessage)}
		}
	}
	switch {
	case err != nil:
		return &sunset.Fault{Kind: kindOf(err), Action: putEvents, Err: awsfault.Wrap(err, putEvents, doing, r.Seq, r.Chain)}
	case out.FailedEntryCount != 0 || len(out.Entries) != 1:
		return sunset.Faultf(sunset.Unavailable, doing+": %s: of 1 entry %d failed and %d were answered", r.Seq, r.Chain, putEvents, out.FailedEntryCount, len(out.Entries))
	}
	return nil
}

// kindOf knows the codes that an entry is refused with.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
func kindOf(err error) sunset.Kind {
	switch awsfault.Code(err) {
	case "InternalException":
		return sunset.Unavailable
	case "NotAuthorizedForSourceException", "NotAuthorizedForDetailTypeException":
		return sunset.AccessDenied
	case "InvalidArgument", "InvalidAccountIdException", "MalformedDetail", "ResourceNotFoundException":
		return sunset.Invalid
	}
	return awsfault.KindOf(err)
}

// resources are the ARNs that a record itself knows: the execution's, the user's.
func resources(r audit.Record) []string {
	var data struct {
		Execution string `json:"execution"`
		Entry     struct {
			User struct {
				ARN string `json:"arn"`
			} `json:"user"`
		} `json:"entry"`
	}
	// Data of another form knows none.
	if json.Unmarshal(r.Data, &data) != nil {
		return nil
	}
	var out []string
	for _, arn := range []string{data.Execution, data.Entry.User.ARN} {
		if strings.HasPrefix(arn, "arn:") && len(arn) <= longestName {
			out = append(out, arn)
		}
	}
	return out
}
