package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// alarmed gives, for each figure that was ever above 0, when that began and when it ended; zero if it did not.
func alarmed(t *testing.T, rounds []round) map[string][2]time.Time {
	t.Helper()
	require.NotEmpty(t, rounds)
	out := map[string][2]time.Time{}
	for _, r := range rounds {
		require.InDelta(t, 1, r.figures[workflow.ReconcileRuns], 0)
		for _, name := range workflow.MetricNames() {
			value, counted := r.figures[name]
			span, there := out[name]
			switch {
			case name == workflow.ReconcileRuns || !counted:
			case value > 0 && !there:
				out[name] = [2]time.Time{r.at, {}}
			case value == 0 && there && span[1].IsZero():
				out[name] = [2]time.Time{span[0], r.at}
			case value > 0 && !span[1].IsZero():
				t.Errorf("%s rose again at %s", name, r.at)
			}
		}
	}
	return out
}

// The figures of whole runs: each rises for what it is the alarm of, and for nothing else, and falls when that is over.
func TestTheFiguresOfRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		arrange func(*world, fakeaws.NewUser)
		outcome sunset.Outcome
		after   func(*world, fakeaws.NewUser) // once the cleanup has ended
		figures []string                      // that rise
		stays   string                        // that stays up in the end
	}{
		"a quiet one": {outcome: sunset.Deleted},
		"a disturbed one": {
			arrange: func(w *world, _ fakeaws.NewUser) {
				w.account.At(turn().Add(6*day), func(p *fakeaws.Actor) { p.SignIn("old-batch", "us-east-1") })
			},
			outcome: sunset.Restored, figures: []string{workflow.CasesDisturbed},
		},
		"one that nobody decides on": {
			arrange: func(w *world, _ fakeaws.NewUser) { w.people = nil },
			outcome: sunset.Lapsed, figures: []string{workflow.ApprovalsEndingSoon, workflow.CasesExpired}, stays: workflow.CasesExpired,
		},
		"one that nobody decides on, rescued": {
			arrange: func(w *world, _ fakeaws.NewUser) { w.people = nil },
			outcome: sunset.Lapsed, figures: []string{workflow.ApprovalsEndingSoon, workflow.CasesExpired},
			after: func(w *world, u fakeaws.NewUser) {
				require.NoError(w.t, w.clock.Run(w.t.Context(), func(ctx context.Context) error { return w.machine.Rescue(ctx, u.ID, "ops", "needed") }))
			},
		},
		"one that is decided on in the last hours": {
			arrange: func(w *world, _ fakeaws.NewUser) {
				w.people = nil
				w.at(turn().Add(27*day), func() { w.visit(approver, w.links[0], always(sunset.ChooseDelete)) })
			},
			outcome: sunset.Deleted, figures: []string{workflow.ApprovalsEndingSoon},
		},
		"one that failed": {
			arrange: func(w *world, u fakeaws.NewUser) {
				w.at(turn().Add(5*day), func() { w.stop(w.caseOf(u.ID).Execution) })
			},
			outcome: sunset.Failed, figures: []string{workflow.CasesFailed}, stays: workflow.CasesFailed,
		},
		"one that failed, looked at": {
			arrange: func(w *world, u fakeaws.NewUser) {
				w.at(turn().Add(5*day), func() { w.stop(w.caseOf(u.ID).Execution) })
			},
			outcome: sunset.Failed, figures: []string{workflow.CasesFailed},
			after: func(w *world, _ fakeaws.NewUser) {
				_, err := w.machine.ResumeTurns(w.t.Context(), "ops", "looked at")
				require.NoError(w.t, err)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, user := one(t)
			rounds := w.measured()
			if tt.arrange != nil {
				tt.arrange(w, user)
			}
			w.clean(sunset.Request{})
			w.finish()
			require.Equal(t, tt.outcome, w.caseOf(user.ID).Outcome, w.dump(w.caseOf(user.ID)))
			if tt.after != nil {
				tt.after(w, user)
			}
			end := w.clock.Now().Add(3 * time.Hour)
			w.until(func() bool { return w.clock.Now().After(end) })
			require.InDelta(t, w.clock.Now().Sub(begin()).Hours(), len(*rounds), 1, "every hour has its round")
			spans := alarmed(t, *rounds)
			require.ElementsMatch(t, tt.figures, slices.Collect(maps.Keys(spans)))
			for figure, span := range spans {
				require.Equal(t, figure == tt.stays, span[1].IsZero(), "%s: %s", figure, span)
			}
			if span, ok := spans[workflow.ApprovalsEndingSoon]; ok {
				r, err := w.machine.Desk.Request(t.Context(), w.caseOf(user.ID).RequestID)
				require.NoError(t, err)
				require.WithinDuration(t, r.Expires.Add(-2*day), span[0], time.Hour)
			}
		})
	}
}

