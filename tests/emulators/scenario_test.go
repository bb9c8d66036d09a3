//go:build emulators

package emulators

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// routesAtOnce are walked side by side in one cleanup.
func routesAtOnce() []route {
	type when = map[sunset.Stage]func(*world, sunset.Case)
	remove, keep := always(sunset.ChooseDelete), always(sunset.ChooseKeep)
	return []route{
		{name: "deleted", answer: remove, outcome: sunset.Deleted, path: asked + " DeleteAllArtifacts" + closed, end: gone},
		{name: "kept-by-decision", answer: keep, signed: true, outcome: sunset.Restored, path: asked + " Restore" + closed, end: asBefore},
		{
			name: "expired", outcome: sunset.Lapsed, path: asked + " Expired" + closed, end: quarantined,
			when: when{sunset.Requesting: func(w *world, c sunset.Case) {
				if w.expire != nil {
					w.expire(c)
				}
			}},
		},
		{
			name: "disturbed-then-restored", answer: keep, outcome: sunset.Restored, path: asked + " Restore" + closed, end: asBefore,
			when: when{sunset.Soaking: triesItsKey},
		},
		{
			name: "disturbed-then-soaked-again", outcome: sunset.Deleted, end: gone,
			path: asked + " CheckSoak WaitSoak CheckSoak RequestApproval DeleteAllArtifacts" + closed,
			when: when{sunset.Soaking: triesItsKey},
			answer: func(_ *world, r sunset.ApprovalRequest) sunset.Choice {
				if r.Disturbed {
					return sunset.ChooseSoakAgain
				}
				return sunset.ChooseDelete
			},
		},
		{
			name: "rescued-in-the-soak", outcome: sunset.Rescued, path: toSoak + closed, end: asBefore,
			when: when{sunset.Soaking: rescued},
		},
		{
			name: "rescued-while-asked", outcome: sunset.Rescued, path: asked + " Restore" + closed, end: asBefore,
			when: when{sunset.Requesting: rescued},
		},
		{
			name: "rescued-before-its-turn", outcome: sunset.Rescued, path: "WaitForTurn Disable" + closed, end: asBefore,
			when: when{sunset.Waiting: rescued},
		},
		{
			name: "exempted-meanwhile", outcome: sunset.Restored, path: toSoak + " Restore" + closed, end: asBefore,
			when: when{sunset.Soaking: func(w *world, c sunset.Case) { exempt(w, c.UserName) }},
		},
		{
			name: "exempted-after-the-decision", outcome: sunset.Restored, path: asked + " DeleteAllArtifacts Restore" + closed, end: asBefore,
			answer: func(w *world, r sunset.ApprovalRequest) sunset.Choice {
				exempt(w, r.UserName)
				return sunset.ChooseDelete
			},
		},
		{
			name: "name-reused", lives: []fakeaws.Life{fakeaws.OldKey()}, outcome: sunset.Skipped, path: toSoak + closed,
			when: when{sunset.Soaking: reused},
			end: func(t *testing.T, w *world, before fakeaws.UserState) {
				after, there := w.account.User(before.Name)
				require.True(t, there, "the user who has the name now must not be touched")
				require.NotEqual(t, before.ID, after.ID)
				require.Empty(t, after.Inline)
			},
		},
		{
			name: "used-before-its-turn", outcome: sunset.Skipped, path: "WaitForTurn Disable" + closed, end: asBefore,
			when: when{sunset.Waiting: triesItsKey},
		},
		{
			name: "tagged-to-keep", answer: keep, outcome: sunset.Restored, path: asked + " Restore" + closed,
			when: when{sunset.Soaking: administered("TagUser", "Tags.member.1.Key", sunset.TagKeep, "Tags.member.1.Value", "still needed")},
		},
		{
			name: "deny-detached", answer: keep, outcome: sunset.Restored, path: asked + " Restore" + closed, end: asBefore,
			when: when{sunset.Soaking: administered("DeleteUserPolicy", "PolicyName", sunset.DenyPolicyName)},
		},
		{
			name: "region-closed-at-the-end", answer: keep, outcome: sunset.Restored, path: asked + " Restore" + closed, end: asBefore,
			when: when{sunset.Soaking: func(w *world, c sunset.Case) {
				w.account.Fail(fakeaws.Fault{
					Service: "cloudtrail", Action: "LookupEvents", Code: "AccessDeniedException", Status: 400,
					Match: func(call fakeaws.Call) bool { return strings.Contains(call.Params["LookupAttributes"], c.UserName) },
				})
			}},
		},
		{
			name: "no-deny-fits", answer: remove, outcome: sunset.Deleted, path: asked + " DeleteAllArtifacts" + closed, end: gone,
			before: func(w *world, u fakeaws.NewUser) {
				refuse("LimitExceeded", 409, 0, "PutUserPolicy")(w, u)
				refuse("LimitExceeded", 409, 0, "AttachUserPolicy")(w, u)
			},
		},
		{
			name: "deletion-tried-again", answer: remove, outcome: sunset.Deleted, path: asked + " DeleteAllArtifacts" + closed, end: gone,
			before: refuse("ServiceFailure", 500, 4, "DeleteUser"),
		},
		{
			name: "deletion-denied", answer: remove, outcome: sunset.Failed, path: asked + " DeleteAllArtifacts LogFailed Failed",
			before: refuse("AccessDenied", 403, 0, "DeleteUser"),
			end: func(t *testing.T, w *world, before fakeaws.UserState) {
				after, there := w.account.User(before.Name)
				require.True(t, there)
				require.JSONEq(t, sunset.DenyDocument, after.Inline[sunset.DenyPolicyName], "the deny goes back where the deletion fails")
			},
		},
	}
}

