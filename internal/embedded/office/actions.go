package office

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

func (o *office) engine(r *http.Request, _ []byte) (any, error) {
	sts, err := o.Identity.Endpoint(r.Context())
	return Engine{
		Account: o.Account, Region: o.Region, StateMachine: o.Workflow.StateMachine, PagesURL: o.Workflow.PagesURL, Version: o.Version,
		STSRegion: o.Identity.Region(), STSURL: sts,
	}, err
}

func (o *office) settings(r *http.Request, _ []byte) (any, error) {
	return o.Workflow.Settings(r.Context())
}

// rescue has the function restore give a user back, as operators of a deployment do.
func (o *office) rescue(r *http.Request, body []byte) (any, error) {
	var in workflow.RescueInput
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, sunset.Faultf(sunset.Invalid, "who is to be rescued can't be read: %w", err)
	}
	payload, err := json.Marshal(workflow.Invocation{Rescue: &in})
	if err != nil {
		return nil, sunset.Faultf(sunset.Internal, "asking for the rescue of %s: %w", in.UserID, err)
	}
	_, err = o.Restore(r.Context(), payload)
	var named messages.InvokeResponse_Error
	if errors.As(err, &named) {
		err = sunset.Faultf(sunset.Kind(named.Type), "%s", named.Message)
	}
	return struct{}{}, err
}

func (o *office) send(r *http.Request, body []byte) (any, error) {
	var m approval.Message
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, sunset.Faultf(sunset.Invalid, "the message can't be read: %w", err)
	}
	if m.Link != "" {
		return nil, sunset.Faultf(sunset.AccessDenied, "sending links is no operator's right")
	}
	return struct{}{}, o.Workflow.Messenger.Send(r.Context(), m)
}

// Invitation is a way in to the dashboard.
type Invitation struct {
	// ARN is whom STS knows the caller as: what is done on the pages is done in that name.
	ARN string `json:"arn"`
	// Path, on the engine's address, signs in once, until then. It is a secret.
	Path  string    `json:"path"`
	Until time.Time `json:"until"`
}

// dashboard lets in who holds the key and has proven to be of the engine's account.
func (o *office) dashboard(rw http.ResponseWriter, r *http.Request) {
	who, known := provenBy(r)
	of, err := arn.Parse(who)
	switch {
	case !known || err != nil:
		refuse(rw, sunset.Faultf(sunset.AccessDenied, "STS did not say who you are"))
	case of.AccountID != o.Account:
		refuse(rw, sunset.Faultf(sunset.AccessDenied, "the engine is for account %s, but the credentials are of account %s", o.Account, of.AccountID))
	case o.Invite == nil:
		refuse(rw, sunset.Faultf(sunset.Invalid, "this engine has no dashboard"))
	default:
		in := Invitation{ARN: who}
		in.Path, in.Until = o.Invite(who)
		say(rw, http.StatusOK, in)
	}
}

type arnKey struct{}

// proven asks AWS who sends a request before it gets any further.
func (o *office) proven(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		proofs := r.Header.Values(identity.Header)
		if len(proofs) != 1 {
			refuse(rw, sunset.Faultf(sunset.AccessDenied, "the request comes without a proof of your AWS identity"))
			return
		}
		caller, err := o.Identity.Check(r.Context(), proofs[0], identity.ToSend(r.Method, r.RequestURI, bodyOf(r)))
		if err != nil {
			refuse(rw, err)
			return
		}
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), arnKey{}, caller.ARN)))
	})
}

// provenBy is whom AWS named.
func provenBy(r *http.Request) (arn string, ok bool) {
	arn, ok = r.Context().Value(arnKey{}).(string)
	return arn, ok && arn != ""
}
