package bucket_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/bucket"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
)

// Two processes append the same records to one chain while every third answer is lost: each record is there once, and the
// chain holds.
func TestRecordsWhoseAnswersAreLost(t *testing.T) {
	w := open(t, 3)
	var puts atomic.Int32
	w.cloud.Fail(fakecloud.Fault{Action: "s3:PutObject", Match: func(fakecloud.Call) bool { return puts.Add(1)%3 == 0 }, Drop: true, ApplyFirst: true})
	const records = 12
	var all sync.WaitGroup
	for range 2 {
		book := audit.NewBook(bucket.New(w.client, "evidence", w.clock), w.clock)
		all.Go(func() {
			for i := range records {
				key := fmt.Sprint("heard-", i)
				stored, err := book.Append(t.Context(), audit.Record{Chain: "case/c1", Kind: "signal", Key: key})
				if err != nil || stored.Key != key {
					t.Errorf("record %s: %v, %v", key, stored, err)
				}
			}
		})
	}
	all.Wait()
	chain, err := audit.NewBook(w.store, w.clock).Chain(t.Context(), "case/c1")
	require.NoError(t, err)
	require.Len(t, chain, records)
	seen := map[string]bool{}
	for i, r := range chain {
		require.Equal(t, i+1, r.Seq)
		seen[r.Key] = true
	}
	require.Len(t, seen, records)
	require.Len(t, w.cloud.Versions("evidence"), records)
	require.GreaterOrEqual(t, puts.Load(), int32(records), "answers were lost")
}
