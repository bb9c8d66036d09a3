package tests

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Deactivation loses the password. Only an operator's rescue brings a login profile back, with a password that is told
// once and is nowhere in the store.
func TestANewPasswordIsToldOnceAndStoredNowhere(t *testing.T) {
	t.Parallel()
	var user fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		var err error
		user, err = a.Join("old-batch", fakeaws.Dead())
		require.NoError(t, err)
	})
	w.set(func(s *sunset.Settings) { s.Disable = sunset.ByDeactivation })
	w.people = nil
	var password string
	w.at(turn().Add(6*day), func() {
		ctx := context.Background()
		_, err := w.machine.NewPassword(ctx, user.ID, "ops")
		require.ErrorContains(t, err, "was not rescued")
		require.NoError(t, w.machine.Rescue(ctx, user.ID, "ops", "needed"))
		password, err = w.machine.NewPassword(ctx, user.ID, "ops")
		require.NoError(t, err)
		_, err = w.machine.NewPassword(ctx, user.ID, "ops")
		require.ErrorContains(t, err, "has a login profile")
	})
	w.clean(sunset.Request{})
	w.finish()

	after, _ := w.account.User("old-batch")
	require.True(t, after.HasPassword)
	require.Len(t, password, 24)
	require.NoError(t, filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NotContains(t, string(b), password, path)
		return err
	}))
	require.NotContains(t, w.log.String(), password)
	w.proven()
}

// A case that nobody decided on leaves its user quarantined. It can be given back after the cleanup's end.
func TestAnExpiredCaseIsRescued(t *testing.T) {
	t.Parallel()
	var user fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		var err error
		user, err = a.Join("old-batch", fakeaws.Dead())
		require.NoError(t, err)
	})
	before, _ := w.account.User("old-batch")
	w.people = nil
	w.clean(sunset.Request{})
	w.finish()
	require.Equal(t, sunset.Lapsed, w.caseOf(user.ID).Outcome)

	require.NoError(t, w.clock.Run(t.Context(), func(ctx context.Context) error {
		return w.machine.Rescue(ctx, user.ID, "ops", "somebody came back from leave")
	}))
	require.Equal(t, sunset.Rescued, w.caseOf(user.ID).Outcome)
	after, _ := w.account.User("old-batch")
	require.Equal(t, timeless(before), timeless(after))
	w.proven()
}

// Somebody deletes a user by hand that an expired case had left disabled: a rescue finds that out and ends the case, so
// that nobody is asked about it any more.
func TestARescueOfAUserThatIsGone(t *testing.T) {
	t.Parallel()
	b := newBreaker(t, bare())
	b.people = nil
	b.clean(sunset.Request{})
	b.finish()
	require.Equal(t, sunset.Lapsed, b.caseOf(b.user.ID).Outcome)
	b.somebody("DeleteUserPolicy", "UserName", victim, "PolicyName", sunset.DenyPolicyName)
	b.somebody("DeleteUser", "UserName", victim)

	require.NoError(t, b.clock.Run(t.Context(), func(ctx context.Context) error {
		return b.machine.Rescue(ctx, b.user.ID, "ops", "somebody came back from leave")
	}))
	_, there := b.account.User(victim)
	require.False(t, there)
	c := b.caseOf(b.user.ID)
	require.Equal(t, sunset.Skipped, c.Outcome)
	require.False(t, c.LeftDisabled())
	b.proven()
}
