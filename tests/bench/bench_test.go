package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// BenchmarkBulkReads is the census's first round: an account of 5,000 users read in bulk. The account lives in the same
// process; only what is allocated on top of it counts.
func BenchmarkBulkReads(b *testing.B) {
	a := crowded(b, most)
	iam := iamaccount.New(a.server.Config("us-east-1"), a.clock)
	for b.Loop() {
		a.ResetCalls()
		grown, used := watchHeap(), watchCPU()
		var census iamaccount.Census
		require.NoError(b, a.clock.Run(b.Context(), func(ctx context.Context) (err error) {
			census, err = iam.Census(ctx, nil)
			return err
		}))
		b.ReportMetric(grown(), "peak-heap-MB")
		b.ReportMetric(used(), "cpu-s")
		b.ReportMetric(float64(len(a.Calls()))*1000/most, "calls/1000-users")
		require.Len(b, census.Entries, most)
	}
}

// BenchmarkCensusCommand is `scan --skip cloudtrail,ownership` of 5,000 users in real time, in a process of its own.
func BenchmarkCensusCommand(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "iam-sunset")
	out, err := exec.CommandContext(b.Context(), "go", "build", "-o", binary, "../../cmd/iam-sunset").CombinedOutput()
	require.NoError(b, err, string(out))
	a := fakeaws.New(fakeaws.Config{Seed: 7})
	require.NoError(b, a.Crowd(most))
	server, err := a.Serve("127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { _ = server.Close() })
	who := a.Administrator()
	for b.Loop() {
		a.ResetCalls()
		cmd := exec.CommandContext(b.Context(), binary, "scan", "--skip", "cloudtrail,ownership", "--output", "csv")
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+server.URL, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+who.AccessKeyID,
			"AWS_SECRET_ACCESS_KEY="+who.SecretAccessKey, "AWS_SESSION_TOKEN="+who.SessionToken)
		_, err := cmd.Output()
		require.NoError(b, err)
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			b.ReportMetric(float64(usage.Maxrss)/1024, "peak-RSS-MB") // KiB on Linux
		}
		b.ReportMetric(cmd.ProcessState.SystemTime().Seconds()+cmd.ProcessState.UserTime().Seconds(), "cpu-s")
		b.ReportMetric(float64(len(a.Calls())), "calls")
	}
}

// BenchmarkScan is a whole scan of 5,000 users under the virtual clock: what it takes on loopback, and how long AWS's
// rate would have it wait in earnest.
func BenchmarkScan(b *testing.B) {
	for b.Loop() {
		a := crowded(b, most)
		m := newMachine(b, a)
		grown, used := watchHeap(), watchCPU()
		began := a.clock.Now()
		require.NoError(b, a.clock.Run(b.Context(), func(ctx context.Context) error {
			plan, err := m.Scan(ctx, cleanup, sunset.Request{})
			if err == nil && len(plan.Entries) != most {
				err = fmt.Errorf("the plan has %d users", len(plan.Entries))
			}
			return err
		}))
		b.ReportMetric(grown(), "peak-heap-MB")
		b.ReportMetric(used(), "cpu-s")
		b.ReportMetric(a.clock.Now().Sub(began).Minutes(), "virtual-minutes")
		b.ReportMetric(float64(len(a.Calls())), "calls")
	}
}

// BenchmarkOpenCases plans a cleanup of 5,000 users and opens its cases: what all of them cost while they wait.
func BenchmarkOpenCases(b *testing.B) {
	for b.Loop() {
		a := crowded(b, most)
		m := newMachine(b, a)
		used := watchCPU()
		m.clean(sunset.Request{}, settled)
		b.ReportMetric(used(), "cpu-s")
		longest, _ := m.payload(m.Engine.Executions())
		require.LessOrEqual(b, longest, smallPayload)
		highest, lookups := pace(a.Calls())
		require.LessOrEqual(b, highest, lanePace)
		b.ReportMetric(float64(m.Engine.Counts()[asl.Running]), "open-cases")
		b.ReportMetric(float64(longest), "payload-B")
		b.ReportMetric(highest, "of-the-rate")
		b.ReportMetric(float64(lookups), "look-ups")
	}
}

// BenchmarkCleanup is a whole cleanup of 300 users under the virtual clock, from the scan to the last deletion.
func BenchmarkCleanup(b *testing.B) {
	const users = 300
	for b.Loop() {
		a := crowded(b, users)
		m := newMachine(b, a)
		used := watchCPU()
		row := m.clean(sunset.Request{}, ended)
		b.ReportMetric(used(), "cpu-s")
		deleted := row.Outcomes[sunset.Deleted]
		require.Positive(b, deleted)
		b.ReportMetric(float64(deleted), "deleted")
		b.ReportMetric(a.clock.Now().Sub(begin()).Hours()/24, "virtual-days")
		b.ReportMetric(float64(len(a.Calls()))/float64(row.Eligible), "calls/case")
	}
}

// BenchmarkLanes looks 300 candidates up in 17 regions under the virtual clock.
func BenchmarkLanes(b *testing.B) {
	const idle = 300
	for b.Loop() {
		a := newAccount(b)
		var candidates []trail.Candidate
		for i := range idle {
			u, err := a.AddUser(fakeaws.UserSpec{Name: fmt.Sprintf("idle-%03d", i)})
			require.NoError(b, err)
			candidates = append(candidates, trail.Candidate{UserID: u.ID, Name: u.Name})
		}
		require.NoError(b, a.clock.Run(b.Context(), func(ctx context.Context) error {
			r, err := trail.New(a.server.Config("us-east-1"), a.clock).Crosscheck(ctx, trail.Query{
				Regions: a.Regions(), Candidates: candidates, Since: begin().Add(-90 * day), Until: begin(),
			}, nil)
			if err == nil && (r.Cursor != nil || len(r.Evidence) != idle) {
				err = fmt.Errorf("%d users were looked up", len(r.Evidence))
			}
			return err
		}))
		highest, lookups := pace(a.Calls())
		b.ReportMetric(highest, "of-the-rate")
		b.ReportMetric(float64(lookups), "look-ups")
		b.ReportMetric(a.clock.Now().Sub(begin()).Seconds(), "virtual-s")
	}
}

// watchCPU tells the processor seconds, of both cores together, that this process has used since: product, fake account
// and engine. On a busy machine they say more than the wall does.
func watchCPU() (used func() float64) {
	read := func() float64 {
		var u syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
			return 0
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	before := read()
	return func() float64 { return read() - before }
}

// watchHeap looks at the heap every few milliseconds; grown tells, in MB, by how much it was at most longer than now.
// It counts what the collector has not freed yet, as the memory of a process does.
func watchHeap() (grown func() float64) {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before, peak := read(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, read())
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() float64 {
		close(stop)
		<-stopped
		return (float64(peak) - float64(before)) / (1 << 20)
	}
}
