package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/deploying"
)

// configuration is a folder that the stand-in for terraform answers from.
func configuration(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func TestDeployWithoutTerraform(t *testing.T) {
	noAWS(t)
	dir := configuration(t, map[string]string{"main.tf": ""})
	t.Setenv("PATH", t.TempDir())
	var stdout, stderr bytes.Buffer
	require.Equal(t, 2, run(t.Context(), []string{"deploy", "--dir", dir}, surroundings{stdout: &stdout, stderr: &stderr, clock: clock.Wall{}}))
	require.Equal(t, "iam-sunset: there is no terraform on the PATH\nhint: install Terraform 1.9.0 or newer: https://developer.hashicorp.com/terraform/install\n", stderr.String())
	require.Empty(t, stdout.String())
}

// terraform-exec would deploy into another workspace than was meant.
func TestDeployIntoAWorkspaceOfTheEnvironment(t *testing.T) {
	noAWS(t)
	t.Setenv("TF_WORKSPACE", "production")
	var stdout, stderr bytes.Buffer
	dir := configuration(t, map[string]string{"main.tf": ""})
	require.Equal(t, 2, run(t.Context(), []string{"deploy", "--dir", dir}, surroundings{stdout: &stdout, stderr: &stderr, clock: clock.Wall{}}))
	require.Equal(t, "iam-sunset: TF_WORKSPACE is set, and is not heeded here\nhint: choose it by terraform workspace select, and unset TF_WORKSPACE\n", stderr.String())
	require.NoFileExists(t, filepath.Join(dir, "calls"))
}

// Whoever interrupts an apply has Terraform end by itself, and write down how far it came.
func TestInterruptedApplyEndsTerraformInOrder(t *testing.T) {
	plan := `{"format_version":"1.2","resource_changes":[{"address":"aws_sns_topic.team","mode":"managed","type":"aws_sns_topic","name":"team","change":{"actions":["create"],"after":{}}}]}`
	dir := configuration(t, map[string]string{"main.tf": "", "plan.json": plan, "apply.wait": ""})
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var said []string
	tf, err := deploying.Open(ctx, dir, func(what string) {
		said = append(said, what)
		if strings.HasPrefix(what, "making messages") {
			interrupt()
		}
	})
	require.NoError(t, err)
	require.NoError(t, tf.Init(ctx, deploying.Options{}))
	p, err := tf.Plan(ctx, deploying.Options{}, t.TempDir())
	require.NoError(t, err)
	require.ErrorIs(t, tf.Apply(ctx, p), context.Canceled)
	require.Contains(t, said, "making messages: aws_sns_topic.team")
	require.FileExists(t, filepath.Join(dir, "interrupted"), "terraform was asked to end, and not killed")
}

// What is applied is the plan that was shown: Terraform refuses another one.
func TestPlanThatIsStaleIsNotApplied(t *testing.T) {
	dir := configuration(t, map[string]string{"main.tf": "", "plan.json": `{"format_version":"1.2","resource_changes":[]}`})
	tf, err := deploying.Open(t.Context(), dir, nil)
	require.NoError(t, err)
	p, err := tf.Plan(t.Context(), deploying.Options{}, t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plan.json"), []byte(`{"format_version":"1.2"}`), 0o600))
	require.ErrorIs(t, tf.Apply(t.Context(), p), deploying.ErrStale)
}

// Functions that were built for one processor and run on another would all fail at once.
func TestPackagesForAnotherProcessor(t *testing.T) {
	noAWS(t)
	plan := `{"format_version":"1.2","resource_changes":[{"address":"aws_lambda_function.this","mode":"managed","type":"aws_lambda_function","name":"this","change":{"actions":["create"],"after":{"architectures":["x86_64"]}}}]}`
	dir := configuration(t, map[string]string{
		"main.tf": "", "plan.json": plan, "go.mod": "module github.com/iam-sunset/iam-sunset\n\ngo 1.24\n",
	})
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "functions", "log"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "functions", "log", "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o600))
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"deploy", "--dir", dir, "--plan-only"}, surroundings{stdout: &stdout, stderr: &stderr, clock: clock.Wall{}})
	require.Equal(t, 2, code)
	require.Equal(t, "iam-sunset: the functions were built for arm64, but the configuration has them run on x86_64\nhint: make --arch and the variable architecture say the same\n", stderr.String())
	require.FileExists(t, filepath.Join(dir, "dist", "log.zip"))
	require.Empty(t, stdout.String())
	stderr.Reset()
	code = run(t.Context(), []string{"deploy", "--dir", dir, "--plan-only", "--arch", "amd64"}, surroundings{stdout: &stdout, stderr: &stderr, clock: clock.Wall{}})
	require.Zero(t, code, stderr.String())
	require.Contains(t, stdout.String(), "In all: 1 created.")
}
