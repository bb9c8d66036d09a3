package approval

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Signer makes and checks MACs with a key that the store's other writers don't have. Messages are at most 200 bytes,
// within what KMS takes for GenerateMac and VerifyMac (4,096).
type Signer interface {
	// MAC gives the message's authentication code.
	MAC(ctx context.Context, message []byte) ([]byte, error)
	// Verify reports whether mac is the message's. An error says that it could not be found out.
	Verify(ctx context.Context, message, mac []byte) (bool, error)
}

// sealed is what is signed for a body: a purpose, so that no MAC serves another one, and the body's hash, so that its
// length doesn't matter.
func sealed(purpose string, body []byte) []byte {
	sum := sha256.Sum256(body)
	return []byte("iam-sunset/" + purpose + "/v1\n" + hex.EncodeToString(sum[:]))
}

// KeyFile signs with HMAC-SHA256 and a key kept in a file.
type KeyFile struct {
	key []byte
}

var _ Signer = (*KeyFile)(nil)

// OpenKeyFile reads the key at path, or makes one of 256 random bits there, readable by its owner alone. It is an
// Invalid fault if others may read the file, or if it holds anything but a key.
func OpenKeyFile(path string) (*KeyFile, error) {
	err := makeKeyFile(path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the key file %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening the key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, sunset.Faultf(sunset.Invalid, "key file %s: others may read it (mode %04o); run chmod 600 on it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != sha256.Size {
		// The cause would quote bytes of the key.
		return nil, sunset.Faultf(sunset.Invalid, "key file %s: it must hold %d hex digits and nothing else", path, 2*sha256.Size)
	}
	return &KeyFile{key: key}, nil
}

// makeKeyFile writes a new key aside and links it into place, so that no other process ever reads half of one.
func makeKeyFile(path string) error {
	if _, err := os.Stat(path); err == nil {
		return fs.ErrExist
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(hex.EncodeToString(random(sha256.Size)) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// MAC gives the message's HMAC-SHA256.
func (k *KeyFile) MAC(_ context.Context, message []byte) ([]byte, error) {
	h := hmac.New(sha256.New, k.key)
	h.Write(message)
	return h.Sum(nil), nil
}

// Verify compares in constant time.
func (k *KeyFile) Verify(ctx context.Context, message, mac []byte) (bool, error) {
	want, err := k.MAC(ctx, message)
	return hmac.Equal(want, mac), err
}
