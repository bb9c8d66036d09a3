package iamaccount_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestRestoreGivesBackExactlyWhatWas(t *testing.T) {
	for _, how := range []sunset.DisableHow{sunset.ByQuarantine, sunset.ByDeactivation} {
		t.Run(string(how), func(t *testing.T) {
			w := newWorld(t, fakeaws.Config{})
			u := w.everything("all")
			before := w.state("all")
			snap := w.snapshot(u)
			require.Equal(t, map[string]string{"uploads+more": allowS3}, snap.InlineDocuments)
			require.Len(t, snap.Bodies, 4)
			for id, body := range snap.Bodies {
				require.NotEmpty(t, body, id)
			}
			q, err := w.quarantine(snap, how)
			require.NoError(t, err)
			require.True(t, w.inPlace(u, q))
			require.Equal(t, snap.CaseID, w.state("all").Tags[sunset.TagCase])
			require.Contains(t, w.state("all").Inline, sunset.DenyPolicyName)
			again, err := w.quarantine(snap, how)
			require.NoError(t, err)
			require.Equal(t, q.Method, again.Method)

			r, err := w.restore(snap, &q)
			require.NoError(t, err)
			require.Empty(t, r.Differences)
			if how == sunset.ByDeactivation {
				require.Equal(t, sunset.Deactivation, q.Method)
				require.NotEmpty(t, q.Lost)
				require.Equal(t, q.Lost, r.Lost)
				before.HasPassword = false
			} else {
				require.Equal(t, sunset.InlineDeny, q.Method)
				require.Empty(t, r.Lost)
			}
			require.Equal(t, before, w.state("all"))
			_, err = w.restore(snap, &q)
			require.NoError(t, err)
			require.Equal(t, before, w.state("all"))
			w.noEmptyNames()
		})
	}
}

func TestQuarantineFallsBackWhereQuotasLeaveNoRoom(t *testing.T) {
	full := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		full[name] = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + strings.Repeat(name, 570) + `"}]}`
	}
	var ten []string
	for _, name := range []string{
		"PowerUserAccess", "ReadOnlyAccess", "SecurityAudit", "IAMFullAccess", "IAMReadOnlyAccess", "AmazonS3FullAccess",
		"AmazonS3ReadOnlyAccess", "AmazonEC2FullAccess", "AmazonSESFullAccess", "AmazonBedrockFullAccess",
	} {
		ten = append(ten, "arn:aws:iam::aws:policy/"+name)
	}
	for name, c := range map[string]struct {
		spec   fakeaws.UserSpec
		method sunset.Method
		lost   bool
	}{
		"inline":       {fakeaws.UserSpec{}, sunset.InlineDeny, false},
		"managed":      {fakeaws.UserSpec{Inline: full}, sunset.ManagedDeny, false},
		"deactivation": {fakeaws.UserSpec{Inline: full, Attached: ten}, sunset.Deactivation, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakeaws.Config{})
			c.spec.Name, c.spec.Password, c.spec.Keys = "u", &fakeaws.PasswordSpec{}, []fakeaws.AccessKeySpec{{}}
			u := w.add(c.spec)
			before := w.state("u")
			snap := w.snapshot(u)
			q, err := w.quarantine(snap, sunset.ByQuarantine)
			require.NoError(t, err)
			require.Equal(t, c.method, q.Method)
			require.Equal(t, c.lost, q.Lost != "")
			require.True(t, w.inPlace(u, q))
			_, err = w.quarantine(snap, sunset.ByQuarantine)
			require.NoError(t, err)
			r, err := w.restore(snap, &q)
			require.NoError(t, err)
			require.Equal(t, c.lost, r.Lost != "")
			before.HasPassword = !c.lost
			require.Equal(t, before, w.state("u"))
			_, err = w.quarantine(snap, sunset.ByQuarantine)
			require.NoError(t, err)
			require.NoError(t, w.delete(snap, q))
			require.Empty(t, w.leftovers(snap))
		})
	}
}

func TestQuarantineWithoutRoomForATagGoesOnAndSaysSo(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	snap := w.snapshot(w.add(fakeaws.UserSpec{Name: "u"}))
	w.fake.Fail(fakeaws.Fault{Action: "TagUser", Code: "LimitExceeded", Status: 409})
	q, err := w.quarantine(snap, sunset.ByQuarantine)
	require.NoError(t, err)
	require.Equal(t, sunset.InlineDeny, q.Method)
	require.Empty(t, q.Lost)
	i := slices.IndexFunc(w.changes, func(c iamaccount.Change) bool { return c.Phase == iamaccount.Failed })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, "iam:TagUser", w.changes[i].Action)
}

