package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

const day = 24 * time.Hour

func siteFor(t *testing.T, names ...string) *site {
	t.Helper()
	s, err := newSite(t.TempDir(), names...)
	require.NoError(t, err)
	t.Cleanup(s.end)
	return s
}

// does runs a command that must end with a status, and gives what it printed.
func (s *site) does(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := s.operate(t.Context(), &out, &errs, args...)
	require.Equal(t, status, code, "%s\n%s", out.String(), errs.String())
	return out.String(), errs.String()
}

// hangUp is a terminal that somebody leaves after some draws.
type hangUp struct {
	bytes.Buffer
	draws int
	leave func()
}

func (h *hangUp) Write(b []byte) (int, error) {
	if h.draws--; h.draws == 0 {
		h.leave()
	}
	return h.Buffer.Write(b)
}

// Watching draws again and again, each time as it stands then, and an interruption is its ordinary end.
func TestStatusWatches(t *testing.T) {
	s := siteFor(t, "old-a")
	s.does(t, 0, "start", "--open-cases", "--name", "spring", "--yes")
	require.NoError(t, s.pass(t.Context(), time.Hour))
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	screen := &hangUp{draws: 3, leave: interrupt}
	code := 99
	require.NoError(t, s.clock.Run(t.Context(), func(context.Context) error {
		code = run(ctx, []string{"status", "--watch", "--every", "36h"}, surroundings{stdout: screen, stderr: screen, clock: s.clock, reach: s.reach()})
		return nil
	}))
	require.Zero(t, code)
	pages := strings.Split(screen.String(), " UTC\n")
	require.Len(t, pages, 4)
	require.Contains(t, pages[1], "waiting")
	require.Contains(t, pages[2], "waiting")
	require.Contains(t, pages[3], "soaking")
}

// A command that is interrupted says so and fails, also while it asks.
func TestInterruptedWhileAsking(t *testing.T) {
	s := siteFor(t, "old-a")
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"start", "--open-cases"}, surroundings{stdout: &out, stderr: &errs, clock: s.clock, reach: s.reach(), answers: silence{}})
	require.Equal(t, 2, code)
	require.Contains(t, errs.String(), "interrupted, before it was done")
	_, err := s.machine.Cases.Cleanups(t.Context())
	require.NoError(t, err)
}

// silence is somebody who never answers.
type silence struct{}

func (silence) Read([]byte) (int, error) { select {} }

// What travels through an execution stays there: neither the token of a task nor anything else of it is told.
func TestHistoryTellsNoTaskToken(t *testing.T) {
	s := siteFor(t, "old-a")
	s.does(t, 0, "start", "--open-cases", "--name", "spring", "--yes")
	require.NoError(t, s.pass(t.Context(), 18*day))
	c, err := s.machine.Cases.Get(t.Context(), s.users["old-a"].ID)
	require.NoError(t, err)
	require.Equal(t, sunset.Requesting, c.Stage)
	raw, err := s.machine.Executions.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &c.Execution, MaxResults: 1000})
	require.NoError(t, err)
	var token string
	for _, e := range raw.Events {
		if d := e.TaskScheduledEventDetails; d != nil {
			var parameters struct {
				Payload struct {
					TaskToken string `json:"task_token"`
				}
			}
			require.NoError(t, json.Unmarshal([]byte(aws.ToString(d.Parameters)), &parameters))
			token = parameters.Payload.TaskToken
		}
	}
	require.NotEmpty(t, token)
	for _, args := range [][]string{
		{"history", "old-a"},
		{"history", "old-a", "--all"},
		{"history", c.Execution, "--all", "--output", "json"},
		{"history", c.ID, "--output", "json"},
		{"history", s.users["old-a"].ID},
		{"history", "spring", "--all"},
		{"status", "--all"},
		{"status", "--output", "json"},
	} {
		out, errs := s.does(t, 0, args...)
		require.NotEmpty(t, out)
		require.NotContains(t, out+errs, token, args)
		require.NotContains(t, out+errs, "task_token", args)
	}
	out, _ := s.does(t, 0, "history", "old-a", "--all")
	require.Contains(t, out, "The execution waits in WaitForTurn until 2026-03-05T09:00:0")
	require.Contains(t, out, "The execution entered RequestApproval")
	require.Contains(t, out, "About to do iam:PutUserPolicy")
	brief, _ := s.does(t, 0, "history", "old-a")
	require.NotContains(t, brief, "About to do")
	require.Less(t, strings.Count(brief, "\n"), strings.Count(out, "\n")/3)
}

