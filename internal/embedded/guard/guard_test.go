package guard_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/guard"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// wire is an account whose answers are dated by a clock that can be set.
type wire struct {
	*fakeaws.Account
	url   string
	now   time.Time
	off   time.Duration
	date  func(time.Time) string // nil: as the account dates them
	calls atomic.Int32
}

func newWire(t *testing.T) *wire {
	w := &wire{now: began}
	w.Account = fakeaws.New(fakeaws.Config{Now: func() time.Time { return w.now.Add(w.off) }})
	inner := w.Handler()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		inner.ServeHTTP(dated{rw, w}, r)
	}))
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

// dated lets a test say how an answer is dated.
type dated struct {
	http.ResponseWriter
	wire *wire
}

func (d dated) WriteHeader(status int) {
	if d.wire.date != nil {
		d.Header()["Date"] = nil
		if date := d.wire.date(d.wire.now); date != "" {
			d.Header().Set("Date", date)
		}
	}
	d.ResponseWriter.WriteHeader(status)
}

func (w *wire) config(c aws.HTTPClient) aws.Config {
	admin := w.Administrator()
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &w.url, HTTPClient: c, Retryer: awsfault.RetryOn(clock.NewVirtual(began)),
		Credentials: credentials.NewStaticCredentialsProvider(admin.AccessKeyID, admin.SecretAccessKey, admin.SessionToken),
	}
}

func TestAClockThatIsOff(t *testing.T) {
	for name, c := range map[string]struct {
		off  time.Duration // of AWS
		says string
	}{
		"slow":               {5*time.Minute + 2*time.Second, "this machine's clock is 5m0s behind AWS's"},
		"fast":               {-5*time.Minute - 2*time.Second, "this machine's clock is 5m0s ahead of AWS's"},
		"days ahead":         {-14 * 24 * time.Hour, "this machine's clock is 336h0m0s ahead of AWS's"},
		"slow, but bearable": {5 * time.Minute, ""},
		"fast, but bearable": {-5 * time.Minute, ""},
		"right":              {0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			client := guard.NewClock(http.DefaultClient, func() time.Time { return w.now })
			cfg := w.config(client)
			account := iamaccount.New(cfg, clock.Wall{})
			_, err := account.Caller(t.Context())
			require.NoError(t, err)
			require.Equal(t, began, client.Agreed())
			require.EqualValues(t, 1, w.calls.Load())

			// It goes wrong, or the machine's clock was set, in the middle.
			w.off = c.off
			_, err = iam.NewFromConfig(cfg).DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("x")})
			require.EqualValues(t, 2, w.calls.Load(), "nothing is tried again")
			if c.says == "" {
				require.Equal(t, "NoSuchEntity", awsfault.Code(err))
				require.NoError(t, client.Err())
				return
			}
			var skew guard.Skew
			require.ErrorAs(t, err, &skew)
			require.Equal(t, c.says, skew.Error())
			require.Equal(t, sunset.Unavailable, awsfault.KindOf(err))
			require.EqualError(t, client.Err(), c.says)

			// It stays so, whatever AWS would say now.
			w.off = 0
			_, err = account.Caller(t.Context())
			require.ErrorAs(t, err, &skew)
			require.EqualValues(t, 2, w.calls.Load(), "nothing is sent any more")
		})
	}
}

func TestAnswersWithoutADateSayNothing(t *testing.T) {
	w := newWire(t)
	for _, date := range []string{"", "soon", "2001-01-01T00:00:00Z"} {
		w.date = func(time.Time) string { return date }
		client := guard.NewClock(http.DefaultClient, func() time.Time { return w.now })
		_, err := iamaccount.New(w.config(client), clock.Wall{}).Caller(t.Context())
		require.NoError(t, err)
		require.NoError(t, client.Err())
		require.Zero(t, client.Agreed())
	}
}

// A machine that slept between a request and its answer has no wrong clock.
func TestAnAnswerThatWasLongOnItsWay(t *testing.T) {
	w := newWire(t)
	client := guard.NewClock(http.DefaultClient, func() time.Time { return w.now })
	w.date = func(at time.Time) string {
		w.now = at.Add(8 * time.Hour)
		return at.Add(time.Minute).Format(http.TimeFormat)
	}
	_, err := iamaccount.New(w.config(client), clock.Wall{}).Caller(t.Context())
	require.NoError(t, err)
	require.NoError(t, client.Err())
}

