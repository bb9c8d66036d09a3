package bucket_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/bucket"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/store/storetest"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// world is a locked bucket named evidence, a client of it that retries without waiting, and a clock that jumps.
type world struct {
	cloud  *fakecloud.Cloud
	cfg    aws.Config
	clock  *clock.Virtual
	client *s3.Client
	store  *bucket.Objects
}

func open(t *testing.T, pageSize int) *world {
	t.Helper()
	w := &world{clock: clock.NewVirtual(start)}
	w.cloud = fakecloud.New(fakecloud.Config{Now: w.clock.Now})
	w.cloud.CreateBucket("evidence", fakecloud.Bucket{WriteOnce: true, Lock: time.Hour, PageSize: pageSize})
	s, err := w.cloud.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	w.cfg = s.Config(w.cloud.AddPrincipal("disable"), "us-east-1")
	w.cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	w.client = s3.NewFromConfig(w.cfg)
	w.store = bucket.New(w.client, "evidence", w.clock)
	return w
}

// run lets the clock jump while f sleeps.
func (w *world) run(t *testing.T, f func(ctx context.Context) error) error {
	t.Helper()
	return w.clock.Run(t.Context(), f)
}

func (w *world) put(t *testing.T, key, body string) error {
	t.Helper()
	return w.run(t, func(ctx context.Context) error { return w.store.Put(ctx, key, []byte(body)) })
}

func TestBucketKeepsTheContract(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprintf("pages of %d", size), func(t *testing.T) {
			storetest.Objects(t, func(t *testing.T) store.Objects { return open(t, size).store })
		})
	}
}

func TestListPagesThrough(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7} {
		w := open(t, size)
		var want []string
		for i := range 7 {
			want = append(want, fmt.Sprintf("a/%d", i))
			require.NoError(t, w.put(t, want[i], "{}"))
		}
		require.NoError(t, w.put(t, "b", "{}"))
		w.cloud.ResetCalls()
		got, err := w.store.List(t.Context(), "a/")
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Len(t, w.cloud.Calls(), (7+size-1)/size)

		// A list that ends early is no list.
		remove := w.cloud.Fail(fakecloud.Fault{Action: "s3:ListBucket", After: (7+size-1)/size - 1, Throttle: true})
		got, err = w.store.List(t.Context(), "a/")
		require.Equal(t, sunset.Throttled, sunset.KindOf(err), "%v", err)
		require.Equal(t, "s3:ListBucket", sunset.ActionOf(err))
		require.Nil(t, got)
		remove()
	}
}

func TestPutIsSeenAsTheBucketDemands(t *testing.T) {
	w := open(t, 0)
	require.NoError(t, w.put(t, "plans/c/1.json", "{}"))
	v := w.cloud.Versions("evidence")
	require.Len(t, v, 1)
	require.Equal(t, "application/json", v[0].ContentType)
	require.Equal(t, start.Add(time.Hour), v[0].RetainUntil)
	call := w.cloud.Calls()[0]
	require.Equal(t, "s3:PutObject", call.Action)
	require.Equal(t, "arn:aws:s3:::evidence/plans/c/1.json", call.Resource)
}

// Every character that a key may have comes back as it went, and so does a body that the SDK asks leave to send.
func TestKeysAndBodiesOfEveryKind(t *testing.T) {
	w := open(t, 2)
	for i, key := range []string{"cases/AIDA0123456789/entry.json", "cases/a+b/c=d@e._-f", "cases/a+b/c"} {
		require.NoError(t, w.put(t, key, fmt.Sprint(i)))
		got, err := w.store.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(got))
	}
	got, err := w.store.List(t.Context(), "cases/a+")
	require.NoError(t, err)
	require.Equal(t, []string{"cases/a+b/c", "cases/a+b/c=d@e._-f"}, got)

	large := strings.Repeat("0123456789abcdef", 3<<16)
	require.NoError(t, w.put(t, "plans/large.json", large))
	body, err := w.store.Get(t.Context(), "plans/large.json")
	require.NoError(t, err)
	require.Equal(t, large, string(body))
}

func TestPutWhileAnotherWrites(t *testing.T) {
	conflict := fakecloud.Fault{Action: "s3:PutObject", Code: "ConditionalRequestConflict", Status: http.StatusConflict}
	t.Run("who then finds the key free", func(t *testing.T) {
		w := open(t, 0)
		conflict.Times = 3
		w.cloud.Fail(conflict)
		require.NoError(t, w.put(t, "k", "mine"))
		require.Equal(t, start.Add(350*time.Millisecond), w.clock.Now(), "waits grow, on the clock")
		require.Len(t, w.cloud.Versions("evidence"), 1)
	})
	t.Run("who then finds it taken", func(t *testing.T) {
		w := open(t, 0)
		conflict.Times = 1
		w.cloud.Fail(conflict)
		w.cloud.SetObject("evidence", "k", []byte("theirs"))
		require.ErrorIs(t, w.put(t, "k", "mine"), store.ErrExists)
	})
	t.Run("who never ends", func(t *testing.T) {
		w := open(t, 0)
		conflict.Times = 0
		w.cloud.Fail(conflict)
		err := w.put(t, "k", "mine")
		require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
		require.Equal(t, "s3:PutObject", sunset.ActionOf(err))
		require.NotErrorIs(t, err, store.ErrExists)
		require.Empty(t, w.cloud.Versions("evidence"))
	})
	t.Run("until the caller gives up", func(t *testing.T) {
		w := open(t, 0)
		gone, cancel := context.WithCancel(t.Context())
		conflict.Match = func(fakecloud.Call) bool { cancel(); return true }
		w.cloud.Fail(conflict)
		err := w.run(t, func(context.Context) error { return w.store.Put(gone, "k", []byte("mine")) })
		require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
	})
}

