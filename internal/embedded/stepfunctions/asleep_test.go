package stepfunctions_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// A laptop is closed for an hour while a function works, once for each function of a case. The one at work hears that its
// time is over, as if Lambda had ended it, and is called again; no case fails for that.
func TestAMachineThatSleepsWhileFunctionsWork(t *testing.T) {
	var s *station
	stub := &stubs{}
	slept, ended := map[string]bool{}, 0
	s = newStation(t, shipped(t).Source(), nil, func(cfg *stepfunctions.Config) {
		cfg.Invoke = func(ctx context.Context, arn string, payload []byte) ([]byte, *stepfunctions.FunctionError, error) {
			name := arn[strings.LastIndex(arn, ":")+1:]
			if !slept[name] && name != "request-approval" { // whose time is the approvers'
				slept[name] = true
				if err := stub.clock.Sleep(ctx, time.Hour); err != nil {
					ended++
					return nil, nil, err
				}
			}
			return stub.invoke(ctx, arn, payload)
		}
	})
	stub.clock = s.clock
	stub.asked = func(token string) {
		s.clock.AfterFunc(s.clock.Now().Add(time.Hour), func() {
			defer s.clock.Hold()()
			_, err := s.client.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"choice":"delete"}`)})
			require.NoError(t, err)
		})
	}
	out, err := s.client.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(s.StateMachineARN()), Input: aws.String(caseInput(1))})
	require.NoError(t, err)
	require.NoError(t, s.clock.RunUntil(t.Context(), func() bool {
		x, _ := s.Execution(*out.ExecutionArn)
		return x.Status != asl.Running
	}))
	x, _ := s.Execution(*out.ExecutionArn)
	require.Equal(t, asl.Succeeded, x.Status, "%s: %s", x.Error, x.Cause)
	require.NotContains(t, s.StatesEntered(x.ARN), "LogFailed")
	require.Len(t, slept, 4)
	require.Equal(t, 4, ended, "nobody works on beside the next try")
}