// Step Functions forgets; the evidence doesn't.
func TestHistoryOutlivesTheExecution(t *testing.T) {
	dir := t.TempDir()
	s, err := newSite(dir, "old-a")
	require.NoError(t, err)
	s.does(t, 0, "start", "--open-cases", "--name", "spring", "--yes")
	require.NoError(t, s.pass(t.Context(), 5*day))
	s.end()
	later, err := newSite(dir, "old-a") // a new engine knows no execution
	require.NoError(t, err)
	t.Cleanup(later.end)
	for what, says := range map[string]string{"old-a": "old-a was disabled by inline-deny", "spring": "1 users were discovered"} {
		out, _ := later.does(t, 0, "history", what)
		require.Contains(t, out, "keeps histories for 90 days")
		require.Contains(t, out, says)
	}
	for _, nothing := range []string{"nobody", "arn:aws:states:us-east-1:123456789012:execution:iam-sunset:never", "arn:aws:states:us-east-1:123456789012:execution:other:spring", "a/../b"} {
		out, errs := later.does(t, 2, "history", nothing)
		require.Empty(t, out)
		require.True(t, strings.HasPrefix(errs, "iam-sunset: "), errs)
	}
}

// Nobody starts in earnest what nobody could decide on.
func TestStartIsRefusedWhereNobodyCouldDecide(t *testing.T) {
	s := siteFor(t, "old-a")
	s.operator = adaARN
	_, errs := s.does(t, 2, "start", "--open-cases", "--name", "spring", "--yes")
	require.Contains(t, errs, "is an approver and starts the cleanup: of 1 approver 0 may decide, and 1 are needed")
	s.does(t, 0, "start", "--name", "look", "--wait")

	s.settings.Approvers = append(s.settings.Approvers, sunset.Approver{Email: "ben@example.com"})
	out, errs := s.does(t, 0, "start", "--open-cases", "--name", "spring", "--yes")
	require.Equal(t, "arn:aws:states:us-east-1:123456789012:execution:iam-sunset:spring\n", out)
	require.Contains(t, errs, "ada@example.com (you; your decision won't count here)")

	s.settings.Approvers = nil
	_, errs = s.does(t, 2, "start", "--open-cases", "--name", "summer", "--yes")
	require.Contains(t, errs, "the settings name no approver")
	_, errs = s.does(t, 2, "start", "--soak", "7d")
	require.Contains(t, errs, "soak: 7d would loosen the settings' 14d")
	_, errs = s.does(t, 2, "start", "--account", "999999999999")
	require.Contains(t, errs, "the settings know no other account")
	started, err := s.machine.Executions.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &s.machine.StateMachine})
	require.NoError(t, err)
	for _, x := range started.Executions {
		require.Contains(t, []string{"look", "spring"}, strings.Split(aws.ToString(x.Name), "-")[0])
	}
	require.GreaterOrEqual(t, len(started.Executions), 2)
}

// A cleanup that is refused says why, shows its plan, and where to read on.
func TestStartWaitsForAFailure(t *testing.T) {
	s := siteFor(t, "old-a")
	s.settings.CapPercent = 1
	out, errs := s.does(t, 2, "start", "--open-cases", "--name", "big", "--wait", "--yes")
	require.Contains(t, out, "a cleanup would be refused")
	require.Contains(t, errs, "cleanup big ended as FAILED: cap_percent: 1 of 1 users are eligible")
	require.Contains(t, errs, "hint: iam-sunset history big says what happened")
	status, _ := s.does(t, 0, "status")
	require.Contains(t, status, "refused or failed")
	require.Contains(t, status, "more than 1 %")
}

