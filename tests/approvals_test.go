package tests

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// token is what a stranger who reads an execution's history would know.
func (w *world) token(arn string) string {
	w.t.Helper()
	token := ""
	for _, ev := range w.machine.Engine.History(arn) {
		if ev.Type == asl.TaskScheduled {
			var in struct {
				Payload struct {
					TaskToken string `json:"task_token"`
				}
			}
			require.NoError(w.t, json.Unmarshal([]byte(ev.Payload), &in))
			token = in.Payload.TaskToken
		}
	}
	require.NotEmpty(w.t, token)
	return token
}

// Whatever a stranger answers with a task token, the stored decisions alone decide; the execution asks again.
func TestATokenDecidesNothing(t *testing.T) {
	for name, answer := range map[string]string{
		"delete": `{"choice":"delete","request_id":"x"}`, "keep": `{"choice":"keep"}`, "soak again": `{"choice":"soak-again"}`,
		"a string": `"delete"`, "a number": `42`, "null": `null`, "a list": `[{"choice":"delete"}]`, "nothing": `{}`, "of another kind": `{"choice":{"delete":true}}`,
		"long": `{"choice":"keep","more":"` + strings.Repeat("x", 100_000) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, user := one(t)
			decide := w.people[approver]
			w.people = nil
			w.at(turn().Add(15*day), func() {
				c := w.caseOf(user.ID)
				token := w.token(c.Execution)
				_, err := w.machine.Executions.SendTaskSuccess(context.Background(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: &answer})
				require.NoError(t, err)
			})
			w.at(turn().Add(16*day), func() {
				state, there := w.account.User("old-batch")
				require.True(t, there)
				require.Contains(t, state.Inline, sunset.DenyPolicyName)
				c := w.caseOf(user.ID)
				require.Equal(t, sunset.Requesting, c.Stage)
				w.mu.Lock()
				w.people = map[string]func(sunset.ApprovalRequest) sunset.Choice{approver: decide}
				link := w.links[len(w.links)-1]
				w.mu.Unlock()
				w.visit(approver, link, decide)
			})
			w.clean(sunset.Request{})
			w.finish()
			require.Equal(t, sunset.Deleted, w.caseOf(user.ID).Outcome)
			w.proven()
		})
	}
}

func TestSeveralApprovers(t *testing.T) {
	const third = "third@example.com"
	choose := func(m map[string]sunset.Choice) func(*world) {
		return func(w *world) {
			w.people = map[string]func(sunset.ApprovalRequest) sunset.Choice{}
			for who, c := range m {
				w.people[who] = always(c)
			}
		}
	}
	for _, r := range []struct {
		name    string
		arrange func(*world)
		starter string
		outcome sunset.Outcome
	}{
		{"two say delete", choose(map[string]sunset.Choice{approver: "delete", second: "delete"}), starter, sunset.Deleted},
		{"one says delete, one keep", choose(map[string]sunset.Choice{approver: "delete", second: "keep"}), starter, sunset.Restored},
		{"one says delete, the others nothing", choose(map[string]sunset.Choice{approver: "delete"}), starter, sunset.Lapsed},
		{"the starter doesn't count", choose(map[string]sunset.Choice{approver: "delete", second: "delete"}), second, sunset.Lapsed},
		{"nor does the starter's session", choose(map[string]sunset.Choice{approver: "delete", second: "delete"}), "arn:aws:sts::123456789012:assumed-role/security/" + second, sunset.Lapsed},
		{
			"one leaves the settings after deciding", func(w *world) {
				choose(map[string]sunset.Choice{approver: "delete", third: "delete"})(w)
				w.people[second] = func(sunset.ApprovalRequest) sunset.Choice { return "" }
				w.set(func(s *sunset.Settings) { s.Windows = []sunset.Window{{From: "09:00", To: "10:00"}} })
				w.at(turn().Add(14*day).Add(4*time.Hour), func() {
					w.set(func(s *sunset.Settings) { s.Approvers = s.Approvers[:2] })
				})
			}, starter, sunset.Lapsed,
		},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			w, user := one(t)
			w.set(func(s *sunset.Settings) {
				s.ApprovalsNeeded = 2
				s.Approvers = []sunset.Approver{{Email: approver}, {Email: second}, {Email: third}}
			})
			r.arrange(w)
			w.clean(sunset.Request{Starter: r.starter})
			w.finish()
			c := w.caseOf(user.ID)
			require.Equal(t, r.outcome, c.Outcome, w.dump(c))
			require.Equal(t, r.outcome == sunset.Deleted, w.gone("old-batch"))
			w.proven()
		})
	}
}

// A decision is stored before its task is told of it; where that doesn't get through, reconcile tells it.
func TestADecisionThatIsNotDeliveredIsDeliveredLater(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.clean(sunset.Request{})
	good := w.machine.Executions
	down := sfn.New(sfn.Options{
		Region: "us-east-1", BaseEndpoint: new("http://127.0.0.1:1"), Credentials: good.Options().Credentials, RetryMaxAttempts: 1,
	})
	answered := 0
	w.people[approver] = func(sunset.ApprovalRequest) sunset.Choice {
		answered++
		w.machine.Executions = down
		w.at(w.clock.Now().Add(90*time.Minute), func() { w.machine.Executions = good })
		return sunset.ChooseDelete
	}
	w.finish()
	require.Equal(t, sunset.Deleted, w.caseOf(user.ID).Outcome)
	require.Equal(t, 1, answered)
	w.proven()
}

// A messenger that is down for days costs nobody a case: announcements are tried again, other messages go on record.
func TestTheMessengerFails(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.mute = func(approval.Message) error {
		if w.clock.Now().Before(turn().Add(15 * day)) {
			return errors.New("550 no such mailbox")
		}
		return nil
	}
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Deleted, c.Outcome)
	require.True(t, w.recorded(c, "message-failed"))
	require.True(t, w.recorded(c, "announced"))
	w.proven()
}

// Rows of decisions that were not taken by the page don't count, and are told of.
func TestForgedDecisions(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.people = nil
	w.at(turn().Add(15*day), func() {
		c := w.caseOf(user.ID)
		r, err := w.machine.Desk.Request(context.Background(), c.RequestID)
		require.NoError(t, err)
		d := sunset.Decision{
			RequestID: r.ID, CaseID: r.CaseID, UserID: r.UserID, Digest: r.Digest, Approver: approver, Choice: sunset.ChooseDelete,
			Reason: "forged", At: w.clock.Now(), Way: "link", MAC: []byte("0123456789abcdef0123456789abcdef"),
		}
		body, err := json.Marshal(d)
		require.NoError(t, err)
		w.plant("decision/"+r.ID+"/"+approverKey(approver), body)
		token := w.token(c.Execution)
		_, err = w.machine.Executions.SendTaskSuccess(context.Background(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: new(`{"choice":"delete"}`)})
		require.NoError(t, err)
	})
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Lapsed, c.Outcome)
	require.Contains(t, w.dump(c), `"forged_decisions":1`)
	w.proven()
}
