package ownership

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// regional are the services that are asked in each region. Cursors count them: new ones go to the end.
func (s *Survey) regional(region string) func(*lane) []service {
	return func(l *lane) []service {
		return []service{
			s.keys(l, region), s.topics(l, region), s.queues(l, region), s.functions(l, region),
			s.secrets(l, region), s.repositories(l, region), s.tags(l, region),
		}
	}
}

// document reads one resource's policy; an empty one is none.
func (l *lane) document(service, id, action string, get func(context.Context) (*string, error)) item {
	return item{id: id, read: func(ctx context.Context, into references) error {
		var text *string
		err := l.call(ctx, action, func() (err error) {
			text, err = get(ctx)
			return err
		})
		if err != nil {
			return err
		}
		return l.policy(where{service: service, region: l.region, resource: id}, action, aws.ToString(text), into)
	}}
}

func (s *Survey) topics(l *lane, region string) service {
	client := sns.NewFromConfig(s.cfg, func(o *sns.Options) { o.Region = region })
	return service{
		name: "sns", listing: "sns:ListTopics",
		list: func(ctx context.Context, token string) (items []item, next string, err error) {
			var out *sns.ListTopicsOutput
			err = l.call(ctx, "sns:ListTopics", func() (err error) {
				out, err = client.ListTopics(ctx, &sns.ListTopicsInput{NextToken: optional(token)})
				return err
			})
			if err != nil {
				return nil, "", err
			}
			for _, t := range out.Topics {
				items = append(items, l.document("sns", aws.ToString(t.TopicArn), "sns:GetTopicAttributes", func(ctx context.Context) (*string, error) {
					out, err := client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: t.TopicArn})
					if err != nil {
						return nil, err
					}
					return aws.String(out.Attributes["Policy"]), nil
				}))
			}
			return items, aws.ToString(out.NextToken), nil
		},
	}
}

func (s *Survey) queues(l *lane, region string) service {
	client := sqs.NewFromConfig(s.cfg, func(o *sqs.Options) { o.Region = region })
	return service{
		name: "sqs", listing: "sqs:ListQueues",
		list: func(ctx context.Context, token string) (items []item, next string, err error) {
			var out *sqs.ListQueuesOutput
			err = l.call(ctx, "sqs:ListQueues", func() (err error) {
				// Without MaxResults SQS cuts at 1,000 and gives no token.
				out, err = client.ListQueues(ctx, &sqs.ListQueuesInput{MaxResults: aws.Int32(1000), NextToken: optional(token)})
				return err
			})
			if err != nil {
				return nil, "", err
			}
			for _, url := range out.QueueUrls {
				items = append(items, l.document("sqs", url, "sqs:GetQueueAttributes", func(ctx context.Context) (*string, error) {
					out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
						QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNamePolicy},
					})
					if err != nil {
						return nil, err
					}
					return aws.String(out.Attributes[string(types.QueueAttributeNamePolicy)]), nil
				}))
			}
			return items, aws.ToString(out.NextToken), nil
		},
	}
}

func (s *Survey) functions(l *lane, region string) service {
	client := lambda.NewFromConfig(s.cfg, func(o *lambda.Options) { o.Region = region })
	return service{
		name: "lambda", listing: "lambda:ListFunctions",
		list: func(ctx context.Context, token string) (items []item, next string, err error) {
			var out *lambda.ListFunctionsOutput
			err = l.call(ctx, "lambda:ListFunctions", func() (err error) {
				out, err = client.ListFunctions(ctx, &lambda.ListFunctionsInput{Marker: optional(token)})
				return err
			})
			if err != nil {
				return nil, "", err
			}
			for _, f := range out.Functions {
				items = append(items, l.document("lambda", aws.ToString(f.FunctionArn), "lambda:GetPolicy", func(ctx context.Context) (*string, error) {
					out, err := client.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: f.FunctionName})
					if err != nil {
						return nil, err
					}
					return out.Policy, nil
				}))
			}
			return items, aws.ToString(out.NextMarker), nil
		},
	}
}

func (s *Survey) secrets(l *lane, region string) service {
	client := secretsmanager.NewFromConfig(s.cfg, func(o *secretsmanager.Options) { o.Region = region })
	return service{
		name: "secretsmanager", listing: "secretsmanager:ListSecrets",
		list: func(ctx context.Context, token string) (items []item, next string, err error) {
			var out *secretsmanager.ListSecretsOutput
			err = l.call(ctx, "secretsmanager:ListSecrets", func() (err error) {
				out, err = client.ListSecrets(ctx, &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(100), NextToken: optional(token)})
				return err
			})
			if err != nil {
				return nil, "", err
			}
			for _, secret := range out.SecretList {
				items = append(items, l.document("secretsmanager", aws.ToString(secret.ARN), "secretsmanager:GetResourcePolicy", func(ctx context.Context) (*string, error) {
					out, err := client.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: secret.ARN})
					if err != nil {
						return nil, err
					}
					return out.ResourcePolicy, nil
				}))
			}
			return items, aws.ToString(out.NextToken), nil
		},
	}
}

func (s *Survey) repositories(l *lane, region string) service {
	client := ecr.NewFromConfig(s.cfg, func(o *ecr.Options) { o.Region = region })
	return service{
		name: "ecr", listing: "ecr:DescribeRepositories",
		list: func(ctx context.Context, token string) (items []item, next string, err error) {
			var out *ecr.DescribeRepositoriesOutput
			err = l.call(ctx, "ecr:DescribeRepositories", func() (err error) {
				out, err = client.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1000), NextToken: optional(token)})
				return err
			})
			if err != nil {
				return nil, "", err
			}
			for _, r := range out.Repositories {
				items = append(items, l.document("ecr", aws.ToString(r.RepositoryArn), "ecr:GetRepositoryPolicy", func(ctx context.Context) (*string, error) {
					out, err := client.GetRepositoryPolicy(ctx, &ecr.GetRepositoryPolicyInput{RepositoryName: r.RepositoryName})
					if err != nil {
						return nil, err
					}
					return out.PolicyText, nil
				}))
			}
			return items, aws.ToString(out.NextToken), nil
		},
	}
}