// Of several users that had one name it must be said which.
func TestRescueRefusesAnAmbiguousName(t *testing.T) {
	s := siteFor(t, "old-a")
	for _, id := range []string{"AIDATWIN1", "AIDATWIN2"} {
		_, claimed, err := s.machine.Cases.Claim(t.Context(), sunset.Case{ID: "spring-" + id, CleanupID: "spring", Account: "123456789012", UserID: id, UserName: "twin"})
		require.NoError(t, err)
		require.True(t, claimed)
	}
	_, errs := s.does(t, 2, "rescue", "twin", "--reason", "which")
	require.Contains(t, errs, "2 users were called twin: AIDATWIN1")
	for _, id := range []string{"AIDATWIN1", "AIDATWIN2"} {
		c, err := s.machine.Cases.Get(t.Context(), id)
		require.NoError(t, err)
		require.Nil(t, c.Rescue)
	}
	out, _ := s.does(t, 0, "rescue", "AIDATWIN2", "--reason", "this one")
	require.Contains(t, out, "twin will be left alone. Nothing had been changed yet")

	// One that is open, or left disabled, is meant rather than one that is gone.
	_, err := s.machine.Cases.Update(t.Context(), "AIDATWIN1", "spring-AIDATWIN1", func(c *sunset.Case) error {
		c.Stage, c.Outcome = sunset.Closed, sunset.Deleted
		return nil
	})
	require.NoError(t, err)
	s.does(t, 0, "rescue", "twin", "--reason", "the other is gone")
	_, errs = s.does(t, 2, "rescue", "AIDATWIN1", "--reason", "too late")
	require.Contains(t, errs, "can't be rescued")
}

// An intent without an outcome is where somebody died, and is told in brief too.
func TestBriefKeepsWhatWasNotCarriedOut(t *testing.T) {
	moment := func(kind, from string) workflow.Moment { return workflow.Moment{Kind: kind, From: from, Text: kind} }
	kinds := func(moments []workflow.Moment) []string {
		var out []string
		brief := (workflow.Chronicle{Moments: moments}).InBrief()
		for _, m := range brief {
			out = append(out, m.Kind)
		}
		return out
	}
	require.Equal(t, []string{"outcome", "intent"}, kinds([]workflow.Moment{
		moment("intent", "evidence"), moment("LambdaFunctionFailed", "execution"), moment("outcome", "evidence"), moment("intent", "evidence"),
	})[1:])
	require.Equal(t, []string{"intent", "failed"}, kinds([]workflow.Moment{moment("intent", "evidence"), moment("failed", "evidence")}))
	require.Equal(t, []string{"listened", "WaitStateEntered"}, kinds([]workflow.Moment{
		moment("listened", "evidence"), moment("WaitStateEntered", "execution"), moment("listened", "evidence"), moment("WaitStateEntered", "execution"),
	}))
}

// A page is no wider than its terminal, and loses nothing on a narrow one.
func TestStatusFitsItsWidth(t *testing.T) {
	at := time.Date(2026, 3, 19, 9, 0, 0, 0, time.UTC)
	view := workflow.Overview{
		At: at, Paused: "an incident that took quite some words to be described by the one who paused everything (arn:aws:sts::123456789012:assumed-role/security/olga)",
		Cleanups: []workflow.CleanupStands{{
			Cleanup: sunset.Cleanup{ID: "spring-of-the-year-2026", Began: at, PlanKey: "p", Users: 4000, Eligible: 310, Settled: true}, State: workflow.CleanupRunning,
			Stages: map[sunset.Stage]int{sunset.Waiting: 200, sunset.Soaking: 90, sunset.Requesting: 20},
			HeldBy: []workflow.CaseStands{{User: "nightly-sync", Case: "spring-of-the-year-2026-AIDAIOCDDJ5HHAXDX6TF7"}},
		}},
		Open: []workflow.CaseStands{
			{User: strings.Repeat("n", 64), Stage: sunset.Requesting, At: at, Next: "to be decided until then", Waits: "approvers: 1 of 2 have decided", For: []string{"ada@example.com", "ben@example.com"}},
			{User: "old-b", Stage: sunset.Soaking, At: at, Next: "listened to until then", Waits: "something was heard: it tried ec2:DescribeInstances", Signals: 1},
		},
		Left: []workflow.CaseStands{{User: "old-c", UserID: "AIDAIOCDDJ5HHAXDX6TF7", Outcome: sunset.Lapsed, Reason: "nobody decided in time", Waits: "somebody to look at it"}},
	}
	for _, width := range []int{80, 100, 120, 200} {
		var out bytes.Buffer
		require.NoError(t, statusOptions{}.write(&pageWriter{out: &out, width: width}, view))
		for line := range strings.Lines(out.String()) {
			require.LessOrEqual(t, text.StringWidth(strings.TrimSuffix(text.StripEscape(line), "\n")), width, "%d columns:\n%s", width, out.String())
		}
		for _, word := range []string{"PAUSED", "310", "ben@example.com", "DescribeInstances", "expired", "resume --turns", "rescue"} {
			require.Contains(t, out.String(), word, "%d columns:\n%s", width, out.String())
		}
	}
}
