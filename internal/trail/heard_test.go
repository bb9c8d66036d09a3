package trail_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

type heard struct {
	signals []sunset.Signal
	gaps    []sunset.Gap
	until   time.Time
}

func (w *world) heard(who trail.Candidate, since, until time.Time) (h heard, err error) {
	w.t.Helper()
	err = w.run(func(ctx context.Context) (err error) {
		h.signals, h.gaps, h.until, err = w.trail().Heard(ctx, who, w.Regions(), since, until)
		return err
	})
	return h, err
}

func (w *world) pass(d time.Duration) {
	w.t.Helper()
	require.NoError(w.t, w.run(func(ctx context.Context) error { return w.clock.Sleep(ctx, d) }))
}

func TestTheSoakHearsDeniedCallsAndSignIns(t *testing.T) {
	w := newWorld(t, "ap-southeast-2", "eu-west-1", "us-east-1", "us-east-2")
	soakFrom := w.clock.Now()
	u, err := w.AddUser(fakeaws.UserSpec{
		Name: "ci", Password: &fakeaws.PasswordSpec{}, Keys: []fakeaws.AccessKeySpec{{}, {Status: "Inactive"}}, Inline: map[string]string{"deny": denyAll},
	})
	require.NoError(t, err)
	w.At(soakFrom.Add(time.Hour), func(p *fakeaws.Actor) {
		p.Do(u.Keys[0].AccessKeyID, "ec2", "RunInstances", "eu-west-1", nil)
		p.Do(u.Keys[1].AccessKeyID, "ec2", "RunInstances", "eu-west-1", nil)
	})
	w.At(soakFrom.Add(2*time.Hour), func(p *fakeaws.Actor) { p.SignIn("ci", "us-east-2") })
	w.pass(6 * time.Hour)
	who := trail.Candidate{UserID: u.ID, Name: "ci"}
	until := w.clock.Now().Add(-sunset.Settle)
	h, err := w.heard(who, soakFrom, until)
	require.NoError(t, err)
	require.Empty(t, h.gaps)
	require.Equal(t, until, h.until)
	require.Len(t, h.signals, 2, "an Inactive key leaves no trace")
	denied := h.signals[0]
	require.Equal(t, sunset.DeniedCall, denied.Kind)
	require.Equal(t, "RunInstances", denied.About)
	require.Equal(t, soakFrom.Add(time.Hour), denied.At)
	require.Equal(t, "cloudtrail:LookupEvents", denied.Source)
	require.Equal(t, "it tried ec2:RunInstances from 198.51.100.7 at 2026-11-21T10:00:00Z and was denied in eu-west-1", denied.Detail)
	require.Equal(t, sunset.SignIn, h.signals[1].Kind)
	require.Equal(t, "us-east-2", h.signals[1].Region)

	again, err := w.heard(who, soakFrom, until)
	require.NoError(t, err)
	require.Len(t, sunset.MergeSignals(h.signals, again.signals), 2, "reading twice tells the same")
	later, err := w.heard(who, soakFrom.Add(3*time.Hour), until)
	require.NoError(t, err)
	require.Empty(t, later.signals)
}

func TestAFailedSignInIsHeardInTheSoak(t *testing.T) {
	w := newWorld(t, "us-east-1")
	u, err := w.AddUser(fakeaws.UserSpec{Name: "gone", Password: &fakeaws.PasswordSpec{Removed: true}})
	require.NoError(t, err)
	since := w.clock.Now()
	w.At(since.Add(time.Minute), func(p *fakeaws.Actor) { p.SignIn("gone", "us-east-1") })
	w.pass(3 * time.Hour)
	h, err := w.heard(trail.Candidate{UserID: u.ID, Name: "gone"}, since, w.clock.Now())
	require.NoError(t, err)
	require.Len(t, h.signals, 1)
	require.Equal(t, sunset.SignIn, h.signals[0].Kind)
	require.Contains(t, h.signals[0].Detail, "somebody failed to sign in with its name")
}