// toldOfEvidence are the messages to the team about the evidence, by the day of the check.
func (w *world) toldOfEvidence() map[string]int {
	out := map[string]int{}
	for _, m := range w.mail {
		if m.To == approval.Team && m.Subject == "IAM Sunset: the evidence does not verify" {
			_, rest, _ := strings.Cut(m.Text, "The check of the evidence on ")
			out[rest[:len(time.DateOnly)]]++
		}
	}
	return out
}

func (w *world) ofKind(chain, kind string) []audit.Record {
	w.t.Helper()
	all, err := w.machine.Records.Chain(w.t.Context(), chain)
	require.NoError(w.t, err)
	return slices.DeleteFunc(all, func(r audit.Record) bool { return r.Kind != kind })
}

// A record that is changed in the store, a foreign file in a checkpoint's place, a process that died after it wrote the
// checkpoint: the team is told on each day that something is wrong, once, and the figure stays up.
func TestTheTeamIsToldOfWhatIsWrongWithTheEvidence(t *testing.T) {
	const first = "2026-03-04"
	tamper := func(w *world) {
		chains, err := filepath.Glob(filepath.Join(w.evidenceDir(), "cleanup", cleanup, "000001.json"))
		require.NoError(w.t, err)
		require.Len(w.t, chains, 1)
		body, err := os.ReadFile(chains[0])
		require.NoError(w.t, err)
		require.NoError(w.t, os.WriteFile(chains[0], []byte(strings.Replace(string(body), starter, "arn:aws:iam::123456789012:user/nobody", 1)), 0o600))
		require.NotContains(w.t, string(body), "user/nobody")
	}
	for name, tt := range map[string]struct {
		arrange func(*world)
		days    []string
		file    string
	}{
		"a record was changed": {
			arrange: tamper, file: "cleanup/spring/000001.json",
			// Which day a chain without new records is read wholly is its turn's business; told it is from then on.
		},
		"a foreign file lies in today's place": {
			arrange: func(w *world) {
				require.NoError(w.t, os.WriteFile(filepath.Join(w.evidenceDir(), "checkpoint", first+".json"), []byte("{}\n"), 0o600))
			},
			days: []string{first, "2026-03-05", "2026-03-06"}, file: "checkpoint/" + first + ".json",
		},
		"whoever wrote the checkpoint died before telling": {
			arrange: func(w *world) {
				require.NoError(w.t, os.Remove(filepath.Join(w.evidenceDir(), "cleanup", cleanup, "000002.json")))
				checked, err := w.machine.Records.Checkpoint(context.Background(), first)
				require.NoError(w.t, err)
				require.True(w.t, checked.Written)
				require.NotEmpty(w.t, checked.Problems)
			},
			days: []string{first, "2026-03-05", "2026-03-06"}, file: "cleanup/spring/000002.json",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := one(t)
			rounds := w.measured()
			w.clean(sunset.Request{DryRun: true})
			w.finish()
			from := time.Date(2026, 3, 4, 2, 30, 0, 0, time.UTC)
			w.at(from, func() { tt.arrange(w) })
			end := time.Date(2026, 3, 6, 23, 30, 0, 0, time.UTC)
			if tt.days == nil {
				end = end.Add(30 * day)
			}
			w.until(func() bool { return w.clock.Now().After(end) })

			told := w.toldOfEvidence()
			require.NotEmpty(t, told)
			for day, n := range told {
				require.Equal(t, 1, n, day)
			}
			var onRecord []string
			for _, r := range w.ofKind("account/checks", "evidence-problems") {
				onRecord = append(onRecord, strings.TrimPrefix(r.Key, "evidence-problems/"))
				require.Contains(t, string(r.Data), tt.file)
			}
			require.Equal(t, slices.Sorted(maps.Keys(told)), onRecord)
			if tt.days != nil {
				require.Subset(t, tt.days, onRecord)
				require.Equal(t, first, onRecord[0])
			}
			span := alarmed(t, *rounds)[workflow.ChainProblems]
			require.True(t, span[0].After(from), span)
			require.Equal(t, onRecord[0], span[0].Format(time.DateOnly))
			require.Contains(t, w.log.String(), "the evidence has its checkpoint of the day")
			for _, m := range w.mail {
				if m.Subject == "IAM Sunset: the evidence does not verify" {
					require.Contains(t, m.Text, tt.file)
				}
			}
		})
	}
}

