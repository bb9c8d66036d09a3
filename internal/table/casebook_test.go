package table_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/casebook"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/table"
)

// Many processes claim one user while every third answer is lost: one has it, and nobody else believes so.
func TestClaimsWhoseAnswersAreLost(t *testing.T) {
	w := open(t, 1)
	var puts atomic.Int32
	w.cloud.Fail(fakecloud.Fault{Action: "dynamodb:PutItem", Match: func(fakecloud.Call) bool { return puts.Add(1)%3 == 1 }, Drop: true, ApplyFirst: true})
	for user := range 5 {
		id := fmt.Sprintf("AIDAUSER%d", user)
		winners := make(chan string, 6)
		var all sync.WaitGroup
		for i := range 6 {
			book := casebook.New(table.New(dynamodb.NewFromConfig(w.cfg), "casebook"), clock.Wall{})
			all.Go(func() {
				cleanup := fmt.Sprintf("c%d", i)
				_, claimed, err := book.Claim(t.Context(), sunset.Case{ID: cleanup + "-" + id, CleanupID: cleanup, UserID: id, UserName: "ann"})
				for err != nil && sunset.KindOf(err).Passing() { // all three answers were lost: its Task is called again
					_, claimed, err = book.Claim(t.Context(), sunset.Case{ID: cleanup + "-" + id, CleanupID: cleanup, UserID: id, UserName: "ann"})
				}
				if err != nil {
					t.Error(err)
				}
				if claimed {
					winners <- cleanup + "-" + id
				}
			})
		}
		all.Wait()
		require.Len(t, winners, 1)
		cases, err := casebook.New(w.rows, clock.Wall{}).OpenCases(t.Context())
		require.NoError(t, err)
		require.Len(t, cases, user+1)
		require.Equal(t, <-winners, cases[user].ID)
	}
}
