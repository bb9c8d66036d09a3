package fakeaws_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	accounttypes "github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	tagtypes "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// world is an account on a port, with a clock that a test moves.
type world struct {
	*fakeaws.Account
	now    time.Time
	server *fakeaws.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	w.Account = fakeaws.New(fakeaws.Config{Now: func() time.Time { return w.now }, Seed: 1})
	server, err := w.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	w.server = server
	return w
}

// config is the administrator's, without retries: a refusal must show.
func (w *world) config(region string) aws.Config { return once(w.server.Config(region)) }

func once(c aws.Config) aws.Config {
	c.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return c
}

func (w *world) s3(region string) *s3.Client {
	return s3.NewFromConfig(w.config(region), func(o *s3.Options) { o.UsePathStyle = true })
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.ErrorCode(), err)
}

// naming is a resource policy that names one principal.
func naming(arn string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + arn + `"},"Action":"*","Resource":"*"}]}`
}

func TestPoliciesOfEveryServiceNameTheUserAndThenItsBareID(t *testing.T) {
	ctx := context.Background()
	const region = "eu-west-1"
	w := newWorld(t)
	u, err := w.AddUser(fakeaws.UserSpec{Name: "named"})
	require.NoError(t, err)
	policy := naming(u.ARN)
	w.AddBucket("reports", region, policy)
	key := w.AddKey(fakeaws.KMSKeySpec{Region: region, Policy: policy, Grants: []fakeaws.Grant{{Grantee: u.ARN, Operations: []string{"Decrypt"}}}})
	topic := w.AddTopic("alarms", region, policy)
	queue := w.AddQueue("jobs", region, policy)
	w.AddFunction("resize", region, policy)
	secret := w.AddSecret("db", region, policy)
	w.AddRepository("app", region, policy)
	cfg := w.config(region)

	policies := map[string]func() (*string, error){
		"s3": func() (*string, error) {
			out, err := w.s3(region).GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String("reports")})
			return out.Policy, err
		},
		"kms": func() (*string, error) {
			out, err := kms.NewFromConfig(cfg).GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &key})
			return out.Policy, err
		},
		"kms grant": func() (*string, error) {
			out, err := kms.NewFromConfig(cfg).ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
			return aws.String(naming(*out.Grants[0].GranteePrincipal)), err
		},
		"sns": func() (*string, error) {
			out, err := sns.NewFromConfig(cfg).GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
			return aws.String(out.Attributes["Policy"]), err
		},
		"sqs": func() (*string, error) {
			out, err := sqs.NewFromConfig(cfg).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{"Policy"}})
			return aws.String(out.Attributes["Policy"]), err
		},
		"lambda": func() (*string, error) {
			out, err := lambda.NewFromConfig(cfg).GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: aws.String("resize")})
			return out.Policy, err
		},
		"secretsmanager": func() (*string, error) {
			out, err := secretsmanager.NewFromConfig(cfg).GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: &secret})
			return out.ResourcePolicy, err
		},
		"ecr": func() (*string, error) {
			out, err := ecr.NewFromConfig(cfg).GetRepositoryPolicy(ctx, &ecr.GetRepositoryPolicyInput{RepositoryName: aws.String("app")})
			return out.PolicyText, err
		},
	}
	for name, read := range policies {
		text, err := read()
		require.NoError(t, err, name)
		require.JSONEq(t, policy, *text, name)
	}
	i := iam.NewFromConfig(cfg)
	_, err = i.UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("named"), NewUserName: aws.String("renamed")})
	require.NoError(t, err)
	for name, read := range policies {
		text, err := read()
		require.NoError(t, err, name)
		require.JSONEq(t, naming("arn:aws:iam::123456789012:user/renamed"), *text, name)
	}
	_, err = i.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("renamed")})
	require.NoError(t, err)
	_, err = i.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("renamed")})
	require.NoError(t, err)
	for name, read := range policies {
		text, err := read()
		require.NoError(t, err, name)
		require.JSONEq(t, naming(u.ID), *text, name)
	}
	_, err = kms.NewFromConfig(cfg).PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: aws.String(naming(u.ID))})
	requireCode(t, err, "MalformedPolicyDocumentException")
	require.Empty(t, w.UnknownCalls())
}

