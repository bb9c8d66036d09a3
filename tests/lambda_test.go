package tests

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
)

// runtimeAPI is what a Lambda process talks to: it hands out one invocation, and takes its answer.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type runtimeAPI struct {
	payload []byte
	handed  bool
	answers chan answer
}

type answer struct {
	failed          bool
	errorType, body string
}

func (a *runtimeAPI) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case strings.HasSuffix(r.URL.Path, "/invocation/next"):
		if a.handed {
			<-r.Context().Done() // nothing more to do, until the process is ended
			return
		}
		a.handed = true
		rw.Header().Set("Lambda-Runtime-Aws-Request-Id", "request-1")
		rw.Header().Set("Lambda-Runtime-Deadline-Ms", "4102444800000")
		_, _ = rw.Write(a.payload)
	case strings.HasSuffix(r.URL.Path, "/response"):
		rw.WriteHeader(http.StatusAccepted)
		a.answers <- answer{body: string(body)}
	default:
		var e struct {
			ErrorType    string `json:"errorType"`
			ErrorMessage string `json:"errorMessage"`
		}
		_ = json.Unmarshal(body, &e)
		rw.WriteHeader(http.StatusAccepted)
		a.answers <- answer{failed: true, errorType: e.ErrorType, body: e.ErrorMessage}
	}
}

// The functions' own mains run as Lambda runs them: the answer is the handler's, and an error keeps its kind as its
// name, which aws-lambda-go would otherwise lose.
func TestFunctionsRunAsLambdaRunsThem(t *testing.T) {
	t.Parallel()
	// A process of its own lives in real time, and so must the account.
	account := fakeaws.New(fakeaws.Config{Now: time.Now})
	_, err := account.Join("old-batch", fakeaws.Dead())
	require.NoError(t, err)
	aws, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	defer aws.Close()
	cloud := fakecloud.New(fakecloud.Config{})
	cloud.CreateBucket("evidence", fakecloud.Bucket{})
	cloud.CreateBucket("settings", fakecloud.Bucket{})
	cloud.SetObject("settings", "settings.json", []byte(`{"cap_percent": 100}`))
	cloud.CreateTable("cases", fakecloud.Table{})
	own, err := cloud.Serve("127.0.0.1:0")
	require.NoError(t, err)
	defer own.Close()
	for _, c := range []struct {
		function, payload string
		want              answer
	}{
		{"discover", `{"execution":"arn","name":"from-lambda","state":{"dry_run":true}}`, answer{body: `{"done":false,"round":1,"draft":"plans/from-lambda/discover-0001.json","next":0,"users":1}`}},
		{"discover", `{"execution":"arn","name":"other","state":{"dryrun":true}}`, answer{failed: true, errorType: "Invalid", body: `unknown field "dryrun"`}},
		{"log", `{"execution":"arn","name":"x","stage":"lunch","state":{}}`, answer{failed: true, errorType: "Invalid", body: `stage "lunch" is none of`}},
		{"disable", `{"execution":"arn","name":"x","state":{"case":{"id":"x","user_id":"AIDANOBODY"}}}`, answer{failed: true, errorType: "Invalid", body: "AIDANOBODY"}},
	} {
		t.Run(c.function+" "+c.want.errorType, func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), "bootstrap")
			build := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", binary, "../functions/"+c.function)
			out, err := build.CombinedOutput()
			require.NoError(t, err, string(out))

			api := &runtimeAPI{payload: []byte(c.payload), answers: make(chan answer, 1)}
			server := httptest.NewServer(api)
			defer server.Close()
			ctx, cancel := context.WithCancel(t.Context())
			admin := account.Administrator()
			cloud.Admit(c.function, sdk.Credentials{AccessKeyID: admin.AccessKeyID, SecretAccessKey: admin.SecretAccessKey, SessionToken: admin.SessionToken})
			process := exec.CommandContext(ctx, binary)
			process.Env = append(os.Environ(),
				"AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME="+c.function, "AWS_LAMBDA_FUNCTION_VERSION=1",
				"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "AWS_LAMBDA_LOG_GROUP_NAME=g", "AWS_LAMBDA_LOG_STREAM_NAME=s",
				"AWS_ENDPOINT_URL="+aws.URL, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+admin.SecretAccessKey, "AWS_SESSION_TOKEN="+admin.SessionToken,
				"IAM_SUNSET_ENDPOINT_URL="+own.URL, "IAM_SUNSET_BUCKET=evidence", "IAM_SUNSET_TABLE=cases", "IAM_SUNSET_SETTINGS=s3://settings/settings.json",
				"IAM_SUNSET_STATE_MACHINE=arn:aws:states:us-east-1:123456789012:stateMachine:iam-sunset", "IAM_SUNSET_OWN=arn:aws:iam::123456789012:role/iam-sunset",
				"IAM_SUNSET_DECISIONS_KEY=arn:aws:kms:us-east-1:111122223333:key/decisions", "IAM_SUNSET_OWNERS_KEY=arn:aws:kms:us-east-1:111122223333:key/owners",
				"IAM_SUNSET_PAGES_URL=https://pages.example.com",
			)
			var log strings.Builder
			process.Stdout, process.Stderr = &log, &log
			require.NoError(t, process.Start())
			ended := make(chan struct{})
			go func() {
				_ = process.Wait() // by cancel, or because it could not begin: its log says
				close(ended)
			}()
			var got answer
			select {
			case got = <-api.answers:
			case <-ended:
			}
			cancel()
			<-ended

			require.Equal(t, c.want.failed, got.failed, "%+v\n%s", got, &log)
			require.Equal(t, c.want.errorType, got.errorType)
			if c.want.failed {
				require.Contains(t, got.body, c.want.body)
			} else {
				require.JSONEq(t, c.want.body, got.body)
			}
		})
	}

	t.Run("a missing variable is named", func(t *testing.T) {
		run := exec.CommandContext(t.Context(), "go", "run", "-tags", "lambda.norpc", "../functions/restore")
		out, err := run.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "the environment variable IAM_SUNSET_BUCKET is not set")
	})
}
