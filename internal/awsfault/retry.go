package awsfault

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/iam-sunset/iam-sunset/internal/clock"
)

// RetryOn gives the SDK's standard retryer, with its waits spent on c: under a virtual clock a throttled call takes no
// real time, and the clock knows that somebody waits.
func RetryOn(c clock.Clock) func() aws.Retryer {
	return func() aws.Retryer { return clockRetryer{RetryerV2: retry.NewStandard(), clock: c} }
}

type clockRetryer struct {
	aws.RetryerV2
	clock clock.Clock
}

// RetryDelay waits here and then tells the SDK not to. The SDK asks for it right before it would wait, and hands in no
// context; its delays are at most 20 seconds.
func (r clockRetryer) RetryDelay(attempt int, cause error) (time.Duration, error) {
	d, err := r.RetryerV2.RetryDelay(attempt, cause)
	if err != nil {
		return d, err
	}
	return 0, r.clock.Sleep(context.Background(), d)
}
