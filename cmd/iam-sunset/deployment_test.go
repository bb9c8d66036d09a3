package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// distant is a deployment that is reached as on AWS: by its document, over the wire of each service.
type distant struct {
	t       *testing.T
	clock   *clock.Virtual
	account *fakeaws.Account
	cloud   *fakecloud.Cloud
	machine *onemachine.Machine
	invoked []string // payloads of the function restore
}

func newDistant(t *testing.T, names ...string) *distant {
	t.Helper()
	noAWS(t)
	d := &distant{t: t, clock: clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))}
	d.account = fakeaws.New(fakeaws.Config{Now: d.clock.Now, Seed: 7, Regions: []string{"eu-west-1", "us-east-1"}})
	for _, name := range names {
		_, err := d.account.Join(name, fakeaws.OldKey())
		require.NoError(t, err)
	}
	for _, role := range []string{"operators", "approvers"} { // neither may do anything in the account
		d.account.AddRole(fakeaws.RoleSpec{Name: role, CreatedAt: d.clock.Now().AddDate(-1, 0, 0)})
	}
	accountServer, err := d.account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = accountServer.Close() })

	d.cloud = fakecloud.New(fakecloud.Config{Region: "us-east-1", Account: d.account.ID(), Now: d.clock.Now})
	d.cloud.CreateBucket("evidence", fakecloud.Bucket{WriteOnce: true, Lock: 400 * day})
	d.cloud.CreateBucket("settings", fakecloud.Bucket{})
	d.cloud.CreateTable("casebook", fakecloud.Table{})
	settings, err := json.Marshal(map[string]any{
		"approvers": []sunset.Approver{{Email: "ada@example.com", Principals: []string{"arn:aws:iam::" + d.account.ID() + ":role/approvers"}}}, "cap_percent": 100,
	})
	require.NoError(t, err)
	d.cloud.SetObject("settings", "settings.json", settings)
	cloudServer, err := d.cloud.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = cloudServer.Close() })

	// The functions' own world: the deployment's stores and keys.
	functions := accountServer.Config("us-east-1")
	own, err := functions.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	d.cloud.Admit("functions", own)
	env := map[string]string{
		"IAM_SUNSET_BUCKET": "evidence", "IAM_SUNSET_TABLE": "casebook", "IAM_SUNSET_SETTINGS": "s3://settings/settings.json",
		"IAM_SUNSET_STATE_MACHINE": "arn:aws:states:us-east-1:" + d.account.ID() + ":stateMachine:iam-sunset", "IAM_SUNSET_ENDPOINT_URL": cloudServer.URL,
		"IAM_SUNSET_DECISIONS_KEY": d.cloud.CreateKey("HMAC_256"), "IAM_SUNSET_LINKS_KEY": d.cloud.CreateKey("HMAC_256"),
		"IAM_SUNSET_OWNERS_KEY": d.cloud.CreateKey("HMAC_256"), "IAM_SUNSET_RESTORE_FUNCTION": "arn:aws:lambda:us-east-1:" + d.account.ID() + ":function:iam-sunset-restore:live",
		"IAM_SUNSET_PAGES_URL": cloudServer.URL, "IAM_SUNSET_ALIAS": "arn:aws:states:us-east-1:" + d.account.ID() + ":stateMachine:iam-sunset",
	}
	world, err := deployed.World("approval-web", func(name string) string { return env[name] }, functions, d.clock)
	require.NoError(t, err)
	d.machine, err = onemachine.Start(onemachine.Config{
		AWS: functions, AccountID: d.account.ID(), Region: "us-east-1", Time: d.clock, Objects: world.Objects, Rows: world.Rows, Signers: world.Signers,
		Messenger: deaf{}, Log: slog.New(slog.DiscardHandler), PagesAddr: "127.0.0.1:0", Settings: world.Settings, Rand: rand.NewChaCha8([32]byte{1}),
	})
	require.NoError(t, err)
	t.Cleanup(d.machine.Close)
	engine, err := url.Parse(*d.machine.Executions.Options().BaseEndpoint)
	require.NoError(t, err)
	d.cloud.Mount("states", resigned(d.machine.Engine.Key(), engine), nil)
	d.cloud.Mount("lambda", http.HandlerFunc(d.invoke), nil)
	d.cloud.Mount("execute-api", d.machine.API(func(r *http.Request) (string, bool) {
		return "arn:aws:sts::" + d.account.ID() + ":assumed-role/approvers/ada", strings.Contains(r.Header.Get("Authorization"), "/execute-api/")
	}), nil)

	document, err := json.Marshal(deployed.Deployment{
		Version: 1, Region: "us-east-1", Account: d.account.ID(), StateMachine: env["IAM_SUNSET_STATE_MACHINE"], Alias: env["IAM_SUNSET_ALIAS"],
		PagesURL: cloudServer.URL, Bucket: "evidence", Table: "casebook", Settings: env["IAM_SUNSET_SETTINGS"], DecisionsKey: env["IAM_SUNSET_DECISIONS_KEY"],
		LinksKey: env["IAM_SUNSET_LINKS_KEY"], RestoreFunction: env["IAM_SUNSET_RESTORE_FUNCTION"], EndpointURL: cloudServer.URL,
		Bus: d.cloud.CreateBus("events"),
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "deployment.json")
	require.NoError(t, os.WriteFile(file, document, 0o600))
	t.Setenv("IAM_SUNSET_DEPLOYMENT", file)
	t.Setenv("AWS_ENDPOINT_URL", accountServer.URL)
	t.Setenv("AWS_REGION", "us-east-1")
	d.actAs("operators", "olga")
	return d
}

