package tests

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	toSoak     = "WaitForTurn Disable BeginSoak WaitSoak CheckSoak"
	asked      = toSoak + " RequestApproval"
	closedTail = " LogClosed Closed"
)

// turn is when the first batch is disabled: three days' notice after the plan, which takes less than an hour to make.
func turn() time.Time { return begin().Add(3*day + time.Hour) }

func TestRoutes(t *testing.T) {
	gone := func(t *testing.T, w *world, before fakeaws.UserState) {
		_, there := w.account.User(before.Name)
		require.False(t, there)
		require.NotContains(t, strings.Join(w.account.VirtualMFADevices(), " "), ":mfa/"+before.Name)
	}
	asBefore := func(t *testing.T, w *world, before fakeaws.UserState) {
		after, there := w.account.User(before.Name)
		require.True(t, there)
		require.Equal(t, timeless(before), timeless(after))
	}
	quarantined := func(t *testing.T, w *world, before fakeaws.UserState) {
		after, there := w.account.User(before.Name)
		require.True(t, there)
		require.JSONEq(t, sunset.DenyDocument, after.Inline[sunset.DenyPolicyName])
		require.Equal(t, before.Keys[0].Status, after.Keys[0].Status)
	}
	for _, r := range []struct {
		name    string
		lives   []fakeaws.Life
		arrange func(t *testing.T, w *world, u fakeaws.NewUser)
		outcome sunset.Outcome
		path    string
		end     func(*testing.T, *world, fakeaws.UserState)
		records []string
	}{
		{
			name: "deleted", outcome: sunset.Deleted, end: gone,
			path:    asked + " DeleteAllArtifacts" + closedTail,
			records: []string{"claimed", "snapshot", "disabled", "listened", "requested", "decision", "deleting", "deleted", "closed"},
		},
		{
			name: "retained", outcome: sunset.Retained,
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) {
				w.set(func(s *sunset.Settings) { s.Final = sunset.FinalRetain })
			},
			path: asked + " DeleteAllArtifacts" + closedTail,
			end: func(t *testing.T, w *world, before fakeaws.UserState) {
				after, there := w.account.User(before.Name)
				require.True(t, there)
				require.Empty(t, after.Keys)
				require.False(t, after.HasPassword)
				require.Empty(t, after.MFA)
				require.Empty(t, after.Groups)
				require.JSONEq(t, sunset.DenyDocument, after.Inline[sunset.DenyPolicyName])
				require.NotEmpty(t, after.Tags[sunset.TagCase])
			},
		},
		{
			name: "kept by decision", outcome: sunset.Restored, end: asBefore,
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) { w.people[approver] = always(sunset.ChooseKeep) },
			path:    asked + " Restore" + closedTail,
			records: []string{"decision", "restored", "closed"},
		},
		{
			name: "expired", outcome: sunset.Lapsed, end: quarantined,
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) { w.people = nil },
			path:    asked + " Expired" + closedTail,
			records: []string{"announced", "closed"},
		},
		{
			name: "disturbed then restored", outcome: sunset.Restored, end: asBefore,
			lives:   []fakeaws.Life{fakeaws.Dead(), fakeaws.TriesItsKey(turn().Add(5 * day))},
			path:    asked + " Restore" + closedTail,
			records: []string{"listened", "requested", "restored"},
		},
		{
			name: "disturbed then soaked again", outcome: sunset.Deleted, end: gone,
			lives: []fakeaws.Life{fakeaws.Dead(), fakeaws.TriesItsKey(turn().Add(5 * day))},
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) {
				w.people[approver] = func(r sunset.ApprovalRequest) sunset.Choice {
					if r.Disturbed {
						return sunset.ChooseSoakAgain
					}
					return sunset.ChooseDelete
				}
			},
			path:    asked + " CheckSoak WaitSoak CheckSoak RequestApproval DeleteAllArtifacts" + closedTail,
			records: []string{"soak-again", "deleted"},
		},
		{
			name: "rescued in the soak", outcome: sunset.Rescued, end: asBefore,
			arrange: func(t *testing.T, w *world, u fakeaws.NewUser) {
				w.at(turn().Add(6*day), func() {
					require.NoError(t, w.machine.Rescue(context.Background(), u.ID, "owner@example.com", "the report runs once a year"))
				})
			},
			path:    toSoak + closedTail,
			records: []string{"rescue", "restored", "closed"},
		},
		{
			name: "rescued while a decision is waited for", outcome: sunset.Rescued, end: asBefore,
			arrange: func(t *testing.T, w *world, u fakeaws.NewUser) {
				w.people = nil
				w.at(turn().Add(16*day), func() {
					require.NoError(t, w.machine.Rescue(context.Background(), u.ID, "owner@example.com", "the report runs once a year"))
				})
			},
			path: asked + " Restore" + closedTail,
		},
		{
			name: "rescued before its turn", outcome: sunset.Rescued, end: asBefore,
			arrange: func(t *testing.T, w *world, u fakeaws.NewUser) {
				w.at(begin().Add(2*day), func() {
					require.NoError(t, w.machine.Rescue(context.Background(), u.ID, "owner@example.com", "mine"))
				})
			},
			path: "WaitForTurn Disable" + closedTail,
		},
		{
			name: "exempted meanwhile", outcome: sunset.Restored, end: asBefore,
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) {
				w.at(turn().Add(6*day), func() {
					w.set(func(s *sunset.Settings) {
						s.Exemptions = []sunset.Exemption{{Name: "old-*", Reason: "needed for the audit"}}
					})
				})
			},
			path: toSoak + " Restore" + closedTail,
		},
		{
			name: "exempted after the decision, before the window", outcome: sunset.Restored, end: asBefore,
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) {
				w.people[approver] = func(r sunset.ApprovalRequest) sunset.Choice {
					// From now on nothing changes before the first of May.
					w.set(func(s *sunset.Settings) {
						s.Exemptions = []sunset.Exemption{{Name: "old-*", Reason: "needed for the audit"}}
					})
					return sunset.ChooseDelete
				}
			},
			path: asked + " DeleteAllArtifacts Restore" + closedTail,
		},
		{
			name: "name reused", outcome: sunset.Skipped,
			lives: []fakeaws.Life{fakeaws.Dead(), fakeaws.NameReused(turn().Add(5 * day))},
			path:  toSoak + closedTail,
			end: func(t *testing.T, w *world, before fakeaws.UserState) {
				after, there := w.account.User(before.Name)
				require.True(t, there, "the user who has the name now must not be touched")
				require.NotEqual(t, before.ID, after.ID)
				require.Empty(t, after.Inline)
			},
		},
		{
			name: "used between plan and turn", outcome: sunset.Skipped,
			lives: []fakeaws.Life{fakeaws.Dead(), fakeaws.TriesItsKey(begin().Add(2 * day))},
			path:  "WaitForTurn Disable" + closedTail,
			end: func(t *testing.T, w *world, before fakeaws.UserState) {
				after, _ := w.account.User(before.Name)
				require.NotContains(t, after.Inline, sunset.DenyPolicyName)
				require.NotContains(t, after.Tags, sunset.TagCase)
			},
		},
		{
			name: "keep tag disturbs, and people keep", outcome: sunset.Restored,
			lives: []fakeaws.Life{fakeaws.Dead(), fakeaws.TaggedLater(turn().Add(5*day), sunset.TagKeep, "still needed")},
			path:  asked + " Restore" + closedTail,
		},
		{
			name: "deny detached", outcome: sunset.Restored,
			lives: []fakeaws.Life{fakeaws.Dead(), fakeaws.DenyDetached(turn().Add(5 * day))},
			path:  asked + " Restore" + closedTail, end: asBefore,
		},
		{
			name: "delete failed then retried", outcome: sunset.Deleted, end: gone,
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) {
				w.account.Fail(fakeaws.Fault{Service: "iam", Action: "DeleteUser", Times: 4, Code: "ServiceFailure", Message: "try later", Status: 500})
			},
			path: asked + " DeleteAllArtifacts" + closedTail,
		},
		{
			name: "evidence denied at the soak's end", outcome: sunset.Restored,
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) {
				w.at(turn().Add(10*day), func() { w.account.CloseRegion("eu-west-1") })
			},
			path: asked + " Restore" + closedTail,
		},
		{
			name: "turn held by a pause", outcome: sunset.Deleted, end: gone,
			arrange: func(t *testing.T, w *world, _ fakeaws.NewUser) {
				w.at(begin().Add(day), func() { require.NoError(t, w.machine.Cases.Pause(context.Background(), "ops", "quarter's end")) })
				w.at(turn().Add(4*day), func() { require.NoError(t, w.machine.Cases.Resume(context.Background(), "ops")) })
			},
			path:    "WaitForTurn Disable WaitWhileHeld Disable BeginSoak WaitSoak CheckSoak RequestApproval DeleteAllArtifacts" + closedTail,
			records: []string{"held"},
		},
		{
			name: "paused before the deletion", outcome: sunset.Deleted, end: gone,
			arrange: func(t *testing.T, w *world, _ fakeaws.NewUser) {
				w.at(turn().Add(12*day), func() { require.NoError(t, w.machine.Cases.Pause(context.Background(), "ops", "freeze")) })
				w.at(turn().Add(20*day), func() { require.NoError(t, w.machine.Cases.Resume(context.Background(), "ops")) })
			},
			path: asked + " DeleteAllArtifacts WaitForWindow DeleteAllArtifacts" + closedTail,
		},
		{
			name: "no deny fits", outcome: sunset.Deleted, end: gone,
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) {
				for _, action := range []string{"PutUserPolicy", "AttachUserPolicy"} {
					w.account.Fail(fakeaws.Fault{Service: "iam", Action: action, Code: "LimitExceeded", Message: "Cannot exceed quota", Status: 409})
				}
			},
			path: asked + " DeleteAllArtifacts" + closedTail,
		},
		{
			name: "disabled by deactivation, then kept", outcome: sunset.Restored,
			arrange: func(_ *testing.T, w *world, _ fakeaws.NewUser) {
				w.set(func(s *sunset.Settings) { s.Disable = sunset.ByDeactivation })
				w.people[approver] = always(sunset.ChooseKeep)
			},
			path: asked + " Restore" + closedTail,
			end: func(t *testing.T, w *world, before fakeaws.UserState) {
				after, _ := w.account.User(before.Name)
				require.False(t, after.HasPassword, "only an operator's rescue makes a new password")
				require.Equal(t, before.Keys[0].Status, after.Keys[0].Status)
				require.Equal(t, before.Keys[1].Status, after.Keys[1].Status)
			},
		},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var user fakeaws.NewUser
			if r.lives == nil {
				r.lives = []fakeaws.Life{fakeaws.Dead()}
			}
			// The first route has all regions, the others two, to be quick.
			world := newSmallWorld
			if r.name == "deleted" {
				world = newWorld
			}
			w := world(t, func(a *fakeaws.Account) {
				var err error
				user, err = a.Join("old-batch", append(r.lives, fakeaws.Tagged("owner", "owner@example.com"))...)
				require.NoError(t, err)
				_, err = a.Join("daily", fakeaws.Active())
				require.NoError(t, err)
			})
			before, _ := w.account.User("old-batch")
			if r.arrange != nil {
				r.arrange(t, w, user)
			}
			w.clean(sunset.Request{})
			row := w.finish()

			c := w.caseOf(user.ID)
			require.Equal(t, r.outcome, c.Outcome, w.dump(c))
			require.Equal(t, r.path, w.path(c.Execution), w.dump(c))
			require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 1, r.outcome: 1}, positive(row.Outcomes))
			if r.end != nil {
				r.end(t, w, before)
			}
			for _, kind := range r.records {
				require.True(t, w.recorded(c, kind), "no record of kind %s in\n%s", kind, w.dump(c))
			}
			daily, there := w.account.User("daily")
			require.True(t, there)
			require.NotContains(t, daily.Inline, sunset.DenyPolicyName)
			require.Empty(t, w.account.UnknownCalls())
			report := w.proven()
			require.Equal(t, 1, report.Cleanups)
		})
	}
}

func positive(m map[sunset.Outcome]int) map[sunset.Outcome]int {
	out := map[sunset.Outcome]int{}
	for k, n := range m {
		if n > 0 {
			out[k] = n
		}
	}
	return out
}

// timeless leaves out of a user's state what a soak moves by itself: when its keys were tried.
func timeless(s fakeaws.UserState) fakeaws.UserState {
	s.PasswordLastUsed = time.Time{}
	for i := range s.Keys {
		s.Keys[i].LastUsed = fakeaws.LastUsed{}
	}
	return s
}
