//go:build emulators

package emulators

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// starter is who starts cleanups: a session of the role security. The approver acts in AWS as the role approvers.
const (
	starter      = "arn:aws:sts::" + accountID + ":assumed-role/security/starter@example.org"
	approverRole = "arn:aws:iam::" + accountID + ":role/approvers"
)

// quick are settings by which a case takes seconds. Only Terraform forbids them.
func quick() sunset.Settings {
	s := sunset.DefaultSettings()
	s.Approvers = []sunset.Approver{{Email: approver, Principals: []string{approverRole}}}
	s.Soak, s.Notice, s.ApprovalOpen = sunset.Duration(20*time.Second), sunset.Duration(10*time.Second), sunset.Duration(12*time.Hour)
	s.CapPercent, s.Batch = 100, 100
	return s
}

func TestDeployed(t *testing.T) {
	t.Parallel()
	m := startMinistack(t)
	asAccount(t, emulated{
		url: m.url, key: "222233334444", regions: true,
		lacks: []string{"ListServiceSpecificCredentials", "ListSSHPublicKeys", "ListSigningCertificates"},
	})
	zips, command := packages(t, "1"), buildCLI(t)
	t.Run("every route, and the commands", func(t *testing.T) {
		t.Parallel()
		everyRoute(t, m, zips, command)
	})
	t.Run("windows, and an upgrade in flight", func(t *testing.T) {
		t.Parallel()
		upgradeInFlight(t, m, zips, command)
	})
}

func newAccount() *fakeaws.Account {
	account := fakeaws.New(fakeaws.Config{Seed: 7, Regions: regions()})
	account.SetDeliveryDelay(0)
	account.SetLookupRate(0)
	return account
}

func everyRoute(t *testing.T, m *ministack, zips map[string]string, command string) {
	account, routes := newAccount(), routesAtOnce()
	users := people(t, account, routes)
	d := deploy(t, m, "iam-sunset", account, quick(), zips)
	operator := d.person(t, command, d.doors.assume("security", "starter@example.org"))
	require.Equal(t, starter, operator.as.arn)
	carol := d.person(t, command, d.doors.assume("approvers", "carol"))
	w := d.world(t, operator, carol, users, routes)
	w.begin()

	plan := operator.does(0, "start", "--name", "dry", "--wait", "--output", "csv")
	for _, r := range routes {
		require.Contains(t, plan, r.name+","+users[r.name].ID)
	}
	require.Contains(t, operator.does(0, "start", "--open-cases", "--name", "spring", "--yes"), ":execution:iam-sunset:spring")
	d.reconciling(t)
	until(t, 150*time.Second, "the cleanup's end", func() bool { return w.look("spring") })
	paths := w.check(t, "spring")
	expected, _ := embedded(t, quick(), "spring", sunset.Request{Starter: starter}, routesAtOnce())
	require.Equal(t, expected, paths)
	d.tellsWhatHappened(t, w, operator)
	d.refusesStrangers(t, w, operator, carol)
	d.pausedAndStopped(t, w, operator)
	d.onlyThose(t)
	d.proven(t, operator)
}

// tellsWhatHappened looks at what the commands and the messages say of the cleanup that has just ended.
func (d *deployment) tellsWhatHappened(t *testing.T, w *world, operator person) {
	t.Helper()
	status := operator.does(0, "status", "--all")
	for _, said := range []string{"spring", "expired", "deletion-denied", "resume --turns"} {
		require.Contains(t, status, said)
	}
	history := operator.does(0, "history", "disturbed-then-soaked-again")
	for _, said := range []string{"was tried", "soak-again", "Did iam:DeleteUser", "came to its end"} {
		require.Contains(t, history, said)
	}
	// The state machine reaches no state of its own when an execution fails for good; the rule's event does.
	failed, err := w.flow.Cases.Get(t.Context(), w.users["deletion-denied"].ID)
	require.NoError(t, err)
	require.Contains(t, w.story(t, failed), "execution-ended: The execution "+failed.ID+" ended as FAILED.")
	// ministack has no redrive; that a redriven case goes on is proven on the embedded engine.
	_, err = d.sfn.RedriveExecution(t.Context(), &sfn.RedriveExecutionInput{ExecutionArn: &failed.Execution})
	require.ErrorContains(t, err, "Unknown action: RedriveExecution")
	operator.does(0, "resume", "--turns", "--yes", "--reason", "the denied deletion was looked at")

	require.NotEmpty(t, d.heard(t).team)
	var told int
	for _, m := range d.on.mails(t, d.MailFrom) {
		if slices.Equal(m.To, []string{owner}) {
			told++
		}
	}
	require.Greater(t, told, len(w.routes), "the owner is told of each user")
}

