package ownership

import (
	"cmp"
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// global are the services that are asked once for all regions.
func (s *Survey) global() func(*lane) []service {
	return func(l *lane) []service { return []service{s.buckets(l)} }
}

// buckets reads bucket policies, each in its bucket's region.
func (s *Survey) buckets(l *lane) service {
	clients := map[string]*s3.Client{}
	in := func(region string) *s3.Client {
		if clients[region] == nil {
			clients[region] = s3.NewFromConfig(s.cfg, func(o *s3.Options) {
				o.Region = region
				// A server at a given address has no host name for each bucket.
				o.UsePathStyle = o.UsePathStyle || o.BaseEndpoint != nil
			})
		}
		return clients[region]
	}
	home := s.home()
	return service{
		name: "s3", listing: "s3:ListAllMyBuckets",
		list: func(ctx context.Context, token string) (items []item, next string, err error) {
			var out *s3.ListBucketsOutput
			err = l.call(ctx, "s3:ListAllMyBuckets", func() (err error) {
				// Without a parameter S3 leaves out the regions.
				out, err = in(home).ListBuckets(ctx, &s3.ListBucketsInput{MaxBuckets: aws.Int32(1000), ContinuationToken: optional(token)})
				return err
			})
			if err != nil {
				return nil, "", err
			}
			for _, b := range out.Buckets {
				name, region := aws.ToString(b.Name), aws.ToString(b.BucketRegion)
				items = append(items, item{id: name, region: region, read: func(ctx context.Context, into references) error {
					region := region
					if region == "" {
						found, err := l.bucketRegion(ctx, in(home), name)
						if err != nil {
							return err
						}
						region = found
					}
					return l.bucket(ctx, in(region), region, name, into)
				}})
			}
			return items, aws.ToString(out.ContinuationToken), nil
		},
	}
}

func (l *lane) bucket(ctx context.Context, client *s3.Client, region, name string, into references) error {
	var out *s3.GetBucketPolicyOutput
	err := l.call(ctx, "s3:GetBucketPolicy", func() (err error) {
		out, err = client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &name})
		return err
	})
	if err != nil {
		return err
	}
	return l.policy(where{service: "s3", region: region, resource: "arn:" + partition(region) + ":s3:::" + name}, "s3:GetBucketPolicy", aws.ToString(out.Policy), into)
}

func (l *lane) bucketRegion(ctx context.Context, client *s3.Client, name string) (string, error) {
	var out *s3.GetBucketLocationOutput
	err := l.call(ctx, "s3:GetBucketLocation", func() (err error) {
		out, err = client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &name})
		return err
	})
	if err != nil {
		return "", err
	}
	switch where := string(out.LocationConstraint); where {
	case "EU": // an old name
		return "eu-west-1", nil
	default:
		return cmp.Or(where, "us-east-1"), nil
	}
}

// home is the region that answers for the whole partition.
func (s *Survey) home() string {
	switch {
	case strings.HasPrefix(s.cfg.Region, "cn-"):
		return "cn-north-1"
	case strings.HasPrefix(s.cfg.Region, "us-gov-"):
		return "us-gov-west-1"
	}
	return "us-east-1"
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
