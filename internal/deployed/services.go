package deployed

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/bucket"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/events"
	"github.com/iam-sunset/iam-sunset/internal/keys"
	"github.com/iam-sunset/iam-sunset/internal/post"
	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/table"
	"github.com/iam-sunset/iam-sunset/internal/trail"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// publishWithin bounds how long a function waits for EventBridge: what is slower is published by reconcile. It is short
// because some make dozens of records a call, and approval-web has to answer within half a minute with several.
const publishWithin = 3 * time.Second

// rescueWithin bounds how long a page waits for the function restore: an HTTP API gives half a minute, and what the page
// says of it has to be read and written in that time too.
const rescueWithin = 20 * time.Second

// ownServices is cfg as it reaches the deployment's own services rather than the account's.
func ownServices(cfg aws.Config, d Deployment, c clock.Clock) aws.Config {
	own := cfg.Copy()
	own.Retryer = awsfault.RetryOn(c)
	if d.Region != "" {
		own.Region = d.Region
	}
	if d.EndpointURL != "" {
		own.BaseEndpoint = &d.EndpointURL
		own.ConfigSources = nil // AWS_ENDPOINT_URL_… are the account's
	}
	return own
}

// worldOf puts the stores, keys and messengers of d into a world whose account is reached by cfg. Nothing is called yet.
func worldOf(cfg aws.Config, e environment, c clock.Clock) workflow.World {
	d := e.Deployment
	w, own := storedWorld(cfg, d, c), ownServices(cfg, d, c)
	w.Messenger = post.New(sesv2.NewFromConfig(own), sns.NewFromConfig(own), d.MailFrom, d.Topic)
	if d.SealingKey != "" {
		w.Sealer = keys.NewSealer(kms.NewFromConfig(own), d.SealingKey)
	}
	if d.EndpointURL != "" {
		w.StartedBy = trail.New(own, c).StartedBy
	}
	return w
}

// decidingWorld is for approval-web, which alone may make MACs of decisions, and checks them by making them again. It
// sends no messages, seals nothing and asks CloudTrail nothing, so that its program has no clients for that. The function
// restore gives users back for it: it has no right to change one.
func decidingWorld(cfg aws.Config, e environment, c clock.Clock) workflow.World {
	d := e.Deployment
	w := storedWorld(cfg, d, c)
	w.Signers.Decisions = keys.NewGenerator(kms.NewFromConfig(ownServices(cfg, d, c)), d.DecisionsKey)
	w.Rescuer = func(ctx context.Context, r workflow.RescueInput) error {
		ctx, cancel := context.WithTimeout(ctx, rescueWithin)
		defer cancel()
		return Rescue(ctx, cfg, d, c, r)
	}
	// The key of decisions is the one that approval-web alone can make MACs with, and has another purpose here.
	w.SignIn = signin.New(signin.Config{Settings: w.Settings, Signer: w.Signers.Decisions, BaseURL: d.PagesURL, ClientSecret: e.clientSecret, Clock: c})
	return w
}

// storedWorld is what both have: the stores, the keys, the executions and the bus.
func storedWorld(cfg aws.Config, d Deployment, c clock.Clock) workflow.World {
	own := ownServices(cfg, d, c)
	objects := s3.NewFromConfig(own, func(o *s3.Options) { o.UsePathStyle = d.EndpointURL != "" })
	macs := kms.NewFromConfig(own)
	w := workflow.World{
		AWS: cfg, Executions: sfn.NewFromConfig(own), StateMachine: d.StateMachine, Alias: d.Alias,
		Objects: bucket.New(objects, d.Bucket, c), Rows: table.New(dynamodb.NewFromConfig(own), d.Table),
		Signers: approval.Signers{
			Decisions: keys.NewMAC(macs, d.DecisionsKey), Links: keys.NewMAC(macs, d.LinksKey), Owners: keys.NewMAC(macs, d.OwnersKey),
		},
		Clock: c, PagesURL: d.PagesURL,
		Settings: func(ctx context.Context) (sunset.Settings, error) { return readSettings(ctx, objects, d.Settings) },
	}
	if d.Bus != "" {
		bus := events.New(eventbridge.NewFromConfig(own), d.Bus)
		w.Publish = func(ctx context.Context, r audit.Record) error {
			ctx, cancel := context.WithTimeout(ctx, publishWithin)
			defer cancel()
			return bus.Publish(ctx, r)
		}
	}
	return w
}

// readSettings reads the settings document. Its faults are Invalid and name the document and the field.
func readSettings(ctx context.Context, client *s3.Client, uri string) (sunset.Settings, error) {
	body, version, err := bucket.Document(ctx, client, uri)
	if err != nil {
		return sunset.Settings{}, err
	}
	s, err := sunset.ParseSettings(body)
	if err != nil {
		return sunset.Settings{}, sunset.Faultf(sunset.Invalid, "%s (version %s): %w", uri, version, err)
	}
	return s, nil
}
