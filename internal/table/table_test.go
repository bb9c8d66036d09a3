package table_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/store/storetest"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/table"
)

// world is a table named casebook and a client of it that retries without waiting.
type world struct {
	cloud *fakecloud.Cloud
	cfg   aws.Config
	rows  *table.Rows
}

func open(t *testing.T, pageSize int) *world {
	t.Helper()
	w := &world{cloud: fakecloud.New(fakecloud.Config{})}
	w.cloud.CreateTable("casebook", fakecloud.Table{PageSize: pageSize})
	s, err := w.cloud.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	w.cfg = s.Config(w.cloud.AddPrincipal("disable"), "us-east-1")
	w.cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	w.rows = table.New(dynamodb.NewFromConfig(w.cfg), "casebook")
	return w
}

func (w *world) put(t *testing.T, key string, version int64, body string) int64 {
	t.Helper()
	next, err := w.rows.Put(t.Context(), key, version, []byte(body))
	require.NoError(t, err)
	return next
}

func (w *world) get(t *testing.T, key string) store.Row {
	t.Helper()
	row, err := w.rows.Get(t.Context(), key)
	require.NoError(t, err)
	return row
}

func TestTableKeepsTheContract(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprintf("pages of %d", size), func(t *testing.T) {
			storetest.Rows(t, func(t *testing.T) store.Rows { return open(t, size).rows })
		})
	}
}

func TestAnItemIsAsPoliciesExpectIt(t *testing.T) {
	w := open(t, 0)
	w.put(t, "decision/r1/a@example.com", 0, `{"a":1}`)
	items := w.cloud.Items("casebook")
	require.Len(t, items, 1)
	require.NotEmpty(t, items[0]["write"]["S"])
	delete(items[0], "write")
	require.Equal(t, fakecloud.Item{"kind": {"S": "decision"}, "key": {"S": "decision/r1/a@example.com"}, "version": {"N": "1"}, "body": {"S": `{"a":1}`}}, items[0])
	w.put(t, "pause", 0, "{}")
	w.get(t, "pause")
	_, err := w.rows.List(t.Context(), "decision/r1/")
	require.NoError(t, err)
	var seen []string
	for _, c := range w.cloud.Calls() {
		require.Equal(t, "arn:aws:dynamodb:us-east-1:111122223333:table/casebook", c.Resource)
		seen = append(seen, c.Action+" "+c.LeadingKey)
	}
	require.Equal(t, []string{"dynamodb:PutItem decision", "dynamodb:PutItem pause", "dynamodb:GetItem pause", "dynamodb:Query decision"}, seen)
}

// Every kind of row is listed whole, however its pages are cut, and nothing of its neighbours.
func TestListPagesThrough(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3, 7} {
		w := open(t, size)
		var want []string
		for i := range 7 {
			want = append(want, fmt.Sprintf("token/%d", i))
			w.put(t, want[i], 0, "{}")
		}
		for _, key := range []string{"tokens/1", "token", "toke/9", "decision/1/a", "decision/1/b", "decision/10/a"} {
			w.put(t, key, 0, "{}")
		}
		for prefix, keys := range map[string][]string{"token/": want, "decision/1/": {"decision/1/a", "decision/1/b"}, "decision/2/": nil, "round/": nil} {
			rows, err := w.rows.List(t.Context(), prefix)
			require.NoError(t, err)
			var got []string
			for _, row := range rows {
				got = append(got, row.Key)
			}
			require.Equal(t, keys, got, "%s in pages of %d", prefix, size)
		}
		if size == 0 || size == 7 {
			continue
		}
		// A list that ends early is no list.
		remove := w.cloud.Fail(fakecloud.Fault{Action: "dynamodb:Query", After: 1, Throttle: true})
		rows, err := w.rows.List(t.Context(), "token/")
		require.Equal(t, sunset.Throttled, sunset.KindOf(err), "%v", err)
		require.Nil(t, rows)
		remove()
	}
}

func TestListOfLargeRows(t *testing.T) {
	w := open(t, 0)
	body := strings.Repeat("x", 396<<10)
	for i := range 5 {
		w.put(t, fmt.Sprintf("case/%d", i), 0, body)
	}
	w.cloud.ResetCalls()
	rows, err := w.rows.List(t.Context(), "case/")
	require.NoError(t, err)
	require.Len(t, rows, 5)
	require.Equal(t, body, string(rows[4].Body))
	require.Greater(t, len(w.cloud.Calls()), 1, "a page ends at 1 MB")
}

