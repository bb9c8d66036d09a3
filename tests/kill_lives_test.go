package tests

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// lives has a whole life, through all deaths, and gives the case at its end.
func (m *mortal) lives() sunset.Case {
	m.t.Helper()
	var begun atomic.Bool
	var start func()
	start = func() {
		_, err := m.world.machine.StartCleanup(context.Background(), cleanup, sunset.Request{Starter: starter})
		if err != nil && sunset.KindOf(err) != sunset.Conflict { // it has begun, and nobody heard
			m.clock.AfterFunc(m.clock.Now().Add(time.Hour), start)
			return
		}
		begun.Store(true)
	}
	m.at(begin(), start)
	limit := begin().Add(6 * day)
	var row sunset.Cleanup
	err := m.clock.RunUntil(m.t.Context(), func() bool {
		if m.clock.Now().After(limit) {
			return true
		}
		if !begun.Load() || m.life.Load() {
			return false
		}
		row, _ = m.world.machine.Cases.Cleanup(context.Background(), cleanup)
		return !row.Ended.IsZero() && m.world.machine.Engine.Counts()["RUNNING"] == 0
	})
	require.NoError(m.t, err)
	require.False(m.t, row.Ended.IsZero(), "it did not end:\n%s", m.dump(m.caseOf(m.user.ID)))
	return m.caseOf(m.user.ID)
}

// asIfNothing asserts that a life has come to its end as one without deaths does.
func (m *mortal) asIfNothing(c sunset.Case) {
	t := m.t
	t.Helper()
	require.Equal(t, m.end, c.Outcome, "%s\n%s", m.dump(c), m.log)
	want := map[sunset.Outcome]string{sunset.Deleted: "gone", sunset.Restored: "as before"}[m.end]
	require.Equal(t, want, m.standing(), "%s", m.dump(c))
	others, devices := m.rest()
	require.Equal(t, m.others, others)
	require.Equal(t, m.devices, devices)
	row, err := m.world.machine.Cases.Cleanup(t.Context(), cleanup)
	require.NoError(t, err)
	require.Equal(t, map[sunset.Outcome]int{m.end: 1, sunset.Kept: 1}, positive(row.Outcomes))
	for _, x := range m.world.machine.Engine.Executions() {
		require.Equal(t, "SUCCEEDED", string(x.Status), "%s: %s", x.Name, x.Cause)
	}
	kinds := map[string]int{}
	for _, r := range m.records(c) {
		kinds[r.Kind]++
	}
	for _, once := range []string{"claimed", "snapshot", "disabled", "requested", "decision", "closed", string(m.end)} {
		require.Equal(t, 1, kinds[once], "records of kind %s in\n%s", once, m.dump(c))
	}
	require.Zero(t, kinds["failed"]+kinds["mismatch"], "%s", m.dump(c))
	m.onceEach()
	m.proven()
}

// onceEach asserts that of what can't be undone nothing was done twice, and that no call reached anybody else.
func (m *mortal) onceEach() {
	done := map[string]int{}
	for _, c := range m.account.Calls() {
		if c.Error != "" || c.Service != "iam" || (callOf{action: c.Action}).changes() == false {
			continue
		}
		if name, named := c.Params["UserName"]; named {
			require.Equal(m.t, victim, name, "%s", c.Action)
		}
		if irrevocable(c) {
			key := c.Action
			for _, p := range []string{"AccessKeyId", "SSHPublicKeyId", "CertificateId", "ServiceSpecificCredentialId", "SerialNumber", "GroupName", "PolicyName", "PolicyArn"} {
				key += " " + c.Params[p]
			}
			done[strings.TrimSpace(key)]++
		}
	}
	for what, times := range done {
		require.Equal(m.t, 1, times, what)
	}
}
