package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
)

// setClock is this machine's clock, which somebody sets.
type setClock struct {
	clock.Wall
	ahead *atomic.Int64
}

func (c setClock) Now() time.Time { return c.Wall.Now().Add(time.Duration(c.ahead.Load())) }

// AfterFunc looks often, as the wall's timers look once a minute.
func (c setClock) AfterFunc(t time.Time, f func()) func() bool {
	var stopped atomic.Bool
	var look func()
	look = func() {
		switch {
		case stopped.Load():
		case c.Now().Before(t):
			time.AfterFunc(20*time.Millisecond, look)
		case stopped.CompareAndSwap(false, true):
			f()
		}
	}
	time.AfterFunc(0, look)
	return func() bool { return stopped.CompareAndSwap(false, true) }
}

// In a soak this machine's clock is set a year ahead for a moment, and AWS is slow to say so. What waits is not over for
// that, and what comes later is not late for ever.
func TestAClockThatIsSetAheadAndBack(t *testing.T) {
	p := newPremises(t, "old-a")
	p.settle(strings.Replace(quickSettings, `"2s"`, `"1h"`, 1))
	ahead := &atomic.Int64{}
	slow := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if ahead.Load() != 0 {
			<-time.After(time.Second)
		}
		p.account.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(slow.Close)
	t.Setenv("AWS_ENDPOINT_URL", slow.URL)
	p.serveBy(setClock{ahead: ahead})
	p.does("start", "--open-cases", "--name", "spring", "--yes")
	waits := regexp.MustCompile(`The execution waits in WaitSoak until \S+`)
	p.comes("the soak", func() bool {
		return strings.Contains(p.stderr.String(), "kind=disabled") && waits.MatchString(p.does("history", "old-a"))
	})
	until := waits.FindString(p.does("history", "old-a"))

	ahead.Store(int64(365 * 24 * time.Hour))
	require.Equal(t, 1, p.ended())
	require.Contains(t, p.stderr.String(), "this machine's clock is 8760h0m0s ahead of AWS's")
	ahead.Store(0)
	p.serveBy(setClock{ahead: ahead})
	require.Equal(t, until, waits.FindString(p.does("history", "old-a")))
	require.NotContains(t, p.does("history", "old-a", "--all"), "CheckSoak", "no Wait has ended")
	p.stop()
	require.Zero(t, p.ended())
}

func (p *premises) serveBy(c setClock) {
	ctx, stop := context.WithCancel(p.t.Context())
	p.stderr, p.code, p.stop = &heard{}, make(chan int, 1), stop
	code := p.code
	args := []string{"serve", "--data", p.data, "--listen", "127.0.0.1:0", "--pages", "127.0.0.1:0", "--yes"}
	around := surroundings{stdout: io.Discard, stderr: p.stderr, clock: c}
	go func() { code <- run(ctx, args, around) }()
	p.t.Cleanup(stop)
}

// AWS can't be reached when a soak is over. The wait is not, until AWS says what time it is; then all goes on, and nothing
// was called in vain.
func TestAnAWSThatIsAwayWhenAWaitIsOver(t *testing.T) {
	p := newPremises(t, "old-a")
	away := &atomic.Bool{}
	network := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler)
		}
		p.account.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(network.Close)
	t.Setenv("AWS_ENDPOINT_URL", network.URL)
	ahead := &atomic.Int64{}
	p.settle(strings.Replace(quickSettings, `"2s"`, `"2m"`, 1))
	p.serveBy(setClock{ahead: ahead})
	p.does("start", "--open-cases", "--name", "spring", "--yes")
	p.comes("the soak", func() bool {
		return strings.Contains(p.stderr.String(), "kind=disabled") && strings.Contains(p.does("history", "old-a"), "The execution waits in WaitSoak")
	})
	away.Store(true)
	ahead.Store(int64(3 * time.Minute)) // within what clocks may differ
	p.comes("a warning", func() bool {
		return strings.Contains(p.stderr.String(), "nothing that is due begins until AWS can be reached again")
	})
	away.Store(false)
	p.comes("the request", func() bool { return strings.Contains(p.does("status"), "requesting") })
	require.NotContains(t, p.does("history", "old-a", "--all"), "Lambda.SdkClientException")
	require.NotContains(t, p.stderr.String(), "no function is called")
	p.stop()
	require.Zero(t, p.ended())
}

// Somebody says yes after the clock was set.
func TestAClockThatIsSetWhileSomebodyThinks(t *testing.T) {
	p := newPremises(t)
	ahead := &atomic.Int64{}
	thinking := readerFunc(func(b []byte) (int, error) {
		ahead.Store(int64(time.Hour))
		return copy(b, "y\n"), io.EOF
	})
	var stderr heard
	code := run(t.Context(), []string{"serve", "--data", p.data, "--listen", "127.0.0.1:0", "--pages", "127.0.0.1:0"},
		surroundings{stdout: io.Discard, stderr: &stderr, clock: setClock{ahead: ahead}, answers: thinking})
	require.NotZero(t, code)
	require.Contains(t, stderr.String(), "this machine's clock is 1h0m0s ahead of AWS's")
	require.NotContains(t, stderr.String(), "Serving.")
	require.NoFileExists(t, filepath.Join(p.data, "journal.db"))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
