package keys_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/keys"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var (
	_ approval.Signer = (*keys.MAC)(nil)
	_ approval.Signer = (*keys.Generator)(nil)
	_ audit.Sealer    = (*keys.Sealer)(nil)
)

func open(t *testing.T) (*fakecloud.Cloud, *kms.Client) {
	t.Helper()
	c := fakecloud.New(fakecloud.Config{})
	s, err := c.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	cfg := s.Config(c.AddPrincipal("approval-web"), "us-east-1")
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	return c, kms.NewFromConfig(cfg)
}

func actions(c *fakecloud.Cloud) map[string]bool {
	seen := map[string]bool{}
	for _, call := range c.Calls() {
		seen[call.Action+" "+call.Resource] = true
	}
	return seen
}

func TestMAC(t *testing.T) {
	for name, c := range map[string]struct {
		open   func(*kms.Client, string) approval.Signer
		checks string
	}{
		"checked by KMS":     {func(k *kms.Client, arn string) approval.Signer { return keys.NewMAC(k, arn) }, "kms:VerifyMac "},
		"checked by another": {func(k *kms.Client, arn string) approval.Signer { return keys.NewGenerator(k, arn) }, "kms:GenerateMac "},
	} {
		t.Run(name, func(t *testing.T) {
			cloud, client := open(t)
			arn, other := cloud.CreateKey(fakecloud.HMAC256), cloud.CreateKey(fakecloud.HMAC256)
			signer := c.open(client, arn)
			mac, err := signer.MAC(t.Context(), []byte("message"))
			require.NoError(t, err)
			require.Len(t, mac, 32)
			again, err := signer.MAC(t.Context(), []byte("message"))
			require.NoError(t, err)
			require.Equal(t, mac, again)
			foreign, err := c.open(client, other).MAC(t.Context(), []byte("message"))
			require.NoError(t, err)
			flipped := append([]byte{mac[0] ^ 1}, mac[1:]...)
			cloud.ResetCalls()
			for name, m := range map[string]struct {
				message string
				mac     []byte
				holds   bool
			}{
				"as made":         {"message", mac, true},
				"another message": {"massage", mac, false},
				"one bit":         {"message", flipped, false},
				"another key":     {"message", foreign, false},
				"cut":             {"message", mac[:16], false},
				"longer":          {"message", append(mac[:32:32], 0), false},
				"none":            {"message", nil, false},
			} {
				ok, err := signer.Verify(t.Context(), []byte(m.message), m.mac)
				require.NoError(t, err, name)
				require.Equal(t, m.holds, ok, name)
			}
			require.Equal(t, map[string]bool{c.checks + arn: true}, actions(cloud), "all that its role needs")
		})
	}
}

func TestMACOfTooLittleOrTooMuch(t *testing.T) {
	cloud, client := open(t)
	for _, signer := range []approval.Signer{keys.NewMAC(client, cloud.CreateKey(fakecloud.HMAC256)), keys.NewGenerator(client, cloud.CreateKey(fakecloud.HMAC256))} {
		for _, n := range []int{0, 4097} {
			_, err := signer.MAC(t.Context(), make([]byte, n))
			require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%v", err)
			ok, err := signer.Verify(t.Context(), make([]byte, n), make([]byte, 32))
			require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%v", err)
			require.False(t, ok)
		}
		_, err := signer.MAC(t.Context(), make([]byte, 4096))
		require.NoError(t, err)
	}
}

func TestSealer(t *testing.T) {
	cloud, client := open(t)
	sealer := keys.NewSealer(client, cloud.CreateKey(fakecloud.ECCNISTP))
	digest := sha256.Sum256([]byte("head"))
	signature, err := sealer.Seal(t.Context(), digest)
	require.NoError(t, err)
	der, err := sealer.PublicKey(t.Context())
	require.NoError(t, err)
	parsed, err := x509.ParsePKIXPublicKey(der)
	require.NoError(t, err)
	public, ok := parsed.(*ecdsa.PublicKey)
	require.True(t, ok)
	require.True(t, ecdsa.VerifyASN1(public, digest[:], signature))
	digest[0] ^= 1
	require.False(t, ecdsa.VerifyASN1(public, digest[:], signature))

	wrong := keys.NewSealer(client, cloud.CreateKey(fakecloud.HMAC256))
	_, err = wrong.Seal(t.Context(), digest)
	require.ErrorContains(t, err, "InvalidKeyUsageException")
	_, err = wrong.PublicKey(t.Context())
	require.ErrorContains(t, err, "UnsupportedOperationException")
}

