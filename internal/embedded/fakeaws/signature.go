package fakeaws

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// scope is what the Authorization header of a signed request says.
type scope struct {
	accessKeyID, date, region, service string
	signedHeaders                      []string
	signature                          string
}

// parseAuthorization reads "AWS4-HMAC-SHA256 Credential=AKID/date/region/service/aws4_request, SignedHeaders=…,
// Signature=…". See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
func parseAuthorization(h *http.Request) (scope, *apiError) {
	missing := refuse(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	fields, ok := strings.CutPrefix(h.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return scope{}, missing
	}
	var s scope
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			parts := strings.Split(value, "/")
			if len(parts) != 5 || parts[4] != "aws4_request" {
				return scope{}, refuse(http.StatusBadRequest, "IncompleteSignature", "Credential must have five parts: %q", value)
			}
			s.accessKeyID, s.date, s.region, s.service = parts[0], parts[1], parts[2], parts[3]
		case "SignedHeaders":
			s.signedHeaders = strings.Split(value, ";")
		case "Signature":
			s.signature = value
		}
	}
	if s.accessKeyID == "" || s.signature == "" {
		return scope{}, missing
	}
	return s, nil
}

// signatureHolds signs the received request again and compares. The date isn't judged: callers may live in virtual
// time while their SDK signs with the real clock.
func signatureHolds(h *http.Request, body []byte, s scope, secret string) bool {
	at, err := time.Parse("20060102T150405Z", h.Header.Get("X-Amz-Date"))
	if err != nil {
		return false
	}
	again := &http.Request{Method: h.Method, Host: h.Host, Header: http.Header{}}
	again.URL = &url.URL{Scheme: "http", Host: h.Host, Path: h.URL.Path, RawPath: h.URL.RawPath, RawQuery: h.URL.RawQuery}
	for _, name := range s.signedHeaders {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = h.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = h.Header.Values(name)
		}
	}
	hash := h.Header.Get("X-Amz-Content-Sha256")
	if hash == "" {
		sum := sha256.Sum256(body)
		hash = hex.EncodeToString(sum[:])
	}
	c := aws.Credentials{AccessKeyID: s.accessKeyID, SecretAccessKey: secret, SessionToken: h.Header.Get("X-Amz-Security-Token")}
	err = v4.NewSigner().SignHTTP(h.Context(), c, again, hash, s.service, s.region, at, func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = s.service == "s3"
	})
	if err != nil {
		return false
	}
	_, want, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	return subtle.ConstantTimeCompare([]byte(want), []byte(s.signature)) == 1
}

// Signature is what the Authorization header of a signed request says, for the other services of this world.
type Signature struct {
	// AccessKeyID, Region and Service are the credential's scope, as the caller claims it.
	AccessKeyID, Region, Service string
	scope                        scope
}

// SignatureOf reads a request's signature; ok is false where there is none that can be read.
func SignatureOf(h *http.Request) (s Signature, ok bool) {
	found, err := parseAuthorization(h)
	if err != nil {
		return Signature{}, false
	}
	return Signature{AccessKeyID: found.accessKeyID, Region: found.region, Service: found.service, scope: found}, true
}

// Holds reports whether the request, whose body was read already, was signed with secret. Its date isn't judged, and the
// body counts only as the header X-Amz-Content-Sha256 claims it, where there is one.
func (s Signature) Holds(h *http.Request, body []byte, secret string) bool {
	return signatureHolds(h, body, s.scope, secret)
}