func TestRefusedBeforeAnythingIsSent(t *testing.T) {
	w := open(t, 0)
	for _, prefix := range []string{"", "case", "/", "/case/"} {
		_, err := w.rows.List(t.Context(), prefix)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%q: %v", prefix, err)
	}
	for name, body := range map[string]string{"too large": strings.Repeat("x", 396<<10+1), "no text": "\xff"} {
		_, err := w.rows.Put(t.Context(), "case/A", 0, []byte(body))
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, "case/A")
	}
	require.Empty(t, w.cloud.Calls())
	// What is just not too large fits, with the longest of keys.
	long := strings.TrimSuffix(strings.Repeat(strings.Repeat("k", 203)+"/", 5), "/")
	w.put(t, long, 0, strings.Repeat("x", 396<<10))
}

func TestFaultsKeepTheirKind(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault fakecloud.Fault
		want  sunset.Kind
	}{
		{"throttled", fakecloud.Fault{Throttle: true}, sunset.Throttled},
		{"throttled otherwise", fakecloud.Fault{Code: "ThrottlingException"}, sunset.Throttled},
		{"denied", fakecloud.Fault{Code: "AccessDeniedException"}, sunset.AccessDenied},
		{"down", fakecloud.Fault{Code: "InternalServerError", Status: 500}, sunset.Unavailable},
		{"no answer", fakecloud.Fault{Drop: true}, sunset.Unavailable},
	} {
		for action, call := range map[string]func(*world) error{
			"dynamodb:PutItem": func(w *world) error { _, err := w.rows.Put(t.Context(), "case/A", 0, nil); return err },
			"dynamodb:GetItem": func(w *world) error { _, err := w.rows.Get(t.Context(), "case/A"); return err },
			"dynamodb:Query":   func(w *world) error { _, err := w.rows.List(t.Context(), "case/"); return err },
		} {
			t.Run(action+" "+c.name, func(t *testing.T) {
				w := open(t, 0)
				c.fault.Action = action
				w.cloud.Fail(c.fault)
				err := call(w)
				require.Equal(t, c.want, sunset.KindOf(err), "%v", err)
				require.Equal(t, action, sunset.ActionOf(err))
				require.NotErrorIs(t, err, store.ErrMissing)
				require.NotErrorIs(t, err, store.ErrMoved)
				require.ErrorContains(t, err, "case/")
				require.Empty(t, w.cloud.Items("casebook"))
			})
		}
	}
}

func TestWhatIsNotMissing(t *testing.T) {
	w := open(t, 0)
	w.put(t, "case/A", 0, "{}")
	elsewhere := w.cfg.Copy()
	elsewhere.Region = "eu-west-1"
	for name, rows := range map[string]*table.Rows{
		"no such table":  table.New(dynamodb.NewFromConfig(w.cfg), "casebooks"),
		"another region": table.New(dynamodb.NewFromConfig(elsewhere), "casebook"),
	} {
		_, err := rows.Get(t.Context(), "case/A")
		require.Error(t, err, name)
		require.NotErrorIs(t, err, store.ErrMissing, name)
		_, err = rows.List(t.Context(), "case/")
		require.Error(t, err, name)
		_, err = rows.Put(t.Context(), "case/A", 0, nil)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, store.ErrMoved, name)
	}
	// Half an answer is none.
	w.cloud.Fail(fakecloud.Fault{Action: "dynamodb:GetItem", Truncate: true})
	_, err := w.rows.Get(t.Context(), "case/A")
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrMissing)
	require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
}

func TestRowsThatSomethingElseWrote(t *testing.T) {
	key := func(more fakecloud.Item) fakecloud.Item {
		more["kind"], more["key"] = map[string]string{"S": "case"}, map[string]string{"S": "case/A"}
		return more
	}
	for name, item := range map[string]fakecloud.Item{
		"no version":      key(fakecloud.Item{"body": {"S": "{}"}}),
		"version 0":       key(fakecloud.Item{"body": {"S": "{}"}, "version": {"N": "0"}}),
		"version as text": key(fakecloud.Item{"body": {"S": "{}"}, "version": {"S": "1"}}),
		"no body":         key(fakecloud.Item{"version": {"N": "1"}}),
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, 0)
			w.cloud.SetItem("casebook", item)
			_, err := w.rows.Get(t.Context(), "case/A")
			require.Equal(t, sunset.Internal, sunset.KindOf(err))
			require.ErrorContains(t, err, "case/A")
			_, err = w.rows.List(t.Context(), "case/")
			require.ErrorContains(t, err, "case/A")
			_, err = w.rows.Put(t.Context(), "case/A", 0, nil)
			require.ErrorIs(t, err, store.ErrMoved)
		})
	}
}
