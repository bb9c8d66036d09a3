package tests

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// delivered is a message and when it was sent.
type delivered struct {
	at time.Time
	approval.Message
}

// deliveries keeps every message from now on with its time.
func (w *world) deliveries() *[]delivered {
	out := &[]delivered{}
	w.mute = func(m approval.Message) error {
		*out = append(*out, delivered{w.clock.Now(), m})
		return nil
	}
	return out
}

func of(all []delivered, fits func(approval.Message) bool) []delivered {
	return slices.DeleteFunc(slices.Clone(all), func(d delivered) bool { return !fits(d.Message) })
}

func isAnnouncement(m approval.Message) bool { return m.To == approver && m.Link != "" }

func isEscalation(m approval.Message) bool {
	return m.To == approval.Team && strings.Contains(m.Subject, "not decided on")
}

// Three days of requests, and an approver who doesn't answer: one message on each working day on which something is new,
// then a reminder every four days, then one on each of the days on which something ends.
func TestApproversGetOneMessageAWorkingDay(t *testing.T) {
	t.Parallel()
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		for i := range 6 {
			join(t, a, fmt.Sprintf("old-%d", i), fakeaws.Dead())
		}
	})
	w.people = nil
	w.set(func(s *sunset.Settings) {
		s.Batch = 2
		s.OfficeHours = []sunset.Window{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", To: "17:00"}}
	})
	all := w.deliveries()
	w.clean(sunset.Request{})
	w.finish()

	messages := of(*all, isAnnouncement)
	require.GreaterOrEqual(t, len(messages), 6)
	days := map[string]bool{}
	links := map[string]bool{}
	ends := 0
	for i, m := range messages {
		day := m.at.Format(time.DateOnly)
		require.False(t, days[day], "two on %s", day)
		days[day], links[m.Link] = true, true
		require.False(t, m.at.Weekday() == time.Saturday || m.at.Weekday() == time.Sunday || m.at.Hour() < 9 || m.at.Hour() >= 17, m.at)
		require.NotContains(t, m.Text, m.Link)
		if i > 0 && !strings.Contains(m.Text, "(new)") && m.at.Sub(messages[i-1].at) < 4*24*time.Hour-time.Hour {
			ends++
		}
	}
	require.Len(t, links, len(messages), "each has a link of its own")
	require.Contains(t, messages[0].Subject, "2 unused IAM users wait for your decision, the first until ")
	require.NotContains(t, messages[0].Text, "(new)", "all are")
	require.Contains(t, messages[1].Subject, "4 unused IAM users wait")
	require.Equal(t, 2, strings.Count(messages[1].Text, "(new)"))
	require.Positive(t, ends, "nobody was told while the first ended")
	// The first to end comes first.
	var firsts []string
	for _, line := range strings.Split(messages[1].Text, "\n") {
		if rest, ok := strings.CutPrefix(line, "- old-"); ok {
			_, until, _ := strings.Cut(rest, "decide by ")
			at, err := time.Parse("2 January 2006, 15:04 MST", until)
			require.NoError(t, err)
			firsts = append(firsts, at.Format(time.RFC3339))
		}
	}
	require.Len(t, firsts, 4)
	require.True(t, slices.IsSorted(firsts), firsts)
	w.proven()
}

