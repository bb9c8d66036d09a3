package tests

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// alice is an approver, known by the role that she acts in.
const (
	alicesRole    = "arn:aws:iam::123456789012:role/people/alice"
	alicesSession = "arn:aws:sts::123456789012:assumed-role/alice/laptop"
)

// newStarted is a world whose starters are what CloudTrail says of their executions, and whose approver is alice.
func newStarted(t *testing.T) *breaker {
	t.Helper()
	b := newBreaker(t)
	b.settings.Approvers[0].Principals = []string{alicesRole}
	b.machine.StartedBy = b.machine.Trail.StartedBy
	return b
}

// start begins a cleanup that claims a harmless starter. CloudTrail tells of it what change leaves.
func (b *breaker) start(change func(*fakeaws.Started) bool) {
	b.t.Helper()
	arn := b.clean(sunset.Request{})
	s := fakeaws.Started{Execution: arn, Region: "us-east-1", At: b.clock.Now(), By: fakeaws.UserIdentity{Type: "AssumedRole", PrincipalID: "AROAX:x", ARN: starter}}
	if change == nil || change(&s) {
		b.account.AddStartExecution(s)
	}
}

func byAlice(s *fakeaws.Started) bool {
	s.By.ARN = alicesSession
	return true
}

// ends lets time pass until the case has ended.
func (b *breaker) ends() sunset.Case {
	b.t.Helper()
	b.until(func() bool {
		c, err := b.machine.Cases.Get(context.Background(), b.user.ID)
		return err == nil && !c.Open() && b.clock.Now().After(c.Ended.Add(day))
	})
	return b.caseOf(b.user.ID)
}

// starterRecords are the records of who started the cleanup.
func (b *breaker) starterRecords() []audit.Record {
	b.t.Helper()
	records, err := b.machine.Records.Chain(b.t.Context(), sunset.CleanupChain(cleanup))
	require.NoError(b.t, err)
	var out []audit.Record
	for _, r := range records {
		if r.Kind == "starter" {
			out = append(out, r)
		}
	}
	return out
}

func TestTheStarterIsProvenAndOnRecord(t *testing.T) {
	b := newStarted(t)
	b.start(nil)
	c := b.ends()
	require.Equal(t, sunset.Deleted, c.Outcome, b.dump(c))
	records := b.starterRecords()
	require.Len(t, records, 1)
	require.Contains(t, records[0].Text, "started by "+starter+", as its request claims")
	require.Contains(t, string(records[0].Data), `"equal":true`)
	row, err := b.machine.Cases.Cleanup(t.Context(), cleanup)
	require.NoError(t, err)
	require.Equal(t, starter, row.Proven)
	r, err := b.machine.Desk.Request(t.Context(), c.RequestID)
	require.NoError(t, err)
	require.Equal(t, starter, r.Proven)
	b.proven()
}

// Whoever nobody knows may have been an approver: the user goes back.
func TestAnUnknownStarterDeletesNobody(t *testing.T) {
	for name, change := range map[string]func(*fakeaws.Started) bool{
		"no event":            func(*fakeaws.Started) bool { return false },
		"another execution's": func(s *fakeaws.Started) bool { s.Execution += "2"; return true },
		"of another state machine": func(s *fakeaws.Started) bool {
			s.Execution = "arn:aws:states:us-east-1:123456789012:execution:other:" + cleanup
			return true
		},
		"in another region":             func(s *fakeaws.Started) bool { s.Region = "eu-west-1"; return true },
		"a start that was refused":      func(s *fakeaws.Started) bool { s.ErrorCode = "AccessDenied"; return true },
		"an event of nobody":            func(s *fakeaws.Started) bool { s.By = fakeaws.UserIdentity{Type: "AWSService"}; return true },
		"an event of the day before":    func(s *fakeaws.Started) bool { s.At = s.At.Add(-day); return true },
		"an event of an hour afterward": func(s *fakeaws.Started) bool { s.At = s.At.Add(time.Hour); return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStarted(t)
			b.start(change)
			c := b.ends()
			require.Equal(t, sunset.Restored, c.Outcome, b.dump(c))
			require.Equal(t, sunset.UnprovenStarter, c.Reason)
			require.True(t, b.recorded(c, "decision"))
			require.Empty(t, b.starterRecords())
			require.Equal(t, timeless(b.before), timeless(b.untouchedBut("")))
			b.proven()
		})
	}
}

