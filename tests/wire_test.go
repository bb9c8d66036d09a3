package tests

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
)

// An update of the SDK can move a service to another protocol, and the fake account would have to follow. What each
// client sends is therefore pinned here.
func TestWhatEachClientSends(t *testing.T) {
	var method, path, contentType, target, action, scope string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, path, contentType, target = r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("X-Amz-Target")
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		action, scope = form.Get("Action"), ""
		if _, rest, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
			scope = strings.Split(rest, "/")[3]
		}
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer server.Close()
	cfg := aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Retryer: func() aws.Retryer { return aws.NopRetryer{} }, HTTPClient: awsfault.WholeBodies(nil),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""),
	}
	const form, json10, json11 = "application/x-www-form-urlencoded", "application/x-amz-json-1.0", "application/x-amz-json-1.1"
	for _, c := range []struct {
		name                                             string
		call                                             func(context.Context) error
		method, path, contentType, target, action, scope string
	}{
		{"iam", func(ctx context.Context) error {
			_, err := iam.NewFromConfig(cfg).ListUsers(ctx, &iam.ListUsersInput{})
			return err
		}, "POST", "/", form, "", "ListUsers", "iam"},
		{"sts", func(ctx context.Context) error {
			_, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			return err
		}, "POST", "/", form, "", "GetCallerIdentity", "sts"},
		{"sns", func(ctx context.Context) error {
			_, err := sns.NewFromConfig(cfg).ListTopics(ctx, &sns.ListTopicsInput{})
			return err
		}, "POST", "/", form, "", "ListTopics", "sns"},
		{"cloudtrail", func(ctx context.Context) error {
			_, err := cloudtrail.NewFromConfig(cfg).LookupEvents(ctx, &cloudtrail.LookupEventsInput{})
			return err
		}, "POST", "/", json11, "CloudTrail_20131101.LookupEvents", "", "cloudtrail"},
		{"kms", func(ctx context.Context) error {
			_, err := kms.NewFromConfig(cfg).ListKeys(ctx, &kms.ListKeysInput{})
			return err
		}, "POST", "/", json11, "TrentService.ListKeys", "", "kms"},
		{"tagging", func(ctx context.Context) error {
			_, err := resourcegroupstaggingapi.NewFromConfig(cfg).GetResources(ctx, &resourcegroupstaggingapi.GetResourcesInput{})
			return err
		}, "POST", "/", json11, "ResourceGroupsTaggingAPI_20170126.GetResources", "", "tagging"},
		{"secretsmanager", func(ctx context.Context) error {
			_, err := secretsmanager.NewFromConfig(cfg).ListSecrets(ctx, &secretsmanager.ListSecretsInput{})
			return err
		}, "POST", "/", json11, "secretsmanager.ListSecrets", "", "secretsmanager"},
		{"ecr", func(ctx context.Context) error {
			_, err := ecr.NewFromConfig(cfg).DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{})
			return err
		}, "POST", "/", json11, "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories", "", "ecr"},
		{"sqs", func(ctx context.Context) error {
			_, err := sqs.NewFromConfig(cfg).ListQueues(ctx, &sqs.ListQueuesInput{})
			return err
		}, "POST", "/", json10, "AmazonSQS.ListQueues", "", "sqs"},
		{"sfn", func(ctx context.Context) error {
			_, err := sfn.NewFromConfig(cfg).ListStateMachines(ctx, &sfn.ListStateMachinesInput{})
			return err
		}, "POST", "/", json10, "AWSStepFunctions.ListStateMachines", "", "states"},
		{"account", func(ctx context.Context) error {
			_, err := account.NewFromConfig(cfg).ListRegions(ctx, &account.ListRegionsInput{})
			return err
		}, "POST", "/listRegions", "application/json", "", "", "account"},
		{"lambda", func(ctx context.Context) error {
			_, err := lambda.NewFromConfig(cfg).ListFunctions(ctx, &lambda.ListFunctionsInput{})
			return err
		}, "GET", "/2015-03-31/functions", "", "", "", "lambda"},
		{"s3", func(ctx context.Context) error {
			_, err := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String("b")})
			return err
		}, "GET", "/b", "", "", "", "s3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Error(t, c.call(t.Context()), "the server refuses everything")
			require.Equal(t, c.method, method)
			require.Equal(t, c.path, path)
			require.Equal(t, c.contentType, contentType)
			require.Equal(t, c.target, target)
			require.Equal(t, c.action, action)
			require.Equal(t, c.scope, scope)
		})
	}
}
