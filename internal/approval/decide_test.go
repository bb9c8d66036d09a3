package approval_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func word(r sunset.ApprovalRequest, who string, choice sunset.Choice) sunset.Decision {
	return sunset.Decision{RequestID: r.ID, Digest: r.Digest, Approver: who, Choice: choice, Reason: "nobody uses it"}
}

func (o *office) decide(t *testing.T, d sunset.Decision) sunset.Choice {
	t.Helper()
	_, tally, err := o.Decide(t.Context(), d)
	require.NoError(t, err)
	return tally
}

func (o *office) state(t *testing.T, id string) sunset.State {
	t.Helper()
	r, err := o.Request(t.Context(), id)
	require.NoError(t, err)
	return r.State
}

func TestDecideStoresOnceAndTallies(t *testing.T) {
	o := newOffice(t, 2)
	r := o.open(t, asking("ci-old"), "token")
	require.Empty(t, o.decide(t, word(r, strings.ToUpper(ada), sunset.ChooseDelete)), "one of two")
	require.Equal(t, sunset.RequestOpen, o.state(t, r.ID))

	first, _, err := o.Decide(t.Context(), word(r, ada, sunset.ChooseDelete))
	require.NoError(t, err)
	o.later(t, time.Hour)
	again, _, err := o.Decide(t.Context(), word(r, ada, sunset.ChooseDelete))
	require.NoError(t, err)
	require.Equal(t, first, again, "the same decision is the stored one")
	require.Equal(t, start, again.At)
	require.Equal(t, ada, again.Approver, "as the settings write it")
	require.NotEmpty(t, again.MAC)
	require.Equal(t, o.settings.Digest(), again.SettingsDigest, "by which settings it was taken")

	other := word(r, ada, sunset.ChooseKeep)
	_, _, err = o.Decide(t.Context(), other)
	require.Equal(t, sunset.Conflict, sunset.KindOf(err), "one decision per approver and case")
	require.ErrorContains(t, err, `"delete"`)

	require.Equal(t, sunset.ChooseDelete, o.decide(t, word(r, ben, sunset.ChooseDelete)))
	require.Equal(t, sunset.RequestDecided, o.state(t, r.ID))
	require.Equal(t, sunset.ChooseDelete, o.decide(t, word(r, ben, sunset.ChooseDelete)), "again, after the request was decided")

	valid, forged, err := o.Decisions(t.Context(), r.ID)
	require.NoError(t, err)
	require.Len(t, valid, 2)
	require.Zero(t, forged)
}

func TestDecideRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		request func(*sunset.ApprovalRequest)
		change  func(*sunset.Decision)
		before  func(*testing.T, *office, sunset.ApprovalRequest)
		kind    sunset.Kind
	}{
		"facts that moved":     {change: func(d *sunset.Decision) { d.Digest = strings.Repeat("0", 64) }, kind: sunset.Conflict},
		"no digest":            {change: func(d *sunset.Decision) { d.Digest = "" }, kind: sunset.Conflict},
		"another choice":       {change: func(d *sunset.Decision) { d.Choice = "burn" }, kind: sunset.Invalid},
		"no reason":            {change: func(d *sunset.Decision) { d.Reason = " \u0000\u202e\r\n " }, kind: sunset.Invalid},
		"a long reason":        {change: func(d *sunset.Decision) { d.Reason = strings.Repeat("ü", 1001) }, kind: sunset.Invalid},
		"the starter":          {change: func(d *sunset.Decision) { d.Approver = cleo }, kind: sunset.AccessDenied},
		"the subject":          {request: func(r *sunset.ApprovalRequest) { r.UserARN = "arn:aws:iam::111122223333:user/ada" }, kind: sunset.AccessDenied},
		"a stranger":           {change: func(d *sunset.Decision) { d.Approver = "eve@example.com" }, kind: sunset.AccessDenied},
		"delete, if disturbed": {request: func(r *sunset.ApprovalRequest) { *r = disturbed(*r) }, kind: sunset.Invalid},
		"too late": {
			before: func(t *testing.T, o *office, _ sunset.ApprovalRequest) { o.later(t, 14*24*time.Hour) }, kind: sunset.Conflict,
		},
		"a superseded request": {
			before: func(t *testing.T, o *office, r sunset.ApprovalRequest) {
				require.NoError(t, o.Supersede(t.Context(), r.CaseID, ""))
			}, kind: sunset.Conflict,
		},
		"an expired request": {
			before: func(t *testing.T, o *office, r sunset.ApprovalRequest) {
				require.NoError(t, o.Expire(t.Context(), r.ID))
			}, kind: sunset.Conflict,
		},
		"a decided request": {
			before: func(t *testing.T, o *office, r sunset.ApprovalRequest) { o.decide(t, word(r, ben, sunset.ChooseKeep)) }, kind: sunset.Conflict,
		},
		"a removed approver": {
			before: func(_ *testing.T, o *office, _ sunset.ApprovalRequest) {
				o.set(func(s *sunset.Settings) { s.Approvers = s.Approvers[1:] })
			}, kind: sunset.AccessDenied,
		},
		"facts changed in the store": {
			before: func(t *testing.T, o *office, r sunset.ApprovalRequest) {
				row := o.contents(t)["request/"+r.ID]
				body := strings.Replace(string(row.Body), "AKIAOLD0000000000002", "AKIAOLD0000000000009", 1)
				_, err := o.rows.Put(t.Context(), row.Key, row.Version, []byte(body))
				require.NoError(t, err)
			}, kind: sunset.Conflict,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, 1)
			r := asking("ci-old")
			if c.request != nil {
				c.request(&r)
			}
			r = o.open(t, r, "token")
			if c.before != nil {
				c.before(t, o, r)
			}
			before := o.contents(t)
			d := word(r, ada, sunset.ChooseDelete)
			if c.change != nil {
				c.change(&d)
			}
			_, _, err := o.Decide(t.Context(), d)
			require.Error(t, err)
			require.Equal(t, c.kind, sunset.KindOf(err), "%v", err)
			require.Equal(t, before, o.contents(t), "a refused decision leaves nothing behind")
		})
	}
}

// Each of these lies in the store without the key having been there.
func TestForgedDecisionsAreCountedAndDontCount(t *testing.T) {
	for name, forge := range map[string]func(good sunset.Decision, key string) (sunset.Decision, string){
		"no MAC": func(d sunset.Decision, key string) (sunset.Decision, string) { d.MAC = nil; return d, key },
		"another choice": func(d sunset.Decision, key string) (sunset.Decision, string) {
			d.Choice = sunset.ChooseDelete
			return d, key
		},
		"another approver":         func(d sunset.Decision, key string) (sunset.Decision, string) { d.Approver = ben; return d, key },
		"a good one a second time": func(d sunset.Decision, key string) (sunset.Decision, string) { return d, key[:len(key)-1] + "x" },
	} {
		t.Run(name, func(t *testing.T) {
			// A decision taken by the desk on one case is the forger's model.
			o := newOffice(t, 1)
			model := o.open(t, asking("model"), "m")
			good, _, err := o.Decide(t.Context(), word(model, ada, sunset.ChooseKeep))
			require.NoError(t, err)
			var key string
			for k := range o.contents(t) {
				if strings.HasPrefix(k, "decision/") {
					key = k
				}
			}
			bad, at := forge(good, key)
			body, err := json.Marshal(bad)
			require.NoError(t, err)
			_, err = o.rows.Put(t.Context(), at, o.contents(t)[at].Version, body)
			require.NoError(t, err)
			valid, forged, err := o.Decisions(t.Context(), model.ID)
			require.NoError(t, err)
			require.Equal(t, 1, forged)
			for _, d := range valid {
				require.Equal(t, sunset.ChooseKeep, d.Choice)
			}
		})
	}
}

