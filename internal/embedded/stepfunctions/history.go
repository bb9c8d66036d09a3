package stepfunctions

import (
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

type historyRequest struct {
	ExecutionArn         string
	IncludeExecutionData *bool
	ReverseOrder         bool
	MaxResults           int
	NextToken            string
}

// getExecutionHistory counts pages from the end that it began at; new events of a running execution show up at the
// end of a walk forwards, and not at all in one backwards that began before them.
func (e *Engine) getExecutionHistory(in historyRequest) (any, error) {
	x, err := e.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	data := in.IncludeExecutionData == nil || *in.IncludeExecutionData
	n := int(x.events)
	answer := map[string]any{}
	var part []asl.Event
	if in.ReverseOrder {
		before, most, err := cursor(n, in.MaxResults, in.NextToken)
		if err != nil {
			return nil, err
		}
		from := max(0, before-most)
		if part, err = e.cfg.Journal.Events(x.number, int64(from)+1, before-from); err != nil {
			return nil, e.fail(err)
		}
		slices.Reverse(part)
		if from > 0 {
			answer["nextToken"] = cursorToken(from)
		}
	} else {
		after, most, err := cursor(n, in.MaxResults, in.NextToken)
		if err != nil {
			return nil, err
		}
		if in.NextToken == "" {
			after = 0
		}
		to := min(n, after+most)
		if part, err = e.cfg.Journal.Events(x.number, int64(after)+1, to-after); err != nil {
			return nil, e.fail(err)
		}
		if to < n {
			answer["nextToken"] = cursorToken(to)
		}
	}
	events := make([]map[string]any, len(part))
	for i, ev := range part {
		events[i] = e.event(ev, data)
	}
	answer["events"] = events
	return answer, nil
}

// event is one in AWS's form: what its type has stands under its own name.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
func (e *Engine) event(ev asl.Event, data bool) map[string]any {
	out := map[string]any{
		"id": ev.ID, "previousEventId": ev.PreviousID, "timestamp": stamp(ev.Time), "type": ev.Type,
	}
	d := map[string]any{}
	payload := func(name string) {
		if data {
			d[name] = ev.Payload
		}
		d[name+"Details"] = map[string]bool{"truncated": false}
	}
	failure := func() {
		for name, v := range map[string]string{"error": ev.Error, "cause": ev.Cause} {
			if v != "" && (data || name == "error") {
				d[name] = v
			}
		}
	}
	switch ev.Type {
	case asl.ExecutionStarted:
		payload("input")
		d["roleArn"] = e.roleARN()
	case asl.ExecutionRedriven:
		d["redriveCount"] = ev.Redrives
	case asl.LambdaFunctionScheduled:
		payload("input")
		d["resource"] = ev.Function
	case asl.LambdaFunctionStarted:
		return out // has no details
	case asl.TaskScheduled:
		d["region"] = e.cfg.Region
		d["parameters"] = "{}"
		if data {
			d["parameters"] = ev.Payload
		}
	case asl.ExecutionSucceeded, asl.LambdaFunctionSucceeded, asl.TaskSubmitted, asl.TaskSucceeded:
		payload("output")
	case asl.TaskStarted:
	default:
		switch {
		case ev.Entered():
			payload("input")
			d["name"] = ev.State
		case ev.State != "":
			payload("output")
			d["name"] = ev.State
		default:
			failure()
		}
	}
	if isTaskEvent(ev) {
		d["resourceType"], d["resource"] = "lambda", "invoke.waitForTaskToken"
	}
	if ev.Timeout > 0 {
		d["timeoutInSeconds"] = int64(ev.Timeout.Seconds())
	}
	if ev.Heartbeat > 0 {
		// A function's own events have no field for it.
		if ev.Type == asl.TaskScheduled {
			d["heartbeatInSeconds"] = int64(ev.Heartbeat.Seconds())
		}
	}
	out[detailsName(ev)] = d
	return out
}

func isTaskEvent(ev asl.Event) bool {
	return ev.State == "" && strings.HasPrefix(string(ev.Type), "Task")
}

// detailsName is where AWS puts an event's details: stateEnteredEventDetails for every kind of state, else the
// type's own, taskScheduledEventDetails.
func detailsName(ev asl.Event) string {
	name := string(ev.Type)
	switch {
	case ev.Entered():
		name = "StateEntered"
	case ev.State != "":
		name = "StateExited"
	}
	return strings.ToLower(name[:1]) + name[1:] + "EventDetails"
}