// Requests that end with nobody having decided: the team is told once of each, with no link, before they end.
func TestTheTeamIsToldOfWhatNobodyDecides(t *testing.T) {
	for name, tt := range map[string]struct {
		arrange func(*world)
		starter string
		before  time.Duration // the end; 0: at once
		says    string
	}{
		"nobody answers": {before: 48 * time.Hour, says: "asked: " + approver},
		"a short time to decide": {
			arrange: func(w *world) { w.set(func(s *sunset.Settings) { s.ApprovalOpen = sunset.Days(4) }) },
			before:  24 * time.Hour, says: "asked: " + approver,
		},
		"the only approver started it": {starter: approver, says: "nobody may decide"},
		"too few may decide": {
			arrange: func(w *world) {
				w.set(func(s *sunset.Settings) {
					s.ApprovalsNeeded = 2
					s.Approvers = []sunset.Approver{{Email: approver}, {Email: second}}
				})
			},
			starter: second, says: "2 must agree to delete it, and no more than 1 may decide",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, user := one(t)
			w.people = nil
			if tt.arrange != nil {
				tt.arrange(w)
			}
			all := w.deliveries()
			w.clean(sunset.Request{Starter: tt.starter})
			w.finish()
			c := w.caseOf(user.ID)
			require.Equal(t, sunset.Lapsed, c.Outcome)
			r, err := w.machine.Desk.Request(t.Context(), c.RequestID)
			require.NoError(t, err)

			escalations := of(*all, isEscalation)
			require.Len(t, escalations, 1)
			m := escalations[0]
			want := r.Issued
			if tt.before > 0 {
				want = r.Expires.Add(-tt.before)
			}
			require.WithinDuration(t, want, m.at, time.Hour)
			require.False(t, m.at.Before(want))
			require.Contains(t, m.Text, "- old-batch: until ")
			require.Contains(t, m.Text, tt.says)
			require.Contains(t, m.Text, "iam-sunset rescue")
			require.Empty(t, m.Link)
			require.Len(t, w.ofKind(sunset.ChainOf(c.ID), "escalated"), 1)
			w.proven()
		})
	}
}

// One message a day tells the team of all that comes due on it; what is decided in time is no matter for it.
func TestEscalationsOfADayAreOneMessage(t *testing.T) {
	t.Parallel()
	w := newSmallWorld(t, func(a *fakeaws.Account) {
		for i := range 4 {
			join(t, a, fmt.Sprintf("old-%d", i), fakeaws.Dead())
		}
	})
	w.people[approver] = func(r sunset.ApprovalRequest) sunset.Choice {
		if r.UserName == "old-3" {
			return sunset.ChooseKeep
		}
		return ""
	}
	all := w.deliveries()
	w.clean(sunset.Request{})
	w.finish()
	escalations := of(*all, isEscalation)
	require.Len(t, escalations, 1)
	require.Contains(t, escalations[0].Subject, "3 disabled IAM users are not decided on, the first until ")
	require.NotContains(t, escalations[0].Text, "old-3")
	w.proven()
}

// asAdmin is somebody at the account's console.
func (w *world) asAdmin(at time.Time, action string, values url.Values) {
	w.account.At(at, func(p *fakeaws.Actor) {
		if code := p.AsAdministrator(action, values); code != "" {
			w.t.Errorf("%s: %s", action, code)
		}
	})
}

