package deployed_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const (
	region  = "us-east-1"
	machine = "arn:aws:states:us-east-1:111122223333:stateMachine:iam-sunset"
	restore = "arn:aws:lambda:us-east-1:111122223333:function:iam-sunset-restore:live"
	ada     = "ada@example.com"
	role    = "arn:aws:iam::123456789012:role/approvers"
	session = "arn:aws:sts::123456789012:assumed-role/approvers/ada"
)

func begin() time.Time { return time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC) }

// deployment is one whose own services are a fake cloud, with one function's credentials.
type deployment struct {
	t     *testing.T
	cloud *fakecloud.Cloud
	clock *clock.Virtual
	cfg   aws.Config
	env   map[string]string

	mu     sync.Mutex
	states []string // what Step Functions was sent
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{t: t, clock: clock.NewVirtual(begin())}
	d.cloud = fakecloud.New(fakecloud.Config{Region: region, Now: d.clock.Now})
	d.cloud.CreateBucket("evidence", fakecloud.Bucket{})
	d.cloud.CreateBucket("settings", fakecloud.Bucket{})
	d.cloud.CreateTable("cases", fakecloud.Table{})
	d.settings(`{"approvers": [{"email": "` + ada + `", "principals": ["` + role + `"]}]}`)
	d.cloud.Mount("states", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.states = append(d.states, string(body))
		rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = rw.Write([]byte("{}"))
	}), nil)
	own, err := d.cloud.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = own.Close() })
	d.cfg = own.Config(d.cloud.AddPrincipal("function"), region)
	d.env = map[string]string{
		"IAM_SUNSET_BUCKET": "evidence", "IAM_SUNSET_TABLE": "cases", "IAM_SUNSET_SETTINGS": "s3://settings/settings.json", "IAM_SUNSET_STATE_MACHINE": machine,
		"IAM_SUNSET_ALIAS": machine + ":live", "IAM_SUNSET_PAGES_URL": "https://pages.example.com", "IAM_SUNSET_ENDPOINT_URL": own.URL,
		"IAM_SUNSET_DECISIONS_KEY": d.cloud.CreateKey(fakecloud.HMAC256), "IAM_SUNSET_LINKS_KEY": d.cloud.CreateKey(fakecloud.HMAC256),
		"IAM_SUNSET_OWNERS_KEY": d.cloud.CreateKey(fakecloud.HMAC256), "IAM_SUNSET_RESTORE_FUNCTION": restore,
		"IAM_SUNSET_SEALING_KEY": d.cloud.CreateKey(fakecloud.ECCNISTP), "IAM_SUNSET_BUS": d.cloud.CreateBus("iam-sunset"),
		"IAM_SUNSET_TOPIC": d.cloud.CreateTopic("team", ""), "IAM_SUNSET_MAIL_FROM": "iam@example.com",
		"IAM_SUNSET_OWN": "arn:aws:iam::111122223333:role/iam-sunset-disable,arn:aws:iam::111122223333:role/iam-sunset-restore",
	}
	return d
}

// settings writes the settings document, and gives the version that it has now.
func (d *deployment) settings(document string) (version string) {
	return d.cloud.SetObject("settings", "settings.json", []byte(document))
}

// world is a function's, told by the deployment's environment but for what without names.
func (d *deployment) world(function string, without ...string) (workflow.World, error) {
	env := maps.Clone(d.env)
	for _, name := range without {
		delete(env, name)
	}
	w, err := deployed.World(function, func(name string) string { return env[name] }, d.cfg, d.clock)
	w.Log = slog.New(slog.DiscardHandler)
	return w, err
}

func (d *deployment) workflow(function string) *workflow.Workflow {
	d.t.Helper()
	w, err := d.world(function)
	require.NoError(d.t, err)
	return workflow.New(w)
}

// pages is approval-web's, put together as in its process.
func (d *deployment) pages() *workflow.Workflow {
	d.t.Helper()
	w, err := d.world("approval-web")
	require.NoError(d.t, err)
	return workflow.NewPages(w)
}

// run lets f work while time passes for its retries.
func (d *deployment) run(f func(context.Context) error) error {
	d.t.Helper()
	return d.clock.Run(d.t.Context(), f)
}
