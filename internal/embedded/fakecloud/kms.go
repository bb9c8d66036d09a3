package fakecloud

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/http"
)

// KeyState says whether a key can be used.
type KeyState string

// The states. A key that is disabled or pending deletion refuses each in its own words.
const (
	Enabled         KeyState = "Enabled"
	Disabled        KeyState = "Disabled"
	PendingDeletion KeyState = "PendingDeletion"
)

// Key specs that the cloud has.
const (
	HMAC256  = "HMAC_256"
	ECCNISTP = "ECC_NIST_P256"
)

// Key is a KMS key.
type Key struct {
	arn, spec string
	state     KeyState
	secret    []byte
	private   *ecdsa.PrivateKey
}

// CreateKey makes a key of a spec (HMAC256, ECCNISTP) and gives its ARN.
func (c *Cloud) CreateKey(spec string) string {
	id := randomHex(16)
	k := &Key{arn: c.arn("kms", fmt.Sprintf("key/%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:])), spec: spec, state: Enabled}
	switch spec {
	case HMAC256:
		k.secret = make([]byte, 32)
		_, _ = rand.Read(k.secret) // never fails, says its documentation
	case ECCNISTP:
		var err error
		if k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			panic("making a key: " + err.Error())
		}
	default:
		panic("the fake cloud has no keys of spec " + spec)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[k.arn] = k
	return k.arn
}

// SetKeyState switches a key.
func (c *Cloud) SetKeyState(arn string, s KeyState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[arn].state = s
}

type kmsRequest struct {
	KeyID                                       string `json:"KeyId"`
	MacAlgorithm, SigningAlgorithm, MessageType string
	Message, Mac                                []byte
}

func (c *Cloud) kms(r *request) (operation, *refusal) {
	name := operationName(r.http)
	on := operation{action: "kms:" + name}
	var do func(*Key, *kmsRequest) (answer, *refusal)
	spec := HMAC256
	switch name {
	case "GenerateMac":
		do = generateMac
	case "VerifyMac":
		do = verifyMac
	case "Sign":
		spec, do = ECCNISTP, sign
	case "GetPublicKey":
		spec, do = ECCNISTP, publicKey
	default:
		return operation{}, refuse(http.StatusBadRequest, "UnknownOperationException", "the fake cloud's kms has no operation %s", name)
	}
	var in kmsRequest
	if refused := decode(r.body, &in); refused != nil {
		return on, refused
	}
	on.resource = in.KeyID
	k := c.keys[in.KeyID]
	switch {
	case k == nil || r.region != c.config.Region:
		return on, refuse(http.StatusBadRequest, "NotFoundException", "Key '%s' does not exist", in.KeyID)
	case k.state == Disabled:
		return on, refuse(http.StatusConflict, "DisabledException", "%s is disabled.", k.arn)
	case k.state == PendingDeletion:
		return on, refuse(http.StatusConflict, "KMSInvalidStateException", "%s is pending deletion.", k.arn)
	case k.spec != spec && name == "GetPublicKey":
		return on, refuse(http.StatusBadRequest, "UnsupportedOperationException", "%s is not asymmetric.", k.arn)
	case k.spec != spec:
		return on, refuse(http.StatusBadRequest, "InvalidKeyUsageException", "%s key usage is not valid for %s.", k.arn, name)
	}
	on.do = func(*request) (answer, *refusal) { return do(k, &in) }
	return on, nil
}

func (k *Key) mac(in *kmsRequest) ([]byte, *refusal) {
	switch {
	case in.SigningAlgorithm+in.MessageType != "":
		return nil, invalid("a MAC has no signing algorithm and no message type")
	case in.MacAlgorithm != "HMAC_SHA_256":
		return nil, refuse(http.StatusBadRequest, "InvalidKeyUsageException", "Algorithm %s is not valid for %s.", in.MacAlgorithm, k.arn)
	case len(in.Message) < 1 || len(in.Message) > 4096:
		return nil, invalid("1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length between 1 and 4096")
	}
	h := hmac.New(sha256.New, k.secret)
	h.Write(in.Message)
	return h.Sum(nil), nil
}

func generateMac(k *Key, in *kmsRequest) (answer, *refusal) {
	if in.Mac != nil {
		return answer{}, invalid("GenerateMac has no parameter Mac")
	}
	tag, refused := k.mac(in)
	if refused != nil {
		return answer{}, refused
	}
	return asJSON(map[string]any{"KeyId": k.arn, "Mac": tag, "MacAlgorithm": in.MacAlgorithm}), nil
}

func verifyMac(k *Key, in *kmsRequest) (answer, *refusal) {
	tag, refused := k.mac(in)
	switch {
	case refused != nil:
		return answer{}, refused
	case len(in.Mac) < 1 || len(in.Mac) > 6144:
		return answer{}, invalid("1 validation error detected: Value at 'mac' failed to satisfy constraint: Member must have length between 1 and 6144")
	case !hmac.Equal(tag, in.Mac):
		return answer{}, refuse(http.StatusBadRequest, "KMSInvalidMacException", "")
	}
	return asJSON(map[string]any{"KeyId": k.arn, "MacValid": true, "MacAlgorithm": in.MacAlgorithm}), nil
}

func sign(k *Key, in *kmsRequest) (answer, *refusal) {
	switch {
	case in.MacAlgorithm != "" || in.Mac != nil:
		return answer{}, invalid("Sign has no MAC")
	case in.SigningAlgorithm != "ECDSA_SHA_256":
		return answer{}, refuse(http.StatusBadRequest, "InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", in.SigningAlgorithm, k.spec)
	case in.MessageType != "DIGEST":
		return answer{}, invalid("the fake cloud signs digests only")
	case len(in.Message) != sha256.Size:
		return answer{}, invalid("Digest is invalid length for algorithm ECDSA_SHA_256.")
	}
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, in.Message)
	if err != nil {
		return answer{}, refuse(http.StatusInternalServerError, "KMSInternalException", "%s", err)
	}
	return asJSON(map[string]any{"KeyId": k.arn, "Signature": signature, "SigningAlgorithm": in.SigningAlgorithm}), nil
}

func publicKey(k *Key, in *kmsRequest) (answer, *refusal) {
	if in.MacAlgorithm+in.SigningAlgorithm+in.MessageType != "" || in.Mac != nil || in.Message != nil {
		return answer{}, invalid("GetPublicKey takes a key and nothing else")
	}
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		return answer{}, refuse(http.StatusInternalServerError, "KMSInternalException", "%s", err)
	}
	return asJSON(map[string]any{
		"KeyId": k.arn, "PublicKey": der, "KeySpec": k.spec, "CustomerMasterKeySpec": k.spec, "KeyUsage": "SIGN_VERIFY",
		"SigningAlgorithms": []string{"ECDSA_SHA_256"},
	}), nil
}
