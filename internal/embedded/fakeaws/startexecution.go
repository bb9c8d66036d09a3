package fakeaws

import "time"

// Started is the start of an execution of Step Functions, which the account itself doesn't have, as its CloudTrail tells
// of it.
type Started struct {
	Execution string // ARN
	Region    string
	At        time.Time
	By        UserIdentity
	// ErrorCode, where set, says that the start was refused.
	ErrorCode string
}

// AddStartExecution has CloudTrail hold the event of a start.
func (a *Account) AddStartExecution(s Started) {
	defer a.enter()()
	e := Event{
		EventID: a.uuid(), Time: s.At, Region: s.Region, Source: "states.amazonaws.com", Name: "StartExecution", UserIdentity: s.By,
		SourceIP: "198.51.100.7", UserAgent: "aws-cli", RequestID: a.uuid(), Management: true, ErrorCode: s.ErrorCode,
	}
	if s.ErrorCode == "" {
		e.ResponseElements = map[string]any{"executionArn": s.Execution, "startDate": s.At.UTC().Format("Jan 2, 2006, 3:04:05 PM")}
	}
	a.recordEvent(e)
}
