package fakecloud

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Event is one that EventBridge took.
type Event struct {
	At                      time.Time
	Principal, ID           string
	Bus, Source, DetailType string
	Detail                  string
	Resources               []string
	Time                    time.Time // what the event says; the zero time where it says nothing
}

// CreateBus makes an event bus and gives its ARN.
func (c *Cloud) CreateBus(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buses[name] = true
	return c.arn("events", "event-bus/"+name)
}

// Events are all events that were taken, oldest first.
func (c *Cloud) Events() []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

type eventEntry struct {
	EventBusName, Source, DetailType, Detail, TraceHeader string
	Resources                                             []string
	Time                                                  *float64
}

// size counts as EventBridge does. See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html.
func (e *eventEntry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if e.Time != nil {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

type eventResult struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

func (c *Cloud) eventBridge(r *request) (operation, *refusal) {
	if operationName(r.http) != "PutEvents" {
		return operation{}, refuse(http.StatusBadRequest, "UnknownOperationException", "the fake cloud's events has no operation %s", operationName(r.http))
	}
	on := operation{action: "events:PutEvents"}
	var in struct{ Entries []eventEntry }
	if refused := decode(r.body, &in); refused != nil {
		return on, refused
	}
	if n := len(in.Entries); n < 1 || n > 10 {
		return on, invalid("1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and 10")
	}
	size := 0
	for i := range in.Entries {
		e := &in.Entries[i]
		size += e.size()
		if e.EventBusName == "" {
			e.EventBusName = "default"
		}
		bus := strings.TrimPrefix(e.EventBusName, c.arn("events", "event-bus/"))
		resource := c.arn("events", "event-bus/"+bus)
		if on.resource != "" && on.resource != resource {
			return on, invalid("the fake cloud takes events for one bus a request")
		}
		on.resource = resource
		if !c.buses[bus] || r.region != c.config.Region {
			return on, refuse(http.StatusBadRequest, "ResourceNotFoundException", "Event bus %s does not exist.", bus)
		}
	}
	if size >= 256<<10 {
		return on, invalid("Total size of the entries in the request is over the limit.")
	}
	on.do = func(r *request) (answer, *refusal) {
		results, failed := make([]eventResult, len(in.Entries)), 0
		for i, e := range in.Entries {
			wrong := e.fault()
			if r.fault != nil && i >= len(in.Entries)-r.fault.Entries {
				wrong = eventResult{ErrorCode: r.fault.Code, ErrorMessage: r.fault.Message}
			}
			if wrong.ErrorCode != "" {
				results[i], failed = wrong, failed+1
				continue
			}
			event := Event{
				At: c.now(), Principal: r.principal, ID: randomHex(16), Bus: on.resource[strings.LastIndexByte(on.resource, '/')+1:],
				Source: e.Source, DetailType: e.DetailType, Detail: e.Detail, Resources: e.Resources,
			}
			if e.Time != nil {
				event.Time = time.UnixMilli(int64(*e.Time * 1000)).UTC()
			}
			c.events = append(c.events, event)
			results[i].EventID = event.ID
		}
		return asJSON(map[string]any{"FailedEntryCount": failed, "Entries": results}), nil
	}
	return on, nil
}

// fault is why one entry is refused while the others pass.
func (e *eventEntry) fault() eventResult {
	for _, f := range [][2]string{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if f[1] == "" {
			return eventResult{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter " + f[0] + " is not valid. Reason: " + f[0] + " is a required argument."}
		}
	}
	var object map[string]any
	switch {
	case strings.HasPrefix(e.Source, "aws."):
		return eventResult{ErrorCode: "NotAuthorizedForSourceException", ErrorMessage: "Not authorized for the source."}
	case len(e.DetailType) > 128:
		return eventResult{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter DetailType is not valid. Reason: Detail type is too long."}
	case json.Unmarshal([]byte(e.Detail), &object) != nil || object == nil:
		return eventResult{ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed."}
	}
	return eventResult{}
}
