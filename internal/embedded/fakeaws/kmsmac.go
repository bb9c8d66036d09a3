package fakeaws

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"net/http"
	"strings"
)

type macRequest struct {
	KeyID        string `json:"KeyId"`
	MacAlgorithm string
	Message, Mac []byte
}

func macAlgorithm(spec string) string { return "HMAC_SHA_" + strings.TrimPrefix(spec, "HMAC_") }

// mac checks the request and computes the tag.
func (a *Account) mac(r *request) (*kmsKey, macRequest, []byte, error) {
	var in macRequest
	if err := r.decode(&in); err != nil {
		return nil, in, nil, err
	}
	k, err := a.keyFor(r, in.KeyID, true)
	switch {
	case err != nil:
		return nil, in, nil, err
	case k.usage != "GENERATE_VERIFY_MAC" || in.MacAlgorithm != macAlgorithm(k.spec):
		return nil, in, nil, refuse(http.StatusBadRequest, "InvalidKeyUsageException", "%s key usage is %s which is not valid for %s with %s.", k.arn, k.usage, r.action, in.MacAlgorithm)
	case len(in.Message) < 1 || len(in.Message) > 4096:
		return nil, in, nil, refuse(http.StatusBadRequest, "ValidationException", "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length between 1 and 4096")
	}
	sums := map[string]func() hash.Hash{"HMAC_224": sha256.New224, "HMAC_256": sha256.New, "HMAC_384": sha512.New384, "HMAC_512": sha512.New}
	sum, ok := sums[k.spec]
	if !ok {
		return nil, in, nil, refuse(http.StatusBadRequest, "ValidationException", "KeySpec %s is not known", k.spec)
	}
	m := hmac.New(sum, k.material)
	_, _ = m.Write(in.Message) // a hash takes every write
	return k, in, m.Sum(nil), nil
}

func (a *Account) generateMac(r *request) (any, error) {
	k, in, tag, err := a.mac(r)
	if err != nil {
		return nil, err
	}
	r.requestParameters = map[string]any{"keyId": in.KeyID, "macAlgorithm": in.MacAlgorithm}
	return struct {
		KeyID        string `json:"KeyId"`
		Mac          []byte
		MacAlgorithm string
	}{k.arn, tag, in.MacAlgorithm}, nil
}

func (a *Account) verifyMac(r *request) (any, error) {
	k, in, tag, err := a.mac(r)
	r.requestParameters = map[string]any{"keyId": in.KeyID, "macAlgorithm": in.MacAlgorithm}
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(tag, in.Mac) {
		return nil, refuse(http.StatusBadRequest, "KMSInvalidMacException", "")
	}
	return struct {
		KeyID        string `json:"KeyId"`
		MacAlgorithm string
		MacValid     bool
	}{k.arn, in.MacAlgorithm, true}, nil
}
