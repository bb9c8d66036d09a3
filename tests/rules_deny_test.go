package tests

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// deny follows the call log: whether the user's deny is on, by what succeeded.
type deny struct{ inline, managed bool }

func (d *deny) saw(c fakeaws.Call) {
	if c.Error != "" {
		return
	}
	switch {
	case c.Action == "PutUserPolicy" && c.Params["PolicyName"] == sunset.DenyPolicyName:
		d.inline = true
	case c.Action == "DeleteUserPolicy" && c.Params["PolicyName"] == sunset.DenyPolicyName:
		d.inline = false
	case c.Action == "AttachUserPolicy" && c.Params["PolicyArn"] == sunset.ManagedDenyARN:
		d.managed = true
	case c.Action == "DetachUserPolicy" && c.Params["PolicyArn"] == sunset.ManagedDenyARN:
		d.managed = false
	}
}

func (d *deny) on() bool { return d.inline || d.managed }

// deniedThroughout checks rule 10 on the call log: from the quarantine on, the deny is off only for the one call
// DeleteUser, and the call that follows one that failed puts it back, if need be after looking whether the user is there.
func deniedThroughout(t *testing.T, calls []fakeaws.Call, there bool) {
	t.Helper()
	var d deny
	var disabled, deleted bool
	lifted := -1
	for i, c := range calls {
		if c.Service != "iam" || c.Params["UserName"] != victim && c.Action != "DeleteVirtualMFADevice" {
			continue
		}
		was := d.on()
		d.saw(c)
		disabled = disabled || d.on()
		if was && !d.on() {
			lifted = i
		}
		switch {
		case deleted || !disabled:
		case c.Action == "DeleteUser":
			require.False(t, was, "%d: it is deleted with its deny on", i)
			deleted = c.Error == ""
		case irrevocable(c):
			require.True(t, was, "%d: %s without the deny", i, c.Action)
		case !was && lifted >= 0 && i > lifted && c.Action != "GetUser" && c.Action != "PutUserPolicy" && c.Action != "AttachUserPolicy":
			// Between lifting and putting back, nothing but the deletion and looking for the user.
			require.True(t, d.on() || i == lifted, "%d: %s while the deny is off", i, c.Action)
		}
	}
	require.True(t, !there || d.on(), "the user stays without its deny")
}

// Each call of a deletion fails once in each way; whatever happens, the deny is off for one call only and the user ends
// deleted or denied.
func TestTheDenyGoesLastWhateverFails(t *testing.T) {
	ways := map[string]fakeaws.Fault{
		"refused":      {Code: "AccessDenied", Status: 403},
		"put off":      {Code: "EntityTemporarilyUnmodifiable", Status: 409},
		"answer lost":  {Drop: true, ApplyFirst: true},
		"half answer":  {Truncate: true},
		"always fails": {Code: "ServiceFailure", Status: 500},
	}
	for way, fault := range ways {
		for _, action := range []string{
			"DeleteLoginProfile", "DeleteAccessKey", "DeactivateMFADevice", "RemoveUserFromGroup", "DetachUserPolicy", "DeleteUserPolicy", "DeleteUser",
		} {
			t.Run(fmt.Sprintf("%s %s", action, way), func(t *testing.T) {
				t.Parallel()
				b := newBreaker(t)
				fault := fault
				fault.Service, fault.Action = "iam", action
				if fault.Times = 1; way == "always fails" {
					fault.Times = 0
				}
				done := false
				b.atDeletion("", func() { done = true; b.account.Fail(fault) })
				b.after(&done)
				now, there := b.account.User(victim)
				deniedThroughout(t, b.account.Calls(), there)
				c := b.caseOf(b.user.ID)
				require.Equal(t, there, c.Outcome != sunset.Deleted, b.dump(c))
				if there {
					require.True(t, now.Inline[sunset.DenyPolicyName] != "", "%s", b.dump(c))
				}
				if way != "refused" && way != "always fails" {
					require.Equal(t, sunset.Deleted, c.Outcome, b.dump(c))
				}
			})
		}
	}
}

