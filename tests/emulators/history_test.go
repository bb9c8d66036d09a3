//go:build emulators

package emulators

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"
)

// historyOf is all that an engine says has happened in an execution.
func historyOf(t *testing.T, engine *sfn.Client, execution string) []types.HistoryEvent {
	t.Helper()
	var out []types.HistoryEvent
	pages := sfn.NewGetExecutionHistoryPaginator(engine, &sfn.GetExecutionHistoryInput{ExecutionArn: &execution, MaxResults: 1000})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		out = append(out, page.Events...)
	}
	return out
}

func entered(history []types.HistoryEvent) []string {
	var out []string
	for _, e := range history {
		if e.StateEnteredEventDetails != nil {
			out = append(out, aws.ToString(e.StateEnteredEventDetails.Name))
		}
	}
	return out
}

// histories are those of a cleanup, under its own name, and of its cases, under their users'.
func (w *world) histories(t *testing.T, engine *sfn.Client, cleanup string) map[string][]types.HistoryEvent {
	t.Helper()
	row, err := w.flow.Cases.Cleanup(t.Context(), cleanup)
	require.NoError(t, err)
	out := map[string][]types.HistoryEvent{cleanup: historyOf(t, engine, row.Execution)}
	for _, r := range w.routes {
		c, err := w.flow.Cases.Get(t.Context(), w.users[r.name].ID)
		require.NoError(t, err)
		out[r.name] = historyOf(t, engine, c.Execution)
	}
	return out
}

// tellExecutions logs how an engine's executions stand.
func tellExecutions(t *testing.T, engine *sfn.Client, machine string) {
	t.Helper()
	all, err := engine.ListExecutions(context.Background(), &sfn.ListExecutionsInput{StateMachineArn: &machine})
	if err != nil {
		t.Logf("listing the executions: %v", err)
		return
	}
	for _, x := range all.Executions {
		told, err := engine.DescribeExecution(context.Background(), &sfn.DescribeExecutionInput{ExecutionArn: x.ExecutionArn})
		if err != nil {
			t.Logf("describing %s: %v", *x.ExecutionArn, err)
			continue
		}
		history, err := engine.GetExecutionHistory(context.Background(), &sfn.GetExecutionHistoryInput{ExecutionArn: x.ExecutionArn})
		if err != nil {
			t.Logf("reading the history of %s: %v", *x.ExecutionArn, err)
			continue
		}
		t.Logf("%s is %s: %s %s: %s", *x.Name, x.Status, aws.ToString(told.Error), aws.ToString(told.Cause), path(entered(history.Events)))
	}
}
