package ownership

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// tags reads the values of all tags. They are signs of who made or owns a resource, and never proof.
func (s *Survey) tags(l *lane, region string) service {
	client := tagging.NewFromConfig(s.cfg, func(o *tagging.Options) { o.Region = region })
	return service{
		name: "tags", listing: "tag:GetResources",
		list: func(ctx context.Context, token string) (items []item, next string, err error) {
			var out *tagging.GetResourcesOutput
			err = l.call(ctx, "tag:GetResources", func() (err error) {
				out, err = client.GetResources(ctx, &tagging.GetResourcesInput{ResourcesPerPage: aws.Int32(100), PaginationToken: optional(token)})
				return err
			})
			if err != nil {
				return nil, "", err
			}
			for _, r := range out.ResourceTagMappingList {
				arn := aws.ToString(r.ResourceARN)
				items = append(items, item{id: arn, read: func(_ context.Context, into references) error {
					for _, t := range r.Tags {
						l.world.tag(l.region, arn, aws.ToString(t.Key), aws.ToString(t.Value), into)
					}
					return nil
				}})
			}
			return items, aws.ToString(out.PaginationToken), nil
		},
	}
}

func (w *world) tag(region, arn, key, value string, into references) {
	for _, hit := range w.names.in(value) {
		who := w.candidates[hit.candidate]
		if arn == who.ARN {
			continue // its own tag
		}
		into.add(who.UserID, sunset.Reference{
			Service: "tag", Region: region, Resource: arn, How: "tag", Weight: sunset.Informing,
			Detail: fmt.Sprintf("its tag %s is %q", key, strings.ToValidUTF8(value, "")),
		})
	}
}
