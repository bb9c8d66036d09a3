//go:build emulators

package emulators

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const (
	approver = "approver@example.com"
	owner    = "owner@example.com"
)

// route is one user's way through the definition, and what happens on it. The user bears the route's name.
type route struct {
	name  string
	lives []fakeaws.Life
	// answer is what the approver does; nil leaves the request alone. signed says that they do it with their AWS identity,
	// where that can be done, rather than on the page.
	answer func(*world, sunset.ApprovalRequest) sunset.Choice
	signed bool
	// when is what happens, once, when the case is first seen at a stage.
	when map[sunset.Stage]func(*world, sunset.Case)
	// before arranges what goes wrong.
	before  func(*world, fakeaws.NewUser)
	outcome sunset.Outcome
	// path is what the case's execution goes through, Choices left out.
	path string
	// end looks at the user afterwards.
	end func(t *testing.T, w *world, before fakeaws.UserState)
}

const (
	toSoak = "WaitForTurn Disable BeginSoak WaitSoak CheckSoak"
	asked  = toSoak + " RequestApproval"
	closed = " LogClosed Closed"
)

func always(c sunset.Choice) func(*world, sunset.ApprovalRequest) sunset.Choice {
	return func(*world, sunset.ApprovalRequest) sunset.Choice { return c }
}

// world is where routes are walked: the deployed one and the embedded one, which differ in nothing but what is here.
type world struct {
	t       *testing.T
	account *fakeaws.Account
	server  *fakeaws.Server
	// flow reads rows, records and requests.
	flow *workflow.Workflow
	// set changes the settings.
	set func(func(*sunset.Settings))
	// rescue is what a person asks for.
	rescue func(c sunset.Case, reason string) error
	// decideAs sends a decision that is signed with an AWS identity; nil where there is only the page.
	decideAs func(r sunset.ApprovalRequest, choice sunset.Choice)
	// link is the newest that the approver was sent, or empty.
	link func() string
	// do has things happen now, side by side.
	do func(...func())
	// expire ends the time in which a request could be decided; nil where it ends by itself.
	expire func(c sunset.Case)
	// states is what an execution went through.
	states func(execution string) []string

	routes  []route
	users   map[string]fakeaws.NewUser
	before  map[string]fakeaws.UserState
	done    map[string]bool
	decided map[string]bool
}

// people makes the routes' users in an account, others whom the cleanup is not about, and one who is in use.
func people(t *testing.T, account *fakeaws.Account, routes []route, others ...string) map[string]fakeaws.NewUser {
	t.Helper()
	users := map[string]fakeaws.NewUser{}
	for _, r := range routes {
		lives := r.lives
		if lives == nil {
			lives = []fakeaws.Life{fakeaws.Dead()}
		}
		u, err := account.Join(r.name, append(lives, fakeaws.Tagged("owner", owner))...)
		require.NoError(t, err)
		users[r.name] = u
	}
	for _, name := range others {
		_, err := account.Join(name, fakeaws.Dead(), fakeaws.Tagged("owner", owner))
		require.NoError(t, err)
	}
	_, err := account.Join("daily", fakeaws.Active())
	require.NoError(t, err)
	return users
}

// begin arranges everything before the cleanup.
func (w *world) begin() {
	w.before, w.done, w.decided = map[string]fakeaws.UserState{}, map[string]bool{}, map[string]bool{}
	for _, r := range w.routes {
		w.before[r.name], _ = w.account.User(r.name)
		if r.before != nil {
			r.before(w, w.users[r.name])
		}
	}
}

// look has everything happen that is due, and reports whether the cleanup has ended.
func (w *world) look(cleanup string) bool {
	ctx := context.Background()
	cases, err := w.flow.Cases.Cases(ctx)
	require.NoError(w.t, err)
	var due []func()
	for _, c := range cases {
		r := w.routeOf(c.UserName)
		key := c.UserName + "/" + string(c.Stage)
		if f := r.when[c.Stage]; f != nil && c.CleanupID == cleanup && !w.done[key] {
			w.done[key] = true
			due = append(due, func() { f(w, c) })
		}
	}
	w.do(append(due, w.decisions(ctx)...)...)
	row, err := w.flow.Cases.Cleanup(ctx, cleanup)
	return err == nil && !row.Ended.IsZero()
}

