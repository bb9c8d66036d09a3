package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// deployment reaches a deployment on AWS, with the credentials that the standard configuration names.
func deployment(c clock.Clock) reach {
	return reach{
		station: func(ctx context.Context, file string) (station, error) {
			d, cfg, err := deploymentAt(ctx, file)
			if err != nil {
				return station{}, err
			}
			w := workflow.New(deployed.Operator(cfg, d, c))
			who, err := w.IAM.Caller(ctx)
			if err != nil {
				return station{}, err
			}
			if d.EndpointURL == "" && d.Account != "" && who.Account != d.Account {
				return station{}, hinted{
					fmt.Errorf("the deployment is in account %s, but the credentials are of account %s", d.Account, who.Account),
					"choose the right AWS_PROFILE, or the right --deployment",
				}
			}
			slow := patient(cfg)
			return station{Workflow: w, who: who, aws: cfg, rescue: func(ctx context.Context, userID, by, reason string) error {
				return deployed.Rescue(ctx, slow, d, c, workflow.RescueInput{UserID: userID, By: by, Reason: reason})
			}}, nil
		},
		counter: func(ctx context.Context, file string) (counter, error) {
			d, cfg, err := deploymentAt(ctx, file)
			if err != nil {
				return counter{}, err
			}
			return counter{url: strings.TrimSuffix(d.PagesURL, "/"), send: signed(cfg, d.Region, c)}, nil
		},
	}
}

// deploymentAt reads which deployment is meant, and how AWS is reached.
func deploymentAt(ctx context.Context, flag string) (deployed.Deployment, aws.Config, error) {
	file, err := deploymentFile(flag)
	if err != nil {
		return deployed.Deployment{}, aws.Config{}, err
	}
	d, err := deployed.LoadDeployment(file)
	if err != nil {
		return d, aws.Config{}, hinted{err, "terraform output -json deployment > " + file + " writes it anew"}
	}
	// An emulator may be elsewhere for whoever sits before it than for its own functions.
	d.EndpointURL = cmp.Or(os.Getenv("IAM_SUNSET_ENDPOINT_URL"), d.EndpointURL)
	cfg, err := awsConfig(ctx)
	return d, cfg, err
}

// patient is cfg for calls that answer only once a function has done its work.
func patient(cfg aws.Config) aws.Config {
	slow := cfg.Copy()
	slow.HTTPClient = awsfault.WholeBodies(awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = 10 * time.Second }).
		WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = 16 * time.Minute })) // a function's limit, and a little
	return slow
}

// signed sends requests with the caller's signature for API Gateway.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
func signed(cfg aws.Config, region string, c clock.Clock) func(*http.Request, []byte) (*http.Response, error) {
	signer := v4.NewSigner()
	client := &http.Client{
		Timeout: time.Minute,
		// A signature is for one host; what is sent elsewhere would only give it away.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(r *http.Request, body []byte) (*http.Response, error) {
		credentials, err := cfg.Credentials.Retrieve(r.Context())
		if err != nil {
			return nil, fmt.Errorf("getting AWS credentials: %w", err)
		}
		sum := sha256.Sum256(body)
		if err := signer.SignHTTP(r.Context(), credentials, r, hex.EncodeToString(sum[:]), "execute-api", region, c.Now()); err != nil {
			return nil, fmt.Errorf("signing the request: %w", err)
		}
		return client.Do(r)
	}
}
