package deployed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

func (d *deployment) document() deployed.Deployment {
	return deployed.Deployment{
		Version: 1, Region: region, Account: "111122223333", StateMachine: machine, Alias: machine + ":live", PagesURL: d.env["IAM_SUNSET_PAGES_URL"],
		Bucket: "evidence", Table: "cases", Settings: d.env["IAM_SUNSET_SETTINGS"], DecisionsKey: d.env["IAM_SUNSET_DECISIONS_KEY"],
		LinksKey: d.env["IAM_SUNSET_LINKS_KEY"], SealingKey: d.env["IAM_SUNSET_SEALING_KEY"], Bus: d.env["IAM_SUNSET_BUS"],
		RestoreFunction: "arn:aws:lambda:us-east-1:111122223333:function:iam-sunset-restore:live", EndpointURL: d.env["IAM_SUNSET_ENDPOINT_URL"],
	}
}

var asked = workflow.RescueInput{UserID: "AIDAOLDBATCH", By: "arn:aws:iam::111122223333:user/ops", Reason: "needed"}

// restores answers for the function restore: with what, and as a function's error where it is named.
func (d *deployment) restores(payload []byte, functionError string) *[]workflow.Invocation {
	var got []workflow.Invocation
	d.cloud.Mount("lambda", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in workflow.Invocation
		if err != nil || json.Unmarshal(body, &in) != nil || r.URL.Path != "/2015-03-31/functions/"+d.document().RestoreFunction+"/invocations" {
			d.t.Errorf("%s %s: %s", r.Method, r.URL.Path, body)
		}
		got = append(got, in)
		if functionError != "" {
			rw.Header().Set("X-Amz-Function-Error", functionError)
		}
		_, _ = rw.Write(payload)
	}), nil)
	return &got
}

func (d *deployment) rescue(document deployed.Deployment) error {
	return d.run(func(ctx context.Context) error { return deployed.Rescue(ctx, d.cfg, document, d.clock, asked) })
}

// An error of the function restore has the kind at the operator that it had there, and says the same.
func TestARescuesFaultsKeepTheirKinds(t *testing.T) {
	d := deploy(t)
	require.NotEmpty(t, sunset.Kinds())
	for _, kind := range sunset.Kinds() {
		// As the function itself gives it.
		host := lambdahost.Host(d.workflow("restore").Log, "restore", func(context.Context, workflow.Invocation) (any, error) {
			return nil, sunset.Faultf(kind, "old-batch can't be given back now")
		})
		_, err := host(t.Context(), []byte("{}"))
		var named messages.InvokeResponse_Error
		require.ErrorAs(t, err, &named)
		payload, err := json.Marshal(named)
		require.NoError(t, err)
		got := d.restores(payload, "Unhandled")
		err = d.rescue(d.document())
		require.Equal(t, kind, sunset.KindOf(err), "%v", err)
		require.ErrorContains(t, err, "old-batch can't be given back now")
		require.Len(t, *got, 1, "asked once: restore itself knows what may be tried again")
		require.Equal(t, &asked, (*got)[0].Rescue)
	}
}

func TestARescueThatSaysNoKind(t *testing.T) {
	d := deploy(t)
	for payload, kind := range map[string]sunset.Kind{
		`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: exit status 1"}`: sunset.Internal,
		`{"errorMessage":"2026-11-20T09:00:00Z 1 Task timed out after 900.00 seconds"}`:                                   sunset.Internal,
		`{"errorType":"Sandbox.Timedout"}`: sunset.Unavailable,
		`null`:                             sunset.Unavailable,
		`nonsense`:                         sunset.Unavailable,
		``:                                 sunset.Unavailable,
	} {
		d.restores([]byte(payload), "Unhandled")
		err := d.rescue(d.document())
		require.Equal(t, kind, sunset.KindOf(err), "%s: %v", payload, err)
		require.ErrorContains(t, err, "AIDAOLDBATCH", payload)
	}
	d.restores([]byte(`{"outcome":"rescued"}`), "")
	require.NoError(t, d.rescue(d.document()))

	document := d.document()
	document.RestoreFunction = ""
	err := d.rescue(document)
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	require.ErrorContains(t, err, "restore_function")
}

// What Lambda itself refuses is of its own kind.
func TestARescueThatLambdaRefuses(t *testing.T) {
	d := deploy(t)
	d.restores([]byte(`{}`), "")
	for code, want := range map[string]sunset.Kind{"AccessDeniedException": sunset.AccessDenied, "TooManyRequestsException": sunset.Throttled} {
		status := http.StatusForbidden
		if want == sunset.Throttled {
			status = http.StatusTooManyRequests
		}
		remove := d.cloud.Fail(fakecloud.Fault{Match: func(c fakecloud.Call) bool { return len(c.Action) > 7 && c.Action[:7] == "lambda:" }, Code: code, Status: status})
		err := d.rescue(d.document())
		remove()
		require.Equal(t, want, sunset.KindOf(err), "%v", err)
		require.ErrorContains(t, err, "lambda:InvokeFunction")
	}
	require.NoError(t, d.rescue(d.document()))
}

// An operator reads what the functions wrote, and seals nothing.
func TestAnOperatorsWorld(t *testing.T) {
	d := deploy(t)
	w := workflow.New(deployed.Operator(d.cfg, d.document(), d.clock))
	require.NoError(t, d.run(func(ctx context.Context) error {
		function := d.workflow("disable")
		if _, err := function.Rows.Put(ctx, "case/AIDAOLDBATCH", 0, []byte(`{"id":"spring-AIDAOLDBATCH","user_id":"AIDAOLDBATCH"}`)); err != nil {
			return err
		}
		c, err := w.Cases.Get(ctx, "AIDAOLDBATCH")
		if err != nil || c.ID != "spring-AIDAOLDBATCH" {
			return errors.Join(err, fmt.Errorf("read %+v", c))
		}
		if _, err := w.Pause(ctx, "ops", "looking"); err != nil {
			return err
		}
		was, err := function.Cases.Paused(ctx)
		if err != nil || was == "" {
			return errors.Join(err, errors.New("nothing is paused"))
		}
		return nil
	}))
	for _, c := range d.cloud.Calls() {
		require.NotContains(t, []string{"kms:Sign", "kms:GenerateMac", "ses:SendEmail"}, c.Action)
	}
	require.Empty(t, d.cloud.Unknown())
}
