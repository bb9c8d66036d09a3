package stepfunctions

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

type details struct {
	Included bool `json:"included"`
}

// find is the execution of an ARN.
func (e *Engine) find(arn string) (*execution, error) {
	if x := e.lookup(arn); x != nil {
		return x, nil
	}
	if parts := strings.Split(arn, ":"); len(parts) != 8 || parts[2] != "states" || parts[5] != "execution" {
		return nil, refuse("InvalidArn", "Invalid Arn: '%s'", arn)
	}
	return nil, refuse("ExecutionDoesNotExist", "Execution Does Not Exist: '%s'", arn)
}

func (e *Engine) ownMachine(arn string) error {
	if arn == e.StateMachineARN() {
		return nil
	}
	if parts := strings.Split(arn, ":"); len(parts) < 7 || parts[2] != "states" || parts[5] != "stateMachine" {
		return refuse("InvalidArn", "Invalid Arn: '%s'", arn)
	}
	return refuse("StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", arn)
}

type startRequest struct {
	StateMachineArn string
	Name            *string
	Input           *string
}

// startExecution is idempotent by name and input while the execution runs, whose starter stays the first.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
func (e *Engine) startExecution(in startRequest, by string) (any, error) {
	if err := e.ownMachine(in.StateMachineArn); err != nil {
		return nil, err
	}
	var name string
	switch {
	case in.Name == nil:
		var id [16]byte
		if _, err := io.ReadFull(e.cfg.Rand, id[:]); err != nil {
			return nil, fmt.Errorf("drawing the name of an execution: %w", err)
		}
		name = hex.EncodeToString(id[:])
	case !validName(*in.Name):
		return nil, refuse("InvalidName", "Invalid Name: '%s'", cut(*in.Name, 200))
	default:
		name = *in.Name
	}
	input := "{}"
	if in.Input != nil {
		input = *in.Input
	}
	switch {
	case !json.Valid([]byte(input)):
		return nil, refuse("InvalidExecutionInput", "Invalid State Machine Execution Input: the input is not JSON")
	case len(input) > maxPayload:
		return nil, refuse("InvalidExecutionInput", "Invalid State Machine Execution Input: the input is longer than %d bytes", maxPayload)
	}
	x := e.byName[name]
	switch {
	case x == nil:
		var err error
		if x, err = e.start(name, input, by); err != nil {
			return nil, err
		}
	case x.machine == nil || x.machine.Origin().Input != input:
		return nil, refuse("ExecutionAlreadyExists", "Execution Already Exists: '%s'", e.executionARN(name))
	}
	return map[string]any{"executionArn": e.executionARN(name), "startDate": stamp(x.machine.Started())}, nil
}

type executionRequest struct {
	ExecutionArn string
	Error, Cause string
	ClientToken  string
}

type description struct {
	ExecutionArn        string     `json:"executionArn"`
	StateMachineArn     string     `json:"stateMachineArn"`
	Name                string     `json:"name"`
	Status              asl.Status `json:"status"`
	StartDate           *epoch     `json:"startDate"`
	StopDate            *epoch     `json:"stopDate,omitempty"`
	Input               string     `json:"input"`
	InputDetails        details    `json:"inputDetails"`
	Output              *string    `json:"output,omitempty"`
	OutputDetails       *details   `json:"outputDetails,omitempty"`
	Error               string     `json:"error,omitempty"`
	Cause               string     `json:"cause,omitempty"`
	RedriveCount        int        `json:"redriveCount"`
	RedriveDate         *epoch     `json:"redriveDate,omitempty"`
	RedriveStatus       string     `json:"redriveStatus"`
	RedriveStatusReason string     `json:"redriveStatusReason,omitempty"`
}