func TestManySignalsAreCounted(t *testing.T) {
	w := newWorld(t, "eu-west-1")
	u, err := w.AddUser(fakeaws.UserSpec{Name: "busy", Keys: []fakeaws.AccessKeySpec{{}}})
	require.NoError(t, err)
	since := w.clock.Now()
	for i := range 130 {
		w.At(since.Add(time.Duration(i)*time.Minute), func(p *fakeaws.Actor) {
			p.Do(u.Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil)
		})
	}
	w.pass(8 * time.Hour)
	who := trail.Candidate{UserID: u.ID, Name: "busy"}
	h, err := w.heard(who, since, w.clock.Now())
	require.NoError(t, err)
	require.Len(t, h.signals, 21)
	require.Equal(t, since, h.signals[0].At, "the oldest are told, so that a later reading tells the same")
	require.Contains(t, h.signals[20].Detail, "and 109 more events until")
	w.pass(time.Hour)
	again, err := w.heard(who, since, w.clock.Now())
	require.NoError(t, err)
	require.Equal(t, h.signals, again.signals)
}

func TestWhatIsNotHeardIsAGap(t *testing.T) {
	since := func(w *world) time.Time { return w.clock.Now().Add(-30 * day) }
	t.Run("a region that denies", func(t *testing.T) {
		w := newWorld(t, "eu-west-1", "us-east-1")
		who := w.join("subject", fakeaws.Dead())
		w.CloseRegion("eu-west-1")
		h, err := w.heard(who, since(w), w.clock.Now())
		require.NoError(t, err)
		require.Len(t, h.gaps, 1)
		require.Equal(t, "eu-west-1", h.gaps[0].Region)
	})
	t.Run("an event that can't be read", func(t *testing.T) {
		w := newWorld(t, "us-east-1")
		who := w.join("subject", fakeaws.Dead(), fakeaws.NameInSessions())
		var gaps []sunset.Gap
		require.NoError(t, w.run(func(ctx context.Context) (err error) {
			_, gaps, _, err = trail.New(w.rewritten(`\"principalId\":`, `\"principalId\"`), w.clock).
				Heard(ctx, who, w.Regions(), w.clock.Now().Add(-10*day), w.clock.Now())
			return err
		}))
		require.NotEmpty(t, gaps)
	})
	t.Run("a storm is a fault", func(t *testing.T) {
		w := newWorld(t, "us-east-1")
		w.Fail(fakeaws.Fault{Service: "cloudtrail", Throttle: true})
		_, err := w.heard(w.join("subject", fakeaws.Dead()), since(w), w.clock.Now())
		require.Equal(t, sunset.Throttled, sunset.KindOf(err))
		require.ErrorContains(t, err, "subject")
	})
}

func TestSeveralListenersShareALane(t *testing.T) {
	w := newWorld(t, "eu-west-1", "us-east-1")
	one := w.trail()
	var each []func(context.Context) error
	for _, c := range w.idle(12) {
		each = append(each, func(ctx context.Context) error {
			_, _, _, err := one.Heard(ctx, c, w.Regions(), w.clock.Now().Add(-day), w.clock.Now())
			return err
		})
	}
	require.NoError(t, w.run(func(ctx context.Context) error { return w.clock.Together(ctx, each...) }))
	require.Len(t, w.lookups(), 24)
	w.requireRate(t)
}

func TestRegions(t *testing.T) {
	w := newWorld(t)
	regions := func() (got []string, err error) {
		err = w.run(func(ctx context.Context) (err error) {
			got, err = w.trail().Regions(ctx)
			return err
		})
		return got, err
	}
	got, err := regions()
	require.NoError(t, err)
	require.Equal(t, w.Regions(), got)
	require.Len(t, got, 17)
	enough := w.Fail(fakeaws.Fault{Service: "account", CutPage: true})
	got, err = regions()
	require.NoError(t, err)
	require.Len(t, got, 17, "page by page")
	enough()
	for _, f := range []fakeaws.Fault{
		{Service: "account", Code: "AccessDeniedException", Status: http.StatusForbidden},
		{Service: "account", Code: "UnknownOperationException", Status: http.StatusNotFound},
	} {
		remove := w.Fail(f)
		_, err = regions()
		require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
		require.Equal(t, "account:ListRegions", sunset.ActionOf(err))
		remove()
	}

	none := fakeaws.New(fakeaws.Config{Now: w.clock.Now, Regions: []string{}})
	server, err := none.Serve("127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	_, err = trail.New(server.Config("us-east-1"), w.clock).Regions(t.Context())
	require.ErrorContains(t, err, "account:ListRegions gave none")
}