func TestDecisionsCopiedOrMadeUpDontDelete(t *testing.T) {
	o := newOffice(t, 1)
	model, target := o.open(t, asking("model"), "m"), o.open(t, asking("target"), "t")
	good, _, err := o.Decide(t.Context(), word(model, ada, sunset.ChooseDelete))
	require.NoError(t, err)
	require.NoError(t, o.MarkDelivered(t.Context(), model.ID, "m"))
	plant := func(who string, body []byte) {
		_, err := o.rows.Put(t.Context(), "decision/"+target.ID+"/"+who, 0, body)
		require.NoError(t, err)
	}
	copied, err := json.Marshal(good)
	require.NoError(t, err)
	plant("copied", copied)
	good.RequestID, good.CaseID, good.UserID, good.Digest = target.ID, target.CaseID, target.UserID, target.Digest
	moved, err := json.Marshal(good)
	require.NoError(t, err)
	plant("moved", moved)
	plant("noise", []byte("not json"))

	valid, forged, err := o.Decisions(t.Context(), target.ID)
	require.NoError(t, err)
	require.Empty(t, valid)
	require.Equal(t, 3, forged)
	waits, err := o.Undelivered(t.Context())
	require.NoError(t, err)
	require.Empty(t, waits)
	require.Equal(t, sunset.RequestOpen, o.state(t, target.ID))
	item, err := o.Item(t.Context(), ada, target.ID)
	require.NoError(t, err)
	require.Equal(t, 3, item.Forged)
}

func TestADecisionCantBePlayedAgainInALaterRound(t *testing.T) {
	o := newOffice(t, 1)
	first := o.open(t, asking("ci-old"), "1")
	o.decide(t, word(first, ada, sunset.ChooseDelete))
	next := asking("ci-old")
	next.Round = 2
	second := o.open(t, next, "2")
	require.Equal(t, first.Digest, second.Digest)
	for key, row := range o.contents(t) {
		if who, ok := strings.CutPrefix(key, "decision/"+first.ID+"/"); ok {
			_, err := o.rows.Put(t.Context(), "decision/"+second.ID+"/"+who, 0, row.Body)
			require.NoError(t, err)
		}
	}
	valid, forged, err := o.Decisions(t.Context(), second.ID)
	require.NoError(t, err)
	require.Empty(t, valid)
	require.Equal(t, 1, forged)
	_, _, err = o.Decide(t.Context(), word(second, ada, sunset.ChooseDelete))
	require.Equal(t, sunset.Conflict, sunset.KindOf(err), "what lies in ada's place is not hers: people must look")
}

func TestSettingsAreReadLive(t *testing.T) {
	o := newOffice(t, 2)
	r := o.open(t, asking("ci-old"), "token")
	o.decide(t, word(r, ada, sunset.ChooseDelete))
	o.set(func(s *sunset.Settings) { s.Approvers = s.Approvers[1:] })
	require.Empty(t, o.decide(t, word(r, ben, sunset.ChooseDelete)), "ada is no approver any more: her word no longer counts")
	require.Equal(t, sunset.RequestOpen, o.state(t, r.ID))

	o.set(func(s *sunset.Settings) { s.ApprovalsNeeded = 1 })
	r2 := o.open(t, asking("other"), "token-2")
	require.Equal(t, sunset.ChooseDelete, o.decide(t, word(r2, ben, sunset.ChooseDelete)))
	o.set(func(s *sunset.Settings) { s.ApprovalsNeeded = 2 })
	waits, err := o.Undelivered(t.Context())
	require.NoError(t, err)
	require.Empty(t, waits, "what was decided but not delivered needs two today")
	require.Equal(t, sunset.RequestOpen, o.state(t, r2.ID), "so that others can decide")
}