// The managed deny and both at once go the same way.
func TestEveryFormOfTheDenyGoesLast(t *testing.T) {
	for _, how := range []string{"managed", "deactivated", "somebody else's beside it"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t)
			done := false
			switch how {
			case "managed":
				b.account.Fail(fakeaws.Fault{Service: "iam", Action: "PutUserPolicy", Code: "LimitExceeded", Message: "Cannot exceed quota", Status: 409})
			case "deactivated":
				b.settings.Disable = sunset.ByDeactivation
			}
			b.atDeletion("", func() {
				done = true
				b.account.Fail(fakeaws.Fault{Service: "iam", Action: "DeleteUser", Times: 4, Code: "ServiceFailure", Status: 500})
			})
			b.after(&done)
			deniedThroughout(t, b.account.Calls(), false)
			require.Equal(t, sunset.Deleted, b.caseOf(b.user.ID).Outcome)
		})
	}
}

// A deletion that failed and was left alone: whoever takes the deny off then wants the user. Taking the case up again
// must hear that, and not put it back and go on.
func TestADeletionTakenUpAgainHearsThatTheDenyWasTakenOff(t *testing.T) {
	b := newBreaker(t)
	done := false
	b.atDeletion("", func() {
		done = true
		b.account.Fail(fakeaws.Fault{Service: "iam", Action: "DeleteLoginProfile", Times: 1, Code: "AccessDenied", Status: 403})
	})
	b.after(&done)
	c := b.caseOf(b.user.ID)
	require.Equal(t, sunset.Failed, c.Outcome, b.dump(c))
	require.False(t, c.DeletingSince.IsZero())
	b.somebody("DeleteUserPolicy", "UserName", victim, "PolicyName", sunset.DenyPolicyName)
	out, err := invoke(b.world, b.machine.DeleteAllArtifacts, b.of(c))
	require.NoError(t, err)
	require.Equal(t, "recheck", out.Status, out.Reason)
	require.Contains(t, out.Reason, "not in place")
	now := b.untouched()
	require.NotContains(t, now.Inline, sunset.DenyPolicyName, "a person's change was undone")
}

// The same after a death between taking the deny off and deleting: that was the product's own doing, and goes on.
func TestADeletionThatDiedWithoutItsDenyGoesOn(t *testing.T) {
	b := newBreaker(t)
	done := false
	b.atDeletion("", func() {
		done = true
		// Neither the deletion nor putting the deny back gets through.
		b.account.Fail(fakeaws.Fault{Service: "iam", Action: "DeleteUser", Code: "AccessDenied", Status: 403, Times: 1})
		b.account.Fail(fakeaws.Fault{Service: "iam", Action: "PutUserPolicy", Code: "AccessDenied", Status: 403, Times: 1})
	})
	b.after(&done)
	c := b.caseOf(b.user.ID)
	require.Equal(t, sunset.Failed, c.Outcome, b.dump(c))
	now, _ := b.account.User(victim)
	require.NotContains(t, now.Inline, sunset.DenyPolicyName)
	out, err := invoke(b.world, b.machine.DeleteAllArtifacts, b.of(c))
	require.NoError(t, err)
	require.Equal(t, "deleted", out.Status, out.Reason)
	_, there := b.account.User(victim)
	require.False(t, there)
}

// Under deactivation the deny is part of it: somebody who takes it off is heard.
func TestDeactivationMissesItsDeny(t *testing.T) {
	b := newBreaker(t)
	b.settings.Disable = sunset.ByDeactivation
	b.people[approver] = deleteOrKeep
	b.at(turn().Add(day), func() {
		b.somebody("DeleteUserPolicy", "UserName", victim, "PolicyName", sunset.DenyPolicyName)
	})
	c := b.settle()
	require.Equal(t, sunset.Restored, c.Outcome, b.dump(c))
}
