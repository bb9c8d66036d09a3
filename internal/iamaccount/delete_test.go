package iamaccount_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestDeleteTakesEverythingAndTheDenyLast(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	u := w.everything("all")
	snap := w.snapshot(u)
	q, err := w.quarantine(snap, sunset.ByQuarantine)
	require.NoError(t, err)
	w.fake.ResetCalls()
	require.NoError(t, w.delete(snap, q))
	_, there := w.fake.User("all")
	require.False(t, there)
	require.Empty(t, w.fake.VirtualMFADevices())
	require.Empty(t, w.leftovers(snap))
	var writes []fakeaws.Call
	for _, c := range w.fake.Calls() {
		if strings.HasPrefix(c.Action, "De") || strings.HasPrefix(c.Action, "Remove") {
			writes = append(writes, c)
		}
		require.NotEqual(t, "DeleteUserPermissionsBoundary", c.Action)
	}
	last := writes[len(writes)-2:]
	require.Equal(t, []string{"DeleteUserPolicy", "DeleteUser"}, []string{last[0].Action, last[1].Action})
	require.Equal(t, sunset.DenyPolicyName, last[0].Params["PolicyName"])
	w.noEmptyNames()
	require.NoError(t, w.delete(snap, q), "a second time")
	intents := 0
	for _, c := range w.changes {
		switch c.Phase {
		case iamaccount.Intent:
			intents++
		case iamaccount.Done:
			intents--
		}
	}
	require.Zero(t, intents, "every intent has its outcome")
}

func TestDeleteOfTheReferenceUserCostsAtMost20Calls(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	snap := w.snapshot(w.reference())
	q, err := w.quarantine(snap, sunset.ByQuarantine)
	require.NoError(t, err)
	w.fake.ResetCalls()
	require.NoError(t, w.delete(snap, q))
	require.LessOrEqual(t, len(w.calls()), 20, "%v", w.calls())
	require.Empty(t, w.leftovers(snap))
}

func TestDeleteFindsTheSpareDeviceOfItsName(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		left bool
	}{"beside none": {"", false}, "beside a hardware token": {"hardware", false}, "beside a FIDO key": {"u2f", false}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakeaws.Config{})
			spec := fakeaws.UserSpec{Name: "u", MFA: []fakeaws.MFASpec{{Kind: "virtual", Unassigned: true}}}
			if c.kind != "" {
				spec.MFA = append(spec.MFA, fakeaws.MFASpec{Kind: c.kind})
			}
			other := w.add(fakeaws.UserSpec{Name: "other", MFA: []fakeaws.MFASpec{{Kind: "virtual"}}})
			snap := w.snapshot(w.add(spec))
			require.Len(t, snap.SpareMFA, 1)
			q, err := w.quarantine(snap, sunset.ByQuarantine)
			require.NoError(t, err)
			require.NoError(t, w.delete(snap, q))
			require.Equal(t, other.MFASerials, w.fake.VirtualMFADevices())
			require.Empty(t, w.leftovers(snap))
		})
	}
}

func TestDeletePutsTheDenyBackWhereTheUserDoesNotGo(t *testing.T) {
	for _, code := range []string{"ServiceFailure", "AccessDenied", "EntityTemporarilyUnmodifiable", "DeleteConflict"} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t, fakeaws.Config{})
			u := w.reference()
			snap := w.snapshot(u)
			q, err := w.quarantine(snap, sunset.ByQuarantine)
			require.NoError(t, err)
			stop := w.fake.Fail(fakeaws.Fault{Action: "DeleteUser", Code: code, Status: 500})
			err = w.delete(snap, q)
			require.ErrorContains(t, err, "iam:DeleteUser")
			require.ErrorContains(t, err, "changed before that: iam:DeleteLoginProfile on login profile of reference")
			require.True(t, w.inPlace(u, q))
			stop()
			require.NoError(t, w.delete(snap, q))
			require.Empty(t, w.leftovers(snap))
		})
	}
}

func TestDeletePutsTheDenyBackEvenIfThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	u := w.reference()
	snap := w.snapshot(u)
	q, err := w.quarantine(snap, sunset.ByQuarantine)
	require.NoError(t, err)
	full := errors.New("the disk is full")
	err = w.run(func(ctx context.Context) error {
		return w.iam.Delete(ctx, snap, q, func(_ context.Context, c iamaccount.Change) error {
			if c.Action == "iam:DeleteUser" || c.Action == "iam:PutUserPolicy" {
				return full
			}
			return nil
		})
	})
	require.ErrorIs(t, err, full)
	require.ErrorContains(t, err, "the intent to do iam:DeleteUser on reference could not be recorded")
	require.True(t, w.inPlace(u, q))
}

func TestDeleteThatDiedWithoutItsDenyPutsItBackFirst(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	u := w.reference()
	snap := w.snapshot(u)
	w.fake.ResetCalls()
	require.NoError(t, w.delete(snap, sunset.Quarantine{Method: sunset.InlineDeny}))
	for _, c := range w.fake.Calls() {
		if !strings.HasPrefix(c.Action, "Get") && !strings.HasPrefix(c.Action, "List") {
			require.Equal(t, "PutUserPolicy", c.Action)
			break
		}
	}
}

func TestDeleteRefusesAUserWhomNoCaseDisabled(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	snap := w.snapshot(w.reference())
	before := w.state("reference")
	require.Equal(t, sunset.Invalid, sunset.KindOf(w.delete(snap, sunset.Quarantine{})))
	require.Equal(t, before, w.state("reference"))
}

func TestStripLeavesTheTaggedEmptyUserUnderItsDeny(t *testing.T) {
	for _, how := range []sunset.DisableHow{sunset.ByQuarantine, sunset.ByDeactivation} {
		w := newWorld(t, fakeaws.Config{})
		u := w.everything("all")
		snap := w.snapshot(u)
		q, err := w.quarantine(snap, how)
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, w.run(func(ctx context.Context) error { return w.iam.Strip(ctx, snap, q, w.record) }))
			s := w.state("all")
			require.Equal(t, map[string]string{sunset.DenyPolicyName: sunset.DenyDocument}, s.Inline)
			require.NotEmpty(t, s.Boundary)
			require.Equal(t, "ada@example.com", s.Tags["owner"])
			require.False(t, s.HasPassword)
			require.Empty(t, s.Keys)
			require.Empty(t, s.SSHKeys)
			require.Empty(t, s.Certificates)
			require.Empty(t, s.ServiceCredentials)
			require.Empty(t, s.MFA)
			require.Empty(t, s.Groups)
			require.Empty(t, s.Attached)
		}
	}
}
