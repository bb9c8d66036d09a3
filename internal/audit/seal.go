package audit

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Sealer signs with a private key that nobody gets who can only write to the store.
type Sealer interface {
	// Seal gives the ECDSA signature of a SHA-256 digest on curve P-256, in ASN.1 DER.
	Seal(ctx context.Context, digest [32]byte) (signature []byte, err error)
	// PublicKey gives the key that checks signatures, as the DER of an X.509 SubjectPublicKeyInfo.
	PublicKey(ctx context.Context) (der []byte, err error)
}

// algorithm is KMS' name for what a Sealer does.
const algorithm = "ECDSA_SHA_256"

// seal is the second line of a sealed file: who vouches for the first.
type seal struct {
	Digest    string `json:"digest"` // SHA-256 of the first line, newline included
	Algorithm string `json:"algorithm"`
	Key       string `json:"key"`       // fingerprint
	Signature string `json:"signature"` // base64 of the DER
}

// SealWith makes b seal the manifests and checkpoints that it writes from now on, and take those of others for forged.
// It is called before b is used, and gives b.
func (b *Book) SealWith(s Sealer) *Book {
	b.sealer = s
	return b
}

// sealingKey is what checks b's seals; without a sealer it has no fingerprint.
func (b *Book) sealingKey(ctx context.Context) (PublicKey, error) {
	if b.sealer == nil {
		return PublicKey{}, nil
	}
	b.mu.Lock()
	known := b.key
	b.mu.Unlock()
	if known.ecdsa != nil {
		return known, nil
	}
	der, err := b.sealer.PublicKey(ctx)
	if err != nil {
		return PublicKey{}, fmt.Errorf("asking for the public key that checks seals: %w", err)
	}
	key, err := parseDER(der)
	if err != nil {
		return PublicKey{}, sunset.Faultf(sunset.Invalid, "the key that seals: %w", err)
	}
	b.mu.Lock()
	b.key = key
	b.mu.Unlock()
	return key, nil
}

// publishKey puts the public key beside what it seals, and says what is wrong where another one has its place.
func (b *Book) publishKey(ctx context.Context, key PublicKey) (wrong string, err error) {
	at, text := evidence+keyFile(key.fingerprint), key.PEM()
	err = b.objects.Put(ctx, at, text)
	if errors.Is(err, store.ErrExists) {
		var there []byte
		if there, err = b.objects.Get(ctx, at); err == nil && !bytes.Equal(there, text) {
			return "it is not the key that its name says", nil
		}
	}
	if err != nil {
		return "", sunset.Faultf(sunset.KindOf(err), "writing the public key that checks seals: %w", err)
	}
	return "", nil
}

// sealed gives line followed by its seal, or line alone where key is none. Since what is written stands for ever, the
// signature is checked first.
func (b *Book) sealed(ctx context.Context, key PublicKey, line []byte) ([]byte, error) {
	if key.ecdsa == nil {
		return line, nil
	}
	digest := sha256.Sum256(line)
	signature, err := b.sealer.Seal(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("sealing with key %s: %w", key.fingerprint, err)
	}
	if !ecdsa.VerifyASN1(key.ecdsa, digest[:], signature) {
		return nil, sunset.Faultf(sunset.Internal, "sealing with key %s: the signature does not fit the public key", key.fingerprint)
	}
	second, err := encode(seal{Digest: hashOf(line), Algorithm: algorithm, Key: key.fingerprint, Signature: base64.StdEncoding.EncodeToString(signature)})
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(line), second...), nil
}

// decodeSealed reads a file of one line, or of two where the second is a seal, and gives the first as it was signed.
func decodeSealed(body []byte, into any) (line []byte, s *seal, err error) {
	end := bytes.IndexByte(body, '\n') + 1
	if end == 0 {
		end = len(body)
	}
	line, second := body[:end], body[end:]
	if err := decode(line, into); err != nil {
		return nil, nil, err
	}
	if len(second) == 0 {
		return line, nil, nil
	}
	s = &seal{}
	if err := decode(second, s); err != nil {
		return nil, nil, fmt.Errorf("its seal: %w", err)
	}
	// Nothing signs the seal itself: only one way of writing it is accepted.
	if again, err := encode(s); err != nil || !bytes.Equal(again, second) {
		return nil, nil, errors.New("its seal is written in another form than ours")
	}
	return line, s, nil
}

// wrong says why s, which is there, is not key's seal of line, or is empty. by is the fingerprint that line itself names.
func (s *seal) wrong(line []byte, by string, key PublicKey) string {
	signature, err := base64.StdEncoding.Strict().DecodeString(s.Signature)
	digest := sha256.Sum256(line)
	switch {
	case s.Key != by || s.Key != key.fingerprint:
		return fmt.Sprintf("it names %q as the key that sealed it, but the seal is of key %s", by, s.Key)
	case s.Digest != hashOf(line):
		return fmt.Sprintf("its first line's SHA-256 is %s, but the seal names %s: one of the two was changed", hashOf(line), s.Digest)
	case s.Algorithm != algorithm:
		return fmt.Sprintf("its seal is made by %q, which is unknown", s.Algorithm)
	case err != nil || !ecdsa.VerifyASN1(key.ecdsa, digest[:], signature):
		return "its signature was not made with key " + s.Key
	}
	return ""
}

// notOurs says why a file can't have been written by a book that seals with key, or is empty. Where key is none every
// file may have been.
func notOurs(key PublicKey, line []byte, s *seal, by string) string {
	switch {
	case key.ecdsa == nil:
		return ""
	case s == nil:
		return "it is not sealed: something else than this deployment wrote it, or its seal was taken away"
	case s.Key != key.fingerprint:
		return fmt.Sprintf("it is sealed by key %s, and not by this deployment's %s: the key was replaced, or something else wrote it", s.Key, key.fingerprint)
	}
	return s.wrong(line, by, key)
}

// decode reads one JSON object, a newline, and nothing else.
func decode(body []byte, into any) error {
	if !bytes.HasPrefix(body, []byte("{")) || bytes.Count(body, []byte("\n")) != 1 || !bytes.HasSuffix(body, []byte("}\n")) {
		return errors.New("it is not one JSON object and a newline")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}