func TestUndeliveredMakesUpForACrash(t *testing.T) {
	// The decision was stored and the process died before the request became decided: another desk finds it so.
	o := newOffice(t, 2)
	r := o.open(t, asking("ci-old"), "token")
	o.decide(t, word(r, ada, sunset.ChooseDelete))
	o.set(func(s *sunset.Settings) { s.ApprovalsNeeded = 1 })
	waits, err := o.Undelivered(t.Context())
	require.NoError(t, err)
	require.Len(t, waits, 1)
	require.Equal(t, sunset.ChooseDelete, waits[0].Choice)
	require.Equal(t, sunset.RequestDecided, waits[0].Request.State)
	require.NoError(t, o.MarkDelivered(t.Context(), r.ID, "token"))
	waits, err = o.Undelivered(t.Context())
	require.NoError(t, err)
	require.Empty(t, waits)
}

func TestASupersededRequestLetsItsTaskGoOnWithoutADecision(t *testing.T) {
	o := newOffice(t, 1)
	r := o.open(t, asking("ci-old"), "token")
	waits, err := o.Undelivered(t.Context())
	require.NoError(t, err)
	require.Empty(t, waits, "an open one waits for people")
	require.NoError(t, o.Supersede(t.Context(), r.CaseID, ""))
	for range 2 {
		waits, err := o.Undelivered(t.Context())
		require.NoError(t, err)
		require.Len(t, waits, 1, "until it is marked, whoever tries again gets it again")
		require.Equal(t, "token", waits[0].Token)
		require.Equal(t, r.ID, waits[0].Request.ID)
		require.Equal(t, sunset.ChooseKeep, waits[0].Choice)
	}
	require.NoError(t, o.MarkDelivered(t.Context(), r.ID, "token"))
	waits, err = o.Undelivered(t.Context())
	require.NoError(t, err)
	require.Empty(t, waits)
}

func TestManyAtOnce(t *testing.T) {
	o := newOffice(t, 2)
	r := o.open(t, asking("ci-old"), "token")
	var all sync.WaitGroup
	var mu sync.Mutex
	tallies := map[sunset.Choice]int{}
	for i := range 20 {
		all.Go(func() {
			_, tally, err := o.Decide(context.Background(), word(r, []string{ada, ben}[i%2], sunset.ChooseDelete))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				tally = sunset.Choice(err.Error())
			}
			tallies[tally]++
		})
	}
	all.Wait()
	require.NotZero(t, tallies[sunset.ChooseDelete], "whoever comes last sees both: %v", tallies)
	require.Equal(t, 20, tallies[""]+tallies[sunset.ChooseDelete], "%v", tallies)
	valid, _, err := o.Decisions(t.Context(), r.ID)
	require.NoError(t, err)
	require.Len(t, valid, 2)
	require.Equal(t, sunset.RequestDecided, o.state(t, r.ID))
}

func TestReasonsAreCleaned(t *testing.T) {
	for given, kept := range map[string]string{
		"  plain ":                    "plain",
		"two\r\nlines\tand a tab":     "two\nlines and a tab",
		"bell\a null\x00 esc\x1b[31m": "bell null esc[31m",
		"right\u202eto left":          "rightto left",
		"bad \xff byte":               "bad  byte",
		"Grüße <b>“so”</b> 👍":         "Grüße <b>“so”</b> 👍",
	} {
		require.Equal(t, kept, approval.CleanReason(given))
		o := newOffice(t, 1)
		r := o.open(t, asking("ci-old"), "token")
		d := word(r, ada, sunset.ChooseDelete)
		d.Reason = given
		stored, _, err := o.Decide(t.Context(), d)
		require.NoError(t, err)
		require.Equal(t, kept, stored.Reason)
		valid, forged, err := o.Decisions(t.Context(), r.ID)
		require.NoError(t, err)
		require.Zero(t, forged, "what is read back is what was signed")
		require.Equal(t, []sunset.Decision{stored}, valid)
	}
}
