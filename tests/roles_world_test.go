//go:build terraform

package tests

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/embedded/onemachine"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// made is one call that a function made, in the terms that its policies speak of.
type made struct {
	function, action, resource, leadingKey, via, failed string
}

// callLog gathers what all worlds of a test run called.
type callLog struct {
	mu    sync.Mutex
	calls map[made]int
}

func (l *callLog) add(m made) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[m]++
}

// dataKey is what buckets and the topic are encrypted with: S3 and SNS ask for it in the caller's name.
const dataKey = "arn:aws:kms:us-east-1:123456789012:key/data"

// tester is the principal of the test itself, who looks into the stores; what it calls is nobody's.
const tester = "the-test"

// stage is where the functions of one world act: the deployment's services, and the functions once more, each under its
// role, to be called out of turn.
type stage struct {
	cloud     *fakecloud.Cloud
	functions map[string]lambdahost.Function
	web       http.Handler
	as        map[string]aws.Config
	// apart says that what is called here is not counted: it is meant to be denied.
	apart bool
	// member, where there is one, is the other account that is cleaned up.
	member *fakeaws.Account
}

// stages are the worlds under roles of a test run.
type stages struct {
	mu sync.Mutex
	by map[*world]*stage
}

func (s *stages) of(w *world) *stage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[w] == nil {
		s.by[w] = &stage{functions: map[string]lambdahost.Function{}, as: map[string]aws.Config{}}
	}
	return s.by[w]
}

// underRoles gives every function of a world its role from the plan, in the account that is cleaned up and in the
// deployment, and puts the deployment's stores onto AWS's wire. At the world's end its calls are added to log.
func (p rolePlan) underRoles(log *callLog, all *stages) func(*world, *onemachine.Config) {
	return func(w *world, config *onemachine.Config) {
		cloud := fakecloud.New(fakecloud.Config{Region: config.Region, Account: w.account.ID(), Now: w.clock.Now})
		on := all.of(w)
		on.cloud = cloud
		cloud.CreateBucket(p.bucket, fakecloud.Bucket{WriteOnce: true, Lock: 400 * day, KMSKey: dataKey})
		cloud.CreateBucket(p.settingsBucket, fakecloud.Bucket{KMSKey: dataKey})
		cloud.SetObject(p.settingsBucket, p.settingsKey, []byte("{}"))
		cloud.CreateTable(p.table, fakecloud.Table{})
		cloud.CreateTopic(p.topic, dataKey)
		cloud.CreateBus(p.bus)
		cloud.VerifyIdentity("example.com")
		known := map[string]string{
			"IAM_SUNSET_DECISIONS_KEY": cloud.CreateKey("HMAC_256"), "IAM_SUNSET_LINKS_KEY": cloud.CreateKey("HMAC_256"),
			"IAM_SUNSET_SEALING_KEY": cloud.CreateKey("ECC_NIST_P256"), "IAM_SUNSET_OWNERS_KEY": cloud.CreateKey("HMAC_256"),
			// These AWS alone will tell; what is used here is the engine's.
			"IAM_SUNSET_PAGES_URL": "https://pages.example.com", "IAM_SUNSET_ALIAS": "arn:aws:states:us-east-1:123456789012:stateMachine:iam-sunset:current",
		}
		server, err := cloud.Serve("127.0.0.1:0")
		require.NoError(w.t, err)
		w.t.Cleanup(func() {
			_ = server.Close()
			on.keptAsWritten(w, p.bucket)
			if !on.apart {
				p.gather(w, on, known, log)
			}
		})
		known["IAM_SUNSET_ENDPOINT_URL"] = server.URL

		config.Key, err = signature.NewKey(rand.Reader)
		require.NoError(w.t, err)
		account := config.AWS
		as := func(function string) aws.Config {
			var c fakeaws.Credentials
			if function == tester {
				c = w.account.Administrator()
			} else {
				w.account.AddRole(fakeaws.RoleSpec{Name: p.prefix + function, Inline: map[string]string{"function": p.policies[function]}, CreatedAt: begin().AddDate(-1, 0, 0)})
				c = w.account.RoleSession(p.prefix+function, function)
			}
			sdk := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
			cloud.Admit(function, sdk)
			cfg := account.Copy()
			cfg.Credentials = credentials.StaticCredentialsProvider{Value: sdk}
			on.as[function] = cfg
			return cfg
		}
		var mounted sync.Once
		compose := func(function string, base workflow.World) workflow.World {
			mounted.Do(func() { mount(w, on, *base.Executions.Options().BaseEndpoint, config.Key) })
			env := func(name string) string {
				planned, given := p.environment[function][name]
				if !given && name != "IAM_SUNSET_ENDPOINT_URL" {
					return ""
				}
				return cmp.Or(known[name], planned)
			}
			x, err := deployed.World(function, env, as(function), w.clock)
			require.NoError(w.t, err)
			// The time, the people and the definition's ARNs are the world's.
			x.StateMachine, x.Alias, x.PagesURL, x.Log = base.StateMachine, base.StateMachine, base.PagesURL, base.Log
			x.Messenger = heardByPeople{x.Messenger, w}
			read, proven := x.Settings, x.StartedBy
			x.Settings = func(ctx context.Context) (sunset.Settings, error) {
				if _, err := read(ctx); err != nil {
					return sunset.Settings{}, err
				}
				return w.live(ctx)
			}
			x.StartedBy = func(ctx context.Context, execution string, began time.Time) (string, error) {
				if who, err := proven(ctx, execution, began); who != "" || err != nil {
					return who, err
				}
				return base.StartedBy(ctx, execution, began)
			}
			on.host(function, workflow.New(x))
			return x
		}
		own, err := deployed.World(tester, func(name string) string {
			return cmp.Or(known[name], p.environment["reconcile"][name])
		}, as(tester), w.clock)
		require.NoError(w.t, err)
		config.Objects, config.Rows, config.Signers = own.Objects, own.Rows, own.Signers
		config.Each = compose
		w.dumpEvidence = func() {
			for _, v := range cloud.Versions(p.bucket) {
				if path := filepath.Join(w.dir, "objects", filepath.FromSlash(v.Key)); strings.HasPrefix(v.Key, "evidence/") {
					require.NoError(w.t, os.MkdirAll(filepath.Dir(path), 0o700))
					require.NoError(w.t, os.WriteFile(path, v.Body, 0o600))
				}
			}
		}
	}
}

