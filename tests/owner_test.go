package tests

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
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

// While approvers are asked a keep puts the user back at once and ends the execution, without the hour's wait for reconcile.
func TestAnOwnerKeepsWhileApproversAreAsked(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.people = nil
	before := w.user("old-batch")
	var clicked time.Time
	w.at(turn().Add(15*day), func() {
		require.Equal(t, sunset.Requesting, w.caseOf(user.ID).Stage)
		clicked = w.clock.Now()
		status, page := w.look(w.wayOf(owner))
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "It is disabled, and may go any time now")
		status, page = w.say(w.wayOf(owner), keepIt("needed"))
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "was put back as it was")
		require.Equal(t, before, w.user("old-batch"))
	})
	w.clean(sunset.Request{})
	w.until(func() bool {
		c, err := w.machine.Cases.Get(context.Background(), user.ID)
		return err == nil && c.Logged
	})
	require.LessOrEqual(t, w.clock.Now().Sub(clicked), time.Minute)
	w.until(func() bool { return w.over(w.caseOf(user.ID).Execution) })
	require.LessOrEqual(t, w.clock.Now().Sub(clicked), time.Minute)
	w.finish()
	require.Equal(t, sunset.Rescued, w.caseOf(user.ID).Outcome)
	w.proven()
}

// over reports whether an execution has ended.
func (w *world) over(arn string) bool {
	x, err := w.machine.Executions.DescribeExecution(context.Background(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	require.NoError(w.t, err)
	return x.Status != types.ExecutionStatusRunning
}

// Of a keep and a deletion one wins, and the page says which.
func TestAnOwnerKeepsTooLate(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	tried := false
	w.wire = func(action, name string) {
		if action != "DeleteAccessKey" || name != "old-batch" || tried {
			return
		}
		tried = true
		status, page := w.say(w.wayOf(owner), keepIt("needed"))
		require.Equal(t, http.StatusConflict, status)
		require.Contains(t, page, "Too late: its deletion has begun")
	}
	w.clean(sunset.Request{})
	w.finish()
	require.True(t, tried)
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Deleted, c.Outcome)
	require.Nil(t, c.Rescue)
	status, page := w.look(w.wayOf(owner))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "It was deleted")
	require.NotContains(t, page, "<form")
	w.proven()
}

// A keep that comes just before the point of no return wins over every approver.
func TestAnOwnerKeepsJustBeforeTheDeletion(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	before := w.user("old-batch")
	var once sync.Once
	w.invoked = func(function string) error {
		if function == "delete-all-artifacts" {
			once.Do(func() {
				status, _ := w.say(w.wayOf(owner), keepIt("needed"))
				require.Equal(t, http.StatusOK, status)
			})
		}
		return nil
	}
	w.clean(sunset.Request{})
	w.finish()
	require.Equal(t, sunset.Rescued, w.caseOf(user.ID).Outcome)
	require.Equal(t, before, w.user("old-batch"))
	w.proven()
}

