package ownership_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// world is an account on a port, in virtual time: subject and leaver will be gone, stayer and the role keeper stay.
type world struct {
	*fakeaws.Account
	t                       *testing.T
	clock                   *clock.Virtual
	server                  *fakeaws.Server
	subject, leaver, stayer fakeaws.NewUser
	keeper                  string
}

const home = "eu-west-1"

func newWorld(t *testing.T, regions ...string) *world {
	t.Helper()
	if regions == nil {
		regions = []string{home, "us-east-1"}
	}
	w := &world{t: t, clock: clock.NewVirtual(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))}
	w.Account = fakeaws.New(fakeaws.Config{Now: w.clock.Now, Seed: 1, Regions: regions})
	server, err := w.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	w.server = server
	for name, u := range map[string]*fakeaws.NewUser{"subject": &w.subject, "leaver": &w.leaver, "stayer": &w.stayer} {
		*u, err = w.AddUser(fakeaws.UserSpec{Name: name, Path: "/team/"})
		require.NoError(t, err)
	}
	w.keeper = w.AddRole(fakeaws.RoleSpec{Name: "keeper", Path: "/ops/"})
	return w
}

func (w *world) query() ownership.Query {
	q := ownership.Query{
		Account: w.ID(), Regions: w.Regions(),
		Candidates: []ownership.Candidate{{UserID: w.subject.ID, Name: "subject", ARN: w.subject.ARN}},
		Going:      map[string]bool{w.subject.ID: true, w.leaver.ID: true},
		Roles:      []ownership.Known{{ID: "AROAKEEPER", ARN: w.keeper, Name: "keeper"}},
	}
	for _, u := range []fakeaws.NewUser{w.subject, w.leaver, w.stayer} {
		q.Users = append(q.Users, ownership.Known{ID: u.ID, ARN: u.ARN, Name: u.Name})
	}
	return q
}

func (w *world) run(f func(ctx context.Context) error) error {
	w.t.Helper()
	return w.clock.Run(w.t.Context(), f)
}

func (w *world) survey() *ownership.Survey { return ownership.New(w.server.Config(home), w.clock) }

func (w *world) look(q ownership.Query) ownership.Result {
	w.t.Helper()
	var r ownership.Result
	require.NoError(w.t, w.run(func(ctx context.Context) (err error) {
		r, err = w.survey().Look(ctx, q, nil)
		return err
	}))
	require.Empty(w.t, w.UnknownCalls())
	return r
}

// refs are the references to the subject, by service.
func (w *world) refs(r ownership.Result) map[string][]sunset.Reference {
	out := map[string][]sunset.Reference{}
	for _, ref := range r.References[w.subject.ID] {
		out[ref.Service] = append(out[ref.Service], ref)
	}
	return out
}

// everywhere gives one resource of each service a policy, and returns the resources by service.
func (w *world) everywhere(region, policy string) map[string]string {
	w.AddBucket("reports", region, policy)
	return map[string]string{
		"s3":             "arn:aws:s3:::reports",
		"kms":            w.AddKey(fakeaws.KMSKeySpec{Region: region, Policy: policy}),
		"sns":            w.AddTopic("news", region, policy),
		"sqs":            w.AddQueue("jobs", region, policy),
		"lambda":         w.AddFunction("worker", region, policy),
		"secretsmanager": w.AddSecret("token", region, policy),
		"ecr":            w.AddRepository("image", region, policy),
	}
}