func (on *stage) host(function string, w *workflow.Workflow) {
	if f, ok := w.Functions()[function]; ok {
		on.functions[function] = f
		return
	}
	on.web = deployed.Web(w)
}

// heardByPeople sends a message by the deployment's services, and then people act on it.
type heardByPeople struct {
	sent   approval.Messenger
	people *world
}

func (h heardByPeople) Send(ctx context.Context, m approval.Message) error {
	if err := h.sent.Send(ctx, m); err != nil {
		return err
	}
	return h.people.Send(ctx, m)
}

// mount puts Step Functions, CloudTrail and the function restore behind the cloud's door, so that their calls are logged by principal.
func mount(w *world, on *stage, engine string, key signature.Key) {
	cloud := on.cloud
	to, err := url.Parse(engine)
	require.NoError(w.t, err)
	behind := httputil.NewSingleHostReverseProxy(to)
	behind.Transport = resigned{key, to.Host}
	cloud.Mount("states", behind, func(_ string, body []byte) string {
		for _, field := range []string{"stateMachineArn", "executionArn"} {
			if _, rest, ok := strings.Cut(string(body), `"`+field+`":"`); ok {
				arn, _, _ := strings.Cut(rest, `"`)
				return arn
			}
		}
		return "*"
	})
	// The pages ask for a rescue by calling the function restore, under restore's own role.
	cloud.Mount("lambda", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		require.NoError(w.t, err)
		out, err := on.functions["restore"](r.Context(), payload)
		var named messages.InvokeResponse_Error
		if errors.As(err, &named) {
			rw.Header().Set("X-Amz-Function-Error", "Unhandled")
			out, err = json.Marshal(named)
		}
		require.NoError(w.t, err)
		_, _ = rw.Write(out)
	}), nil)
	// Nobody's StartExecution is in this trail: the engine tells who started.
	cloud.Mount("cloudtrail", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = rw.Write([]byte(`{"Events":[]}`))
	}), nil)
}

// resigned passes requests that the cloud has let in on to the engine, which knows no key but its own.
type resigned struct {
	key  signature.Key
	host string
}

func (k resigned) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Host = k.host
	out.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	out.Header.Set("X-Amz-Target", r.Header.Get("X-Amz-Target"))
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: k.key.ID, SecretAccessKey: k.key.Secret}
	if err := v4.NewSigner().SignHTTP(r.Context(), credentials, out, hex.EncodeToString(sum[:]), "states", "us-east-1", time.Now()); err != nil {
		return nil, err
	}
	return http.DefaultTransport.RoundTrip(out)
}

// gather adds what the functions of a world called.
func (p rolePlan) gather(w *world, on *stage, known map[string]string, log *callLog) {
	for _, c := range on.cloud.Calls() {
		if c.Principal != tester {
			action, resource := c.Action, c.Resource
			// Lambda's operation is its path: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
			if arn, ok := strings.CutPrefix(action, "lambda:POST /2015-03-31/functions/"); ok {
				action, resource = "lambda:InvokeFunction", strings.TrimSuffix(arn, "/invocations")
			}
			for name, arn := range known {
				if arn == resource {
					resource = name
				}
			}
			log.add(made{c.Principal, action, resource, c.LeadingKey, c.Via, c.Error})
		}
	}
	for _, c := range w.account.Calls() {
		role, ok := strings.CutPrefix(c.CallerARN, "arn:aws:sts::"+w.account.ID()+":assumed-role/"+p.prefix)
		if ok && c.Permission != "" {
			function, _, _ := strings.Cut(role, "/")
			log.add(made{function: function, action: c.Permission, resource: c.Resource, failed: c.Error})
		}
	}
	if on.member == nil {
		return
	}
	for _, c := range on.member.Calls() {
		if role, ok := strings.CutPrefix(c.CallerARN, "arn:aws:sts::"+memberID+":assumed-role/"); ok && c.Permission != "" {
			role, _, _ = strings.Cut(role, "/")
			log.add(made{function: role, action: c.Permission, resource: c.Resource, failed: c.Error})
		}
	}
}
