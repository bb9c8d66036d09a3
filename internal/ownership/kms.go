package ownership

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// keys reads key policies and grants of customer-managed keys. Those that AWS manages have fixed policies.
func (s *Survey) keys(l *lane, region string) service {
	client := kms.NewFromConfig(s.cfg, func(o *kms.Options) { o.Region = region })
	return service{
		name: "kms", listing: "kms:ListKeys",
		list: func(ctx context.Context, token string) (items []item, next string, err error) {
			var out *kms.ListKeysOutput
			err = l.call(ctx, "kms:ListKeys", func() (err error) {
				out, err = client.ListKeys(ctx, &kms.ListKeysInput{Marker: optional(token)})
				return err
			})
			if err != nil {
				return nil, "", err
			}
			for _, k := range out.Keys {
				arn := aws.ToString(k.KeyArn)
				items = append(items, item{id: arn, read: func(ctx context.Context, into references) error {
					return l.key(ctx, client, arn, into)
				}})
			}
			return items, aws.ToString(out.NextMarker), nil
		},
	}
}

func (l *lane) key(ctx context.Context, client *kms.Client, arn string, into references) error {
	var described *kms.DescribeKeyOutput
	err := l.call(ctx, "kms:DescribeKey", func() (err error) {
		described, err = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
		return err
	})
	if err != nil || described.KeyMetadata.KeyManager == types.KeyManagerTypeAws {
		return err
	}
	var document *kms.GetKeyPolicyOutput
	err = l.call(ctx, "kms:GetKeyPolicy", func() (err error) {
		document, err = client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &arn, PolicyName: aws.String("default")})
		return err
	})
	if err != nil {
		return err
	}
	at := where{service: "kms", region: l.region, resource: arn}
	text := aws.ToString(document.Policy)
	if err := l.policy(at, "kms:GetKeyPolicy", text, into); err != nil {
		return err
	}
	var grants []types.GrantListEntry
	var marker *string
	for {
		var out *kms.ListGrantsOutput
		err := l.call(ctx, "kms:ListGrants", func() (err error) {
			out, err = client.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &arn, Marker: marker})
			return err
		})
		if err != nil {
			return err
		}
		grants = append(grants, out.Grants...)
		if marker = out.NextMarker; aws.ToString(marker) == "" {
			break
		}
	}
	p, err := ParsePolicy(text)
	if err != nil {
		return err
	}
	l.world.grants(at, grants, l.world.accessLeft(p), into)
	return nil
}

// grants tells of grants to candidates. A grant dies with its grantee and takes nothing from anybody else: whoever
// manages the key can make it again. It blocks only where nobody who stays has any other way to the key, neither by
// its policy nor by a grant, since what the key has encrypted would be lost.
func (w *world) grants(at where, grants []types.GrantListEntry, policyLeft bool, into references) {
	left := policyLeft || slices.ContainsFunc(grants, func(g types.GrantListEntry) bool {
		return aws.ToString(g.GranteeServicePrincipal) != "" || w.alive(grantee(g.GranteePrincipal))
	})
	weight := sunset.Informing
	if !left {
		weight = sunset.Blocking
	}
	for _, g := range grants {
		if i, _, ok := w.named(grantee(g.GranteePrincipal)); ok {
			into.add(w.candidates[i].UserID, sunset.Reference{
				Service: at.service, Region: at.region, Resource: at.resource, How: "grant", Weight: weight,
				Detail: fmt.Sprintf("grant %s lets it %s", aws.ToString(g.GrantId), operations(g.Operations)),
			})
		}
		if i, _, ok := w.named(grantee(g.RetiringPrincipal)); ok {
			into.add(w.candidates[i].UserID, sunset.Reference{
				Service: at.service, Region: at.region, Resource: at.resource, How: "grant", Weight: sunset.Informing,
				Detail: fmt.Sprintf("it may retire grant %s", aws.ToString(g.GrantId)),
			})
		}
	}
}

func grantee(p *string) Principal { return Principal{Kind: "AWS", Value: aws.ToString(p)} }

func operations(list []types.GrantOperation) string {
	var names []string
	for _, o := range list {
		names = append(names, string(o))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