// A case that is handed over has its new owner told, by a link of its own, and kept by it; the old owner's agreement is
// no longer asked for, and its keep is still heard.
func TestAnOwnerHandsOver(t *testing.T) {
	const heir = "olga@example.org"
	for _, who := range []string{heir, owner} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			w, user := one(t)
			w.set(func(s *sunset.Settings) { s.OwnerDomains = []string{"example.com", "example.org"} })
			w.at(turn().Add(2*day), func() {
				link := w.wayOf(owner)
				for range 2 {
					status, page := w.say(link, url.Values{"act": {"hand-over"}, "to": {heir}})
					require.Equal(t, http.StatusOK, status)
					require.Contains(t, page, "handed over to "+heir)
				}
				status, page := w.say(link, url.Values{"act": {"agree"}})
				require.Equal(t, http.StatusConflict, status)
				require.Contains(t, page, "handed over to "+heir+" meanwhile")
			})
			w.at(turn().Add(2*day+61*time.Minute), func() { require.Contains(t, w.wayOf(heir), "/o/") })
			w.at(turn().Add(4*day), func() {
				status, page := w.say(w.wayOf(who), keepIt("mine"))
				require.Equal(t, http.StatusOK, status)
				require.Contains(t, page, "was put back as it was")
			})
			w.clean(sunset.Request{})
			w.finish()
			c := w.caseOf(user.ID)
			require.Equal(t, sunset.Rescued, c.Outcome)
			require.Equal(t, who, c.Rescue.By)
			told := map[string]int{}
			for _, r := range w.records(c) {
				switch r.Kind {
				case "handed-over":
					require.JSONEq(t, `{"from":"owner@example.com","to":"olga@example.org","way":"link","principal":""}`, string(r.Data))
					told["handed over"]++
				case "owner-told":
					var data struct{ To, Message string }
					require.NoError(t, json.Unmarshal(r.Data, &data))
					told[data.To+" "+data.Message]++
				}
			}
			require.Equal(t, map[string]int{"handed over": 1, owner + " notice": 1, owner + " disabled": 1, heir + " handed-over": 1}, told)
			last := w.mail[len(w.mail)-1]
			require.Equal(t, heir, last.To, "whoever owns it now hears of the end")
			w.keptNowhere(w.ways)
			w.proven()
		})
	}
}

// An owner who agreed has decided nothing, and may change its mind.
func TestAnOwnerAgreesAndThenKeeps(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.people = nil
	w.at(begin().Add(day), func() {
		for range 2 {
			status, page := w.say(w.wayOf(owner), url.Values{"act": {"agree"}})
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, page, "on record that you don&#39;t need the user")
		}
	})
	w.at(turn().Add(16*day), func() {
		c := w.caseOf(user.ID)
		require.Equal(t, sunset.Requesting, c.Stage, "nothing goes faster")
		word, err := w.machine.Desk.OwnerWord(context.Background(), c.ID)
		require.NoError(t, err)
		require.Equal(t, owner, word.AgreedBy)
		status, _ := w.say(w.wayOf(owner), keepIt("it is needed after all"))
		require.Equal(t, http.StatusOK, status)
	})
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Rescued, c.Outcome)
	agreed := 0
	for _, r := range w.records(c) {
		if r.Kind == "owner-agreed" {
			agreed++
		}
	}
	require.Equal(t, 1, agreed)
	w.proven()
}

// An owner who agreed brings nobody nearer to a deletion: without an approver the user stays.
func TestAnOwnersAgreementIsNoApproval(t *testing.T) {
	t.Parallel()
	w, user := one(t, fakeaws.Tagged("owner", approver))
	w.people = nil
	w.at(begin().Add(day), func() {
		status, _ := w.say(w.wayOf(approver), url.Values{"act": {"agree"}})
		require.Equal(t, http.StatusOK, status)
	})
	w.clean(sunset.Request{})
	w.finish()
	require.Equal(t, sunset.Lapsed, w.caseOf(user.ID).Outcome)
	w.proven()
}

// Where nobody is known, or may be told, the team is told instead: without a link, and how to object.
func TestWithoutAnOwnerTheTeamIsTold(t *testing.T) {
	for name, tag := range map[string]string{"none": "", "a name": "platform", "another domain": "eve@evil.example"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var user fakeaws.NewUser
			lives := []fakeaws.Life{fakeaws.Dead()}
			if tag != "" {
				lives = append(lives, fakeaws.Tagged("owner", tag))
			}
			w := newSmallWorld(t, func(a *fakeaws.Account) { user = join(t, a, "old-batch", lives...) })
			w.set(func(s *sunset.Settings) { s.OwnerDomains = []string{"example.com"} })
			w.clean(sunset.Request{})
			w.finish()
			c := w.caseOf(user.ID)
			require.Equal(t, sunset.Deleted, c.Outcome)
			require.Empty(t, w.ways)
			told := 0
			for _, m := range w.mail {
				require.NotEqual(t, tag, m.To)
				if m.To == approval.Team && strings.Contains(m.Text, "iam-sunset rescue "+user.ID) {
					told++
				}
			}
			require.Equal(t, 3, told)
			w.proven()
		})
	}
}

