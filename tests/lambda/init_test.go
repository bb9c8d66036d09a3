// Package lambda measures the packaged functions as Lambda runs them.
package lambda

import (
	"archive/zip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/packaging"
)

// starts is how often each program is started; the fastest, the median and the slowest are told.
const starts = 25

// BenchmarkInit is the time from a process's start until it asks Lambda's runtime API for its first invocation: what a cold
// start costs beside Lambda's own part. All Tasks are one program but for a name, so that log stands for them.
func BenchmarkInit(b *testing.B) {
	root, err := packaging.Source(".")
	require.NoError(b, err)
	packages, err := packaging.Build(b.Context(), packaging.Options{
		Source: root, Out: b.TempDir(), Arch: runtime.GOARCH, Functions: []string{"log", "approval-web"},
	})
	require.NoError(b, err)
	asked := make(chan time.Time, 1)
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/runtime/invocation/next") {
			asked <- time.Now()
		}
		<-r.Context().Done() // there is nothing to do, until the process is ended
	}))
	defer api.Close()
	for _, p := range packages {
		b.Run(p.Function, func(b *testing.B) {
			binary := unpacked(b, p.Path)
			for b.Loop() {
				var took []float64
				for range starts {
					took = append(took, initOf(b, binary, strings.TrimPrefix(api.URL, "http://"), asked))
				}
				slices.Sort(took)
				b.ReportMetric(took[0], "fastest-ms")
				b.ReportMetric(took[len(took)/2], "init-ms")
				b.ReportMetric(took[len(took)-1], "slowest-ms")
				b.ReportMetric(float64(p.Bytes), "zip-bytes")
			}
		})
	}
}

// initOf starts a program and gives the milliseconds until it asked for work.
func initOf(b *testing.B, binary, api string, asked <-chan time.Time) float64 {
	b.Helper()
	process := exec.CommandContext(b.Context(), binary)
	process.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + api, "AWS_LAMBDA_FUNCTION_NAME=measured", "AWS_LAMBDA_FUNCTION_VERSION=1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=made-up", "HOME=" + b.TempDir(),
		"IAM_SUNSET_BUCKET=evidence", "IAM_SUNSET_TABLE=casebook", "IAM_SUNSET_SETTINGS=s3://evidence/settings.json",
		"IAM_SUNSET_STATE_MACHINE=arn:aws:states:eu-west-1:123456789012:stateMachine:iam-sunset", "IAM_SUNSET_PAGES_URL=https://pages.example.com",
		"IAM_SUNSET_ALIAS=arn:aws:states:eu-west-1:123456789012:stateMachine:iam-sunset:live", "IAM_SUNSET_ACCESS=read",
		"IAM_SUNSET_DECISIONS_KEY=arn:aws:kms:eu-west-1:123456789012:key/decisions", "IAM_SUNSET_LINKS_KEY=arn:aws:kms:eu-west-1:123456789012:key/links",
		"IAM_SUNSET_OWNERS_KEY=arn:aws:kms:eu-west-1:123456789012:key/owners",
		"IAM_SUNSET_RESTORE_FUNCTION=arn:aws:lambda:eu-west-1:123456789012:function:iam-sunset-restore:live",
		"IAM_SUNSET_SEALING_KEY=arn:aws:kms:eu-west-1:123456789012:key/seals", "IAM_SUNSET_MAIL_FROM=sunset@example.com",
		"IAM_SUNSET_TOPIC=arn:aws:sns:eu-west-1:123456789012:team", "IAM_SUNSET_BUS=default",
		"IAM_SUNSET_SEALING_KEY=arn:aws:kms:eu-west-1:123456789012:key/sealing", "IAM_SUNSET_OWN=arn:aws:iam::123456789012:role/iam-sunset",
	}
	var said strings.Builder
	process.Stdout, process.Stderr = &said, &said
	began := time.Now()
	require.NoError(b, process.Start())
	ended := make(chan struct{})
	go func() {
		_ = process.Wait() // it is killed, or has said why it ended
		close(ended)
	}()
	var took time.Duration
	select {
	case at := <-asked:
		took = at.Sub(began)
	case <-ended:
		b.Fatalf("it ended before it asked for work: %s", &said)
	}
	require.NoError(b, process.Process.Kill())
	<-ended
	return float64(took.Microseconds()) / 1000
}

// unpacked gives the program in a zip, as a file that may be run.
func unpacked(b *testing.B, path string) string {
	b.Helper()
	z, err := zip.OpenReader(path)
	require.NoError(b, err)
	defer z.Close()
	r, err := z.File[0].Open()
	require.NoError(b, err)
	code, err := io.ReadAll(r)
	require.NoError(b, err)
	binary := filepath.Join(b.TempDir(), z.File[0].Name)
	require.NoError(b, os.WriteFile(binary, code, 0o700))
	return binary
}
