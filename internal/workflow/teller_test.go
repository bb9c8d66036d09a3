package workflow

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"
)

// Each event of a history becomes a sentence of its own, or none; what travels through the execution is not in it.
func TestTellerMakesSentences(t *testing.T) {
	const secret = "AQCEAAAAKgAAAAMAAAAAAAAAAd-a-task-token"
	entered := func(name, input string) types.HistoryEvent {
		return types.HistoryEvent{
			Type: types.HistoryEventTypeTaskStateEntered, StateEnteredEventDetails: &types.StateEnteredEventDetails{Name: &name, Input: &input},
		}
	}
	told, err := newTeller()
	require.NoError(t, err)
	for _, step := range []struct {
		event   types.HistoryEvent
		text    string
		trouble bool
	}{
		{types.HistoryEvent{Type: types.HistoryEventTypeExecutionStarted}, "The execution began.", false},
		{entered("WaitForTurn", `{"case":{"turn_at":"2026-03-05T09:00:00Z","token":"`+secret+`"}}`), "The execution waits in WaitForTurn until 2026-03-05T09:00:00Z.", false},
		{entered("WaitForTurn", ``), "The execution entered WaitForTurn.", false},
		{entered("WaitSoak", `{"soak":"`+secret+`"}`), "The execution entered WaitSoak.", false},
		{entered("WaitSoak", `{"soak":{"next_check_at":"`+secret+`"}}`), "The execution entered WaitSoak.", false},
		{entered("Disable", `{"case":{"turn_at":"2026-03-05T09:00:00Z"}}`), "The execution entered Disable.", false},
		{types.HistoryEvent{Type: types.HistoryEventTypeLambdaFunctionFailed, LambdaFunctionFailedEventDetails: &types.LambdaFunctionFailedEventDetails{
			Error: aws.String("Throttled"), Cause: aws.String(`{"errorMessage":"reading old-bot: iam:GetUser: Throttling","errorType":"Throttled"}`),
		}}, "A try of Disable failed: Throttled: reading old-bot: iam:GetUser: Throttling.", true},
		{types.HistoryEvent{Type: types.HistoryEventTypeLambdaFunctionTimedOut, LambdaFunctionTimedOutEventDetails: &types.LambdaFunctionTimedOutEventDetails{}}, "A try of Disable took too long.", true},
		{entered("RequestApproval", `{"x":"`+secret+`"}`), "The execution entered RequestApproval.", false},
		{types.HistoryEvent{Type: types.HistoryEventTypeTaskScheduled, TaskScheduledEventDetails: &types.TaskScheduledEventDetails{
			Parameters: aws.String(`{"Payload":{"task_token":"` + secret + `"}}`),
		}}, "", false},
		{types.HistoryEvent{Type: types.HistoryEventTypeTaskSubmitted, TaskSubmittedEventDetails: &types.TaskSubmittedEventDetails{Output: aws.String(secret)}}, "", false},
		{types.HistoryEvent{Type: types.HistoryEventTypeTaskSucceeded, TaskSucceededEventDetails: &types.TaskSucceededEventDetails{Output: aws.String(secret)}}, "", false},
		{
			types.HistoryEvent{Type: types.HistoryEventTypeTaskTimedOut, TaskTimedOutEventDetails: &types.TaskTimedOutEventDetails{Error: aws.String("States.Timeout")}},
			"The time of RequestApproval was over before anybody answered.", true,
		},
		{types.HistoryEvent{Type: types.HistoryEventTypeTaskFailed, TaskFailedEventDetails: &types.TaskFailedEventDetails{
			Error: aws.String("Invalid"), Cause: aws.String("token: " + secret),
		}}, "A try of RequestApproval failed: Invalid: token: ", true},
		{types.HistoryEvent{Type: types.HistoryEventTypeExecutionAborted, ExecutionAbortedEventDetails: &types.ExecutionAbortedEventDetails{
			Error: aws.String("Stopped"), Cause: aws.String("olga stopped the cleanup"),
		}}, "The execution was stopped: Stopped: olga stopped the cleanup.", true},
		{types.HistoryEvent{Type: types.HistoryEventTypeExecutionAborted, ExecutionAbortedEventDetails: &types.ExecutionAbortedEventDetails{}}, "The execution was stopped.", true},
		{types.HistoryEvent{Type: types.HistoryEventTypeExecutionFailed, ExecutionFailedEventDetails: &types.ExecutionFailedEventDetails{Error: aws.String("Internal")}}, "The execution failed: Internal.", true},
		{types.HistoryEvent{Type: types.HistoryEventTypeExecutionFailed}, "", false},
		{types.HistoryEvent{Type: types.HistoryEventTypeExecutionRedriven}, "Somebody redrove the execution.", false},
		{types.HistoryEvent{Type: "SomethingNew"}, "", false},
	} {
		m, ok := told.moment(step.event)
		require.Equal(t, step.text != "", ok, step.event.Type)
		require.Contains(t, m.Text, step.text, step.event.Type)
		require.Equal(t, step.trouble, m.Trouble, step.event.Type)
		require.NotContains(t, m.Text, secret, step.event.Type)
	}
}

// Every Wait state of the definition says where its time is.
func TestTellerKnowsEveryWait(t *testing.T) {
	told, err := newTeller()
	require.NoError(t, err)
	require.NotEmpty(t, told.waits)
	for state, path := range told.waits {
		require.NotEmpty(t, path, state)
		require.NotEmpty(t, path[0], state)
	}
}