// What moves while approvers are asked is found the next morning: their request is void, and they are asked anew with
// what moved. The user stays disabled.
func TestFactsThatMoveWhileApproversAreAsked(t *testing.T) {
	moved := turn().Add(17 * day).Add(5 * time.Hour)
	morning := moved.Truncate(day).Add(day + 4*time.Hour)
	with := func(more ...string) url.Values {
		v := url.Values{"UserName": {"old-batch"}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	for name, tt := range map[string]struct {
		lives   []fakeaws.Life
		arrange func(*world)
		about   sunset.SignalKind
	}{
		"its key is tried": {lives: []fakeaws.Life{fakeaws.TriesItsKey(moved)}, about: sunset.LastUsedMoved},
		"its password is":  {lives: []fakeaws.Life{fakeaws.TriesToSignIn(moved)}, about: sunset.SignIn},
		"it gets a credential": {arrange: func(w *world) {
			w.asAdmin(moved, "CreateServiceSpecificCredential", with("ServiceName", "codecommit.amazonaws.com"))
		}, about: sunset.NewCredential},
		"it gets a policy": {arrange: func(w *world) {
			w.asAdmin(moved, "AttachUserPolicy", with("PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess"))
		}, about: sunset.ArtifactDrift},
		"it loses its deny": {arrange: func(w *world) { w.asAdmin(moved, "DeleteUserPolicy", with("PolicyName", sunset.DenyPolicyName)) }, about: sunset.DenyMissing},
		"it is to be kept": {arrange: func(w *world) {
			w.asAdmin(moved, "TagUser", with("Tags.member.1.Key", sunset.TagKeep, "Tags.member.1.Value", "yes"))
		}, about: sunset.KeepTag},
		"it has another name": {arrange: func(w *world) { w.asAdmin(moved, "UpdateUser", with("NewUserName", "old-batch-2")) }, about: sunset.Renamed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, user := one(t, tt.lives...)
			w.people = nil
			if tt.arrange != nil {
				tt.arrange(w)
			}
			w.clean(sunset.Request{})
			request := func() sunset.ApprovalRequest {
				r, err := w.machine.Desk.Request(context.Background(), w.caseOf(user.ID).RequestID)
				require.NoError(t, err)
				return r
			}
			w.until(func() bool { return w.clock.Now().After(moved) })
			first := request()
			require.Equal(t, sunset.RequestOpen, first.State)
			require.False(t, first.Disturbed)
			w.until(func() bool { return w.clock.Now().After(morning.Add(time.Hour)) })

			c := w.caseOf(user.ID)
			require.Equal(t, sunset.Requesting, c.Stage, w.dump(c))
			again := request()
			require.NotEqual(t, first.ID, again.ID)
			require.Equal(t, sunset.RequestOpen, again.State)
			require.True(t, again.Disturbed)
			require.True(t, slices.ContainsFunc(again.Facts.Signals, func(s sunset.Signal) bool { return s.Kind == tt.about }), again.Facts.Signals)
			old, err := w.machine.Desk.Request(t.Context(), first.ID)
			require.NoError(t, err)
			require.Equal(t, sunset.RequestSuperseded, old.State)
			require.Len(t, w.ofKind(sunset.ChainOf(c.ID), "facts-moved"), 1)

			state, there := w.account.User(map[bool]string{true: "old-batch-2", false: "old-batch"}[tt.about == sunset.Renamed])
			require.True(t, there)
			require.Equal(t, tt.about != sunset.DenyMissing, state.Inline[sunset.DenyPolicyName] != "", "nothing was restored")
			// Nothing more moves, so that this request stays.
			w.until(func() bool { return w.clock.Now().After(morning.Add(5 * day)) })
			require.Equal(t, again.ID, request().ID)
			w.finish()
			require.Equal(t, sunset.Lapsed, w.caseOf(user.ID).Outcome)
			w.proven()
		})
	}
}

// A user that somebody else deletes meanwhile has nothing left to decide.
func TestAUserThatIsGoneWhileApproversAreAsked(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.people = nil
	state, there := w.account.User("old-batch")
	require.True(t, there)
	w.account.At(turn().Add(17*day), func(p *fakeaws.Actor) {
		p.AsAdministrator("DeleteUserPolicy", url.Values{"UserName": {"old-batch"}, "PolicyName": {sunset.DenyPolicyName}})
		for _, k := range state.Keys {
			p.AsAdministrator("DeleteAccessKey", url.Values{"UserName": {"old-batch"}, "AccessKeyId": {k.ID}})
		}
		p.AsAdministrator("DeleteLoginProfile", url.Values{"UserName": {"old-batch"}})
		for name := range state.Inline {
			p.AsAdministrator("DeleteUserPolicy", url.Values{"UserName": {"old-batch"}, "PolicyName": {name}})
		}
		for _, arn := range state.Attached {
			p.AsAdministrator("DetachUserPolicy", url.Values{"UserName": {"old-batch"}, "PolicyArn": {arn}})
		}
		for _, g := range state.Groups {
			p.AsAdministrator("RemoveUserFromGroup", url.Values{"UserName": {"old-batch"}, "GroupName": {g}})
		}
		for _, d := range state.MFA {
			p.AsAdministrator("DeactivateMFADevice", url.Values{"UserName": {"old-batch"}, "SerialNumber": {d}})
		}
		if code := p.AsAdministrator("DeleteUser", url.Values{"UserName": {"old-batch"}}); code != "" {
			t.Errorf("DeleteUser: %s", code)
		}
	})
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Skipped, c.Outcome, w.dump(c))
	require.WithinDuration(t, turn().Add(17*day).Truncate(day).Add(day+4*time.Hour), c.Ended, time.Hour)
	w.proven()
}

