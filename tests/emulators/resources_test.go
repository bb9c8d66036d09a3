//go:build emulators

package emulators

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

func (d *deployment) makeBuckets(ctx context.Context) {
	d.t.Helper()
	_, err := d.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &d.Bucket, ObjectLockEnabledForBucket: aws.Bool(true)})
	require.NoError(d.t, err)
	_, err = d.s3.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{
		Bucket: &d.Bucket, ObjectLockConfiguration: &s3types.ObjectLockConfiguration{
			ObjectLockEnabled: s3types.ObjectLockEnabledEnabled,
			Rule:              &s3types.ObjectLockRule{DefaultRetention: &s3types.DefaultRetention{Mode: s3types.ObjectLockRetentionModeCompliance, Days: aws.Int32(365)}},
		},
	})
	require.NoError(d.t, err)
	_, err = d.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &d.settingsBucket})
	require.NoError(d.t, err)
	_, err = d.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &d.settingsBucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	require.NoError(d.t, err)
}

func (d *deployment) makeTable(ctx context.Context) {
	d.t.Helper()
	_, err := d.tables.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &d.Table, BillingMode: dynamodbtypes.BillingModePayPerRequest,
		KeySchema: []dynamodbtypes.KeySchemaElement{
			{AttributeName: aws.String("kind"), KeyType: dynamodbtypes.KeyTypeHash}, {AttributeName: aws.String("key"), KeyType: dynamodbtypes.KeyTypeRange},
		},
		AttributeDefinitions: []dynamodbtypes.AttributeDefinition{
			{AttributeName: aws.String("kind"), AttributeType: dynamodbtypes.ScalarAttributeTypeS}, {AttributeName: aws.String("key"), AttributeType: dynamodbtypes.ScalarAttributeTypeS},
		},
	})
	require.NoError(d.t, err)
	require.NoError(d.t, dynamodb.NewTableExistsWaiter(d.tables, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	}).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &d.Table}, time.Minute))
}

func (d *deployment) makeKey(ctx context.Context, spec kmstypes.KeySpec, usage kmstypes.KeyUsageType) string {
	d.t.Helper()
	out, err := kms.NewFromConfig(d.on.config()).CreateKey(ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
	require.NoError(d.t, err)
	return aws.ToString(out.KeyMetadata.Arn)
}

// makeMessages makes what messages and events go through, and a queue that keeps every event and what the team is told.
func (d *deployment) makeMessages(ctx context.Context) {
	d.t.Helper()
	_, err := sesv2.NewFromConfig(d.on.config()).CreateEmailIdentity(ctx, &sesv2.CreateEmailIdentityInput{EmailIdentity: &d.MailFrom})
	require.NoError(d.t, err)
	queue, err := d.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(d.name + "-heard")})
	require.NoError(d.t, err)
	d.events = aws.ToString(queue.QueueUrl)
	queueARN := fmt.Sprintf("arn:aws:sqs:%s:%s:%s-heard", region, accountID, d.name)

	topics := sns.NewFromConfig(d.on.config())
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &d.name})
	require.NoError(d.t, err)
	d.Topic = aws.ToString(topic.TopicArn)
	_, err = topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &d.Topic, Protocol: aws.String("sqs"), Endpoint: &queueARN})
	require.NoError(d.t, err)

	bus := eventbridge.NewFromConfig(d.on.config())
	_, err = bus.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &d.Bus})
	require.NoError(d.t, err)
	_, err = bus.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: aws.String(d.name + "-all"), EventBusName: &d.Bus, State: eventbridgetypes.RuleStateEnabled, EventPattern: aws.String(`{"source":["iam-sunset"]}`),
	})
	require.NoError(d.t, err)
	d.target(ctx, bus, d.Bus, d.name+"-all", queueARN)
}

func (d *deployment) target(ctx context.Context, bus *eventbridge.Client, busName, rule, arn string) {
	d.t.Helper()
	out, err := bus.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: &rule, EventBusName: &busName, Targets: []eventbridgetypes.Target{{Id: aws.String("target"), Arn: &arn}},
	})
	require.NoError(d.t, err)
	require.Zero(d.t, out.FailedEntryCount)
}

// makeRules has reconcile told of executions that ended badly. Its hourly schedule is the test's own, and quicker.
func (d *deployment) makeRules(ctx context.Context) {
	d.t.Helper()
	bus := eventbridge.NewFromConfig(d.on.config())
	rule := d.name + "-ended"
	_, err := bus.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: &rule, State: eventbridgetypes.RuleStateEnabled, EventPattern: aws.String(fmt.Sprintf(
			`{"source":["aws.states"],"detail-type":["Step Functions Execution Status Change"],"detail":{"stateMachineArn":[%q],"status":["FAILED","TIMED_OUT","ABORTED"]}}`, d.StateMachine)),
	})
	require.NoError(d.t, err)
	d.target(ctx, bus, "default", rule, d.functionARN("reconcile")+":live")
}
