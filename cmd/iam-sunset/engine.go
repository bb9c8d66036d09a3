package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// engine reaches what iam-sunset serve runs on this machine, by its address. The account itself is reached with the caller's
// own credentials, as credentials gives them.
func engine(c clock.Clock, credentials func(context.Context) (aws.Config, error)) reach {
	return reach{
		station: func(ctx context.Context, address string) (station, error) {
			at, err := engineAt(ctx, address, c, credentials)
			if err != nil {
				return station{}, err
			}
			w := workflow.New(workflow.World{
				AWS: at.aws, Executions: at.executions(c), StateMachine: at.StateMachine, Objects: at.office.Objects(), Rows: at.office.Rows(),
				Messenger: at.office, Settings: at.office.Settings, Clock: c, Log: slog.New(slog.DiscardHandler), PagesURL: at.PagesURL,
			})
			who, err := w.IAM.Caller(ctx)
			if err != nil {
				return station{}, err
			}
			if who.Account != at.Account {
				return station{}, hinted{
					fmt.Errorf("the engine at %s is for account %s, but the credentials are of account %s", at.address, at.Account, who.Account),
					"choose the right AWS_PROFILE, or the right --engine",
				}
			}
			return station{Workflow: w, who: who, aws: at.aws, rescue: func(ctx context.Context, userID, by, reason string) error {
				return at.office.Rescue(ctx, workflow.RescueInput{UserID: userID, By: by, Reason: reason})
			}}, nil
		},
		counter: func(ctx context.Context, address string) (counter, error) {
			at, err := engineAt(ctx, address, c, credentials)
			if err != nil {
				return counter{}, err
			}
			return counter{url: at.office.Counter(), send: at.office.Approvals(at.sts())}, nil
		},
	}
}

// reached is an engine that has proven itself.
type reached struct {
	office.Engine
	address string
	key     signature.Key
	http    *http.Client
	office  *office.Client
	aws     aws.Config // reaches the account with the caller's rights
}

// engineAt finds the engine at an address, and takes its key.
func engineAt(ctx context.Context, address string, c clock.Clock, credentials func(context.Context) (aws.Config, error)) (reached, error) {
	at := reached{address: address, http: office.Transport()}
	if err := office.CheckURL(address); err != nil {
		return at, hinted{fmt.Errorf("--engine: %w", err), "name the address that iam-sunset serve prints, such as http://127.0.0.1:8765; ssh -L leads to it from elsewhere"}
	}
	greeting, err := office.Greet(ctx, at.http, address)
	switch {
	case errors.Is(err, office.ErrNoEngine):
		return at, hinted{fmt.Errorf("what answers at %s is no engine of iam-sunset", address), "name the address that iam-sunset serve prints; engine.json in its directory holds it, too"}
	case sunset.KindOf(err) == sunset.Unavailable:
		return at, hinted{fmt.Errorf("no engine answers at %w", err), "start it with iam-sunset serve --data DIR; DIR/engine.json says where it is"}
	case err != nil:
		return at, err
	}
	file := os.Getenv("IAM_SUNSET_ENGINE_KEY")
	if file == "" {
		file = greeting.Credentials
		if err := trusted(file, os.Geteuid()); err != nil {
			return at, hinted{fmt.Errorf("the key of the engine at %s can't be used: %w", address, err), keyHint}
		}
	}
	if at.key, err = engineKey(ctx, file); err != nil {
		return at, hinted{fmt.Errorf("the engine's key can't be read: %w", err), keyHint}
	}
	at.office = office.NewClient(at.http, address, at.key, greeting.Region, c)
	if at.Engine, err = at.office.Engine(ctx); err != nil {
		if errors.Is(err, office.ErrClocks) {
			return at, hinted{err, "set the clocks of both machines right"}
		}
		if sunset.KindOf(err) == sunset.AccessDenied {
			return at, hinted{err, "the key is read from " + file + ": set IAM_SUNSET_ENGINE_KEY to the credentials file in the directory that this engine serves from"}
		}
		return at, err
	}
	at.aws, err = credentials(ctx)
	return at, err
}

const keyHint = "run as the user who runs iam-sunset serve, or copy DIR/credentials and set IAM_SUNSET_ENGINE_KEY to the copy"

// trusted refuses a file that whoever has the port says to be the key's, unless it is this user's own and nobody else's: any
// other user of the machine may take a port, and make a key.
func trusted(file string, user int) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) != user {
		return fmt.Errorf("%s belongs to another user of this machine", file)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others may read or write %s (mode %04o)", file, info.Mode().Perm())
	}
	return nil
}

// maxKeyFile is far above what a key needs.
const maxKeyFile = 64 << 10

// engineKey reads the key of an engine, which is in a file of the form of AWS's shared credentials.
func engineKey(ctx context.Context, file string) (signature.Key, error) {
	info, err := os.Stat(file) // the SDK would take a missing file for an empty one
	if err != nil {
		return signature.Key{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return signature.Key{}, fmt.Errorf("%s holds no key of an engine", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return signature.Key{}, err
	}
	if err := f.Close(); err != nil {
		return signature.Key{}, err
	}
	profile, err := config.LoadSharedConfigProfile(ctx, "default", func(o *config.LoadSharedConfigOptions) {
		o.CredentialsFiles, o.ConfigFiles = []string{file}, []string{}
	})
	k := signature.Key{ID: profile.Credentials.AccessKeyID, Secret: profile.Credentials.SecretAccessKey}
	if err != nil || !k.Genuine() {
		// Not even an address that lies may have a request signed with a key of AWS.
		return signature.Key{}, fmt.Errorf("%s holds no key of an engine", file)
	}
	return k, nil
}

// sts is how the caller is proven to the engine: by the STS that the engine asks.
func (at reached) sts() aws.Config {
	return identity.For(at.aws, at.STSRegion, at.STSURL)
}

// executions is the engine's own API. A start carries the proof of who starts.
func (at reached) executions(c clock.Clock) *sfn.Client {
	address := strings.TrimRight(at.address, "/")
	return sfn.New(sfn.Options{
		Region: at.Region, BaseEndpoint: &address, Credentials: at.key.Provider(), Retryer: awsfault.RetryOn(c)(), HTTPClient: awsfault.WholeBodies(at.http),
		APIOptions: []func(*middleware.Stack) error{func(s *middleware.Stack) error {
			return s.Build.Add(middleware.BuildMiddlewareFunc("ProveStarter", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
				if r, ok := in.Request.(*smithyhttp.Request); ok && awsmiddleware.GetOperationName(ctx) == "StartExecution" {
					proof, err := identity.Prove(ctx, at.sts(), at.key.ID, identity.ToStart, clock.Wall{}.Now())
					if err != nil {
						return middleware.BuildOutput{}, middleware.Metadata{}, err
					}
					r.Header.Set(identity.Header, proof)
				}
				return next.HandleBuild(ctx, in)
			}), middleware.After)
		}},
	})
}
