package stepfunctions_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/journal"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// BenchmarkFortnight opens 5,000 cases of the shipped definition on a journal that is synced, lets 14 days of virtual
// time pass, and then has another engine take up all of them, each of which waits for its approver. The functions are
// stubs: what is measured is the engine and its journal. Checks fall where the product spreads them; where no two of them fall together, each is two
// commits of its own, and 200 cases tell what those cost.
func BenchmarkFortnight(b *testing.B) {
	for _, tt := range []struct {
		name  string
		open  int
		apart time.Duration // between the turns of two cases
	}{{"together", 5000, 0}, {"each alone", 200, 7 * time.Millisecond}} {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				fortnight(b, tt.open, tt.apart)
			}
		})
	}
}

func fortnight(b *testing.B, open int, apart time.Duration) {
	path := filepath.Join(b.TempDir(), "journal.db")
	key, err := signature.NewKey(strings.NewReader(strings.Repeat("k", 64)))
	require.NoError(b, err)
	d := shipped(b)
	s := &stubs{clock: clock.NewVirtual(start())}
	memory := watch()
	began := time.Now()
	file, err := journal.Open(path)
	require.NoError(b, err)
	counted := &mortal{Journal: file}
	engine, err := engineOn(b, s, d, key, counted, nil)
	require.NoError(b, err)
	for i := range open {
		turn := start().Add(time.Hour + time.Duration(i)*apart)
		s.clock.AfterFunc(start(), func() { startCase(b, engine, i, turn) })
	}
	awake := start().Add(15*24*time.Hour + 2*time.Hour)
	over := false
	s.clock.AfterFunc(awake, func() { over = true })
	require.NoError(b, s.clock.RunUntil(b.Context(), func() bool { return over }))
	b.ReportMetric(time.Since(began).Seconds(), "s/fortnight")
	require.Equal(b, map[asl.Status]int{asl.Running: open}, engine.Counts())
	x, _ := engine.Execution(engine.Executions()[open-1].ARN)
	require.Equal(b, "RequestApproval", x.State)
	b.ReportMetric(float64(counted.commits), "commits")
	heap, anonymous, all := memory()
	b.ReportMetric(heap, "MB-heap-peak")
	b.ReportMetric(anonymous, "MB-anonymous-peak")
	b.ReportMetric(all, "MB-RSS-peak")
	engine.Close()
	require.NoError(b, file.Close())
	info, err := os.Stat(path)
	require.NoError(b, err)
	b.ReportMetric(float64(info.Size())/1e6, "MB-journal")

	began = time.Now()
	file, err = journal.Open(path)
	require.NoError(b, err)
	b.ReportMetric(time.Since(began).Seconds(), "s/open-journal")
	engine, err = engineOn(b, s, d, key, file, nil)
	require.NoError(b, err)
	b.ReportMetric(time.Since(began).Seconds(), "s/restart")
	require.Equal(b, map[asl.Status]int{asl.Running: open}, engine.Counts())
	require.Len(b, engine.StatesEntered(x.ARN)[0:3], 3)
	engine.Close()
	require.NoError(b, file.Close())
}

func startCase(b *testing.B, engine *stepfunctions.Engine, i int, turn time.Time) {
	body := fmt.Sprintf(`{"stateMachineArn": %q, "name": "case-%d", "input": %q}`, engine.StateMachineARN(), i, caseAt(i, turn))
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, startRequest(b, engine.Key(), body))
	if w.Code != http.StatusOK {
		b.Error(w.Body)
	}
}

// startRequest is a StartExecution as it comes in.
func startRequest(tb testing.TB, key signature.Key, body string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AWSStepFunctions.StartExecution")
	signed(tb, key, r, body)
	return r
}

// watch looks at the process's memory ten times a second until the function that it gives is called: the peaks in MB of
// the heap in use, of memory that is the process's own, and of that and the pages of mapped files.
func watch() (peaks func() (heap, anonymous, all float64)) {
	stop, done := make(chan struct{}), make(chan struct{})
	var heap, anonymous, all float64
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = max(heap, float64(m.HeapInuse)/1e6)
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return // not Linux
		}
		for line := range bytes.Lines(status) {
			name, rest, _ := strings.Cut(string(line), ":")
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			switch {
			case err != nil:
			case name == "RssAnon":
				anonymous = max(anonymous, kb*1024/1e6)
			case name == "VmRSS":
				all = max(all, kb*1024/1e6)
			}
		}
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				look()
			}
		}
	}()
	return func() (float64, float64, float64) {
		close(stop)
		<-done
		look()
		return heap, anonymous, all
	}
}
