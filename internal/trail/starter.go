package trail

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// startedWithin is how far from the time when an execution's first state ran its start may be.
	startedWithin = 15 * time.Minute
	// skew is how far clocks may differ. Nearly always the start is before that, and what a cleanup itself starts after.
	skew = time.Minute
	// starterPages of 50 events are read before the question is too much for LookupEvents.
	starterPages = 100
)

// StartedBy gives the ARN of whoever started an execution of Step Functions, whose first state ran at began, as the
// StartExecution event in the execution's own region says: of an assumed role, the session's. It is empty while there is
// no such event, which may take an hour to come, and where the event does not say who it was.
//
// StartExecution answers a second call with the same name and input as it did the first, so the earliest event counts.
// Of two callers within one second nobody knows who was first, and the answer is empty too.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html: "idempotent"
//
// What CloudTrail refuses or goes on throttling is a fault, and so are more events than 100 pages hold.
func (t *Trail) StartedBy(ctx context.Context, execution string, began time.Time) (string, error) {
	at, err := arn.Parse(execution)
	if err != nil || at.Service != "states" || at.Region == "" {
		return "", sunset.Faultf(sunset.Invalid, "asking who started %q: it is not the ARN of an execution", execution)
	}
	l := t.lane(at.Region)
	for _, span := range [][2]time.Time{
		{began.Add(-startedWithin), began.Add(skew)},
		{began.Add(skew), began.Add(startedWithin)},
	} {
		first, err := l.starts(ctx, execution, span[0], span[1])
		if err != nil {
			return "", err
		}
		if len(first) > 0 {
			who := first[0]
			for _, other := range first {
				if other != who {
					return "", nil
				}
			}
			return who, nil
		}
	}
	return "", nil
}

// starts gives who is in the earliest events of the start of an execution, which are several where they are of one second.
func (l *lane) starts(ctx context.Context, execution string, since, until time.Time) ([]string, error) {
	q := lookup{key: types.LookupAttributeKeyEventName, value: "StartExecution", since: since, until: until}
	var earliest time.Time
	var who []string
	for range starterPages {
		page, err := l.page(ctx, q, time.Time{})
		if err != nil {
			return nil, l.fault(err)
		}
		for _, raw := range page.Events {
			e, err := readEvent(raw)
			if err != nil {
				return nil, sunset.Faultf(sunset.Internal, "asking who started %s: %w", execution, err)
			}
			if !e.started(execution) || len(who) > 0 && e.EventTime.After(earliest) {
				continue
			}
			if e.EventTime.Before(earliest) {
				who = nil
			}
			earliest = e.EventTime
			name := ""
			if e.UserIdentity != nil {
				name = e.UserIdentity.ARN
			}
			who = append(who, name)
		}
		if q.token = aws.ToString(page.NextToken); q.token == "" {
			return who, nil
		}
	}
	return nil, sunset.Faultf(sunset.Internal, "asking who started %s: CloudTrail in %s has more than %d pages of StartExecution about that time",
		execution, l.region, starterPages)
}

// started reports whether the event is the start of that very execution.
func (e event) started(execution string) bool {
	var answer struct {
		ExecutionARN string `json:"executionArn"`
	}
	return e.EventSource == "states.amazonaws.com" && e.EventName == "StartExecution" && e.ErrorCode == "" &&
		json.Unmarshal(e.ResponseElements, &answer) == nil && answer.ExecutionARN == execution
}