func TestWhatHasNoPolicyOrIsNotThere(t *testing.T) {
	ctx := context.Background()
	const region = "us-east-1"
	w := newWorld(t)
	w.AddBucket("plain", region, "")
	w.AddBucket("far", "eu-west-1", "")
	w.AddFunction("plain", region, "")
	w.AddRepository("plain", region, "")
	secret := w.AddSecret("plain", region, "")
	queue := w.AddQueue("plain", region, "")
	cfg := w.config(region)

	_, err := w.s3(region).GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String("plain")})
	requireCode(t, err, "NoSuchBucketPolicy")
	_, err = w.s3(region).GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String("nowhere")})
	requireCode(t, err, "NoSuchBucket")
	_, err = w.s3(region).GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String("far")})
	requireCode(t, err, "PermanentRedirect")
	location, err := w.s3(region).GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String("far")})
	require.NoError(t, err)
	require.EqualValues(t, "eu-west-1", location.LocationConstraint)
	_, err = lambda.NewFromConfig(cfg).GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: aws.String("plain")})
	requireCode(t, err, "ResourceNotFoundException")
	_, err = ecr.NewFromConfig(cfg).GetRepositoryPolicy(ctx, &ecr.GetRepositoryPolicyInput{RepositoryName: aws.String("plain")})
	requireCode(t, err, "RepositoryPolicyNotFoundException")
	s, err := secretsmanager.NewFromConfig(cfg).GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: &secret})
	require.NoError(t, err)
	require.Nil(t, s.ResourcePolicy)
	q, err := sqs.NewFromConfig(cfg).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{"Policy"}})
	require.NoError(t, err)
	require.Empty(t, q.Attributes)
	_, err = sqs.NewFromConfig(cfg).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(queue + "x")})
	var gone *sqstypes.QueueDoesNotExist
	require.ErrorAs(t, err, &gone)
	_, err = sns.NewFromConfig(cfg).GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String("arn:aws:sns:us-east-1:123456789012:none")})
	requireCode(t, err, "NotFound")
	_, err = kms.NewFromConfig(cfg).GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: aws.String("none")})
	requireCode(t, err, "NotFoundException")
}

func TestListsGoOnInPages(t *testing.T) {
	ctx := context.Background()
	const region = "eu-north-1"
	w := newWorld(t)
	const n = 120
	for i := range n {
		name := fmt.Sprintf("thing-%03d", i)
		w.AddBucket(name, region, "")
		w.AddKey(fakeaws.KMSKeySpec{Region: region, Aliases: []string{"alias/" + name}})
		w.AddTopic(name, region, "")
		w.AddQueue(name, region, "")
		w.AddFunction(name, region, "")
		w.AddSecret(name, region, "")
		w.AddRepository(name, region, "")
		w.AddTagged("arn:aws:ec2:eu-north-1:123456789012:instance/i-"+name, region, map[string]string{"team": "web", "n": fmt.Sprint(i)})
	}
	w.AddTopic("elsewhere", "eu-west-1", "")
	w.AddTagged("arn:aws:s3:::thing-000", region, map[string]string{"team": "data"})
	cfg := w.config(region)
	count := map[string]int{}
	for p := s3.NewListBucketsPaginator(w.s3(region), &s3.ListBucketsInput{MaxBuckets: aws.Int32(50)}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		for _, b := range out.Buckets {
			require.Equal(t, region, aws.ToString(b.BucketRegion))
		}
		count["buckets"] += len(out.Buckets)
	}
	for p := kms.NewListKeysPaginator(kms.NewFromConfig(cfg), &kms.ListKeysInput{}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(out.Keys), 100)
		count["keys"] += len(out.Keys)
	}
	for p := kms.NewListAliasesPaginator(kms.NewFromConfig(cfg), &kms.ListAliasesInput{}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		count["aliases"] += len(out.Aliases)
	}
	for p := sns.NewListTopicsPaginator(sns.NewFromConfig(cfg), &sns.ListTopicsInput{}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(out.Topics), 100)
		count["topics"] += len(out.Topics)
	}
	for p := sqs.NewListQueuesPaginator(sqs.NewFromConfig(cfg), &sqs.ListQueuesInput{MaxResults: aws.Int32(50)}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		count["queues"] += len(out.QueueUrls)
	}
	for p := lambda.NewListFunctionsPaginator(lambda.NewFromConfig(cfg), &lambda.ListFunctionsInput{}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(out.Functions), 50)
		count["functions"] += len(out.Functions)
	}
	for p := secretsmanager.NewListSecretsPaginator(secretsmanager.NewFromConfig(cfg), &secretsmanager.ListSecretsInput{}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		count["secrets"] += len(out.SecretList)
	}
	for p := ecr.NewDescribeRepositoriesPaginator(ecr.NewFromConfig(cfg), &ecr.DescribeRepositoriesInput{}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		count["repositories"] += len(out.Repositories)
	}
	filter := []tagtypes.TagFilter{{Key: aws.String("team"), Values: []string{"web"}}}
	for p := resourcegroupstaggingapi.NewGetResourcesPaginator(resourcegroupstaggingapi.NewFromConfig(cfg), &resourcegroupstaggingapi.GetResourcesInput{TagFilters: filter}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(out.ResourceTagMappingList), 100)
		count["tagged"] += len(out.ResourceTagMappingList)
	}
	for what, got := range count {
		require.Equal(t, n, got, what)
	}
	require.Len(t, count, 9)

	// A list of S3 without a parameter tells no regions.
	all, err := w.s3(region).ListBuckets(ctx, &s3.ListBucketsInput{})
	require.NoError(t, err)
	require.Nil(t, all.Buckets[0].BucketRegion)
	_, err = kms.NewFromConfig(cfg).ListKeys(ctx, &kms.ListKeysInput{Marker: aws.String("made up")})
	requireCode(t, err, "InvalidMarkerException")
}

