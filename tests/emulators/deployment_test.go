//go:build emulators

package emulators

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// deployment is what Terraform makes, made by the SDK, with the account that it cleans up.
type deployment struct {
	t       *testing.T
	name    string
	on      *ministack
	account *fakeaws.Account
	server  *fakeaws.Server // where the account is for people
	doors   *doors
	deployed.Deployment
	settingsBucket, events string // events is the URL of a queue that all events end in
	packages               map[string]string

	lambda *lambda.Client
	sfn    *sfn.Client
	s3     *s3.Client
	sqs    *sqs.Client
	tables *dynamodb.Client

	mu       sync.Mutex
	settings sunset.Settings
}

// deploy makes everything that one deployment of the packages needs.
func deploy(t *testing.T, on *ministack, name string, account *fakeaws.Account, settings sunset.Settings, packages map[string]string) *deployment {
	t.Helper()
	cfg, ctx := on.config(), t.Context()
	d := &deployment{
		t: t, name: name, on: on, account: account, settings: settings, packages: packages,
		lambda: lambda.NewFromConfig(cfg), sfn: sfn.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg), tables: dynamodb.NewFromConfig(cfg),
		s3: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
	}
	var err error
	d.server, err = account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.server.Close() })
	d.doors = openDoors(t, d)
	d.Deployment = deployed.Deployment{
		Version: 1, Region: region, Account: accountID, PagesURL: d.doors.pages, EndpointURL: d.doors.cloud,
		Bucket: name + "-evidence", Table: name, Settings: "s3://" + name + "-settings/settings.json",
		StateMachine: fmt.Sprintf("arn:aws:states:%s:%s:stateMachine:%s", region, accountID, name),
		MailFrom:     name + "@example.com", Bus: name,
	}
	d.Alias = d.StateMachine + ":live"
	d.settingsBucket = name + "-settings"
	d.makeBuckets(ctx)
	d.makeTable(ctx)
	d.DecisionsKey = d.makeKey(ctx, kmstypes.KeySpecHmac256, kmstypes.KeyUsageTypeGenerateVerifyMac)
	d.OwnersKey = d.makeKey(ctx, kmstypes.KeySpecHmac256, kmstypes.KeyUsageTypeGenerateVerifyMac)
	d.LinksKey = d.makeKey(ctx, kmstypes.KeySpecHmac256, kmstypes.KeyUsageTypeGenerateVerifyMac)
	d.SealingKey = d.makeKey(ctx, kmstypes.KeySpecEccNistP256, kmstypes.KeyUsageTypeSignVerify)
	d.makeMessages(ctx)
	d.set(func(*sunset.Settings) {})
	d.makeFunctions(ctx)
	d.RestoreFunction = d.functionARN("restore") + ":live"
	d.release(ctx, d.publish(ctx))
	d.makeRules(ctx)
	d.doors.makeAPI()
	return d
}

// administrator are credentials that may do everything in the account.
func (d *deployment) administrator() aws.Credentials {
	admin := d.account.Administrator()
	return aws.Credentials{AccessKeyID: admin.AccessKeyID, SecretAccessKey: admin.SecretAccessKey, SessionToken: admin.SessionToken}
}

// set changes the settings as an operator does, by a new version of the document.
func (d *deployment) set(change func(*sunset.Settings)) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.settings)
	b, err := json.Marshal(d.settings)
	require.NoError(d.t, err)
	_, err = d.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &d.settingsBucket, Key: aws.String("settings.json"), Body: strings.NewReader(string(b))})
	require.NoError(d.t, err)
}

// functionNames are all twelve.
func functionNames() []string { return append(statemachine.Functions(), "reconcile", "approval-web") }

func (d *deployment) functionARN(function string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s-%s", region, accountID, d.name, function)
}

// environment is what a function is told. AWS_ENDPOINT_URL leads to the account under clean-up, as AWS's own addresses do
// in earnest.
func (d *deployment) environment(function string) map[string]string {
	env := map[string]string{
		"AWS_ENDPOINT_URL": d.doors.accountFor(function), "IAM_SUNSET_ENDPOINT_URL": d.doors.cloud,
		"IAM_SUNSET_BUCKET": d.Bucket, "IAM_SUNSET_TABLE": d.Table, "IAM_SUNSET_SETTINGS": d.Settings,
		"IAM_SUNSET_STATE_MACHINE": d.StateMachine, "IAM_SUNSET_ALIAS": d.Alias, "IAM_SUNSET_PAGES_URL": d.PagesURL,
		"IAM_SUNSET_OWN":           "arn:aws:iam::" + accountID + ":role/" + roleOf(function),
		"IAM_SUNSET_DECISIONS_KEY": d.DecisionsKey, "IAM_SUNSET_LINKS_KEY": d.LinksKey, "IAM_SUNSET_SEALING_KEY": d.SealingKey,
		"IAM_SUNSET_OWNERS_KEY": d.OwnersKey, "IAM_SUNSET_RESTORE_FUNCTION": d.functionARN("restore"),
		"IAM_SUNSET_MAIL_FROM": d.MailFrom, "IAM_SUNSET_TOPIC": d.Topic, "IAM_SUNSET_BUS": d.Bus, "IAM_SUNSET_ACCESS": "read",
	}
	switch function {
	case "disable", "restore":
		env["IAM_SUNSET_ACCESS"] = "change"
	case "delete-all-artifacts":
		env["IAM_SUNSET_ACCESS"] = "delete"
	}
	return env
}

