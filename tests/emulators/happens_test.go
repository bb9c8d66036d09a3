//go:build emulators

package emulators

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func gone(t *testing.T, w *world, before fakeaws.UserState) {
	_, there := w.account.User(before.Name)
	require.False(t, there, before.Name)
	require.NotContains(t, strings.Join(w.account.VirtualMFADevices(), " "), ":mfa/"+before.Name)
}

func asBefore(t *testing.T, w *world, before fakeaws.UserState) {
	after, there := w.account.User(before.Name)
	require.True(t, there, before.Name)
	require.Equal(t, timeless(before), timeless(after))
}

// timeless leaves out what trying a key moves by itself.
func timeless(s fakeaws.UserState) fakeaws.UserState {
	s.PasswordLastUsed = time.Time{}
	s.Keys = slices.Clone(s.Keys)
	for i := range s.Keys {
		s.Keys[i].LastUsed = fakeaws.LastUsed{}
	}
	return s
}

func quarantined(t *testing.T, w *world, before fakeaws.UserState) {
	after, there := w.account.User(before.Name)
	require.True(t, there, before.Name)
	require.JSONEq(t, sunset.DenyDocument, after.Inline[sunset.DenyPolicyName])
	require.Equal(t, before.Keys[0].Status, after.Keys[0].Status)
}

// triesItsKey has somebody use the user's first key.
func triesItsKey(w *world, c sunset.Case) {
	key := w.users[c.UserName].Keys[0].AccessKeyID
	w.account.At(w.flow.Clock.Now(), func(a *fakeaws.Actor) { a.Do(key, "s3", "ListBuckets", "eu-west-1", nil) })
}

// administered has an administrator do something to the user.
func administered(action string, params ...string) func(*world, sunset.Case) {
	return func(w *world, c sunset.Case) {
		v := url.Values{"UserName": {c.UserName}}
		for i := 0; i < len(params); i += 2 {
			v.Set(params[i], params[i+1])
		}
		w.account.At(w.flow.Clock.Now(), func(a *fakeaws.Actor) { a.AsAdministrator(action, v) })
	}
}

func rescued(w *world, c sunset.Case) {
	require.NoError(w.t, w.rescue(c, "the report runs once a year"))
}

func exempt(w *world, name string) {
	w.set(func(s *sunset.Settings) {
		s.Exemptions = append(s.Exemptions, sunset.Exemption{Name: name, Reason: "needed for the audit"})
	})
}

func refuse(code string, status, times int, action string) func(*world, fakeaws.NewUser) {
	return func(w *world, u fakeaws.NewUser) {
		w.account.Fail(fakeaws.Fault{
			Service: "iam", Action: action, Code: code, Message: "The fake account was asked to.", Status: status, Times: times,
			Match: func(c fakeaws.Call) bool { return c.Target == u.Name },
		})
	}
}