// The row says who is proven, and that is somebody harmless; the records say nothing, and CloudTrail neither.
func TestARowProvesNoStarter(t *testing.T) {
	b := newStarted(t)
	b.at(turn(), func() { b.row("cleanup/"+cleanup, func(c map[string]any) { c["proven"] = starter }) })
	b.atDeletion("", func() {
		b.row("request/"+b.request().ID, func(r map[string]any) { r["proven"] = starter })
		b.row("case/"+b.user.ID, func(c map[string]any) { c["proven"] = starter })
	})
	b.start(func(*fakeaws.Started) bool { return false })
	c := b.ends()
	require.Equal(t, sunset.Restored, c.Outcome, b.dump(c))
	b.untouched()
}

// The row points at another cleanup's execution, which somebody harmless started. The record of the beginning counts.
func TestARowCannotNameAnotherExecution(t *testing.T) {
	b := newStarted(t)
	other := "arn:aws:states:us-east-1:123456789012:execution:iam-sunset:winter"
	b.account.AddStartExecution(fakeaws.Started{Execution: other, Region: "us-east-1", At: begin(), By: fakeaws.UserIdentity{Type: "AssumedRole", ARN: starter}})
	b.at(begin().Add(time.Minute), func() { b.row("cleanup/"+cleanup, func(c map[string]any) { c["execution"] = other }) })
	b.start(func(*fakeaws.Started) bool { return false })
	c := b.ends()
	require.Equal(t, sunset.Restored, c.Outcome, b.dump(c))
	require.Empty(t, b.starterRecords())
	b.untouched()
}

// Alice starts a cleanup as somebody else. She is asked nothing and can't decide; the record names her.
func TestAStarterWhoLiesCannotApprove(t *testing.T) {
	b := newStarted(t)
	link := ""
	b.start(byAlice)
	b.until(func() bool {
		c, err := b.machine.Cases.Get(context.Background(), b.user.ID)
		return err == nil && c.Stage == sunset.Requesting
	})
	require.Contains(t, string(b.starterRecords()[0].Data), `"equal":false`)
	require.Contains(t, b.starterRecords()[0].Text, "started by "+alicesSession+", while its request claims "+starter)
	_, err := invoke(b.world, func(ctx context.Context, _ struct{}) (struct{}, error) {
		secret, err := b.machine.Desk.NewLink(ctx, approver, b.clock.Now().Add(day))
		link = b.machine.PagesURL + "/a/" + secret
		return struct{}{}, err
	}, struct{}{})
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, b.post(link, b.request(), sunset.ChooseDelete))
	c := b.ends()
	require.Equal(t, sunset.Lapsed, c.Outcome, b.dump(c))
	for _, m := range b.mail {
		require.True(t, noAnnouncement(m), "%s was asked", m.To)
	}
	b.untouched()
}

// The event comes only after alice has decided: her word is left out at the deletion, and she is not asked again.
func TestAStarterWhoLiesIsFoundOutAtTheDeletion(t *testing.T) {
	b := newStarted(t)
	fromCloudTrail := b.machine.StartedBy
	known := false
	b.machine.StartedBy = func(ctx context.Context, execution string, began time.Time) (string, error) {
		if !known {
			return "", nil
		}
		return fromCloudTrail(ctx, execution, began)
	}
	b.atDeletion("", func() { known = true })
	b.start(byAlice)
	c := b.ends()
	require.True(t, known)
	require.Equal(t, sunset.Lapsed, c.Outcome, b.dump(c))
	require.Contains(t, b.dump(c), "the stored decisions don't add up to delete: "+approver+" started this cleanup")
	require.Equal(t, 2, c.Round)
	require.Len(t, b.starterRecords(), 1)
	b.untouched()
}

