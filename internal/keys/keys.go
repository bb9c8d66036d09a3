// Package keys makes and checks MACs and signatures with keys that never leave KMS, so that IAM says who may.
package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// maxMessage is what KMS takes for one MAC. See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateMac.html.
const maxMessage = 4096

// MAC is an approval.Signer with an HMAC_256 key: MAC needs kms:GenerateMac, Verify needs kms:VerifyMac, and a role may
// have one without the other. It keeps the two calls rather than the client for the linker's sake, as table.Rows does.
type MAC struct {
	generate func(context.Context, *kms.GenerateMacInput, ...func(*kms.Options)) (*kms.GenerateMacOutput, error)
	verify   func(context.Context, *kms.VerifyMacInput, ...func(*kms.Options)) (*kms.VerifyMacOutput, error)
	key      string
}

// NewMAC uses the key with an ARN.
func NewMAC(client *kms.Client, keyARN string) *MAC {
	return &MAC{client.GenerateMac, client.VerifyMac, keyARN}
}

// MAC gives the message's authentication code, of 32 bytes. A message has 1 to 4,096 bytes; others are an Invalid fault.
func (m *MAC) MAC(ctx context.Context, message []byte) ([]byte, error) {
	if err := m.check(message); err != nil {
		return nil, err
	}
	out, err := m.generate(ctx, &kms.GenerateMacInput{KeyId: &m.key, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: message})
	if err != nil {
		return nil, awsfault.Wrap(err, "kms:GenerateMac", "making a MAC with key %s", m.key)
	}
	if len(out.Mac) != sha256.Size {
		return nil, sunset.Faultf(sunset.Internal, "making a MAC with key %s: KMS gave %d bytes", m.key, len(out.Mac))
	}
	return out.Mac, nil
}

// Verify asks KMS whether mac is the message's. An error says that it could not be found out.
func (m *MAC) Verify(ctx context.Context, message, mac []byte) (bool, error) {
	if err := m.check(message); err != nil {
		return false, err
	}
	if len(mac) != sha256.Size {
		return false, nil
	}
	out, err := m.verify(ctx, &kms.VerifyMacInput{KeyId: &m.key, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: message, Mac: mac})
	var wrong *types.KMSInvalidMacException
	switch {
	case errors.As(err, &wrong):
		return false, nil
	case err != nil:
		return false, awsfault.Wrap(err, "kms:VerifyMac", "checking a MAC with key %s", m.key)
	}
	return out.MacValid, nil
}

func (m *MAC) check(message []byte) error {
	if len(message) < 1 || len(message) > maxMessage {
		return sunset.Faultf(sunset.Invalid, "a message for key %s has %d bytes; KMS takes 1 to %d", m.key, len(message), maxMessage)
	}
	return nil
}

// Generator is an approval.Signer that verifies by making the MAC again: all that its role needs is kms:GenerateMac.
type Generator struct{ mac *MAC }

// NewGenerator uses the key with an ARN.
func NewGenerator(client *kms.Client, keyARN string) *Generator {
	return &Generator{NewMAC(client, keyARN)}
}

// MAC gives the message's authentication code, of 32 bytes.
func (g *Generator) MAC(ctx context.Context, message []byte) ([]byte, error) {
	return g.mac.MAC(ctx, message)
}

// Verify makes the message's MAC and compares in constant time. An error says that it could not be found out.
func (g *Generator) Verify(ctx context.Context, message, mac []byte) (bool, error) {
	want, err := g.mac.MAC(ctx, message)
	return err == nil && hmac.Equal(want, mac), err
}

// Sealer signs digests with a key of spec ECC_NIST_P256.
type Sealer struct {
	client *kms.Client
	key    string
}

// NewSealer uses the key with an ARN.
func NewSealer(client *kms.Client, keyARN string) *Sealer { return &Sealer{client, keyARN} }

// Seal signs a SHA-256 digest with ECDSA. The signature is ASN.1 DER, as crypto/ecdsa.VerifyASN1 takes it.
func (s *Sealer) Seal(ctx context.Context, digest [32]byte) (signature []byte, err error) {
	out, err := s.client.Sign(ctx, &kms.SignInput{
		KeyId: &s.key, Message: digest[:], MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	})
	if err != nil {
		return nil, awsfault.Wrap(err, "kms:Sign", "signing with key %s", s.key)
	}
	if len(out.Signature) == 0 {
		return nil, sunset.Faultf(sunset.Internal, "signing with key %s: KMS gave no signature", s.key)
	}
	return out.Signature, nil
}

// PublicKey is the public half, as a SubjectPublicKeyInfo in DER. A key that can't check what Seal signs is an Invalid fault.
func (s *Sealer) PublicKey(ctx context.Context) (der []byte, err error) {
	out, err := s.client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &s.key})
	if err != nil {
		return nil, awsfault.Wrap(err, "kms:GetPublicKey", "reading the public half of key %s", s.key)
	}
	parsed, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, sunset.Faultf(sunset.Invalid, "reading the public half of key %s: %w", s.key, err)
	}
	if public, ok := parsed.(*ecdsa.PublicKey); !ok || public.Curve != elliptic.P256() {
		return nil, sunset.Faultf(sunset.Invalid, "key %s is of another kind than ECC_NIST_P256", s.key)
	}
	return out.PublicKey, nil
}
