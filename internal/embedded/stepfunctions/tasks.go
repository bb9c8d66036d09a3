package stepfunctions

import (
	"encoding/json"
	"errors"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

type taskRequest struct {
	TaskToken    string
	Output       *string
	Error, Cause string
}

func (e *Engine) sendTaskSuccess(in taskRequest) (any, error) {
	if in.Output == nil || !json.Valid([]byte(*in.Output)) {
		return nil, refuse("InvalidOutput", "Invalid Output: the output is not JSON")
	}
	if len(*in.Output) > maxPayload {
		return nil, refuse("InvalidOutput", "Invalid Output: the output is longer than %d bytes", maxPayload)
	}
	return e.tellTask(asl.Input{Kind: asl.TokenSucceeded, Token: in.TaskToken, Output: *in.Output})
}

func (e *Engine) sendTaskFailure(in taskRequest) (any, error) {
	if err := withinLimits(in.Error, in.Cause); err != nil {
		return nil, err
	}
	return e.tellTask(asl.Input{Kind: asl.TokenFailed, Token: in.TaskToken, Error: in.Error, Cause: in.Cause})
}

func (e *Engine) sendTaskHeartbeat(in taskRequest) (any, error) {
	return e.tellTask(asl.Input{Kind: asl.TokenHeartbeat, Token: in.TaskToken})
}

// tellTask finds the task by its token. No answer repeats the token: errors get logged.
func (e *Engine) tellTask(in asl.Input) (any, error) {
	arn, ok := asl.ExecutionOfToken(in.Token)
	if !ok {
		return nil, refuse("InvalidToken", "Invalid Token: 'Invalid token'")
	}
	x := e.lookup(arn)
	if x == nil {
		return nil, refuse("TaskDoesNotExist", "Task Does Not Exist: no task has this token")
	}
	err := e.tell(x, in)
	switch {
	case errors.Is(err, asl.ErrTaskDoesNotExist):
		return nil, refuse("TaskDoesNotExist", "Task Does Not Exist: no task has this token")
	case errors.Is(err, asl.ErrTaskTimedOut):
		return nil, refuse("TaskTimedOut", "Task Timed Out: the task of this token has ended or timed out")
	case err != nil:
		return nil, err
	}
	return struct{}{}, nil
}
