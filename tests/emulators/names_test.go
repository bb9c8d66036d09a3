//go:build emulators

package emulators

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// named has the survey find the policies of an emulator's resources that name a user, and none that name somebody else.
func named(t *testing.T, e emulated) {
	ctx, cfg := t.Context(), configAt(e.url, e.key)
	arn := func(user string) string { return "arn:aws:iam::" + e.key + ":user/" + user }
	policy := func(user, action, resource string) *string {
		return aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":[%q,"arn:aws:iam::%s:root"]},"Action":%q,"Resource":%q}]}`, arn(user), e.key, action, resource))
	}
	for _, user := range []string{"named", "else"} {
		bucket := "bucket-of-" + user
		buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		_, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
		require.NoError(t, err)
		_, err = buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: policy(user, "s3:GetObject", "arn:aws:s3:::"+bucket+"/*")})
		require.NoError(t, err)
		_, err = kms.NewFromConfig(cfg).CreateKey(ctx, &kms.CreateKeyInput{Policy: policy(user, "kms:*", "*")})
		require.NoError(t, err)
		_, err = sns.NewFromConfig(cfg).CreateTopic(ctx, &sns.CreateTopicInput{
			Name: aws.String("topic-of-" + user), Attributes: map[string]string{"Policy": *policy(user, "sns:Publish", "*")},
		})
		require.NoError(t, err)
		_, err = sqs.NewFromConfig(cfg).CreateQueue(ctx, &sqs.CreateQueueInput{
			QueueName: aws.String("queue-of-" + user), Attributes: map[string]string{"Policy": *policy(user, "sqs:SendMessage", "*")},
			Tags: map[string]string{"owner": user},
		})
		require.NoError(t, err)
		secrets := secretsmanager.NewFromConfig(cfg)
		_, err = secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
			Name: aws.String("secret-of-" + user), SecretString: aws.String("x"),
		})
		require.NoError(t, err)
		_, err = secrets.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{
			SecretId: aws.String("secret-of-" + user), ResourcePolicy: policy(user, "secretsmanager:GetSecretValue", "*"),
		})
		require.NoError(t, err)
		images := ecr.NewFromConfig(cfg)
		_, err = images.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String("images-of-" + user)})
		require.NoError(t, err)
		_, err = images.SetRepositoryPolicy(ctx, &ecr.SetRepositoryPolicyInput{
			RepositoryName: aws.String("images-of-" + user), PolicyText: policy(user, "ecr:BatchGetImage", "*"),
		})
		require.NoError(t, err)
	}
	now := clock.NewVirtual(time.Now().UTC())
	candidate := ownership.Candidate{UserID: "AIDANAMED", Name: "named", ARN: arn("named")}
	var found ownership.Result
	require.NoError(t, now.Run(ctx, func(ctx context.Context) (err error) {
		found, err = ownership.New(cfg, now).Look(ctx, ownership.Query{
			Account: e.key, Regions: []string{region}, Candidates: []ownership.Candidate{candidate},
			Users: []ownership.Known{{ID: "AIDAELSE", ARN: arn("else"), Name: "else"}},
		}, nil)
		return err
	}))
	require.Empty(t, found.Gaps)
	require.Nil(t, found.Cursor)
	var services []string
	for _, r := range found.References["AIDANAMED"] {
		require.NotContains(t, r.Resource, "-of-else")
		require.Equal(t, sunset.Informing, r.Weight, "the account itself is in each policy: %+v", r)
		services = append(services, r.Service)
	}
	slices.Sort(services)
	require.Equal(t, []string{"ecr", "kms", "s3", "secretsmanager", "sns", "sqs", "tag"}, services, "%+v", found.References)
}