func (w *world) routeOf(user string) route {
	for _, r := range w.routes {
		if r.name == user {
			return r
		}
	}
	return route{}
}

// decisions are what the approver does about all that waits and is not decided yet.
func (w *world) decisions(ctx context.Context) []func() {
	link := w.link()
	if link == "" {
		return nil
	}
	var due []func()
	requests, err := w.flow.Desk.OpenRequests(ctx)
	require.NoError(w.t, err)
	for _, r := range requests {
		route := w.routeOf(r.UserName)
		if route.answer == nil || w.decided[r.ID] {
			continue
		}
		w.decided[r.ID] = true
		due = append(due, func() {
			choice := route.answer(w, r)
			if route.signed && w.decideAs != nil {
				w.decideAs(r, choice)
				return
			}
			send(w.t, link+"/"+r.ID, choice)
		})
	}
	return due
}

// digestField is where a case's page says which facts it shows.
var digestField = regexp.MustCompile(`name="digest[^"]*" value="([^"]+)"`)

// send opens a case's page and sends its form.
func send(t *testing.T, page string, choice sunset.Choice) {
	t.Helper()
	resp, err := http.Get(page)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, "opening a case's page: %s", text)
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
	digest := digestField.FindSubmatch(text)
	require.NotNil(t, digest, "the page of a case has no form:\n%s", text)
	resp, err = http.PostForm(page, url.Values{"choice": {string(choice)}, "reason": {"because of the test"}, "digest": {string(digest[1])}})
	require.NoError(t, err)
	text, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, "deciding on a case: %s", text)
}

// check compares how each route ended with how it is said to.
func (w *world) check(t *testing.T, cleanup string, others ...string) map[string]string {
	t.Helper()
	paths := map[string]string{}
	outcomes := map[sunset.Outcome]int{sunset.Kept: 1 + len(others)}
	for _, r := range w.routes {
		c, err := w.flow.Cases.Get(t.Context(), w.users[r.name].ID)
		require.NoError(t, err, r.name)
		outcomes[r.outcome]++
		paths[r.name] = path(w.states(c.Execution))
		if r.outcome != c.Outcome || r.path != paths[r.name] {
			t.Errorf("%s: %s by %q, not %s by %q\n%s", r.name, c.Outcome, paths[r.name], r.outcome, r.path, w.story(t, c))
		}
		if r.end != nil {
			r.end(t, w, w.before[r.name])
		}
	}
	row, err := w.flow.Cases.Cleanup(t.Context(), cleanup)
	require.NoError(t, err)
	maps.DeleteFunc(row.Outcomes, func(_ sunset.Outcome, n int) bool { return n == 0 })
	require.Equal(t, outcomes, row.Outcomes)
	daily, there := w.account.User("daily")
	require.True(t, there)
	require.NotContains(t, daily.Inline, sunset.DenyPolicyName)
	require.Empty(t, w.account.UnknownCalls())
	return paths
}

func (w *world) story(t *testing.T, c sunset.Case) string {
	t.Helper()
	records, err := w.flow.Records.Chain(t.Context(), sunset.ChainOf(c.ID))
	require.NoError(t, err)
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%s %s: %s\n", r.At.Format("15:04:05.000"), r.Kind, r.Text)
	}
	return b.String()
}

// path is what an execution went through without its Choices, rounds of listening and holding counted once.
func path(states []string) string {
	choices := []string{"Begin", "Disabled", "SoakChecked", "Decided", "Deleted", "Restored", "Discovered", "Crosschecked", "OwnershipChecked", "PlanLogged", "CasesOpened"}
	joined := strings.Join(slices.DeleteFunc(slices.Clone(states), func(s string) bool { return slices.Contains(choices, s) }), " ")
	for _, round := range []string{"WaitSoak CheckSoak", "WaitWhileHeld Disable", "WaitForWindow DeleteAllArtifacts"} {
		for strings.Contains(joined, round+" "+round) {
			joined = strings.ReplaceAll(joined, round+" "+round, round)
		}
	}
	return joined
}
