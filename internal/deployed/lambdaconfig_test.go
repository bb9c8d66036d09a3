package deployed

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

// setAWS gives the test an environment with these AWS_* variables and no others, and a home without the SDK's files.
func setAWS(t *testing.T, variables map[string]string) {
	t.Helper()
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // so that it is back after the test
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("HOME", t.TempDir())
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

// What a Lambda's process reads is what the SDK's own loader would have read of the same environment.
func TestLambdaConfigIsTheSDKs(t *testing.T) {
	for name, more := range map[string]map[string]string{
		"as Lambda sets it": {},
		"endpoints":         {"AWS_ENDPOINT_URL": "https://account.example.com", "AWS_ENDPOINT_URL_IAM": "https://iam.example.com"},
		"one endpoint":      {"AWS_ENDPOINT_URL_IAM": "https://iam.example.com"},
		"checksums":         {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required", "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required"},
		"other habits":      {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled", "AWS_SDK_UA_APP_ID": "sunset"},
	} {
		t.Run(name, func(t *testing.T) {
			setAWS(t, map[string]string{
				"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_SESSION_TOKEN": "of-a-session",
			})
			for k, v := range more {
				t.Setenv(k, v)
			}
			want, err := config.LoadDefaultConfig(t.Context())
			require.NoError(t, err)
			got, err := lambdaConfig()
			require.NoError(t, err)
			for _, same := range []func(aws.Config) any{
				func(c aws.Config) any { return c.Region },
				func(c aws.Config) any { return aws.ToString(c.BaseEndpoint) },
				func(c aws.Config) any { return c.AppID },
				func(c aws.Config) any { return c.AccountIDEndpointMode },
				func(c aws.Config) any { return c.RequestChecksumCalculation },
				func(c aws.Config) any { return c.ResponseChecksumValidation },
				func(c aws.Config) any { return aws.ToString(iam.NewFromConfig(c).Options().BaseEndpoint) },
				func(c aws.Config) any { return aws.ToString(s3.NewFromConfig(c).Options().BaseEndpoint) },
				func(c aws.Config) any { return iam.NewFromConfig(c).Options().EndpointOptions.UseFIPSEndpoint },
			} {
				require.Equal(t, same(want), same(got))
			}
			as, err := want.Credentials.Retrieve(t.Context())
			require.NoError(t, err)
			is, err := got.Credentials.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, as.AccessKeyID+as.SecretAccessKey+as.SessionToken, is.AccessKeyID+is.SecretAccessKey+is.SessionToken)
			require.Equal(t, "AKIAIOSFODNN7EXAMPLEmade-upof-a-session", is.AccessKeyID+is.SecretAccessKey+is.SessionToken)
		})
	}
}

// Credentials come from nowhere but the environment, and without any nothing can be asked of AWS.
func TestLambdaConfigLooksNowhereElse(t *testing.T) {
	setAWS(t, map[string]string{"AWS_REGION": "eu-west-1"})
	file := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(file, []byte("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = made-up\n"), 0o600))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	cfg, err := lambdaConfig()
	require.NoError(t, err)
	_, err = cfg.Credentials.Retrieve(t.Context())
	require.ErrorContains(t, err, "static credentials are empty")

	t.Setenv("AWS_USE_FIPS_ENDPOINT", "perhaps")
	_, err = lambdaConfig()
	require.ErrorContains(t, err, "reading the AWS_… environment variables")
	require.ErrorContains(t, err, "AWS_USE_FIPS_ENDPOINT")
}

// Whoever logs by slog's default, past the world's logger, gives no secret away either.
func TestAProcessLogsNoSecret(t *testing.T) {
	setAWS(t, map[string]string{"AWS_REGION": "eu-west-1"})
	for _, v := range []string{"BUCKET", "TABLE", "SETTINGS", "STATE_MACHINE", "PAGES_URL", "DECISIONS_KEY", "LINKS_KEY", "OWNERS_KEY", "RESTORE_FUNCTION"} {
		t.Setenv("IAM_SUNSET_"+v, "x")
	}
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	require.NoError(t, err)
	defer said.Close()
	stderr, before := os.Stderr, slog.Default()
	t.Cleanup(func() { os.Stderr = stderr; slog.SetDefault(before) })
	os.Stderr = said
	w, err := processWorld(approvalWeb, decidingWorld)
	require.NoError(t, err)
	link := "https://pages.example.com/a/" + strings.Repeat("q7", 21) + "q"
	slog.Error("opening "+link, "err", errors.New("at "+link))
	w.Log.Error("opening " + link)
	b, err := os.ReadFile(said.Name())
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(b), `"level":"ERROR","msg":"opening `), string(b))
	require.NotContains(t, string(b), "q7q7")
}