// A link is gone with the message that was refused: the next try has another one, and none is ever written down.
func TestAnOwnersMessageThatIsRefusedHasAnotherLinkNextTime(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	var refused []string
	up := begin().Add(26 * time.Hour)
	w.mute = func(m approval.Message) error {
		if m.ForOwner() && w.clock.Now().Before(up) {
			refused = append(refused, m.Link)
			return errors.New("550 refused: " + m.Link)
		}
		return nil
	}
	w.at(up.Add(2*time.Hour), func() {
		status, _ := w.look(w.wayOf(owner))
		require.Equal(t, http.StatusOK, status)
	})
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Deleted, c.Outcome)
	require.Greater(t, len(refused), 20)
	require.NotContains(t, refused, w.ways[0])
	for _, kind := range []string{"message-failed", "message-sent"} {
		require.Equal(t, map[string]int{"owner@example.com: IAM user old-batch will be disabled on 5 March 2026, 09:00 UTC": 1}, w.every(sunset.ChainOf(c.ID), kind))
	}
	w.ways = append(w.ways, refused...)
	w.keptNowhere(w.ways)
	w.proven()
}

// keptNowhere holds that no link's secret is in a row, an object or the log.
func (w *world) keptNowhere(links []string) {
	w.t.Helper()
	dir, err := store.OpenDir(w.dir, store.NoSync())
	require.NoError(w.t, err)
	rows, err := dir.Rows().List(w.t.Context(), "")
	require.NoError(w.t, err)
	var kept strings.Builder
	kept.WriteString(w.log.String())
	for _, row := range rows {
		kept.WriteString(row.Key)
		kept.Write(row.Body)
	}
	keys, err := dir.Objects().List(w.t.Context(), "")
	require.NoError(w.t, err)
	for _, key := range keys {
		body, err := dir.Objects().Get(w.t.Context(), key)
		require.NoError(w.t, err)
		kept.WriteString(key)
		kept.Write(body)
	}
	for _, link := range links {
		require.NotContains(w.t, kept.String(), link[strings.LastIndex(link, "/")+1:])
	}
}

// The same click many times over, all at once, is one rescue with one record.
func TestAnOwnerClicksTwentyTimes(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	before := w.user("old-batch")
	w.at(turn().Add(6*day), func() {
		link := w.wayOf(owner)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				resp, err := http.PostForm(link, keepIt("needed"))
				if err != nil {
					t.Errorf("keeping: %v", err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("keeping: %s", resp.Status)
				}
			})
		}
		all.Wait()
		require.Equal(t, before, w.user("old-batch"))
	})
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Rescued, c.Outcome)
	for _, kind := range []string{"rescue", "restored", "closed"} {
		n := 0
		for _, r := range w.records(c) {
			if r.Kind == kind {
				n++
			}
		}
		require.Equal(t, 1, n, kind)
	}
	w.proven()
}

// A user that was left disabled, because nobody decided in time, is had back by the same link.
func TestAnOwnerKeepsAfterTheCaseLapsed(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	w.people = nil
	before := w.user("old-batch")
	w.clean(sunset.Request{})
	w.finish()
	require.Equal(t, sunset.Lapsed, w.caseOf(user.ID).Outcome)
	link := w.wayOf(owner)
	status, page := w.look(link)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "It stays disabled")
	mails := len(w.mail)
	for range 2 {
		status, page = w.say(link, keepIt("needed"))
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "was put back as it was")
	}
	require.Equal(t, before, w.user("old-batch"))
	require.Equal(t, sunset.Rescued, w.caseOf(user.ID).Outcome)
	require.Len(t, w.mail, mails+1, "told of the end once")
}

