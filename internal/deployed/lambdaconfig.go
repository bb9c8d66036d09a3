package deployed

import (
	"cmp"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// lambdaConfig reads the SDK's AWS_* variables. Unlike config.LoadDefaultConfig it looks for credentials and settings
// nowhere else: Lambda gives them in the environment, and a program without all the ways to sign in elsewhere is a
// twentieth smaller. https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func lambdaConfig() (aws.Config, error) {
	env, err := config.NewEnvConfig()
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS_… environment variables: %w", err)
	}
	cfg := aws.Config{
		Region: env.Region, Credentials: credentials.StaticCredentialsProvider{Value: env.Credentials},
		ConfigSources:              []any{env}, // AWS_ENDPOINT_URL_<service> and the like
		AppID:                      env.AppID,
		AccountIDEndpointMode:      cmp.Or(env.AccountIDEndpointMode, aws.AccountIDEndpointModePreferred),
		RequestChecksumCalculation: cmp.Or(env.RequestChecksumCalculation, aws.RequestChecksumCalculationWhenSupported),
		ResponseChecksumValidation: cmp.Or(env.ResponseChecksumValidation, aws.ResponseChecksumValidationWhenSupported),
	}
	if env.BaseEndpoint != "" {
		cfg.BaseEndpoint = &env.BaseEndpoint
	}
	return cfg, nil
}