// A stolen key that is tried day after day is news once: otherwise no request on it would ever end.
func TestAKeyThatIsTriedEachDayIsNewsOnce(t *testing.T) {
	t.Parallel()
	var lives []fakeaws.Life
	for i := range 12 {
		lives = append(lives, fakeaws.TriesItsKey(turn().Add(time.Duration(16+i)*day)))
	}
	w, user := one(t, lives...)
	w.people = nil
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Lapsed, c.Outcome)
	require.Len(t, w.ofKind(sunset.ChainOf(c.ID), "facts-moved"), 1)
	require.Len(t, w.ofKind(sunset.ChainOf(c.ID), "requested"), 2)
	w.proven()
}

// Where AWS asks to slow down, users are looked at the next day; nothing else of the round is kept from being done.
func TestALookThatIsThrottledWaitsForTheNextDay(t *testing.T) {
	t.Parallel()
	moved := turn().Add(17 * day)
	morning := moved.Truncate(day).Add(day + 4*time.Hour)
	w, user := one(t, fakeaws.TriesItsKey(moved))
	w.people = nil
	var throttled atomic.Bool
	w.at(morning.Add(-time.Hour), func() { throttled.Store(true) })
	w.at(morning.Add(12*time.Hour), func() { throttled.Store(false) })
	w.account.Fail(fakeaws.Fault{Throttle: true, Match: func(c fakeaws.Call) bool { return c.Action == "GetAccessKeyLastUsed" && throttled.Load() }})
	w.clean(sunset.Request{})
	w.until(func() bool { return w.clock.Now().After(morning.Add(20 * time.Hour)) })
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Requesting, c.Stage)
	require.Empty(t, w.ofKind(sunset.ChainOf(c.ID), "facts-moved"))
	require.Contains(t, w.log.String(), "could not be looked at again")
	w.until(func() bool { return w.clock.Now().After(morning.Add(26 * time.Hour)) })
	require.Len(t, w.ofKind(sunset.ChainOf(c.ID), "facts-moved"), 1)
	require.Equal(t, sunset.Requesting, w.caseOf(user.ID).Stage)
}

// What was heard while approvers were asked stays heard, also where it is gone again a moment later: somebody wanted the
// user kept.
func TestWhatMovedAndWentBackWhileApproversWereAskedIsShown(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.people = nil
	moved := turn().Add(17 * day)
	morning := moved.Truncate(day).Add(day + 4*time.Hour)
	w.asAdmin(moved, "TagUser", url.Values{"UserName": {"old-batch"}, "Tags.member.1.Key": {sunset.TagKeep}, "Tags.member.1.Value": {"yes"}})
	var once sync.Once
	w.invoked = func(function string) error {
		if function == "wait-soak" && w.clock.Now().After(moved) {
			once.Do(func() {
				w.asAdmin(w.clock.Now(), "UntagUser", url.Values{"UserName": {"old-batch"}, "TagKeys.member.1": {sunset.TagKeep}})
			})
		}
		return nil
	}
	w.clean(sunset.Request{})
	w.until(func() bool { return w.clock.Now().After(morning.Add(time.Hour)) })
	require.Empty(t, w.user("old-batch").Tags[sunset.TagKeep])
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Requesting, c.Stage)
	r, err := w.machine.Desk.Request(t.Context(), c.RequestID)
	require.NoError(t, err)
	require.Equal(t, 2, r.Round)
	require.True(t, r.Disturbed)
	require.NotContains(t, r.Choices(), sunset.ChooseDelete)
	told := 0
	for _, m := range w.mail {
		if strings.Contains(m.Subject, "its soak was disturbed") {
			told++
		}
	}
	require.Equal(t, 2, told, "the owner and the team")
	w.until(func() bool { return w.clock.Now().After(morning.Add(4 * day)) })
	require.Equal(t, c.RequestID, w.caseOf(user.ID).RequestID)
	w.finish()
	w.proven()
}
