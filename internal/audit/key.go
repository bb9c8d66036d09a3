package audit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// PublicKey checks seals. The zero value checks none.
type PublicKey struct {
	ecdsa       *ecdsa.PublicKey
	der         []byte
	fingerprint string
}

// ParsePublicKey reads a P-256 public key from a PEM text ("BEGIN PUBLIC KEY"). Anything else is an Invalid fault.
func ParsePublicKey(text []byte) (PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return PublicKey{}, sunset.Faultf(sunset.Invalid, "it holds no PUBLIC KEY in PEM")
	}
	key, err := parseDER(block.Bytes)
	if err != nil {
		return PublicKey{}, sunset.Faultf(sunset.Invalid, "%w", err)
	}
	return key, nil
}

func parseDER(der []byte) (PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return PublicKey{}, fmt.Errorf("the public key can't be read: %w", err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return PublicKey{}, errors.New("the public key is none of curve P-256")
	}
	// One key has one fingerprint, in whatever form it came.
	if der, err = x509.MarshalPKIXPublicKey(key); err != nil {
		return PublicKey{}, err
	}
	return PublicKey{ecdsa: key, der: der, fingerprint: hashOf(der)}, nil
}

// Fingerprint is the lower-case hex SHA-256 of the key's SubjectPublicKeyInfo in DER.
func (k PublicKey) Fingerprint() string { return k.fingerprint }

// PEM is the key as a file in the evidence holds it.
func (k PublicKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.der})
}

// SealingKey seals with a private key kept in a file.
type SealingKey struct {
	key *ecdsa.PrivateKey
}

var _ Sealer = (*SealingKey)(nil)

// OpenSealingKey reads the P-256 private key at path (PEM: PKCS #8, or "EC PRIVATE KEY"), or makes one there, readable
// by its owner alone. It is an Invalid fault if others may read the file, or if it holds anything but such a key.
func OpenSealingKey(path string) (*SealingKey, error) {
	err := makeSealingKey(path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the sealing key %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening the sealing key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, sunset.Faultf(sunset.Invalid, "sealing key %s: others may read it (mode %04o); run chmod 600 on it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the sealing key: %w", err)
	}
	key := parsePrivateKey(text)
	if key == nil {
		// The cause could quote the key.
		return nil, sunset.Faultf(sunset.Invalid, "sealing key %s: it must hold one private key of curve P-256 in PEM", path)
	}
	return &SealingKey{key: key}, nil
}

func parsePrivateKey(text []byte) *ecdsa.PrivateKey {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	var key *ecdsa.PrivateKey
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil
		}
		key, _ = parsed.(*ecdsa.PrivateKey)
	case "EC PRIVATE KEY":
		key, _ = x509.ParseECPrivateKey(block.Bytes)
	}
	if key == nil || key.Curve != elliptic.P256() {
		return nil
	}
	return key
}

// makeSealingKey writes a new key aside and links it into place, so that no other process ever reads half of one.
func makeSealingKey(path string) error {
	if _, err := os.Stat(path); err == nil {
		return fs.ErrExist
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// Seal gives the digest's signature, another one each time.
func (k *SealingKey) Seal(_ context.Context, digest [32]byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, k.key, digest[:])
}

// PublicKey gives the key's public half.
func (k *SealingKey) PublicKey(context.Context) ([]byte, error) {
	return x509.MarshalPKIXPublicKey(&k.key.PublicKey)
}