func TestMACsHoldForTheirMessageAlone(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	client := kms.NewFromConfig(w.config("us-east-1"))
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: kmstypes.KeySpecHmac256, KeyUsage: kmstypes.KeyUsageTypeGenerateVerifyMac})
	require.NoError(t, err)
	mac := func(message string) *kms.GenerateMacOutput {
		out, err := client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: made.KeyMetadata.KeyId, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256, Message: []byte(message)})
		require.NoError(t, err)
		return out
	}
	verify := func(message string, tag []byte) error {
		_, err := client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: made.KeyMetadata.KeyId, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256, Message: []byte(message), Mac: tag})
		return err
	}
	require.NoError(t, verify("delete", mac("delete").Mac))
	requireCode(t, verify("keep", mac("delete").Mac), "KMSInvalidMacException")
	_, err = client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: made.KeyMetadata.KeyId, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256, Message: make([]byte, 4097)})
	requireCode(t, err, "ValidationException")
}

func TestSealedKeysShutAdministratorsOut(t *testing.T) {
	w := newWorld(t)
	u, err := w.AddUser(fakeaws.UserSpec{Name: "vault"})
	require.NoError(t, err)
	key := w.AddKey(fakeaws.KMSKeySpec{Region: "us-east-1", Policy: naming(u.ARN), Sealed: true})
	_, err = kms.NewFromConfig(w.config("us-east-1")).GetKeyPolicy(context.Background(), &kms.GetKeyPolicyInput{KeyId: &key})
	requireCode(t, err, "AccessDeniedException")
}

func TestRegionsByStatusAndInPages(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	client := account.NewFromConfig(w.config("us-east-1"))
	enabled := []accounttypes.RegionOptStatus{accounttypes.RegionOptStatusEnabled, accounttypes.RegionOptStatusEnabledByDefault}
	var names []string
	pages := 0
	for p := account.NewListRegionsPaginator(client, &account.ListRegionsInput{RegionOptStatusContains: enabled, MaxResults: aws.Int32(10)}); p.HasMorePages(); pages++ {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		for _, r := range out.Regions {
			names = append(names, *r.RegionName)
		}
	}
	require.Equal(t, w.Regions(), names)
	require.Equal(t, 2, pages)
	all, err := client.ListRegions(ctx, &account.ListRegionsInput{})
	require.NoError(t, err)
	require.Greater(t, len(all.Regions), len(names))
}

func TestClosedAndDisabledRegions(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	client := kms.NewFromConfig(w.config("eu-west-3"))
	reopen := w.CloseRegion("eu-west-3")
	_, err := client.ListKeys(ctx, &kms.ListKeysInput{})
	requireCode(t, err, "AccessDeniedException")
	_, err = sns.NewFromConfig(w.config("eu-west-3")).ListTopics(ctx, &sns.ListTopicsInput{})
	requireCode(t, err, "AccessDenied")
	_, err = kms.NewFromConfig(w.config("eu-west-1")).ListKeys(ctx, &kms.ListKeysInput{})
	require.NoError(t, err)
	reopen()
	_, err = client.ListKeys(ctx, &kms.ListKeysInput{})
	require.NoError(t, err)
	defer w.DisableRegion("eu-west-3")()
	_, err = client.ListKeys(ctx, &kms.ListKeysInput{})
	requireCode(t, err, "UnrecognizedClientException")
}