// While the mail is down each day's message on the evidence is kept by itself, and all arrive.
func TestWhatIsWrongIsToldInTheEnd(t *testing.T) {
	t.Parallel()
	w, _ := one(t)
	w.clean(sunset.Request{DryRun: true})
	w.finish()
	require.NoError(t, os.Remove(filepath.Join(w.evidenceDir(), "cleanup", cleanup, "000002.json")))
	up := begin().Add(3 * day)
	w.silent(begin(), up, func(m approval.Message) bool { return m.To == approval.Team })
	w.until(func() bool { return w.clock.Now().After(up.Add(2 * time.Hour)) })
	require.Equal(t, map[string]int{"2026-03-03": 1, "2026-03-04": 1, "2026-03-05": 1}, w.toldOfEvidence())
	require.Len(t, w.ofKind("account/messages", "message-failed"), 3)
	require.Len(t, w.ofKind("account/messages", "message-sent"), 3)
}

// ended is what EventBridge sends of an execution.
// https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
func ended(execution, status string, at time.Time) []byte {
	machine := strings.Replace(execution[:strings.LastIndex(execution, ":")], ":execution:", ":stateMachine:", 1)
	return fmt.Appendf(nil, `{
		"version": "0", "id": "315c1398-40ff-a850-213b-158f73e60175", "detail-type": "Step Functions Execution Status Change", "source": "aws.states",
		"account": "123456789012", "time": %q, "region": "us-east-1", "resources": [%q],
		"detail": {"executionArn": %q, "stateMachineArn": %q, "stateMachineVersionArn": null, "name": %q, "status": %q, "startDate": 1772442000000,
			"stopDate": %d, "input": "{}", "output": null, "redriveCount": 0, "redriveDate": null, "redriveStatus": "REDRIVABLE", "redriveStatusReason": null,
			"inputDetails": {"included": true}, "outputDetails": null, "error": "States.Stopped", "cause": "by hand"}}`,
		at.Format(time.RFC3339), execution, execution, machine, execution[strings.LastIndex(execution, ":")+1:], status, at.UnixMilli())
}

// hears gives reconcile an event, as EventBridge would, and returns what it answers with.
func (w *world) hears(event []byte) error {
	w.t.Helper()
	return w.clock.Run(w.t.Context(), func(ctx context.Context) error {
		_, err := w.machine.Functions()["reconcile"](ctx, event)
		return err
	})
}

// The end of a case's execution that no state hears of is on record once, however often the event comes; the case is
// failed by it, and taken up again by a redrive.
func TestAStoppedExecutionIsOnRecord(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.clean(sunset.Request{})
	w.until(func() bool { return w.clock.Now().After(turn().Add(5 * day)) })
	c := w.caseOf(user.ID)
	at := w.clock.Now()
	w.stop(c.Execution)
	require.NoError(t, w.hears(ended(c.Execution, "ABORTED", at)))
	require.NoError(t, w.hears(ended(c.Execution, "ABORTED", at)))
	recorded := w.ofKind(sunset.ChainOf(c.ID), "execution-ended")
	require.Len(t, recorded, 1)
	require.Equal(t, user.ID, recorded[0].UserID)
	require.Contains(t, recorded[0].Text, "ended as ABORTED")
	require.JSONEq(t, fmt.Sprintf(`{"execution":%q,"status":"ABORTED","error":"States.Stopped"}`, c.Execution), string(recorded[0].Data))
	require.Equal(t, sunset.Failed, w.caseOf(user.ID).Outcome, "nobody has to wait for the hour")
	require.Len(t, w.ofKind(sunset.ChainOf(c.ID), "failed"), 1)

	w.at(w.clock.Now().Add(day), func() { w.redrive(c) })
	w.until(func() bool { return w.caseOf(user.ID).Outcome == sunset.Deleted })
	w.finish()
	require.Len(t, w.ofKind(sunset.ChainOf(c.ID), "execution-ended"), 1)
	w.proven()
}