func (d *deployment) makeFunctions(ctx context.Context) {
	d.t.Helper()
	for _, function := range functionNames() {
		timeout := int32(900)
		if function == "approval-web" {
			timeout = 29
		}
		_, err := d.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
			FunctionName: aws.String(d.name + "-" + function), Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
			Role: aws.String("arn:aws:iam::" + accountID + ":role/" + roleOf(function)), Timeout: &timeout, MemorySize: aws.Int32(256),
			Code: &lambdatypes.FunctionCode{ZipFile: d.zip(function)}, Environment: &lambdatypes.Environment{Variables: d.environment(function)},
		})
		require.NoError(d.t, err, function)
	}
}

func (d *deployment) zip(function string) []byte {
	d.t.Helper()
	b, err := os.ReadFile(d.packages[function])
	require.NoError(d.t, err)
	return b
}

// publish makes a version of every function as it stands, moves the alias by which people and rules call it, and gives
// the versions' ARNs.
func (d *deployment) publish(ctx context.Context) map[string]string {
	d.t.Helper()
	versions := map[string]string{}
	for _, function := range functionNames() {
		name := aws.String(d.name + "-" + function)
		out, err := d.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name})
		require.NoError(d.t, err, function)
		versions[function] = d.functionARN(function) + ":" + aws.ToString(out.Version)
		_, err = d.lambda.UpdateAlias(ctx, &lambda.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: out.Version})
		if err != nil {
			_, err = d.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: out.Version})
		}
		require.NoError(d.t, err, function)
	}
	return versions
}

// release makes a version of the state machine that names the functions' versions, and has the alias start new
// executions by it.
func (d *deployment) release(ctx context.Context, versions map[string]string) {
	d.t.Helper()
	arns := map[string]string{}
	for _, function := range statemachine.Functions() {
		arns[function] = versions[function]
	}
	definition, err := statemachine.Render(arns)
	require.NoError(d.t, err)
	role := aws.String("arn:aws:iam::" + accountID + ":role/" + d.name + "-states")
	_, err = d.sfn.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &d.StateMachine})
	if err != nil {
		made, err := d.sfn.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{Name: &d.name, Definition: &definition, RoleArn: role, Type: sfntypes.StateMachineTypeStandard})
		require.NoError(d.t, err)
		require.Equal(d.t, d.StateMachine, aws.ToString(made.StateMachineArn))
	} else {
		_, err = d.sfn.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: &d.StateMachine, Definition: &definition, RoleArn: role})
		require.NoError(d.t, err)
	}
	version, err := d.sfn.PublishStateMachineVersion(ctx, &sfn.PublishStateMachineVersionInput{StateMachineArn: &d.StateMachine})
	require.NoError(d.t, err)
	route := []sfntypes.RoutingConfigurationListItem{{StateMachineVersionArn: version.StateMachineVersionArn, Weight: 100}}
	_, err = d.sfn.UpdateStateMachineAlias(ctx, &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: &d.Alias, RoutingConfiguration: route})
	if err != nil {
		made, err := d.sfn.CreateStateMachineAlias(ctx, &sfn.CreateStateMachineAliasInput{Name: aws.String("live"), RoutingConfiguration: route})
		require.NoError(d.t, err)
		require.Equal(d.t, d.Alias, aws.ToString(made.StateMachineAliasArn))
	}
}

// upgrade puts other packages in place, as an apply of Terraform does: functions, their versions, the definition, the alias.
func (d *deployment) upgrade(ctx context.Context, packages map[string]string) {
	d.t.Helper()
	d.packages = packages
	for _, function := range functionNames() {
		_, err := d.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String(d.name + "-" + function), ZipFile: d.zip(function)})
		require.NoError(d.t, err, function)
	}
	d.release(ctx, d.publish(ctx))
}

// invoke calls a function by its alias, and gives what it answered.
func (d *deployment) invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	out, err := d.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(d.functionARN(function) + ":live"), Payload: payload})
	if err != nil {
		return nil, fmt.Errorf("invoking %s: %w", function, err)
	}
	if out.FunctionError != nil {
		return nil, fmt.Errorf("%s failed: %s", function, out.Payload)
	}
	return out.Payload, nil
}

// statesEntered is what an execution went through, by its history.
func (d *deployment) statesEntered(execution string) []string {
	d.t.Helper()
	var out []string
	pages := sfn.NewGetExecutionHistoryPaginator(d.sfn, &sfn.GetExecutionHistoryInput{ExecutionArn: &execution, MaxResults: 1000})
	for pages.HasMorePages() {
		page, err := pages.NextPage(d.t.Context())
		require.NoError(d.t, err)
		for _, e := range page.Events {
			if e.StateEnteredEventDetails != nil {
				out = append(out, aws.ToString(e.StateEnteredEventDetails.Name))
			}
		}
	}
	return out
}

// evidence copies the bucket into a directory, as an auditor does with `aws s3 sync`, and gives its part that is evidence.
func (d *deployment) evidence() string {
	d.t.Helper()
	dir := d.t.TempDir()
	pages := s3.NewListObjectsV2Paginator(d.s3, &s3.ListObjectsV2Input{Bucket: &d.Bucket, Prefix: aws.String("evidence/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(d.t.Context())
		require.NoError(d.t, err)
		for _, o := range page.Contents {
			got, err := d.s3.GetObject(d.t.Context(), &s3.GetObjectInput{Bucket: &d.Bucket, Key: o.Key})
			require.NoError(d.t, err)
			b, err := io.ReadAll(got.Body)
			require.NoError(d.t, err)
			path := filepath.Join(dir, filepath.FromSlash(aws.ToString(o.Key)))
			require.NoError(d.t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(d.t, os.WriteFile(path, b, 0o600))
		}
	}
	return filepath.Join(dir, "evidence")
}
