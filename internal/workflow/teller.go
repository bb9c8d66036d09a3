package workflow

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// teller makes sentences of an execution's events. Of what travels through an execution it tells only until when a state
// waits: parameters hold task tokens.
type teller struct {
	state string
	// waits are where the definition's Wait states find their time, by state.
	waits map[string][]string
}

func newTeller() (teller, error) {
	var definition struct {
		States map[string]struct{ Type, TimestampPath string }
	}
	if err := json.Unmarshal([]byte(statemachine.Definition()), &definition); err != nil {
		return teller{}, sunset.Faultf(sunset.Internal, "reading the definition: %w", err)
	}
	t := teller{waits: map[string][]string{}}
	for name, state := range definition.States {
		if state.Type == "Wait" {
			t.waits[name] = strings.Split(strings.TrimPrefix(state.TimestampPath, "$."), ".")
		}
	}
	return t, nil
}

// moment is how an event is told; ok is false for what says nothing new.
func (t *teller) moment(e types.HistoryEvent) (m Moment, ok bool) {
	m, ok = t.tell(e)
	m.State = t.state
	m.Text = audit.Redact(m.Text)
	return m, ok
}

func (t *teller) tell(e types.HistoryEvent) (Moment, bool) {
	calm := func(format string, args ...any) (Moment, bool) { return Moment{Text: sentence(format, args...)}, true }
	trouble := func(what string, name, cause *string) (Moment, bool) {
		caught := CaughtError{Error: aws.ToString(name), Cause: aws.ToString(cause)}
		text := sentence("%s", what)
		if why := strings.Trim(caught.sentence(), ": "); why != "" {
			text = sentence("%s: %s", what, why)
		}
		return Moment{Text: text, Trouble: true}, true
	}
	if d := e.StateEnteredEventDetails; d != nil {
		t.state = aws.ToString(d.Name)
		if until := t.waitsUntil(t.state, aws.ToString(d.Input)); !until.IsZero() {
			return calm("The execution waits in %s until %s", t.state, until.UTC().Format(time.RFC3339))
		}
		return calm("The execution entered %s", t.state)
	}
	switch e.Type {
	case types.HistoryEventTypeExecutionStarted:
		return calm("The execution began")
	case types.HistoryEventTypeExecutionSucceeded:
		return calm("The execution came to its end")
	case types.HistoryEventTypeExecutionRedriven:
		return calm("Somebody redrove the execution")
	case types.HistoryEventTypeExecutionFailed:
		if d := e.ExecutionFailedEventDetails; d != nil {
			return trouble("The execution failed", d.Error, d.Cause)
		}
	case types.HistoryEventTypeExecutionAborted:
		if d := e.ExecutionAbortedEventDetails; d != nil {
			return trouble("The execution was stopped", d.Error, d.Cause)
		}
	case types.HistoryEventTypeExecutionTimedOut:
		if d := e.ExecutionTimedOutEventDetails; d != nil {
			return trouble("The execution's time was over", d.Error, d.Cause)
		}
	case types.HistoryEventTypeLambdaFunctionFailed:
		if d := e.LambdaFunctionFailedEventDetails; d != nil {
			return trouble("A try of "+t.state+" failed", d.Error, d.Cause)
		}
	case types.HistoryEventTypeLambdaFunctionScheduleFailed:
		if d := e.LambdaFunctionScheduleFailedEventDetails; d != nil {
			return trouble("The function of "+t.state+" could not be called", d.Error, d.Cause)
		}
	case types.HistoryEventTypeLambdaFunctionStartFailed:
		if d := e.LambdaFunctionStartFailedEventDetails; d != nil {
			return trouble("The function of "+t.state+" could not be started", d.Error, d.Cause)
		}
	case types.HistoryEventTypeLambdaFunctionTimedOut:
		if d := e.LambdaFunctionTimedOutEventDetails; d != nil {
			return trouble("A try of "+t.state+" took too long", d.Error, d.Cause)
		}
	case types.HistoryEventTypeTaskFailed:
		if d := e.TaskFailedEventDetails; d != nil {
			return trouble("A try of "+t.state+" failed", d.Error, d.Cause)
		}
	case types.HistoryEventTypeTaskSubmitFailed:
		if d := e.TaskSubmitFailedEventDetails; d != nil {
			return trouble("The function of "+t.state+" could not be called", d.Error, d.Cause)
		}
	case types.HistoryEventTypeTaskStartFailed:
		if d := e.TaskStartFailedEventDetails; d != nil {
			return trouble("The function of "+t.state+" could not be started", d.Error, d.Cause)
		}
	case types.HistoryEventTypeTaskTimedOut:
		return trouble("The time of "+t.state+" was over before anybody answered", nil, nil)
	}
	return Moment{}, false
}

// waitsUntil is when a Wait state's time is over, as it finds it in its input; zero for other states, and where the
// history came without data.
func (t *teller) waitsUntil(state, input string) time.Time {
	var until time.Time
	at := json.RawMessage(input)
	for _, field := range t.waits[state] {
		var object map[string]json.RawMessage
		if json.Unmarshal(at, &object) != nil {
			return until
		}
		at = object[field]
	}
	if t.waits[state] == nil || json.Unmarshal(at, &until) != nil {
		return time.Time{}
	}
	return until
}
