package table_test

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/table"
)

// before does something before each request goes out.
type before struct {
	aws.HTTPClient
	first func()
}

func (b before) Do(r *http.Request) (*http.Response, error) {
	b.first()
	return b.HTTPClient.Do(r)
}

func TestPutWhoseAnswerIsLost(t *testing.T) {
	lost := fakecloud.Fault{Action: "dynamodb:PutItem", Times: 1, Drop: true, ApplyFirst: true}
	t.Run("is found done", func(t *testing.T) {
		w := open(t, 0)
		w.cloud.Fail(lost)
		v := w.put(t, "case/A", 0, "one")
		w.cloud.Fail(lost)
		v = w.put(t, "case/A", v, "two")
		require.EqualValues(t, 2, v)
		require.Equal(t, store.Row{Key: "case/A", Version: 2, Body: []byte("two")}, w.get(t, "case/A"))
		require.Len(t, w.cloud.Calls(), 5, "each was sent twice")
	})
	t.Run("and somebody else writes the same words", func(t *testing.T) {
		// The other's row has the version and body that this Put would have written: still it isn't ours.
		w := open(t, 0)
		w.put(t, "case/A", 0, "lease")
		_, err := w.rows.Put(t.Context(), "case/A", 0, []byte("lease"))
		require.ErrorIs(t, err, store.ErrMoved)
	})
	t.Run("and somebody else changes the row at once", func(t *testing.T) {
		w := open(t, 0)
		w.cloud.Fail(lost)
		var mine atomic.Int32
		w.cfg.HTTPClient = before{w.cfg.HTTPClient, func() {
			if mine.Add(1) == 2 {
				w.put(t, "case/A", 1, "theirs")
			}
		}}
		_, err := table.New(dynamodb.NewFromConfig(w.cfg), "casebook").Put(t.Context(), "case/A", 0, []byte("mine"))
		require.ErrorIs(t, err, store.ErrMoved)
		require.Equal(t, "theirs", string(w.get(t, "case/A").Body))
	})
	t.Run("each time", func(t *testing.T) {
		w := open(t, 0)
		w.cloud.Fail(fakecloud.Fault{Action: "dynamodb:PutItem", Drop: true, ApplyFirst: true})
		_, err := w.rows.Put(t.Context(), "case/A", 0, []byte("one"))
		require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
		require.NotErrorIs(t, err, store.ErrMoved)
	})
}

// Writers who lose their answers and meet each other: what each was told is what happened.
func TestManyWritersWithLostAnswers(t *testing.T) {
	w := open(t, 0)
	var n atomic.Int32
	w.cloud.Fail(fakecloud.Fault{Action: "dynamodb:PutItem", Match: func(fakecloud.Call) bool { return n.Add(1)%3 == 0 }, Drop: true, ApplyFirst: true})
	version := int64(0)
	for round := range 10 {
		var won atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := w.rows.Put(t.Context(), "case/A", version, []byte("the same words"))
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrMoved) && sunset.KindOf(err) != sunset.Unavailable:
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.LessOrEqual(t, won.Load(), int32(1), "round %d", round)
		version++
		require.Equal(t, version, w.get(t, "case/A").Version, "one write a round, whoever was told of it")
	}
}
