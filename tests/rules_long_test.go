package tests

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
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

// A region that could not be read keeps its whole time unheard: once it can be read again it is asked about all of it,
// and not only about the time since the others were read.
func TestARegionThatWasNotHeardIsHeardFromTheBeginning(t *testing.T) {
	t.Parallel()
	b := newBreaker(t)
	b.settings.Soak = sunset.Days(110)
	b.people = nil
	b.at(turn().Add(5*day), func() {
		session, ok := b.account.NewUserSession(victim, 12*time.Hour)
		require.True(t, ok)
		b.account.At(b.clock.Now(), func(p *fakeaws.Actor) { p.Do(session.AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil) })
	})
	b.at(turn().Add(40*day), func() {
		reopen := b.account.CloseRegion("eu-west-1")
		b.at(turn().Add(50*day), reopen)
	})
	b.at(turn().Add(52*day), func() {
		ctx := context.Background()
		c := b.caseOf(b.user.ID)
		require.Equal(t, sunset.Requesting, c.Stage, "what could not be heard goes to people")
		token := b.taskToken(c.RequestID)
		_, err := b.machine.Executions.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`"nothing"`)})
		require.NoError(t, err)
	})
	heard := false
	b.at(turn().Add(53*day), func() {
		for _, s := range b.caseOf(b.user.ID).Signals {
			heard = heard || s.About == "DescribeInstances"
		}
	})
	b.clean(sunset.Request{})
	b.until(func() bool { return b.clock.Now().After(turn().Add(54 * day)) })
	require.True(t, heard, "the call of the fifth day was never heard")
}
