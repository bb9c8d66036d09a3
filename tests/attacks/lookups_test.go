package attacks

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// linkOf is the newest link that somebody got. about, where it is not empty, is what the message tells of.
func (w *world) linkOf(email, about string) string {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.mail) - 1; i >= 0; i-- {
		if m := w.mail[i]; m.To == email && m.Link != "" && strings.Contains(m.Subject+m.Text, about) {
			return m.Link
		}
	}
	if w.made[email] == "" || about != "" {
		require.Fail(w.t, "no link", "%s never got one about %q", email, about)
	}
	return w.made[email]
}

// next is a user that nothing was tried on yet.
func (w *world) next() string {
	w.victims++
	_, there := w.users[victim(w.victims-1)]
	require.True(w.t, there, "there are too few users to attack")
	return victim(w.victims - 1)
}

// asked is the newest request on a user.
func (w *world) asked(name string) sunset.ApprovalRequest {
	w.t.Helper()
	c := w.caseOf(name)
	require.NotEmpty(w.t, c.RequestID, "nobody is asked about %s", name)
	r, err := w.machine.Desk.Request(w.t.Context(), c.RequestID)
	require.NoError(w.t, err)
	return r
}

func (w *world) caseOf(name string) sunset.Case {
	w.t.Helper()
	c, err := w.machine.Cases.Get(w.t.Context(), w.users[name].ID)
	require.NoError(w.t, err)
	return c
}

// decisions are those stored on a user's request that count.
func (w *world) decisions(name string) []sunset.Decision {
	w.t.Helper()
	out, _, err := w.machine.Desk.Decisions(w.t.Context(), w.asked(name).ID)
	require.NoError(w.t, err)
	return out
}

// there reports whether a user exists, under the id that it had.
func (w *world) there(name string) bool {
	u, ok := w.account.User(name)
	return ok && u.ID == w.users[name].ID
}

// state is all that an attack must leave as it is: how often anything was written, the account, executions and messages.
func (w *world) state() string {
	w.t.Helper()
	users, err := json.Marshal([]any{w.account.Users(), w.account.DeletedUsers()})
	require.NoError(w.t, err)
	steps := 0
	for name := range w.users {
		if c, err := w.machine.Cases.Get(w.t.Context(), w.users[name].ID); err == nil {
			steps += len(w.machine.Engine.History(c.Execution))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%d writes, %d steps, executions %v, %d messages, %d events, account %s", w.writes.Load(), steps, w.machine.Engine.Counts(), len(w.mail), len(w.events), users)
}

// row changes a stored row behind the product's back, as whoever may write the table but has no key. f gets nil where
// there is none.
func (w *world) row(key string, f func(map[string]any) map[string]any) {
	w.t.Helper()
	row, err := w.store.Rows().Get(w.t.Context(), key)
	var body map[string]any
	if err == nil {
		require.NoError(w.t, json.Unmarshal(row.Body, &body))
	}
	b, err := json.Marshal(f(body))
	require.NoError(w.t, err)
	_, err = w.store.Rows().Put(w.t.Context(), key, row.Version, b)
	require.NoError(w.t, err)
}

// as is the configuration of a session of a role.
func (w *world) as(role, name string) aws.Config {
	return w.aws.ConfigForSession(w.account.RoleSession(role, name), region)
}