// Whoever is told can hold a call until its caller is stopped, so that nobody acts on the error.
func TestWhoIsToldHoldsTheCall(t *testing.T) {
	w := newWire(t)
	w.off = time.Hour
	client := guard.NewClock(http.DefaultClient, func() time.Time { return w.now })
	told := make(chan error)
	client.OnHalt(func(ctx context.Context, why error) {
		told <- why
		<-ctx.Done()
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := iamaccount.New(w.config(client), clock.Wall{}).Caller(ctx)
		ended <- err
	}()
	require.ErrorContains(t, <-told, "1h0m0s behind AWS's")
	require.Empty(t, ended)
	stop()
	require.Error(t, <-ended)
}

// Before a function is called the clocks were compared, a minute ago at most.
func TestClocksAreComparedAnew(t *testing.T) {
	w := newWire(t)
	client := guard.NewClock(http.DefaultClient, func() time.Time { return w.now })
	account := iamaccount.New(w.config(client), clock.Wall{})
	asked := 0
	ask := func(ctx context.Context) error {
		asked++
		_, err := account.Caller(ctx)
		return err
	}
	require.NoError(t, client.Check(t.Context(), ask))
	require.Equal(t, 1, asked, "nobody has ever asked")
	w.now = w.now.Add(59 * time.Second)
	require.NoError(t, client.Check(t.Context(), ask))
	require.Equal(t, 1, asked)
	w.now = w.now.Add(time.Second)
	require.NoError(t, client.Check(t.Context(), ask))
	require.Equal(t, 2, asked)
	w.now, w.off = w.now.Add(-time.Hour), time.Hour // this machine's clock was set back
	require.ErrorContains(t, client.Check(t.Context(), ask), "1h0m0s behind")
	require.Equal(t, 3, asked)
	require.Error(t, client.Check(t.Context(), ask))
	require.Equal(t, 3, asked)

	now := began
	asked = 0
	unreached := guard.NewClock(http.DefaultClient, func() time.Time { return now })
	away := func(context.Context) error {
		asked++
		return errors.New("no network")
	}
	for range 3 {
		require.EqualError(t, unreached.Check(t.Context(), away), "no network")
	}
	require.Equal(t, 1, asked, "nobody waits for the same again")
	now = now.Add(10 * time.Second)
	require.EqualError(t, unreached.Check(t.Context(), away), "no network")
	require.Equal(t, 2, asked)
	now = now.Add(10 * time.Second)
	require.NoError(t, unreached.Check(t.Context(), func(context.Context) error { return nil }))
	gone, leave := context.WithCancel(t.Context())
	leave()
	require.Error(t, unreached.Check(gone, away))
	require.NoError(t, unreached.Check(t.Context(), func(context.Context) error { return nil }), "whoever left says nothing of AWS")
}

// switched gives whatever credentials it has at the moment, as an edited profile does.
type switched struct{ aws.Credentials }

func (s *switched) Retrieve(context.Context) (aws.Credentials, error) {
	if s.AccessKeyID == "" {
		return aws.Credentials{}, errors.New("the profile is gone")
	}
	return s.Credentials, nil
}

func TestCredentialsOfOneAccount(t *testing.T) {
	ours := fakeaws.New(fakeaws.Config{AccountID: "123456789012", Seed: 1})
	strange := fakeaws.New(fakeaws.Config{AccountID: "210987654321", Seed: 2})
	// AWS is one endpoint, and the key tells whose a request is.
	everyone := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), strange.Administrator().AccessKeyID) {
			strange.Handler().ServeHTTP(rw, r)
			return
		}
		ours.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(everyone.Close)
	of := func(a *fakeaws.Account) aws.Credentials {
		c := a.Administrator()
		return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	}
	profile := &switched{of(ours)}
	cfg, guarded := guard.OfAccount(aws.Config{
		Region: "us-east-1", BaseEndpoint: &everyone.URL, Credentials: profile, Retryer: func() aws.Retryer { return aws.NopRetryer{} }, HTTPClient: awsfault.WholeBodies(nil),
	}, "123456789012")
	var halted []string
	guarded.OnHalt(func(_ context.Context, why error) { halted = append(halted, why.Error()) })
	account := iamaccount.New(cfg, clock.Wall{})
	for range 3 {
		_, err := account.Caller(t.Context())
		require.NoError(t, err)
	}
	require.Len(t, ours.Calls(), 4, "whose they are is asked once")

	profile.Credentials = aws.Credentials{}
	_, err := account.Caller(t.Context())
	require.ErrorContains(t, err, "the profile is gone")
	require.Equal(t, []string{"AWS credentials can't be had: the profile is gone"}, halted)
	profile.Credentials = aws.Credentials{AccessKeyID: "AKIANOBODYSKEY", SecretAccessKey: "x"}
	_, err = account.Caller(t.Context())
	require.Error(t, err)
	require.Len(t, halted, 2, "AWS does not know them")
	halted = nil

	// AWS that fails proves nothing, and nothing is sent meanwhile.
	putRight := strange.Fail(fakeaws.Fault{Action: "GetCallerIdentity", Code: "ServiceFailure", Status: 500})
	profile.Credentials = of(strange)
	_, err = account.Caller(t.Context())
	require.Equal(t, sunset.Unavailable, awsfault.KindOf(err))
	require.Empty(t, halted)
	putRight()
	before := len(strange.Calls())

	// A session that has ended.
	profile.Credentials = of(ours)
	putRight = ours.Fail(fakeaws.Fault{Action: "DeleteUser", Code: "ExpiredToken", Message: "The security token included in the request is expired", Status: 403})
	_, err = iam.NewFromConfig(cfg).DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("x")})
	require.Equal(t, "ExpiredToken", awsfault.Code(err))
	require.Equal(t, []string{"the AWS credentials have expired (ExpiredToken)"}, halted)
	halted = nil
	putRight()

	profile.Credentials = of(strange)
	_, err = iam.NewFromConfig(cfg).DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("x")})
	const says = "the credentials are of account 210987654321 now, and no more of account 123456789012"
	require.ErrorContains(t, err, says)
	require.Equal(t, sunset.AccessDenied, awsfault.KindOf(err))
	require.Equal(t, []string{says}, halted)
	require.Len(t, strange.Calls(), before+1, "nothing but the question whose they are")
	require.Equal(t, "GetCallerIdentity", strange.Calls()[before].Action)

	before = len(ours.Calls())
	profile.Credentials = of(ours)
	_, err = account.Caller(t.Context())
	require.NoError(t, err, "put right, it goes on")
	require.Len(t, ours.Calls(), before+1)
}
