// Package deployed is the product's world on AWS Lambda: what the mains in functions/ hand to the one composition.
//
// It is told by its environment:
//
//	IAM_SUNSET_SETTINGS       file with the settings, read live at every use
//	IAM_SUNSET_DATA           directory for plans, evidence, case rows and mail that has to go out: a mounted file
//	                          system that all functions share
//	IAM_SUNSET_STATE_MACHINE  ARN of the state machine
//	IAM_SUNSET_PAGES_URL      where the approval pages are
//	IAM_SUNSET_OWN            ARNs of the deployment's own principals, separated by commas; may be left out
package deployed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// Serve serves one function until Lambda ends the process. It only returns where it can't begin.
func Serve(function string) error {
	w, err := world(context.Background())
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

// ServePages serves the approval pages behind an HTTP API. It only returns where it can't begin.
func ServePages() error {
	w, err := world(context.Background())
	if err != nil {
		return fmt.Errorf("approval-web can't begin: %w", err)
	}
	lambda.Start(httpadapter.NewV2(workflow.New(w).Pages()).ProxyWithContext)
	return errors.New("the Lambda runtime has ended")
}

func world(ctx context.Context) (workflow.World, error) {
	env := map[string]string{}
	for _, name := range []string{"IAM_SUNSET_SETTINGS", "IAM_SUNSET_DATA", "IAM_SUNSET_STATE_MACHINE", "IAM_SUNSET_PAGES_URL"} {
		if env[name] = os.Getenv(name); env[name] == "" {
			return workflow.World{}, fmt.Errorf("the environment variable %s is not set", name)
		}
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return workflow.World{}, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	data := env["IAM_SUNSET_DATA"]
	dir, err := store.OpenDir(data)
	if err != nil {
		return workflow.World{}, err
	}
	signer, err := approval.OpenKeyFile(filepath.Join(data, "decisions.key"))
	if err != nil {
		return workflow.World{}, err
	}
	outbox, err := approval.OpenOutbox(filepath.Join(data, "outbox"), func(context.Context) (string, error) {
		s, err := SettingsFile(env["IAM_SUNSET_SETTINGS"])
		return s.Team, err
	})
	if err != nil {
		return workflow.World{}, err
	}
	engine := cfg.Copy()
	engine.Retryer = awsfault.RetryOn(clock.Wall{})
	return workflow.World{
		AWS: cfg, Executions: sfn.NewFromConfig(engine), StateMachine: env["IAM_SUNSET_STATE_MACHINE"],
		Objects: dir.Objects(), Rows: dir.Rows(), Signers: approval.Signers{Decisions: signer, Links: signer}, Messenger: outbox, Clock: clock.Wall{},
		Settings: func(context.Context) (sunset.Settings, error) { return SettingsFile(env["IAM_SUNSET_SETTINGS"]) },
		Log:      slog.New(slog.NewJSONHandler(os.Stderr, nil)), PagesURL: env["IAM_SUNSET_PAGES_URL"],
		Own: strings.FieldsFunc(os.Getenv("IAM_SUNSET_OWN"), func(r rune) bool { return r == ',' || r == ' ' }),
	}, nil
}

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
