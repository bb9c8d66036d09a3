// Package identity proves to an engine on one machine who calls it, as AWS STS knows them. The engine's own key says only
// that somebody may use the engine; whose decision or whose start it is, AWS alone can tell.
//
// A proof is the signature of one request that the caller never sends: STS's GetCallerIdentity, with a header that names
// the engine and what the proof is for. The engine sends that request itself, and STS answers whose signature it is.
// A proof holds the signature's three headers and nothing else: the engine writes method, address, body and every other
// header anew, so that there is nothing in a proof by which a caller could choose whom the engine asks, or what.
//
// A proof is taken for MaxAge around its date, and any number of times within. One for a request of the office is bound to
// its method, address and body, so that a thief could but send the same once more. One for a start is bound to the engine
// alone: a thief who also has the engine's key could start another cleanup in its owner's name, within these minutes.
//
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: it needs no permission, and none can
// be denied.
package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Header carries a proof.
const Header = "X-Iam-Sunset-Identity"

// MaxAge is how far a proof's date may be from the checker's time. STS itself takes a signature for a quarter of an hour.
const MaxAge = 5 * time.Minute

// Purpose is what a proof is for; it can't be used for anything else.
type Purpose string

// ToStart is the purpose of a proof that comes with StartExecution.
const ToStart Purpose = "start"

// ToSend is the purpose of a proof that comes with this very request.
func ToSend(method, requestURI string, body []byte) Purpose {
	sum := sha256.Sum256(body)
	whole := sha256.Sum256([]byte(method + "\n" + requestURI + "\n" + hex.EncodeToString(sum[:])))
	return Purpose("send " + hex.EncodeToString(whole[:]))
}

const (
	question       = "Action=GetCallerIdentity&Version=2011-06-15"
	questionType   = "application/x-www-form-urlencoded; charset=utf-8"
	audienceHeader = "X-Iam-Sunset-Audience"
	service        = "sts"
	dateLayout     = "20060102T150405Z"
)

// proof is what a caller sends: the headers that only the holder of the credentials can make.
type proof struct {
	Authorization string `json:"authorization"`
	Date          string `json:"date"`
	Token         string `json:"token,omitempty"`
}

// Prove makes a proof of whoever has cfg's credentials, for the engine that is called audience. cfg must lead to the STS
// that the engine itself asks: see For. Nobody is called.
func Prove(ctx context.Context, cfg aws.Config, audience string, purpose Purpose, now time.Time) (string, error) {
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("getting AWS credentials to prove who you are: %w", err)
	}
	r, err := asking(ctx, cfg, audience, purpose)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(question))
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), service, cfg.Region, now); err != nil {
		return "", fmt.Errorf("signing the proof of who you are: %w", err)
	}
	b, err := json.Marshal(proof{r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Security-Token")})
	if err != nil {
		return "", fmt.Errorf("writing the proof of who you are: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// asking is the one request that is signed by one side and sent by the other, still without a signature.
func asking(ctx context.Context, cfg aws.Config, audience string, purpose Purpose) (*http.Request, error) {
	if audience == "" || purpose == "" || strings.Contains(audience, " ") {
		return nil, sunset.Faultf(sunset.Internal, "a proof of identity needs the engine that it is for, as one word, and a purpose")
	}
	at, err := endpoint(ctx, cfg)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), strings.NewReader(question))
	if err != nil {
		return nil, fmt.Errorf("asking STS who calls: %w", err)
	}
	r.Header.Set("Content-Type", questionType)
	r.Header.Set(audienceHeader, audience+" "+string(purpose))
	return r, nil
}

var region = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// endpoint is the address of STS by the configuration alone.
func endpoint(ctx context.Context, cfg aws.Config) (*url.URL, error) {
	o := sts.NewFromConfig(cfg).Options()
	resolved, err := o.EndpointResolverV2.ResolveEndpoint(ctx, sts.EndpointParameters{
		Region: aws.String(o.Region), Endpoint: o.BaseEndpoint, UseGlobalEndpoint: aws.Bool(false),
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	})
	if err != nil {
		return nil, awsfault.Wrap(err, "sts:GetCallerIdentity", "looking for the address of STS in %q", cfg.Region)
	}
	at := resolved.URI
	if at.Path == "" {
		at.Path = "/"
	}
	// An engine names the address that its callers sign for: there must be no room in it for another question.
	if at.Host == "" || at.Path != "/" || at.RawQuery != "" || at.Fragment != "" || at.User != nil || !region.MatchString(cfg.Region) {
		return nil, sunset.Faultf(sunset.Invalid, "%.200q, in %.50q, is no address of STS: it has to be a host alone", at.Redacted(), cfg.Region)
	}
	return &at, nil
}
