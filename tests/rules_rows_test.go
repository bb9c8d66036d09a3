package tests

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Operators may write rows, to let turns go on. What was heard is on record, and what approvers have forgiven.
func TestARowHidesNothingThatWasHeard(t *testing.T) {
	for _, r := range []struct {
		name, refused string
		do            func(*breaker)
	}{
		{"a signal on record", "its key was tried once", func(b *breaker) {
			heard, err := json.Marshal(map[string]any{"signals": []sunset.Signal{{Kind: sunset.DeniedCall, About: "GetObject", At: b.clock.Now(), Detail: "its key was tried once"}}})
			require.NoError(b.t, err)
			_, err = b.machine.Records.Append(b.t.Context(), audit.Record{Chain: sunset.ChainOf(b.caseOf(b.user.ID).ID), Kind: "listened", Data: heard})
			require.NoError(b.t, err)
		}},
		{"a last use that nobody forgave", " was tried ", func(b *breaker) {
			key := b.user.Keys[0].AccessKeyID
			b.row("case/"+b.user.ID, func(c map[string]any) {
				c["forgiven"] = map[string]any{key: begin().Add(300 * day).Format(time.RFC3339)}
			})
			b.account.At(b.clock.Now(), func(p *fakeaws.Actor) { p.Do(key, "ec2", "DescribeInstances", "eu-west-1", url.Values{}) })
		}},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t)
			done := false
			b.atDeletion("", func() { r.do(b); done = true })
			b.after(&done)
			b.untouched()
			c := b.caseOf(b.user.ID)
			refused := ""
			for _, rec := range b.records(c) {
				if rec.Kind == "deletion-refused" {
					refused += string(rec.Data)
				}
			}
			require.Contains(t, refused, r.refused, b.dump(c))
		})
	}
}

// Another deployment disables a user that is planned here: its mark keeps this one off, before its turn as at the plan.
func TestAUserOfAnotherDeploymentIsLeftAlone(t *testing.T) {
	t.Parallel()
	var marked fakeaws.NewUser
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		marked = join(t, a, "marked-later", fakeaws.Dead())
		join(t, a, "marked-before", fakeaws.Dead(), fakeaws.Tagged(sunset.TagCase, "theirs-AIDA1"))
	})
	w.account.At(begin().Add(2*day), func(p *fakeaws.Actor) {
		code := p.AsAdministrator("TagUser", url.Values{
			"UserName": {"marked-later"}, "Tags.member.1.Key": {sunset.TagCase}, "Tags.member.1.Value": {"theirs-AIDA2"},
		})
		assert.Empty(t, code)
	})
	w.clean(sunset.Request{})
	row := w.finish()
	require.Equal(t, map[sunset.Outcome]int{sunset.Kept: 1, sunset.Skipped: 1}, positive(row.Outcomes))
	require.Contains(t, w.caseOf(marked.ID).Reason, "theirs-AIDA2")
	for _, name := range []string{"marked-later", "marked-before"} {
		state, there := w.account.User(name)
		require.True(t, there)
		require.NotContains(t, state.Inline, sunset.DenyPolicyName, name)
	}
	w.proven()
}
