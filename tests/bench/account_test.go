package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// bulkCallsPerThousand is how many calls about the whole account discovery may make for 1,000 users.
	bulkCallsPerThousand = 40
	// lanePace is the most of CloudTrail's rate that may be used, with 5 % for how it is measured.
	lanePace = 1.05
	// smallPayload is what no input or output of a state comes near; AWS ends an execution at 256 KiB.
	smallPayload = 4 << 10
)

// TestAFullAccount plans a cleanup of as many users as an account can have. It has the regions in which the crowd lives
// and opens no case, for the sake of the race detector's time: BenchmarkOpenCases does both in full.
func TestAFullAccount(t *testing.T) {
	a := crowded(t, most, "eu-west-1", "us-east-1")
	m := newMachine(t, a)
	row := m.clean(sunset.Request{DryRun: true}, settled)
	require.Equal(t, most, row.Users)
	require.Greater(t, row.Eligible, most/5)
	require.Empty(t, row.Refusal)
	calls := a.Calls()

	t.Run("discovery reads in bulk", func(t *testing.T) {
		discovery := calls
		for i, c := range calls {
			if c.Service != "iam" && c.Service != "sts" {
				discovery = calls[:i]
				break
			}
		}
		whole, own := bulk(discovery)
		readThemselves := map[string]bool{}
		for _, c := range own {
			if name := c.Params["UserName"]; name != "" {
				readThemselves[name] = true
			}
		}
		t.Logf("bulk calls: %d, %.1f per 1,000 users; own reads: %d, of %d users", len(whole), float64(len(whole))*1000/most, len(own), len(readThemselves))
		require.LessOrEqual(t, len(whole)*1000, bulkCallsPerThousand*most, "%v", actions(whole))
		require.Less(t, len(readThemselves), most/3, "who is plainly in use is not read on its own")
		require.LessOrEqual(t, len(own), 9*len(readThemselves))
	})
	t.Run("CloudTrail's lanes stay under its rate", func(t *testing.T) {
		highest, lookups := pace(calls)
		t.Logf("%d look-ups in %d regions, at most %.3f of the rate", lookups, len(a.Regions()), highest)
		require.GreaterOrEqual(t, lookups, row.Eligible*len(a.Regions()))
		require.LessOrEqual(t, highest, lanePace)
		for _, c := range calls {
			require.False(t, c.Action == "LookupEvents" && c.Error != "", "%s in %s: no look-up may be refused", c.Error, c.Region)
		}
	})
	t.Run("payloads carry references", func(t *testing.T) {
		executions := m.Engine.Executions()
		require.Len(t, executions, 1)
		longest, of := m.payload(executions)
		t.Logf("longest payload: %d bytes (%s)", longest, of)
		require.LessOrEqual(t, longest, smallPayload)
		require.LessOrEqual(t, len(m.Engine.History(executions[0].ARN)), 100)
	})
}

func actions(calls []fakeaws.Call) map[string]int {
	n := map[string]int{}
	for _, c := range calls {
		n[c.Service+":"+c.Action]++
	}
	return n
}
