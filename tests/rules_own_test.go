package tests

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// own are the users that must never be touched, each in its own way of being the product's or a person's who decides.
func own() map[string]func(t *testing.T, b *breaker) fakeaws.NewUser {
	idle := func(t *testing.T, b *breaker, name string, attached ...string) fakeaws.NewUser {
		u, err := b.account.AddUser(fakeaws.UserSpec{
			Name: name, CreatedAt: begin().AddDate(-2, 0, 0), Keys: []fakeaws.AccessKeySpec{{CreatedAt: begin().AddDate(-2, 0, 0)}}, Attached: attached,
		})
		require.NoError(t, err)
		return u
	}
	return map[string]func(t *testing.T, b *breaker) fakeaws.NewUser{
		"the caller": func(t *testing.T, b *breaker) fakeaws.NewUser {
			u := idle(t, b, "sunset-runner", "arn:aws:iam::aws:policy/AdministratorAccess")
			b.machine.IAM = iamaccount.New(b.aws.ConfigFor(u.Keys[0].AccessKeyID, u.Keys[0].SecretAccessKey, "us-east-1"), b.clock)
			return u
		},
		"an approver's, by its ARN": func(t *testing.T, b *breaker) fakeaws.NewUser {
			u := idle(t, b, "ann")
			b.settings.Approvers = append(b.settings.Approvers, sunset.Approver{Email: second, Principals: []string{u.ARN}})
			return u
		},
		"an approver's, by its name": func(t *testing.T, b *breaker) fakeaws.NewUser {
			b.settings.Approvers = append(b.settings.Approvers, sunset.Approver{Email: second})
			return idle(t, b, "Second@Example.com")
		},
		"the product's": func(t *testing.T, b *breaker) fakeaws.NewUser {
			u := idle(t, b, "sunset-mailer")
			b.machine.Own = []string{u.ARN}
			return u
		},
	}
}

func TestNobodysOwnUserIsPlanned(t *testing.T) {
	for name, join := range own() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t)
			u := join(t, b)
			before, _ := b.account.User(u.Name)
			c := b.settle()
			require.Equal(t, sunset.Deleted, c.Outcome, "the others go: %s", b.dump(c))
			_, err := b.machine.Cases.Get(t.Context(), u.ID)
			require.Equal(t, sunset.Invalid, sunset.KindOf(err), "it got a case")
			now, there := b.account.User(u.Name)
			require.True(t, there)
			require.Equal(t, timeless(before), timeless(now))
		})
	}
}

// Where somebody writes a case for such a user into the store, entry and all, disabling and deleting refuse it.
func TestAForgedCaseDoesNotTouchNobodysOwnUser(t *testing.T) {
	for name, join := range own() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t)
			b.people = nil
			real := b.toRequest()
			u := join(t, b)
			before, _ := b.account.User(u.Name)

			forged := real
			forged.ID, forged.UserID, forged.UserName = sunset.CaseID(cleanup, u.ID), u.ID, u.Name
			forged.Stage, forged.Changed, forged.Quarantine, forged.SnapshotKey, forged.RequestID = sunset.Waiting, false, nil, "", ""
			forged.SoakFrom, forged.SoakUntil, forged.Lease = time.Time{}, time.Time{}, nil
			entry := map[string]any{}
			b.object("cases/"+real.ID+"/entry.json", func(f map[string]any) {
				for k, v := range f {
					entry[k] = v
				}
			})
			live, found, err := b.find(u)
			require.NoError(t, err)
			require.True(t, found)
			entry["case_id"] = forged.ID
			entry["entry"] = sunset.Entry{User: live, Detailed: true, TrailRead: true, OwnershipRead: true, Verdict: sunset.Verdict{Eligible: true}}
			entry["plan_made"] = b.clock.Now()
			b.putObject("cases/"+forged.ID+"/entry.json", entry)
			b.plant("case/"+u.ID, forged)
			out, err := invoke(b.world, b.machine.Disable, b.of(forged))
			require.NoError(t, err)
			require.Equal(t, "skipped", out.Status)
			now, _ := b.account.User(u.Name)
			require.Equal(t, timeless(before), timeless(now))

			// Disabled by the row, with a snapshot.
			forged.Stage, forged.Changed, forged.Quarantine = sunset.Soaking, true, real.Quarantine
			forged.SnapshotKey, forged.SoakFrom, forged.SoakUntil = "snapshots/"+forged.ID+".json", begin(), begin().Add(day)
			forged.RequestID, forged.Outcome = real.RequestID, ""
			b.putObject(forged.SnapshotKey, sunset.Snapshot{CaseID: forged.ID, Account: b.account.ID(), Taken: begin(), User: live})
			b.row("case/"+u.ID, func(row map[string]any) {
				clear(row)
				for k, v := range asMap(b.t, forged) {
					row[k] = v
				}
			})
			gone, err := invoke(b.world, b.machine.DeleteAllArtifacts, b.of(forged))
			if err == nil {
				require.Equal(t, "restore", gone.Status, gone.Reason)
			}
			now, there := b.account.User(u.Name)
			require.True(t, there)
			require.Equal(t, timeless(before), timeless(now))
		})
	}
}