// A rescue that is stored while IAM refuses to work is nobody's to forget: the case goes on to put the user back, and does not
// wait for approvers who have nothing left to decide.
func TestARescueThatCouldNotBeCarriedOutIsNotForgotten(t *testing.T) {
	for name, ask := range map[string]func(*testing.T, *world, string){
		"by its owner": func(t *testing.T, w *world, _ string) {
			status, page := w.say(w.wayOf(owner), keepIt("needed"))
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, page, "nothing deletes the user any more")
		},
		"by an operator": func(t *testing.T, w *world, user string) {
			require.Error(t, w.machine.Rescue(context.Background(), user, starter, "needed"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, user := one(t)
			w.people = nil
			before := w.user("old-batch")
			var down atomic.Bool
			w.account.Fail(fakeaws.Fault{Code: "AccessDenied", Status: http.StatusForbidden, Match: func(c fakeaws.Call) bool {
				return c.Action == "DeleteUserPolicy" && down.Load()
			}})
			asked := turn().Add(15 * day)
			w.at(asked, func() {
				require.Equal(t, sunset.Requesting, w.caseOf(user.ID).Stage)
				down.Store(true)
				ask(t, w, user.ID)
				require.NotEqual(t, before, w.user("old-batch"))
				down.Store(false)
			})
			w.clean(sunset.Request{})
			w.until(func() bool { return w.clock.Now().After(asked.Add(2 * time.Hour)) })
			require.Equal(t, before, w.user("old-batch"))
			w.finish()
			require.Equal(t, sunset.Rescued, w.caseOf(user.ID).Outcome)
			w.proven()
		})
	}
}

// Whoever dies after a case has begun and before its owner was told leaves that to reconcile.
func TestAnOwnerIsToldOfACaseWhoseOpeningDied(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	notices := func() (n int) {
		for _, m := range w.mail {
			if m.ForOwner() && strings.Contains(m.Subject, "will be disabled") {
				n++
			}
		}
		return n
	}
	w.at(begin().Add(2*time.Hour+30*time.Minute), func() {
		require.Equal(t, 1, notices())
		w.mail = nil
		// As it is before the notice goes out.
		_, err := w.machine.Cases.Update(context.Background(), user.ID, w.caseOf(user.ID).ID, func(c *sunset.Case) error { c.Execution = ""; return nil })
		require.NoError(t, err)
	})
	w.clean(sunset.Request{})
	w.until(func() bool { return w.clock.Now().After(begin().Add(5 * time.Hour)) })
	require.NotEmpty(t, w.caseOf(user.ID).Execution)
	require.Equal(t, 1, notices())
	w.finish()
	require.Equal(t, sunset.Deleted, w.caseOf(user.ID).Outcome)
	w.proven()
}

// Whoever may call the function that gives users back has one back, and can't have it recorded that its owner came by a page.
func TestARescueProvesHowItsAskerWasKnown(t *testing.T) {
	t.Parallel()
	w, user := one(t)
	before := w.user("old-batch")
	w.at(turn().Add(6*day), func() {
		require.NoError(t, w.machine.RescueAsked(context.Background(), workflow.RescueInput{
			UserID: user.ID, By: owner, Reason: "needed", Way: sunset.WaySignIn, Principal: "https://login.example.com#1",
			CaseID: w.caseOf(user.ID).ID, MAC: make([]byte, 32),
		}))
	})
	w.clean(sunset.Request{})
	w.finish()
	c := w.caseOf(user.ID)
	require.Equal(t, sunset.Rescued, c.Outcome)
	require.Equal(t, before, w.user("old-batch"))
	require.Empty(t, c.Rescue.Way)
	require.Empty(t, c.Rescue.Principal)
	for _, r := range w.records(c) {
		if r.Kind == "rescue" {
			require.JSONEq(t, `{"reason":"needed"}`, string(r.Data))
		}
	}
	w.proven()
}