// resigned passes requests that the cloud has let in on to the engine, which knows no key but its own.
func resigned(key signature.Key, to *url.URL) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, to.String(), bytes.NewReader(body))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		out.Header.Set("X-Amz-Target", r.Header.Get("X-Amz-Target"))
		sum := sha256.Sum256(body)
		own := aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}
		if err := v4.NewSigner().SignHTTP(r.Context(), own, out, hex.EncodeToString(sum[:]), "states", "us-east-1", time.Now()); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		answer, err := http.DefaultClient.Do(out)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		maps.Copy(rw.Header(), answer.Header)
		rw.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(rw, answer.Body) // the caller may have gone
	})
}

// actAs lets the commands that follow be run by somebody in a role.
func (d *distant) actAs(role, name string) {
	c := d.account.RoleSession(role, name)
	d.cloud.Admit(role, aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken})
	d.t.Setenv("AWS_ACCESS_KEY_ID", c.AccessKeyID)
	d.t.Setenv("AWS_SECRET_ACCESS_KEY", c.SecretAccessKey)
	d.t.Setenv("AWS_SESSION_TOKEN", c.SessionToken)
}

// invoke is Lambda's Invoke of the one function that operators call.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
func (d *distant) invoke(rw http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil || !strings.Contains(r.URL.Path, "iam-sunset-restore") || !strings.HasSuffix(r.URL.Path, "/invocations") {
		http.Error(rw, "no such function", http.StatusNotFound)
		return
	}
	d.invoked = append(d.invoked, string(payload))
	release := d.clock.Hold()
	defer release()
	answer, err := d.machine.Functions()["restore"](r.Context(), payload)
	var named messages.InvokeResponse_Error
	if errors.As(err, &named) {
		rw.Header().Set("X-Amz-Function-Error", "Unhandled")
		answer = fmt.Appendf(nil, `{"errorType":%q,"errorMessage":%q}`, named.Type, named.Message)
	}
	_, _ = rw.Write(answer)
}

func (d *distant) does(status int, args ...string) (stdout, stderr string) {
	d.t.Helper()
	var out, errs bytes.Buffer
	code := 99
	require.NoError(d.t, d.clock.Run(d.t.Context(), func(ctx context.Context) error {
		code = run(ctx, args, surroundings{stdout: &out, stderr: &errs, clock: d.clock})
		return nil
	}))
	require.Equal(d.t, status, code, "%v\n%s\n%s", args, out.String(), errs.String())
	return out.String(), errs.String()
}

func (d *distant) pass(by time.Duration) {
	d.t.Helper()
	over := false
	d.clock.AfterFunc(d.clock.Now().Add(by), func() { over = true })
	require.NoError(d.t, d.clock.RunUntil(d.t.Context(), func() bool { return over }))
}