func (e *Engine) describeExecution(in executionRequest) (any, error) {
	x, err := e.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	machine, err := e.load(x)
	if err != nil {
		return nil, err
	}
	v := e.view(x)
	out := description{
		ExecutionArn: v.ARN, StateMachineArn: e.StateMachineARN(), Name: v.Name, Status: v.Status,
		StartDate: stamp(v.Started), StopDate: stamp(v.Stopped), Input: v.Input, InputDetails: details{true},
		Error: v.Error, Cause: v.Cause, RedriveCount: x.redrives, RedriveDate: stamp(x.redriven), RedriveStatus: "REDRIVABLE",
	}
	if v.Status == asl.Succeeded {
		out.Output, out.OutputDetails = &v.Output, &details{true}
	}
	if err := machine.Redrivable(e.cfg.Timers.Now()); err != nil {
		out.RedriveStatus, out.RedriveStatusReason = "NOT_REDRIVABLE", err.Error()
	}
	return out, nil
}

type listRequest struct {
	StateMachineArn string
	StatusFilter    string
	RedriveFilter   string
	MaxResults      int
	NextToken       string
}

type listed struct {
	ExecutionArn    string     `json:"executionArn"`
	StateMachineArn string     `json:"stateMachineArn"`
	Name            string     `json:"name"`
	Status          asl.Status `json:"status"`
	StartDate       *epoch     `json:"startDate"`
	StopDate        *epoch     `json:"stopDate,omitempty"`
	RedriveCount    int        `json:"redriveCount"`
	RedriveDate     *epoch     `json:"redriveDate,omitempty"`
}

var statusFilters = []string{"", "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"}

// listExecutions pages over the order of starts, counted back from the newest when the first page was asked for:
// executions that start meanwhile shift nothing.
func (e *Engine) listExecutions(in listRequest) (any, error) {
	if err := e.ownMachine(in.StateMachineArn); err != nil {
		return nil, err
	}
	if !slices.Contains(statusFilters, in.StatusFilter) {
		return nil, refuse("ValidationException", "statusFilter can't be %q", in.StatusFilter)
	}
	if in.RedriveFilter != "" && in.RedriveFilter != "REDRIVEN" && in.RedriveFilter != "NOT_REDRIVEN" {
		return nil, refuse("ValidationException", "redriveFilter can't be %q", in.RedriveFilter)
	}
	before, most, err := cursor(len(e.inTurn), in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := []listed{}
	i := before - 1
	for ; i >= 0 && len(out) < most; i-- {
		x := e.inTurn[i]
		if in.StatusFilter != "" && string(x.status) != in.StatusFilter ||
			in.RedriveFilter != "" && (x.redrives > 0) != (in.RedriveFilter == "REDRIVEN") {
			continue
		}
		out = append(out, listed{
			ExecutionArn: e.executionARN(x.name), StateMachineArn: e.StateMachineARN(), Name: x.name, Status: x.status,
			StartDate: stamp(x.started), StopDate: stamp(x.stopped), RedriveCount: x.redrives, RedriveDate: stamp(x.redriven),
		})
	}
	answer := map[string]any{"executions": out}
	if i >= 0 {
		answer["nextToken"] = cursorToken(i + 1)
	}
	return answer, nil
}

// stopExecution leaves an ended execution as it is and answers with its end (inferred).
func (e *Engine) stopExecution(in executionRequest) (any, error) {
	x, err := e.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	if err := withinLimits(in.Error, in.Cause); err != nil {
		return nil, err
	}
	if x.machine == nil {
		return map[string]any{"stopDate": stamp(x.stopped)}, nil
	}
	// Its time may run out at this very moment: then it has ended already.
	_ = e.tell(x, asl.Input{Kind: asl.Stopped, Error: in.Error, Cause: in.Cause})
	return map[string]any{"stopDate": stamp(x.machine.Stopped())}, nil
}

func (e *Engine) redriveExecution(in executionRequest) (any, error) {
	x, err := e.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	if in.ClientToken == "" || in.ClientToken != x.redriveToken {
		if err := e.tell(x, asl.Input{Kind: asl.Redriven}); err != nil {
			return nil, refuse("ExecutionNotRedrivable", "%v", err)
		}
		x.redriveToken = in.ClientToken
		_, last := x.machine.Redrives()
		return map[string]any{"redriveDate": stamp(last)}, nil
	}
	return map[string]any{"redriveDate": stamp(x.redriven)}, nil
}

func withinLimits(name, cause string) error {
	if len(name) > 256 || len(cause) > 32768 {
		return refuse("ValidationException", "error may have 256 characters and cause 32768")
	}
	return nil
}
