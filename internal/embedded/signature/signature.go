// Package signature is the key of an engine on one machine, and the check that a request was signed with it: AWS Signature
// Version 4 in its header form, so that AWS's own clients speak to the engine with nothing but an endpoint and a profile.
// Presigned addresses, chunked payloads and session tokens are refused: whoever needs them speaks to AWS.
//
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// MaxSkew is how far a request's date may be from the checker's time.
const MaxSkew = 5 * time.Minute

const (
	algorithm  = "AWS4-HMAC-SHA256"
	dateLayout = "20060102T150405Z"
	// idPrefix tells the key from one of AWS's, which begin with AKIA or ASIA.
	idPrefix = "SUNSET"
)

// Key is an access key of one engine. The zero Key proves nobody. Printed or logged, it shows its id alone.
type Key struct{ ID, Secret string }

// NewKey draws a key.
func NewKey(random io.Reader) (Key, error) {
	var raw [9 + 30]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return Key{}, fmt.Errorf("drawing the engine's access key: %w", err)
	}
	id := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:9])
	return Key{ID: idPrefix + id[:14], Secret: base64.StdEncoding.EncodeToString(raw[9:])}, nil
}

// Genuine reports whether the key can be one that NewKey drew: AWS's own never are.
func (k Key) Genuine() bool { return strings.HasPrefix(k.ID, idPrefix) && k.Secret != "" }

// Provider hands the key to AWS's SDK.
func (k Key) Provider() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(k.ID, k.Secret, "")
}

// String is the key's id.
func (k Key) String() string { return k.ID }

// GoString is the key's id, quoted.
func (k Key) GoString() string { return fmt.Sprintf("signature.Key{ID:%q}", k.ID) }

// LogValue is the key's id.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.ID) }

// Refusal says why a request proves nothing, in AWS's terms. Code is what clients match and Status what HTTP says. Its
// message holds no part of the key and not the signature that would have been right.
type Refusal struct {
	Code, Message string
	Status        int
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

func refuse(code, format string, args ...any) error {
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// Verify is nil where r, whose body was read already, was signed with this key for that service and region, at most
// MaxSkew from now; else it is a *Refusal. Host, date, target and all else that is named X-Amz-… must be signed and come
// once.
func (k Key) Verify(r *http.Request, body []byte, service, region string, now time.Time) error {
	for name := range r.URL.Query() {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			return refuse("IncompleteSignatureException", "Sign the request's headers: a signature in the address is not taken here.")
		}
	}
	claim, err := parse(r.Header)
	if err != nil {
		return err
	}
	if k.ID == "" || k.Secret == "" || subtle.ConstantTimeCompare([]byte(claim.keyID), []byte(k.ID)) != 1 || r.Header.Get("X-Amz-Security-Token") != "" {
		return refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if claim.service != service || claim.region != region {
		return refuse("InvalidSignatureException", "Credential should be scoped to a valid region and service: sign for %s in %s.", service, region)
	}
	if err := claim.covers(r); err != nil {
		return err
	}
	at, err := claim.dated(r.Header.Get("X-Amz-Date"), now)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if said := r.Header.Get("X-Amz-Content-Sha256"); said != "" && said != hash {
		return refuse("InvalidSignatureException", "The header x-amz-content-sha256 is not the hash of the body.")
	}
	want, err := k.sign(r, claim, hash, at)
	if err != nil {
		return refuse("IncompleteSignatureException", "The request can't be signed again to compare: %v", err)
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(claim.signature)) != 1 {
		return refuse("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return nil
}

// sign signs what the claim says was signed, and nothing else of the request.
func (k Key) sign(r *http.Request, c claim, hash string, at time.Time) (string, error) {
	again := &http.Request{Method: r.Method, Host: r.Host, Header: http.Header{}}
	again.URL = &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	for _, name := range c.headers {
		switch name {
		case "host": // is signed always
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	err := v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret}, again, hash, c.service, c.region, at)
	_, want, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	return want, err
}
