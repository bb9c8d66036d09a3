package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
)

const signIn = "sign in, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

// awsConfig is the standard configuration, checked for what the SDK would only miss later and in other words.
func awsConfig(ctx context.Context) (aws.Config, error) {
	// The SDK would try a silent endpoint for minutes.
	client := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = 10 * time.Second }).
		WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = 30 * time.Second })
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client), config.WithLogger(logging.Nop{}))
	if err != nil {
		return aws.Config{}, hinted{fmt.Errorf("loading the AWS configuration: %w", err), "check AWS_PROFILE, AWS_CONFIG_FILE and ~/.aws/config"}
	}
	if cfg.Region == "" {
		return aws.Config{}, hinted{errors.New("no AWS region is set"), "set AWS_REGION, or a region in the profile, such as us-east-1"}
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		// Where nothing else is set up the SDK asks the machine it runs on, and reports that alone.
		if strings.Contains(err.Error(), "no EC2 IMDS role found") {
			return aws.Config{}, hinted{errors.New("no AWS credentials were found"), signIn}
		}
		return aws.Config{}, hinted{fmt.Errorf("getting AWS credentials: %w", err), signIn}
	}
	cfg.HTTPClient = awsfault.WholeBodies(cfg.HTTPClient)
	return cfg, nil
}
