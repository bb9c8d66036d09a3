package asl

import (
	"strings"
	"time"
)

// EventType is one of AWS's names for what happens in an execution.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
type EventType string

const (
	ExecutionStarted        EventType = "ExecutionStarted"
	ExecutionSucceeded      EventType = "ExecutionSucceeded"
	ExecutionFailed         EventType = "ExecutionFailed"
	ExecutionAborted        EventType = "ExecutionAborted"
	ExecutionTimedOut       EventType = "ExecutionTimedOut"
	ExecutionRedriven       EventType = "ExecutionRedriven"
	LambdaFunctionScheduled EventType = "LambdaFunctionScheduled"
	LambdaFunctionStarted   EventType = "LambdaFunctionStarted"
	LambdaFunctionSucceeded EventType = "LambdaFunctionSucceeded"
	LambdaFunctionFailed    EventType = "LambdaFunctionFailed"
	LambdaFunctionTimedOut  EventType = "LambdaFunctionTimedOut"
	TaskScheduled           EventType = "TaskScheduled"
	TaskStarted             EventType = "TaskStarted"
	TaskSubmitted           EventType = "TaskSubmitted"
	TaskSucceeded           EventType = "TaskSucceeded"
	TaskFailed              EventType = "TaskFailed"
	TaskTimedOut            EventType = "TaskTimedOut"
)

// entered and exited name the two events that states of a kind have; a Fail state has no second.
func entered(k kind) EventType { return EventType(k + "StateEntered") }
func exited(k kind) EventType  { return EventType(k + "StateExited") }

// Event is one line of an execution's history. Fields that its type hasn't are zero.
type Event struct {
	// ID counts from 1. PreviousID is the event that led here; the first state's is 0, as on AWS.
	ID, PreviousID int64
	Time           time.Time
	Type           EventType
	// State is the name of the state entered or exited.
	State string
	// Payload is JSON: the input of what begins, the output of what ends, the parameters of TaskScheduled. Those
	// carry the task token, as on AWS.
	Payload string
	// Error and Cause tell of failure, time-out and abortion.
	Error, Cause string
	// Function is the ARN that LambdaFunctionScheduled calls.
	Function string
	// Timeout and Heartbeat are a scheduled task's limits; 0 is none.
	Timeout, Heartbeat time.Duration
	// Redrives counts, in ExecutionRedriven.
	Redrives int
}

// Entered says that the event is the entry of a state.
func (ev Event) Entered() bool { return strings.HasSuffix(string(ev.Type), "StateEntered") }
