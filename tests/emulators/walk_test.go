//go:build emulators

package emulators

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// world is where the routes are walked on the deployment, by an operator and an approver who use the command.
func (d *deployment) world(t *testing.T, operator, approver person, users map[string]fakeaws.NewUser, routes []route) *world {
	t.Helper()
	return &world{
		t: t, account: d.account, server: d.server, flow: workflow.New(deployed.Operator(d.configFor(operator.as), d.Deployment, clock.Wall{})),
		routes: routes, users: users, link: d.link, states: d.statesEntered, set: d.set, expire: d.expire, do: together,
		rescue: func(c sunset.Case, reason string) error {
			operator.does(0, "rescue", c.UserName, "--reason", reason)
			return nil
		},
		decideAs: func(r sunset.ApprovalRequest, choice sunset.Choice) {
			approver.does(0, "approve", r.CaseID, "--decision", string(choice), "--reason", "because of the test", "--yes")
		},
	}
}

// together has things happen side by side, and waits for them. One that fails the test ends by itself.
func together(all ...func()) {
	var running sync.WaitGroup
	for _, f := range all {
		running.Go(f)
	}
	running.Wait()
}

func (d *deployment) configFor(as caller) aws.Config {
	cfg := d.server.Config(region)
	cfg.Credentials = credentials.StaticCredentialsProvider{Value: as.Credentials}
	return cfg
}

// link is what the newest mail to the approver leads to.
func (d *deployment) link() string {
	mails := d.on.mails(d.t, d.MailFrom)
	for i := len(mails) - 1; i >= 0; i-- {
		for _, word := range strings.Fields(mails[i].BodyText) {
			if strings.HasPrefix(word, d.PagesURL+"/a/") {
				require.Equal(d.t, []string{approver}, mails[i].To)
				return word
			}
		}
	}
	return ""
}

// expire ends a task token by hand. ministack doesn't know TimeoutSecondsPath and would let the token live for a day; the
// definition's way from there on is its own.
func (d *deployment) expire(c sunset.Case) {
	d.t.Helper()
	row, err := d.tables.GetItem(d.t.Context(), &dynamodb.GetItemInput{TableName: &d.Table, Key: map[string]dynamodbtypes.AttributeValue{
		"kind": &dynamodbtypes.AttributeValueMemberS{Value: "token"}, "key": &dynamodbtypes.AttributeValueMemberS{Value: "token/" + c.RequestID},
	}})
	require.NoError(d.t, err)
	body, ok := row.Item["body"].(*dynamodbtypes.AttributeValueMemberS)
	require.True(d.t, ok, "request %s has no token", c.RequestID)
	var waits struct{ Token string }
	require.NoError(d.t, json.Unmarshal([]byte(body.Value), &waits))
	_, err = d.sfn.SendTaskFailure(d.t.Context(), &sfn.SendTaskFailureInput{TaskToken: &waits.Token, Error: aws.String("States.Timeout"), Cause: aws.String("nobody decided")})
	require.NoError(d.t, err)
}

// reconciling calls reconcile over and over, as its schedule does every hour, until the test or stop ends it.
func (d *deployment) reconciling(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := d.invoke(ctx, "reconcile", []byte(`{}`)); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
				t.Logf("reconcile: %v", err) // it will run again; what stays undone fails the test elsewhere
			}
			pause(ctx, time.Second)
		}
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			<-done
		})
	}
	t.Cleanup(stop)
	return stop
}

// until looks again and again, and fails the test where end never comes.
func until(t *testing.T, limit time.Duration, what string, end func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !end() {
		require.False(t, t.Failed())
		require.True(t, time.Now().Before(deadline), "%s: not within %s", what, limit)
		pause(t.Context(), 200*time.Millisecond)
	}
}
