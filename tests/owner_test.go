package tests

import (
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const owner = "owner@example.com"

// wayOf is the newest link that somebody got to an owner's page.
func (w *world) wayOf(email string) string {
	w.t.Helper()
	for i := len(w.mail) - 1; i >= 0; i-- {
		if w.mail[i].To == email && w.mail[i].ForOwner() {
			return w.mail[i].Link
		}
	}
	require.Fail(w.t, "no link", "%s never got a link", email)
	return ""
}

// look opens an owner's page.
func (w *world) look(link string) (status int, page string) {
	resp, err := http.Get(link)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(b)
}

// say sends one of the forms of an owner's page, and gives the page that follows.
func (w *world) say(link string, form url.Values) (status int, page string) {
	resp, err := http.PostForm(link, form)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(b)
}

func keepIt(reason string) url.Values { return url.Values{"act": {"keep"}, "reason": {reason}} }

func (w *world) user(name string) fakeaws.UserState {
	w.t.Helper()
	state, there := w.account.User(name)
	require.True(w.t, there)
	return state
}

// A user's owner is told before anything changes, and the one click keeps it from being disabled.
func TestAnOwnerKeepsAtNotice(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	before := w.user("old-batch")
	w.at(begin().Add(day), func() {
		link := w.wayOf(owner)
		status, page := w.look(link)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "Nothing has been changed yet")
		status, page = w.say(link, keepIt("the report runs once a year"))
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "will not be disabled")
	})
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Rescued, c.Outcome)
	require.False(t, c.Changed)
	require.False(t, w.recorded(c, "disabled"))
	require.Equal(t, before, w.user("old-batch"))
	w.proven()
}

// In the soak the user is back at once, and not at the next check.
func TestAnOwnerKeepsInTheSoak(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	before := w.user("old-batch")
	w.at(turn().Add(6*day), func() {
		clicked := w.clock.Now()
		status, page := w.say(w.wayOf(owner), keepIt("the report runs once a year"))
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "was put back as it was")
		require.LessOrEqual(t, w.clock.Now().Sub(clicked), time.Minute)
		require.Equal(t, before, w.user("old-batch"))
	})
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Rescued, c.Outcome)
	require.Equal(t, owner, c.Rescue.By)
	require.Equal(t, sunset.WayLink, c.Rescue.Way)
	for _, r := range w.records(c) {
		if r.Kind == "rescue" {
			require.Equal(t, owner, r.By)
			require.JSONEq(t, `{"reason":"the report runs once a year","way":"link"}`, string(r.Data))
		}
	}
	w.proven()
}
