// Package deployed is the product's world on AWS: what the mains in functions/ and the operator's commands hand to the one
// composition.
//
// Functions are told by their environment where things are; see Deployment for what each is:
//
//	IAM_SUNSET_BUCKET, _TABLE, _SETTINGS, _STATE_MACHINE  needed by every function
//	IAM_SUNSET_ALIAS, _PAGES_URL                          needed to start cases, to serve pages and to send links to them
//	IAM_SUNSET_DECISIONS_KEY, _LINKS_KEY, _OWNERS_KEY,    KMS keys, needed by those who may use them
//	_SEALING_KEY
//	IAM_SUNSET_RESTORE_FUNCTION                           whom the pages ask to give a user back
//	IAM_SUNSET_OIDC_CLIENT_SECRET                         the pages' own at the identity provider, where they have one
//	IAM_SUNSET_MAIL_FROM, _TOPIC, _BUS                    messages and events
//	IAM_SUNSET_OWN                                        ARNs of the deployment's own principals, separated by commas; needed
//	                                                      by who looks for users or changes them
//	IAM_SUNSET_ACCESS                                     read, change or delete: the role taken in member accounts
//	IAM_SUNSET_ENDPOINT_URL                               where the deployment's own services are; left out on AWS
//
// The account that is cleaned up is reached by the SDK's own AWS_* variables, so that the two can be told apart.
package deployed

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// Serve serves one function until Lambda ends the process. It only returns where it can't begin.
func Serve(function string) error {
	w, err := processWorld(function, worldOf)
	if err != nil {
		return fmt.Errorf("%s can't begin: %w", function, err)
	}
	f, ok := workflow.New(w).Functions()[function]
	if !ok {
		return fmt.Errorf("there is no function %q", function)
	}
	lambda.Start(f)
	return errors.New("the Lambda runtime has ended")
}

// ServePages serves the approval pages, and below /v1/ the same for callers with an AWS identity, behind an HTTP API.
// It only returns where it can't begin.
func ServePages() error {
	w, err := processWorld(approvalWeb, decidingWorld)
	if err != nil {
		return fmt.Errorf("approval-web can't begin: %w", err)
	}
	lambda.Start(Proxied(Web(workflow.NewPages(w))))
	return errors.New("the Lambda runtime has ended")
}

// Web is what approval-web serves.
func Web(w *workflow.Workflow) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", w.Pages())
	mux.Handle("/v1/", w.API(signedBy))
	return recovered(w.Log, mux)
}

// recovered answers for a handler that panicked. Lambda would end the process without a line on what it was.
func recovered(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				log.ErrorContext(r.Context(), "handler panicked", "function", approvalWeb, "method", r.Method, "panic", p, "stack", string(debug.Stack()))
				http.Error(rw, "Something went wrong on our side. Please try again later, or tell the security team.", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(rw, r)
	})
}

// signedBy is the identity that API Gateway has checked a signature for: on the routes without such a check there is none.
// It can't be sent by the caller, since API Gateway writes the request context itself.
func signedBy(r *http.Request) (arn string, ok bool) {
	ctx, ok := core.GetAPIGatewayV2ContextFromContext(r.Context())
	if !ok || ctx.Authorizer == nil || ctx.Authorizer.IAM == nil {
		return "", false
	}
	arn = ctx.Authorizer.IAM.UserARN
	return arn, strings.HasPrefix(arn, "arn:")
}

// processWorld is made once, when the process begins. It calls nobody.
func processWorld(function string, compose composition) (workflow.World, error) {
	log := lambdahost.NewLogger(os.Stderr)
	slog.SetDefault(log) // what is logged past the world has its secrets taken out as well
	cfg, err := lambdaConfig()
	if err != nil {
		return workflow.World{}, err
	}
	w, err := compose.told(function, os.Getenv, cfg, clock.Wall{})
	w.Log = log
	w.Measured = figuresTo(os.Stdout, w.StateMachine, time.Now)
	return w, err
}

// World is the world of one function, as its environment tells it. The error names the variable that is missing.
func World(function string, getenv func(string) string, cfg aws.Config, c clock.Clock) (workflow.World, error) {
	if function == approvalWeb {
		return composition(decidingWorld).told(function, getenv, cfg, c)
	}
	return composition(worldOf).told(function, getenv, cfg, c)
}

// composition is worldOf or decidingWorld. A process names the one that it needs, so that it links no other's clients.
type composition func(aws.Config, environment, clock.Clock) workflow.World

func (compose composition) told(function string, getenv func(string) string, cfg aws.Config, c clock.Clock) (workflow.World, error) {
	e, err := fromEnvironment(function, getenv)
	if err != nil {
		return workflow.World{}, err
	}
	w := compose(cfg, e, c)
	w.Own, w.Access = e.own, e.access
	return w, nil
}

// approvalWeb is the one function that is no Task.
const approvalWeb = "approval-web"

// SettingsFile reads settings from a file. Its faults are Invalid and name the file and the field.
func SettingsFile(path string) (sunset.Settings, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return sunset.Settings{}, sunset.Faultf(sunset.Invalid, "settings: %w", err)
	}
	s, err := sunset.ParseSettings(b)
	if err != nil {
		return sunset.Settings{}, sunset.Faultf(sunset.Invalid, "%s: %w", path, err)
	}
	return s, nil
}
