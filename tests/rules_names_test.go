package tests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// bare is a user that others can delete and make again with one call each.
func bare() fakeaws.Life {
	return fakeaws.CreatedAgo(900 * day)
}

// goneAndMadeAgain has somebody delete the user, deny and all, and make another one of its name.
func (b *breaker) goneAndMadeAgain() {
	b.somebody("DeleteUserPolicy", "UserName", victim, "PolicyName", sunset.DenyPolicyName)
	b.somebody("DeleteUser", "UserName", victim)
	b.somebody("CreateUser", "UserName", victim)
	b.somebody("CreateLoginProfile", "UserName", victim, "Password", "correct-Horse-9-battery")
	b.somebody("CreateAccessKey", "UserName", victim)
}

// Between the last look at a user and each call that takes its name, the name can pass to somebody else. Whoever has it
// then keeps all they have, whichever call it was.
func TestANameReusedInTheMiddleOfADeletion(t *testing.T) {
	for _, moment := range []string{
		"", "LookupEvents", "ListUserPolicies", "ListAttachedUserPolicies",
	} {
		t.Run("at "+moment, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t, bare())
			done := false
			b.atDeletion(moment, func() { done = true; b.goneAndMadeAgain() })
			b.after(&done)
			now, there := b.account.User(victim)
			require.True(t, there, "the new user of the name was deleted")
			require.NotEqual(t, b.user.ID, now.ID)
			require.True(t, now.HasPassword)
			require.Len(t, now.Keys, 1)
			require.Empty(t, now.Inline, "the new user was quarantined")
			require.Len(t, b.account.DeletedUsers(), 1, "somebody deleted the old one, nobody the new one")
		})
	}
}

// The same once the point of no return is passed: between the last look at the id and the first calls by name.
func TestANameReusedAfterThePointOfNoReturn(t *testing.T) {
	for _, moment := range []string{"ListUserPolicies", "ListAttachedUserPolicies", "DeleteUserPolicy"} {
		t.Run("at "+moment, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t, bare())
			done := false
			b.mu.Lock()
			b.wire = func(action, _ string) {
				if c, err := b.machine.Cases.Get(t.Context(), b.user.ID); err == nil && !done && action == moment && c.Stage == sunset.Deleting {
					done = true
					b.goneAndMadeAgain()
				}
			}
			b.mu.Unlock()
			b.after(&done)
			now, there := b.account.User(victim)
			require.True(t, there, "the new user of the name was deleted")
			require.NotEqual(t, b.user.ID, now.ID)
			require.True(t, now.HasPassword)
			require.Len(t, now.Keys, 1)
			require.Empty(t, now.Inline, "the new user was quarantined")
		})
	}
}

// EntityTemporarilyUnmodifiable is what IAM answers for a name that was deleted and made again: trying again by the name
// alone would hit the new user.
func TestAChangeThatIAMPutsOffLooksAtTheIDAgain(t *testing.T) {
	for _, code := range []string{"EntityTemporarilyUnmodifiable", "ConcurrentModification"} {
		for _, action := range []string{"DeleteLoginProfile", "DeleteAccessKey", "RemoveUserFromGroup"} {
			t.Run(code+" at "+action, func(t *testing.T) {
				t.Parallel()
				b := newBreaker(t)
				done := false
				b.account.Fail(fakeaws.Fault{Service: "iam", Action: action, Times: 1, Code: code, Status: 409})
				b.atDeletion(action, func() {
					done = true
					// Renamed away, and the name given to another one, who has the like.
					b.somebody("UpdateUser", "UserName", victim, "NewUserName", "wanted")
					b.somebody("CreateUser", "UserName", victim)
					b.somebody("CreateLoginProfile", "UserName", victim, "Password", "correct-Horse-9-battery")
					b.somebody("AddUserToGroup", "UserName", victim, "GroupName", "readers")
					b.somebody("AddUserToGroup", "UserName", victim, "GroupName", "developers")
				})
				b.after(&done)
				now, there := b.account.User(victim)
				require.True(t, there)
				require.True(t, now.HasPassword)
				require.ElementsMatch(t, []string{"developers", "readers"}, now.Groups)
				wanted, there := b.account.User("wanted")
				require.True(t, there, "a renamed user is somebody's")
				require.JSONEq(t, sunset.DenyDocument, wanted.Inline[sunset.DenyPolicyName], "it stays quarantined until people decide")
			})
		}
	}
}
