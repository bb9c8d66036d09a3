package fakeaws_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

// hands is a clock that the test moves.
type hands struct {
	mu sync.Mutex
	at time.Time
}

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *hands) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

// iamWorld is an account served over the wire, its clock, and an administrator's clients that don't retry.
type iamWorld struct {
	*fakeaws.Account
	clock  *hands
	server *fakeaws.Server
	iam    *iam.Client
	sts    *sts.Client
}

func unretried(o aws.Config) aws.Config {
	o.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return o
}

func newIAMWorld(t *testing.T, c fakeaws.Config) *iamWorld {
	t.Helper()
	w := &iamWorld{clock: &hands{at: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}}
	c.Now = w.clock.Now
	w.Account = fakeaws.New(c)
	var err error
	w.server, err = w.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.server.Close()) })
	w.iam = iam.NewFromConfig(unretried(w.server.Config("eu-west-1")))
	w.sts = sts.NewFromConfig(unretried(w.server.Config("eu-west-1")))
	return w
}

// as is an IAM client that holds the credentials.
func (w *iamWorld) as(c fakeaws.Credentials) *iam.Client {
	return iam.NewFromConfig(unretried(w.server.ConfigForSession(c, "eu-west-1")))
}

func (w *iamWorld) stsAs(c fakeaws.Credentials) *sts.Client {
	return sts.NewFromConfig(unretried(w.server.ConfigForSession(c, "eu-west-1")))
}

func (w *iamWorld) add(t *testing.T, s fakeaws.UserSpec) fakeaws.NewUser {
	t.Helper()
	u, err := w.AddUser(s)
	require.NoError(t, err)
	return u
}

// refused asserts AWS's code and, where not empty, its message.
func refused(t *testing.T, err error, code, message string) {
	t.Helper()
	var e smithy.APIError
	require.Truef(t, errors.As(err, &e), "%v", err)
	require.Equal(t, code, e.ErrorCode(), e.ErrorMessage())
	if message != "" {
		require.Equal(t, message, e.ErrorMessage())
	}
}