func TestAPublicKeyOfAnotherKind(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for name, public := range map[string]any{"another curve": &private.PublicKey, "no curve": ed25519.PublicKey(make([]byte, ed25519.PublicKeySize))} {
		der, err := x509.MarshalPKIXPublicKey(public)
		require.NoError(t, err)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			_ = json.NewEncoder(w).Encode(map[string]any{"PublicKey": der})
		}))
		client := kms.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
		_, err = keys.NewSealer(client, "arn").PublicKey(t.Context())
		s.Close()
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, "ECC_NIST_P256")
	}
}

// A MAC that can't be checked is never one that doesn't hold, and neither is it one that does.
func TestFaultsKeepTheirKind(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(c *fakecloud.Cloud, arn string)
		want  sunset.Kind
	}{
		"throttled":        {func(c *fakecloud.Cloud, _ string) { c.Fail(fakecloud.Fault{Throttle: true}) }, sunset.Throttled},
		"denied":           {func(c *fakecloud.Cloud, _ string) { c.Fail(fakecloud.Fault{Code: "AccessDeniedException"}) }, sunset.AccessDenied},
		"down":             {func(c *fakecloud.Cloud, _ string) { c.Fail(fakecloud.Fault{Code: "KMSInternalException", Status: 500}) }, sunset.Unavailable},
		"no answer":        {func(c *fakecloud.Cloud, _ string) { c.Fail(fakecloud.Fault{Drop: true}) }, sunset.Unavailable},
		"half an answer":   {func(c *fakecloud.Cloud, _ string) { c.Fail(fakecloud.Fault{Truncate: true}) }, sunset.Unavailable},
		"switched off":     {func(c *fakecloud.Cloud, arn string) { c.SetKeyState(arn, fakecloud.Disabled) }, sunset.Internal},
		"about to be gone": {func(c *fakecloud.Cloud, arn string) { c.SetKeyState(arn, fakecloud.PendingDeletion) }, sunset.Internal},
	} {
		for _, spec := range []string{fakecloud.HMAC256, fakecloud.ECCNISTP} {
			t.Run(name+" "+spec, func(t *testing.T) {
				cloud, client := open(t)
				arn := cloud.CreateKey(spec)
				calls := map[string]func(context.Context) (bool, error){
					"kms:GenerateMac": func(ctx context.Context) (bool, error) {
						return keys.NewGenerator(client, arn).Verify(ctx, []byte("m"), make([]byte, 32))
					},
					"kms:VerifyMac": func(ctx context.Context) (bool, error) {
						return keys.NewMAC(client, arn).Verify(ctx, []byte("m"), make([]byte, 32))
					},
				}
				if spec == fakecloud.ECCNISTP {
					sealer := keys.NewSealer(client, arn)
					calls = map[string]func(context.Context) (bool, error){
						"kms:Sign":         func(ctx context.Context) (bool, error) { s, err := sealer.Seal(ctx, [32]byte{}); return s != nil, err },
						"kms:GetPublicKey": func(ctx context.Context) (bool, error) { d, err := sealer.PublicKey(ctx); return d != nil, err },
					}
				}
				c.spoil(cloud, arn)
				for action, call := range calls {
					ok, err := call(t.Context())
					require.False(t, ok)
					require.Equal(t, c.want, sunset.KindOf(err), "%s: %v", action, err)
					require.Equal(t, action, sunset.ActionOf(err))
				}
			})
		}
	}
	_, client := open(t)
	ok, err := keys.NewMAC(client, "arn:aws:kms:us-east-1:111122223333:key/none").Verify(t.Context(), []byte("m"), make([]byte, 32))
	require.ErrorContains(t, err, "NotFoundException")
	require.False(t, ok)
}