// What CloudTrail does not answer is tried again, and is no answer.
func TestAStarterWhoIsNotReadIsReadAgain(t *testing.T) {
	b := newStarted(t)
	fromCloudTrail := b.machine.StartedBy
	var mu sync.Mutex
	answers, asked := false, 0
	b.machine.StartedBy = func(ctx context.Context, execution string, began time.Time) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		if !answers {
			return "", sunset.Faultf(sunset.Throttled, "reading CloudTrail in us-east-1: Rate exceeded")
		}
		return fromCloudTrail(ctx, execution, began)
	}
	tries := 0
	b.invoked = func(function string) error {
		if function == "delete-all-artifacts" {
			mu.Lock()
			defer mu.Unlock()
			tries++
			answers = tries == 3
		}
		return nil
	}
	b.start(nil)
	c := b.ends()
	require.Equal(t, sunset.Deleted, c.Outcome, b.dump(c))
	require.Equal(t, 3, tries)
	require.Greater(t, asked, 3, "reconcile asks as well")
	require.Contains(t, b.log.String(), "asking who started cleanup spring")
	b.proven()
}

// CloudTrail that goes on refusing fails the case; the user stays disabled.
func TestAStarterWhoCannotBeReadDeletesNobody(t *testing.T) {
	b := newStarted(t)
	b.machine.StartedBy = func(context.Context, string, time.Time) (string, error) {
		return "", sunset.Faultf(sunset.AccessDenied, "reading CloudTrail in us-east-1: not authorized to perform cloudtrail:LookupEvents")
	}
	b.start(nil)
	c := b.ends()
	require.Equal(t, sunset.Failed, c.Outcome, b.dump(c))
	require.Contains(t, c.Reason, "cloudtrail:LookupEvents")
	require.NotEmpty(t, b.untouched().Inline[sunset.DenyPolicyName])
}

// Where two decide and one of them started it, the other's word alone counts.
func TestTheStartersWordDoesNotCountBesideAnothers(t *testing.T) {
	for _, needed := range []int{1, 2} {
		t.Run(map[int]string{1: "one is needed", 2: "two are needed"}[needed], func(t *testing.T) {
			t.Parallel()
			b := newStarted(t)
			b.settings.Approvers = append(b.settings.Approvers, sunset.Approver{Email: second})
			b.settings.ApprovalsNeeded = needed
			b.people[second] = deleteOrKeep
			fromCloudTrail := b.machine.StartedBy
			decided := false
			b.machine.StartedBy = func(ctx context.Context, execution string, began time.Time) (string, error) {
				if !decided {
					return "", nil // the event comes when both have decided
				}
				return fromCloudTrail(ctx, execution, began)
			}
			b.atDeletion("", func() { decided = true })
			if needed == 1 {
				delete(b.people, approver)
			}
			b.start(byAlice)
			c := b.ends()
			require.True(t, decided)
			if needed == 1 {
				require.Equal(t, sunset.Deleted, c.Outcome, b.dump(c))
				return
			}
			require.Equal(t, sunset.Lapsed, c.Outcome, b.dump(c))
			b.untouched()
		})
	}
}

// A key that somebody tries does not wake because nobody knows who started the cleanup: people decide first.
func TestAnUnknownStarterWakesNoKeyThatIsTried(t *testing.T) {
	b := newStarted(t)
	b.atDeletion("", func() {
		b.account.At(b.clock.Now(), func(p *fakeaws.Actor) {
			p.Do(b.user.Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", nil)
		})
	})
	b.start(func(*fakeaws.Started) bool { return false })
	c := b.ends()
	require.Equal(t, sunset.Lapsed, c.Outcome, b.dump(c))
	require.NotEmpty(t, b.untouched().Inline[sunset.DenyPolicyName])
}
