//go:build peers

package peers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
)

const day = 24 * time.Hour

// size is how large an account is and how far away.
type size struct {
	users, dead int           // all, and of them those to go
	careless    bool          // with users whom a careless look takes for unused
	latency     time.Duration // of each call, beside its work
}

// full is as many users as AWS lets an account have; few shows the same sooner.
func full() size { return size{users: 5000, dead: 76, careless: true, latency: 50 * time.Millisecond} }
func few() size  { return size{users: 60, dead: 8} }

// Headers of the product's own process: the virtual time at which it calls, and for which function. The account's clock
// follows the first, the bench sorts calls by the second.
const (
	headerNow      = "X-Bench-Now"
	headerFunction = "X-Bench-Function"
)

// account is the fake account behind a wire of some length.
type account struct {
	*fakeaws.Account
	size
	url string

	mu sync.Mutex
	// now is the account's time: the latest that a caller has told, or real time shifted.
	now   time.Time
	shift time.Duration
	// calls and walls are by the function that called, "" for programs that tell of none; last is when the last call ended.
	calls map[string]int
	walls map[string]time.Duration
	last  time.Time

	doomed map[string]bool   // UserIds of those to go
	kinds  map[string]string // UserId → why a user stays
}

func (a *account) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.now.IsZero() {
		return a.now
	}
	return time.Now().UTC().Add(a.shift)
}

// ServeHTTP answers as the account does, and later. What the product does over its two weeks of soak nobody waits for:
// there it isn't held up, as the time between is virtual too.
func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	function := r.Header.Get(headerFunction)
	a.mu.Lock()
	if at, err := time.Parse(time.RFC3339Nano, r.Header.Get(headerNow)); err == nil && at.After(a.now) {
		a.now = at
	}
	a.mu.Unlock()
	if !slices.Contains(unhurried(), function) {
		time.Sleep(a.latency)
	}
	a.Handler().ServeHTTP(w, r)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[function]++
	now := time.Now()
	a.walls[function] += now.Sub(a.last)
	a.last = now
}

// unhurried are the functions that run between the quarantine and the decision.
func unhurried() []string {
	return []string{"wait-soak", "request-approval", "reconcile", "approval-web"}
}

// open makes the account: equal for every contestant.
func open(tb testing.TB, s size) *account {
	tb.Helper()
	a := &account{
		size: s, shift: -3 * time.Hour, calls: map[string]int{}, walls: map[string]time.Duration{},
		doomed: map[string]bool{}, kinds: map[string]string{},
	}
	a.Account = fakeaws.New(fakeaws.Config{Now: a.clock, Seed: 7})
	a.populate(tb)

	// Names are used again after the report was made that everybody goes by: AWS makes a new one every four hours at most.
	near, err := a.Serve("127.0.0.1:0")
	require.NoError(tb, err)
	defer near.Close()
	c := iam.NewFromConfig(near.Config(region))
	_, err = c.GenerateCredentialReport(tb.Context(), &iam.GenerateCredentialReportInput{})
	require.NoError(tb, err)
	_, err = c.GetCredentialReport(tb.Context(), &iam.GetCredentialReportInput{})
	require.NoError(tb, err)
	a.mu.Lock()
	a.shift = -2 * time.Hour
	a.mu.Unlock()
	if a.careless {
		a.returns(tb, c)
	}
	require.Len(tb, a.Users(), a.users)
	a.ResetCalls()

	a.mu.Lock()
	a.shift, a.last = 0, time.Now()
	a.mu.Unlock()
	wire := httptest.NewServer(a)
	tb.Cleanup(wire.Close)
	a.url = wire.URL
	return a
}

// returns has users deleted and others made of their names.
func (a *account) returns(tb testing.TB, c *iam.Client) {
	tb.Helper()
	for i := range 10 {
		name := fmt.Sprintf("returning.%02d", i)
		u, ok := a.User(name)
		require.True(tb, ok)
		_, err := c.DeleteLoginProfile(tb.Context(), &iam.DeleteLoginProfileInput{UserName: &name})
		require.NoError(tb, err)
		_, err = c.DeleteUser(tb.Context(), &iam.DeleteUserInput{UserName: &name})
		require.NoError(tb, err)
		delete(a.kinds, u.ID)
		made, err := c.CreateUser(tb.Context(), &iam.CreateUserInput{UserName: &name})
		require.NoError(tb, err)
		a.kinds[*made.User.UserId] = "its name was used again after the report was made"
	}
}

// left tells what a contestant has done to the account.
type left struct {
	gone     int            // of those to go
	stripped int            // of those to go: still there, without password and keys
	wrong    map[string]int // reasons to stay → users deleted against them
	devices  int            // virtual MFA devices of deleted users that are still there
}

func (a *account) left() left {
	l := left{wrong: map[string]int{}}
	gone := map[string]bool{}
	for _, u := range a.DeletedUsers() {
		switch why, stays := a.kinds[u.ID]; {
		case a.doomed[u.ID]:
			l.gone++
			gone[u.Name] = true
		case stays:
			l.wrong[why]++
			gone[u.Name] = true
		}
	}
	for _, u := range a.Users() {
		if a.doomed[u.ID] && !u.HasPassword && len(u.Keys) == 0 {
			l.stripped++
		}
	}
	for _, serial := range a.VirtualMFADevices() {
		name := serial[strings.LastIndexByte(serial, '/')+1:]
		if gone[strings.TrimSuffix(name, "-2")] {
			l.devices++
		}
	}
	return l
}