// refusesStrangers asks the API as everybody who is no approver.
func (d *deployment) refusesStrangers(t *testing.T, w *world, operator, carol person) {
	t.Helper()
	var cases []string
	for _, name := range []string{"kept-by-decision", "deny-detached"} {
		c, err := w.flow.Cases.Get(t.Context(), w.users[name].ID)
		require.NoError(t, err)
		cases = append(cases, c.ID)
	}
	shown := carol.does(0, append([]string{"approve"}, cases...)...)
	for _, c := range cases {
		require.Contains(t, shown, c)
	}
	operator.does(2, "approve", cases[0])
	resp, err := http.Get(d.PagesURL + approval.RequestsPath)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusForbidden, resp.StatusCode, "unsigned")

	// Past the API, the function itself believes nothing that a caller could write.
	forged, err := json.Marshal(events.APIGatewayV2HTTPRequest{
		Version: "2.0", RawPath: approval.RequestsPath, Headers: map[string]string{"x-amzn-request-context": `{"authorizer":{"iam":{"userArn":"` + carol.as.arn + `"}}}`},
		RequestContext: events.APIGatewayV2HTTPRequestContext{HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: http.MethodGet, Path: approval.RequestsPath}},
	})
	require.NoError(t, err)
	answer, err := d.invoke(t.Context(), "approval-web", forged)
	require.NoError(t, err)
	var refused events.APIGatewayV2HTTPResponse
	require.NoError(t, json.Unmarshal(answer, &refused))
	require.Equal(t, http.StatusForbidden, refused.StatusCode, refused.Body)
}

// pausedAndStopped starts a cleanup while everything is paused, and stops it. A held case looks again after an hour, which
// nobody waits for here: its execution is ended instead, as --leave-disabled does.
func (d *deployment) pausedAndStopped(t *testing.T, w *world, operator person) {
	t.Helper()
	late, err := d.account.Join("late", fakeaws.Dead(), fakeaws.Tagged("owner", owner))
	require.NoError(t, err)
	before, _ := d.account.User("late")
	d.set(func(s *sunset.Settings) { s.Notice = sunset.Duration(time.Second) })
	operator.does(0, "pause", "--reason", "the quarter's end")
	operator.does(0, "start", "--open-cases", "--name", "summer", "--yes", "--user", "late")
	row := func() sunset.Case {
		c, err := w.flow.Cases.Get(t.Context(), late.ID)
		if sunset.KindOf(err) == sunset.Invalid {
			return sunset.Case{} // not claimed yet
		}
		require.NoError(t, err)
		return c
	}
	until(t, time.Minute, "the held turn", func() bool {
		c := row()
		return c.Execution != "" && path(d.statesEntered(c.Execution)) == "WaitForTurn Disable WaitWhileHeld"
	})
	status := operator.does(0, "status")
	require.Contains(t, status, "the quarter's end")
	require.Contains(t, status, "late")
	operator.does(0, "stop", "summer", "--yes", "--reason", "not this quarter")
	require.NotNil(t, row().Rescue)
	operator.does(0, "stop", "summer", "--leave-disabled", "--yes", "--reason", "nor later")
	until(t, time.Minute, "the stopped cleanup's end", func() bool { return w.look("summer") })
	require.Equal(t, sunset.Rescued, row().Outcome, "nothing was changed, and nobody is waited for")
	require.Contains(t, w.story(t, row()), "execution-ended: The execution "+row().ID+" ended as ABORTED.")
	asBefore(t, w, before)
	operator.does(0, "resume", "--reason", "the quarter is over")
}