// published are the detail-types of what was published, all of it by operators: the functions here have no bus.
func (d *distant) published() []string {
	var out []string
	for _, e := range d.cloud.Events() {
		require.Equal(d.t, "operators", e.Principal)
		out = append(out, e.DetailType)
	}
	return out
}

// unsent are the rows of what could not be published.
func (d *distant) unsent() []string {
	var out []string
	for _, item := range d.cloud.Items("casebook") {
		if item["kind"]["S"] == "unsent" {
			out = append(out, item["body"]["S"])
		}
	}
	return out
}

// Every command reaches a deployment by its document alone: stores, executions, the function that rescues and the API each
// by its own calls, and the account by the standard configuration.
func TestCommandsReachADeploymentOverTheWire(t *testing.T) {
	d := newDistant(t, "old-a", "old-b", "old-c")
	out, _ := d.does(0, "start", "--name", "look", "--wait", "--output", "csv")
	require.Contains(t, out, "old-a,")
	out, _ = d.does(0, "start", "--open-cases", "--name", "spring", "--yes")
	require.Equal(t, "arn:aws:states:us-east-1:123456789012:execution:iam-sunset:spring\n", out)
	d.pass(4 * day)
	out, _ = d.does(0, "status")
	require.Contains(t, out, "3 soaking")
	d.does(0, "pause", "--reason", "an incident")
	out, _ = d.does(0, "status")
	require.Contains(t, out, "PAUSED: an incident")
	mend := d.cloud.Fail(fakecloud.Fault{Action: "events:PutEvents", Code: "AccessDeniedException", Message: "no"})
	d.does(0, "resume", "--reason", "it is over")
	require.Equal(t, []string{"IAM Sunset Account Paused"}, d.published())
	require.Len(t, d.unsent(), 1, "who may not publish leaves it for reconcile")
	require.Contains(t, d.unsent()[0], `"event":{"chain":"account/operations","seq":2}`)
	mend()

	out, _ = d.does(0, "rescue", "old-a", "--reason", "its owner called")
	require.Contains(t, out, "old-a (")
	require.Contains(t, out, "is back as it was")
	require.Len(t, d.invoked, 1)
	require.Contains(t, d.invoked[0], "its owner called")
	_, errs := d.does(2, "rescue", "nobody", "--reason", "who")
	require.Contains(t, errs, "no case is known")

	d.pass(15 * day)
	d.actAs("approvers", "ada")
	out, _ = d.does(0, "approve", "old-b", "--decision", "delete", "--reason", "nobody uses it", "--yes")
	require.Contains(t, out, "old-b: decided, delete.")
	d.pass(2 * time.Hour)
	d.actAs("operators", "olga")
	out, _ = d.does(0, "history", "old-b")
	require.Contains(t, out, "ada@example.com decided on old-b: delete. Reason: nobody uses it")
	require.Contains(t, out, "old-b was deleted")
	_, errs = d.does(2, "rescue", "old-b", "--reason", "too late")
	require.Contains(t, errs, "iam-sunset: old-b can't be rescued: its case spring-", "what the function says comes through")

	out, _ = d.does(0, "stop", "spring", "--reason", "enough", "--yes")
	require.Contains(t, out, "1 user put back as they were: old-c")
	d.pass(2 * time.Hour)
	out, _ = d.does(0, "status", "--all")
	require.Contains(t, out, "1 deleted, 2 rescued")
	require.Equal(t, []string{"IAM Sunset Account Paused", "IAM Sunset Account Cleanup Stop Begun", "IAM Sunset Account Cleanup Stopped"}, d.published())
	require.Empty(t, d.cloud.Unknown())
	for _, c := range d.cloud.Calls() {
		if c.Principal != "functions" {
			require.False(t, strings.HasPrefix(c.Action, "kms:") && c.Via == "", "an operator needs no key: %+v", c)
			require.NotContains(t, []string{"dynamodb:DeleteItem", "s3:DeleteObject", "states:SendTaskSuccess"}, c.Action)
		}
		if c.Principal == "approvers" {
			require.True(t, strings.HasPrefix(c.Action, "execute-api:"), "an approver needs the API alone: %+v", c)
		}
	}
}