// A task token in the wrong hands: whatever it answers, nobody is deleted who was not decided on, and the user is
// listened to again.
func TestATaskTokenDecidesNothing(t *testing.T) {
	for _, output := range []string{
		`{"choice":"delete","request_id":"x"}`, `{"choice":"keep"}`, `{"choice":"delete","state":{"case":{"user_id":"AIDAOTHER"}}}`, `[]`, `"delete"`,
	} {
		t.Run(output, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t)
			b.people = nil
			c := b.toRequest()
			token := b.taskToken(c.RequestID)
			_, err := b.machine.Executions.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(output)})
			require.NoError(t, err)
			until := b.clock.Now().Add(2 * day)
			b.until(func() bool { return b.clock.Now().After(until) })
			now := b.untouched()
			require.JSONEq(t, sunset.DenyDocument, now.Inline[sunset.DenyPolicyName], "nor restored")
			require.True(t, b.caseOf(b.user.ID).Open(), b.dump(b.caseOf(b.user.ID)))
		})
	}
}

// Hand-made inputs name users without a case, and others' cases. None of them changes anything.
func TestAHandMadeInputChangesNothing(t *testing.T) {
	b := newBreaker(t)
	b.people = nil
	c := b.toRequest()
	daily, _ := b.account.User("daily")
	for name, input := range map[string]string{
		"without-a-case":        `{"case":{"user_id":"` + daily.ID + `","turn_at":"2026-03-01T00:00:00Z"}}`,
		"anothers-case":         `{"case":{"user_id":"` + c.UserID + `","id":"` + c.ID + `","turn_at":"2026-03-01T00:00:00Z"}}`,
		"spring-" + daily.ID:    `{"case":{"user_id":"` + c.UserID + `","turn_at":"2026-03-01T00:00:00Z"}}`,
		"winter-" + c.UserID:    `{"case":{"user_id":"` + c.UserID + `","turn_at":"2026-03-01T00:00:00Z"},"soak":{"status":"quiet"}}`,
		"nothing-but-a-plan":    `{"starter":"x","users":["` + victim + `"],"dry_run":true}`,
		"a-path-for-an-id":      `{"case":{"user_id":"../control/pause","turn_at":"2026-03-01T00:00:00Z"}}`,
		"approval-and-deletion": `{"case":{"user_id":"` + daily.ID + `","turn_at":"2026-03-01T00:00:00Z"},"approval":{"choice":"delete"},"deletion":{"status":"deleted"}}`,
	} {
		_, err := b.machine.Executions.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &b.machine.StateMachine, Name: aws.String(name), Input: aws.String(input)})
		require.NoError(t, err)
	}
	before := b.caseOf(b.user.ID)
	until := b.clock.Now().Add(day)
	b.until(func() bool { return b.clock.Now().After(until) })
	require.Equal(t, before, b.caseOf(b.user.ID))
	b.untouched()
	now, _ := b.account.User("daily")
	require.Equal(t, timeless(daily), timeless(now))
}

// Two cleanups at once share no user, whoever comes first.
func TestTwoCleanupsShareNoUser(t *testing.T) {
	b := newBreaker(t)
	b.people = nil
	b.clean(sunset.Request{})
	_, err := b.machine.StartCleanup(t.Context(), "autumn", sunset.Request{Starter: starter})
	require.NoError(t, err)
	b.until(func() bool {
		c, err := b.machine.Cases.Get(context.Background(), b.user.ID)
		return err == nil && c.Stage == sunset.Requesting
	})
	quarantines := 0
	for _, c := range b.account.Calls() {
		if c.Action == "PutUserPolicy" {
			quarantines++
		}
	}
	require.Equal(t, 1, quarantines)
	open, err := b.machine.Cases.OpenCases(t.Context())
	require.NoError(t, err)
	require.Len(t, open, 1)
}