// reused has somebody delete the quarantined user by hand and make another one of its name.
func reused(w *world, c sunset.Case) {
	key := w.users[c.UserName].Keys[0].AccessKeyID
	for _, step := range [][]string{
		{"DeleteAccessKey", "AccessKeyId", key},
		{"DetachUserPolicy", "PolicyArn", "arn:aws:iam::aws:policy/AmazonEC2FullAccess"},
		{"DeleteUserPolicy", "PolicyName", sunset.DenyPolicyName},
		{"DeleteUser"},
		{"CreateUser"},
	} {
		administered(step[0], step[1:]...)(w, c)
	}
}

// routesByWindow wait for windows, with users who are deactivated and, where an approver says delete, retained.
func routesByWindow() []route {
	held := strings.Replace(toSoak, "Disable", "Disable WaitWhileHeld Disable", 1)
	// Nothing changes before a minute that begins after the turn has come.
	close := map[sunset.Stage]func(*world, sunset.Case){sunset.Waiting: func(w *world, c sunset.Case) { openFrom(w, c.Turn.Add(margin)) }}
	return []route{
		{
			name: "retained", outcome: sunset.Retained, when: close,
			path: held + " RequestApproval DeleteAllArtifacts WaitForWindow DeleteAllArtifacts" + closed,
			answer: func(w *world, _ sunset.ApprovalRequest) sunset.Choice {
				openFrom(w, w.flow.Clock.Now().Add(margin))
				return sunset.ChooseDelete
			},
			end: func(t *testing.T, w *world, before fakeaws.UserState) {
				after, there := w.account.User(before.Name)
				require.True(t, there)
				require.Empty(t, after.Keys)
				require.False(t, after.HasPassword)
				require.Empty(t, after.MFA)
				require.Empty(t, after.Groups)
				require.NotEmpty(t, after.Tags[sunset.TagCase])
			},
		},
		{
			name: "kept-after-deactivation", outcome: sunset.Restored, when: close, answer: always(sunset.ChooseKeep),
			path: held + " RequestApproval Restore" + closed,
			end: func(t *testing.T, w *world, before fakeaws.UserState) {
				after, there := w.account.User(before.Name)
				require.True(t, there)
				require.False(t, after.HasPassword, "a password that was removed doesn't come back")
				for i := range before.Keys {
					require.Equal(t, before.Keys[i].Status, after.Keys[i].Status)
				}
				require.NotContains(t, after.Tags, sunset.TagCase)
			},
		},
	}
}

// margin is how long a slow machine may take until a function meets the window that has just been closed.
const margin = 10 * time.Second

// openFrom has the window open at the next minute that begins at or after t, until the day's end.
func openFrom(w *world, t time.Time) {
	// A zone in which it is not about to be midnight.
	zone := "UTC"
	if t.UTC().Hour() == 23 {
		zone = "Etc/GMT+6"
	}
	at, err := time.LoadLocation(zone)
	require.NoError(w.t, err)
	t = t.In(at)
	if whole := t.Truncate(time.Minute); whole.Before(t) {
		t = whole.Add(time.Minute)
	}
	w.set(func(s *sunset.Settings) {
		s.Windows = []sunset.Window{{From: t.Format("15:04"), To: "24:00", Zone: zone}}
	})
}
