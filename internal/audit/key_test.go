package audit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestASealingKeyIsMadeOnceAndIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealing.pem")
	made := make([]*audit.SealingKey, 8)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			var err error
			if made[i], err = audit.OpenSealingKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range made {
		require.Equal(t, publicKey(t, made[0]).Fingerprint(), publicKey(t, k).Fingerprint())
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)

	require.NoError(t, os.Chmod(path, 0o640))
	_, err = audit.OpenSealingKey(path)
	kindIs(t, sunset.Invalid, err)
	require.ErrorContains(t, err, "chmod 600")
}

func TestWhatIsNoSealingKeyIsRefused(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(other)
	require.NoError(t, err)
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(good)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&good.PublicKey)
	require.NoError(t, err)
	wide, err := x509.MarshalPKIXPublicKey(&other.PublicKey)
	require.NoError(t, err)
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	for name, tt := range map[string]struct {
		text  []byte
		holds bool
	}{
		"empty": {nil, false}, "text": {[]byte("hunter2\n"), false}, "another curve": {block("PRIVATE KEY", der), false},
		"a public key": {block("PUBLIC KEY", public), false}, "half": {block("PRIVATE KEY", der[:20]), false},
		"as openssl ec writes it": {block("EC PRIVATE KEY", sec1), true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			require.NoError(t, os.WriteFile(path, tt.text, 0o600))
			_, err := audit.OpenSealingKey(path)
			if tt.holds {
				require.NoError(t, err)
				return
			}
			kindIs(t, sunset.Invalid, err)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	for name, text := range map[string][]byte{
		"empty": nil, "private": block("EC PRIVATE KEY", sec1), "another curve": block("PUBLIC KEY", wide), "half": block("PUBLIC KEY", public[:20]),
	} {
		_, err := audit.ParsePublicKey(text)
		require.Error(t, err, name)
		kindIs(t, sunset.Invalid, err)
	}
	key, err := audit.ParsePublicKey(block("PUBLIC KEY", public))
	require.NoError(t, err)
	require.Equal(t, block("PUBLIC KEY", public), key.PEM())
}