func TestPutWhoseAnswerIsLost(t *testing.T) {
	w := open(t, 0)
	w.cloud.Fail(fakecloud.Fault{Action: "s3:PutObject", Times: 1, Drop: true, ApplyFirst: true})
	err := w.put(t, "k", "mine")
	require.ErrorIs(t, err, store.ErrExists, "the SDK met its own object")
	got, err := w.store.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "mine", string(got))
	require.Len(t, w.cloud.Versions("evidence"), 1)
}

func TestFaultsKeepTheirKind(t *testing.T) {
	for _, c := range []struct {
		name   string
		action string
		fault  fakecloud.Fault
		want   sunset.Kind
	}{
		{"throttled", "s3:PutObject", fakecloud.Fault{Throttle: true}, sunset.Throttled},
		{"denied", "s3:PutObject", fakecloud.Fault{Code: "AccessDenied", Status: 403}, sunset.AccessDenied},
		{"down", "s3:PutObject", fakecloud.Fault{Code: "InternalError", Status: 500}, sunset.Unavailable},
		{"no answer", "s3:PutObject", fakecloud.Fault{Drop: true}, sunset.Unavailable},
		{"throttled", "s3:GetObject", fakecloud.Fault{Throttle: true}, sunset.Throttled},
		{"denied, as without s3:ListBucket", "s3:GetObject", fakecloud.Fault{Code: "AccessDenied", Status: 403}, sunset.AccessDenied},
		{"half an answer", "s3:GetObject", fakecloud.Fault{Truncate: true}, sunset.Unavailable},
		{"throttled", "s3:ListBucket", fakecloud.Fault{Throttle: true}, sunset.Throttled},
		{"half an answer", "s3:ListBucket", fakecloud.Fault{Truncate: true}, sunset.Unavailable},
	} {
		t.Run(c.action+" "+c.name, func(t *testing.T) {
			w := open(t, 0)
			require.NoError(t, w.put(t, "there", `{"a":"long enough to be cut in half"}`))
			c.fault.Action = c.action
			w.cloud.Fail(c.fault)
			var err error
			switch c.action {
			case "s3:PutObject":
				err = w.put(t, "k", "{}")
			case "s3:GetObject":
				_, err = w.store.Get(t.Context(), "there")
			default:
				_, err = w.store.List(t.Context(), "")
			}
			require.Equal(t, c.want, sunset.KindOf(err), "%v", err)
			require.Equal(t, c.action, sunset.ActionOf(err))
			require.NotErrorIs(t, err, store.ErrMissing)
			require.NotErrorIs(t, err, store.ErrExists)
			require.ErrorContains(t, err, "evidence")
		})
	}
}

func TestABrokenReadIsReadAgain(t *testing.T) {
	w := open(t, 0)
	require.NoError(t, w.put(t, "k", `{"a":"long enough to be cut in half"}`))
	w.cloud.Fail(fakecloud.Fault{Action: "s3:GetObject", Times: 2, Truncate: true})
	got, err := w.store.Get(t.Context(), "k")
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"long enough to be cut in half"}`, string(got))
}

func TestWhatIsNotMissing(t *testing.T) {
	w := open(t, 0)
	require.NoError(t, w.put(t, "k", "{}"))
	for name, s := range map[string]*bucket.Objects{
		"no such bucket": bucket.New(w.client, "evidences", w.clock),
		"another region": bucket.New(s3.NewFromConfig(w.cfg, func(o *s3.Options) { o.Region = "eu-west-1" }), "evidence", w.clock),
	} {
		_, err := s.Get(t.Context(), "k")
		require.Error(t, err, name)
		require.NotErrorIs(t, err, store.ErrMissing, name)
		_, err = s.List(t.Context(), "")
		require.Error(t, err, name)
		err = s.Put(t.Context(), "k2", nil)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, store.ErrExists, name)
	}
	w.cloud.MarkDeleted("evidence", "k")
	_, err := w.store.Get(t.Context(), "k")
	require.ErrorContains(t, err, "somebody deleted it")
	require.NotErrorIs(t, err, store.ErrMissing)
}

func TestDocument(t *testing.T) {
	w := open(t, 0)
	w.cloud.SetObject("evidence", "config/settings.json", []byte(`{"v":1}`))
	second := w.cloud.SetObject("evidence", "config/settings.json", []byte(`{"v":2}`))
	body, version, err := bucket.Document(t.Context(), w.client, "s3://evidence/config/settings.json")
	require.NoError(t, err)
	require.JSONEq(t, `{"v":2}`, string(body))
	require.Equal(t, second, version)
	for _, uri := range []string{"", "settings.json", "s3://evidence", "s3://evidence/", "s3:///k", "https://evidence/k", "s3://evidence/config/other.json"} {
		_, _, err := bucket.Document(t.Context(), w.client, uri)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%s: %v", uri, err)
	}
	w.cloud.Fail(fakecloud.Fault{Action: "s3:GetObject", Code: "AccessDenied", Status: 403})
	_, _, err = bucket.Document(t.Context(), w.client, "s3://evidence/config/settings.json")
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
}
