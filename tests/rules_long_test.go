package tests

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// CloudTrail forgets after 90 days. A soak that is longer is read before that, so that neither is an early call missed
// nor does silence that nobody could hear count.
func TestASoakLongerThanCloudTrailRemembers(t *testing.T) {
	for name, speaks := range map[string]bool{"silent": false, "spoke in its first days": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t)
			b.settings.Soak = sunset.Days(110)
			b.people[approver] = deleteOrKeep
			if speaks {
				// A session's calls move no last-used; CloudTrail alone knows.
				b.at(turn().Add(5*day), func() {
					session, ok := b.account.NewUserSession(victim, 12*time.Hour)
					require.True(t, ok)
					b.account.At(b.clock.Now(), func(p *fakeaws.Actor) { p.Do(session.AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil) })
				})
			}
			c := b.settle()
			if speaks {
				require.Equal(t, sunset.Restored, c.Outcome, b.dump(c))
				b.untouched()
			} else {
				require.Equal(t, sunset.Deleted, c.Outcome, b.dump(c))
			}
		})
	}
}