// So is a cleanup's, and one that nothing is known of. What is no business of reconcile's is refused, and the round is run
// all the same.
func TestWhichEndsAreOnRecord(t *testing.T) {
	t.Parallel()
	w, _ := one(t)
	rounds := w.measured()
	arn := w.clean(sunset.Request{})
	w.until(func() bool { return w.clock.Now().After(begin().Add(day)) })
	machine := arn[:strings.LastIndex(arn, ":")+1]
	at := w.clock.Now()

	require.NoError(t, w.hears(ended(arn, "TIMED_OUT", at)))
	recorded := w.ofKind(sunset.CleanupChain(cleanup), "execution-ended")
	require.Len(t, recorded, 1)
	require.Equal(t, cleanup, recorded[0].CleanupID)

	require.NoError(t, w.hears(ended(machine+"never-seen", "FAILED", at)))
	unknown := w.ofKind("account/executions", "execution-ended")
	require.Len(t, unknown, 1)
	require.Contains(t, unknown[0].Text, "never-seen")

	for what, event := range map[string][]byte{
		"another state machine's":       ended("arn:aws:states:us-east-1:123456789012:execution:other:spring", "ABORTED", at),
		"one whose name begins as ours": ended(strings.TrimSuffix(machine, ":")+"-2:spring", "ABORTED", at),
		"another account's":             ended(strings.Replace(arn, w.account.ID(), "999999999999", 1), "ABORTED", at),
		"none":                          ended(":", "ABORTED", at),
		"one that goes on":              ended(arn, "RUNNING", at),
		"one that came to its end":      ended(arn, "SUCCEEDED", at),
		"an event of another kind":      []byte(`{"detail-type":"EC2 Instance State-change Notification","detail":{"executionArn":"` + arn + `","status":"ABORTED"}}`),
		"an execution without its name": []byte(`{"detail-type":"Step Functions Execution Status Change","detail":{"executionArn":"` + machine + `","status":"ABORTED"}}`),
	} {
		before := len(*rounds)
		require.ErrorContains(t, w.hears(event), "reconcile was told", what)
		require.Len(t, *rounds, before+1, "the round is run all the same")
	}
	require.NoError(t, w.hears([]byte(`{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`)))
	require.Len(t, w.ofKind(sunset.CleanupChain(cleanup), "execution-ended"), 1)
	require.Len(t, w.ofKind("account/executions", "execution-ended"), 1)
	w.proven()
}

// What an execution's event says of its input and output gets nowhere.
func TestAnEventsPayloadIsLeftAlone(t *testing.T) {
	t.Parallel()
	w, _ := one(t)
	arn := w.clean(sunset.Request{DryRun: true})
	w.finish()
	var event map[string]any
	require.NoError(t, json.Unmarshal(ended(arn, "FAILED", w.clock.Now()), &event))
	detail := event["detail"].(map[string]any)
	detail["input"], detail["output"] = `{"approval":{"task_token":"AQCsecret"}}`, "AQCsecret"
	body, err := json.Marshal(event)
	require.NoError(t, err)
	require.NoError(t, w.hears(body))
	recorded := w.ofKind(sunset.CleanupChain(cleanup), "execution-ended")
	require.Len(t, recorded, 1)
	require.NotContains(t, string(recorded[0].Data)+recorded[0].Text+w.log.String(), "AQCsecret")
	w.proven()
}
