package iamaccount_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func start() time.Time { return time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC) }

// world is a fake account over the wire, under a virtual clock.
type world struct {
	t      *testing.T
	clock  *clock.Virtual
	fake   *fakeaws.Account
	server *fakeaws.Server
	iam    *iamaccount.Account

	mu      sync.Mutex
	changes []iamaccount.Change
}

func newWorld(t *testing.T, c fakeaws.Config) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewVirtual(start())}
	c.Now, c.Seed = w.clock.Now, 1
	w.fake = fakeaws.New(c)
	server, err := w.fake.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	w.server = server
	cfg := server.Config("us-east-1")
	// Each call is sent once, so that a test's faults hit the call that they name.
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	w.iam = iamaccount.New(cfg, w.clock)
	return w
}

// run lets virtual time pass until f returns.
func (w *world) run(f func(ctx context.Context) error) error {
	return w.clock.Run(w.t.Context(), f)
}

func (w *world) record(_ context.Context, c iamaccount.Change) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, c)
	return nil
}

func (w *world) add(s fakeaws.UserSpec) fakeaws.NewUser {
	w.t.Helper()
	if s.CreatedAt.IsZero() {
		s.CreatedAt = start().AddDate(-2, 0, 0)
	}
	u, err := w.fake.AddUser(s)
	require.NoError(w.t, err)
	return u
}

func (w *world) snapshot(u fakeaws.NewUser) sunset.Snapshot {
	w.t.Helper()
	var snap sunset.Snapshot
	require.NoError(w.t, w.run(func(ctx context.Context) (err error) {
		snap, err = w.iam.Snapshot(ctx, "c1-"+u.ID, w.fake.ID(), u.ID, u.Name)
		return err
	}))
	return snap
}

func (w *world) quarantine(snap sunset.Snapshot, how sunset.DisableHow) (q sunset.Quarantine, err error) {
	err = w.run(func(ctx context.Context) (err error) {
		q, err = w.iam.Quarantine(ctx, snap, how, w.record)
		return err
	})
	return q, err
}

func (w *world) restore(snap sunset.Snapshot, q *sunset.Quarantine) (r iamaccount.Report, err error) {
	err = w.run(func(ctx context.Context) (err error) {
		r, err = w.iam.Restore(ctx, snap, q, w.record)
		return err
	})
	return r, err
}

func (w *world) delete(snap sunset.Snapshot, q sunset.Quarantine) error {
	return w.run(func(ctx context.Context) error { return w.iam.Delete(ctx, snap, q, w.record) })
}

func (w *world) leftovers(snap sunset.Snapshot) []sunset.Artifact {
	w.t.Helper()
	var left []sunset.Artifact
	require.NoError(w.t, w.run(func(ctx context.Context) (err error) {
		left, err = w.iam.Leftovers(ctx, snap)
		return err
	}))
	return left
}

func (w *world) inPlace(u fakeaws.NewUser, q sunset.Quarantine) bool {
	w.t.Helper()
	var ok bool
	require.NoError(w.t, w.run(func(ctx context.Context) error {
		live, found, err := w.iam.Find(ctx, u.ID, u.Name)
		if err != nil || !found {
			return fmt.Errorf("found %t: %w", found, err)
		}
		ok, err = w.iam.DenyInPlace(ctx, live, q)
		return err
	}))
	return ok
}

func (w *world) state(name string) fakeaws.UserState {
	w.t.Helper()
	s, ok := w.fake.User(name)
	require.True(w.t, ok, "user %s is gone", name)
	s.Attached = slices.Concat(s.Attached) // none is nil, whatever was there before
	s.Groups = slices.Concat(s.Groups)
	return s
}

const allowS3 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`

// everything is a user with all kinds of artifacts, of mixed statuses.
func (w *world) everything(name string) fakeaws.NewUser {
	w.t.Helper()
	for _, g := range []string{"devs", "ops"} {
		w.fake.AddGroup(fakeaws.GroupSpec{Name: g})
	}
	boundary := w.fake.AddPolicy("boundary-of-"+name, allowS3)
	return w.add(fakeaws.UserSpec{
		Name: name, Path: "/ci/", Tags: []fakeaws.Tag{{Key: "owner", Value: "ada@example.com"}},
		Password: &fakeaws.PasswordSpec{LastUsed: start().AddDate(-1, 0, 0)},
		Keys: []fakeaws.AccessKeySpec{
			{LastUsed: fakeaws.LastUsed{At: start().AddDate(-1, -1, 0), Service: "s3", Region: "eu-west-1"}},
			{Status: "Inactive"},
		},
		MFA:                []fakeaws.MFASpec{{Kind: "virtual"}, {Kind: "u2f"}, {Kind: "hardware"}},
		SSHKeys:            []fakeaws.SSHKeySpec{{}, {Status: "Inactive"}},
		Certificates:       []fakeaws.CertificateSpec{{}, {Status: "Inactive"}},
		ServiceCredentials: []fakeaws.ServiceCredentialSpec{{ServiceName: "codecommit.amazonaws.com"}, {ServiceName: "bedrock.amazonaws.com", Status: "Inactive"}},
		Groups:             []string{"devs", "ops"},
		Inline:             map[string]string{"uploads+more": allowS3},
		Attached:           []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
		Boundary:           boundary,
	})
}

// reference is the user by which calls to delete are counted.
func (w *world) reference() fakeaws.NewUser {
	w.t.Helper()
	for _, g := range []string{"devs", "ops"} {
		w.fake.AddGroup(fakeaws.GroupSpec{Name: g})
	}
	return w.add(fakeaws.UserSpec{
		Name: "reference", Password: &fakeaws.PasswordSpec{}, Keys: []fakeaws.AccessKeySpec{{}, {}},
		MFA: []fakeaws.MFASpec{{Kind: "virtual"}}, Groups: []string{"devs", "ops"},
		Attached: []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}, Inline: map[string]string{"uploads": allowS3},
	})
}

// calls are the IAM actions asked for since the last ResetCalls, in order.
func (w *world) calls() []string {
	var out []string
	for _, c := range w.fake.Calls() {
		out = append(out, c.Action)
	}
	return out
}

// noEmptyNames fails where a call about a user went out without its name.
func (w *world) noEmptyNames() {
	w.t.Helper()
	account := []string{
		"ListVirtualMFADevices", "DeleteVirtualMFADevice", "ListUsers", "GetAccessKeyLastUsed", "GenerateCredentialReport", "GetCredentialReport",
		"GetAccountAuthorizationDetails", "ListServiceSpecificCredentials", "GetCallerIdentity",
	}
	for _, c := range w.fake.Calls() {
		if !slices.Contains(account, c.Action) {
			require.NotEmpty(w.t, c.Params["UserName"], "%s was sent without a user name", c.Action)
		}
	}
}