func TestQuarantineNeverOverwritesAPolicyOfItsName(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	u := w.add(fakeaws.UserSpec{Name: "u", Inline: map[string]string{sunset.DenyPolicyName: allowS3}})
	before := w.state("u")
	_, err := w.quarantine(w.snapshot(u), sunset.ByQuarantine)
	require.Equal(t, sunset.Conflict, sunset.KindOf(err))
	require.Equal(t, before, w.state("u"))
}

func TestQuarantineWaitsForItsDenyToShow(t *testing.T) {
	w := newWorld(t, fakeaws.Config{IAMLag: 5_000_000_000})
	u := w.add(fakeaws.UserSpec{Name: "u", Keys: []fakeaws.AccessKeySpec{{}}})
	require.NoError(t, w.run(func(ctx context.Context) error { return w.clock.Sleep(ctx, 60_000_000_000) }))
	q, err := w.quarantine(w.snapshot(u), sunset.ByQuarantine)
	require.NoError(t, err)
	require.True(t, w.inPlace(u, q))
}

func TestNothingIsDoneWhereItCannotBeRecorded(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	u := w.everything("all")
	before := w.state("all")
	snap := w.snapshot(u)
	full := errors.New("the disk is full")
	err := w.run(func(ctx context.Context) error {
		_, err := w.iam.Quarantine(ctx, snap, sunset.ByQuarantine, func(context.Context, iamaccount.Change) error { return full })
		return err
	})
	require.ErrorIs(t, err, full)
	require.Equal(t, before, w.state("all"))
	err = w.run(func(ctx context.Context) error { return w.iam.Deactivate(ctx, snap, nil) })
	require.Equal(t, sunset.Internal, sunset.KindOf(err))
	require.Equal(t, before, w.state("all"))
}

func TestRestoreLeavesWhatPeopleChanged(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	u := w.everything("all")
	snap := w.snapshot(u)
	q, err := w.quarantine(snap, sunset.ByQuarantine)
	require.NoError(t, err)
	key := &snap.User.Credentials[slices.IndexFunc(snap.User.Credentials, func(c sunset.Credential) bool { return c.ID == u.Keys[0].AccessKeyID })]
	key.Status = sunset.Expired
	snap.User.Groups = append(snap.User.Groups, "gone")
	r, err := w.restore(snap, &q)
	require.NoError(t, err)
	require.Equal(t, []string{"its access key " + key.ID + " is Active, not Expired", "group gone is gone"}, r.Differences)
	require.Equal(t, "Active", w.state("all").Keys[0].Status)
}

func TestANewPasswordIsGivenOnceAndFitsEveryPolicy(t *testing.T) {
	w := newWorld(t, fakeaws.Config{})
	u := w.add(fakeaws.UserSpec{Name: "u", Password: &fakeaws.PasswordSpec{}})
	snap := w.snapshot(u)
	give := func() (password string, err error) {
		err = w.run(func(ctx context.Context) (err error) {
			password, err = w.iam.GiveNewPassword(ctx, snap, w.record)
			return err
		})
		return password, err
	}
	_, err := give()
	require.Equal(t, sunset.Conflict, sunset.KindOf(err), "it still has one")
	_, err = w.quarantine(snap, sunset.ByDeactivation)
	require.NoError(t, err)
	password, err := give()
	require.NoError(t, err)
	require.Len(t, password, 24)
	for _, class := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "!@#%^*_+-="} {
		require.True(t, strings.ContainsAny(password, class), class)
	}
	require.True(t, w.state("u").HasPassword)
	for _, c := range w.changes {
		require.NotContains(t, c.Target+c.Action, password)
	}
}

func TestDenyAllIsKnownHoweverItIsWritten(t *testing.T) {
	for document, want := range map[string]bool{
		sunset.DenyDocument: true,
		`{"Statement":[{"Sid":"x","Effect":"Deny","Action":["*"],"Resource":["*"]}],"Version":"2012-10-17"}`:                 true,
		`{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`: false,
		`{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`:       false,
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`:                                                       false,
		`{"Statement":{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}}`:                                                  false,
		`{"Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}`:                                                     false,
		`{"Statement":{"Effect":"Deny","Action":[],"Resource":"*"}}`:                                                         false,
		`{"Statement":{"Effect":"Deny","Resource":"*"}}`:                                                                     false,
		`no JSON`: false,
		``:        false,
	} {
		require.Equal(t, want, iamaccount.IsDenyAll(document), document)
	}
}
