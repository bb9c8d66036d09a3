package tests

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Whatever somebody does at the last moment keeps the user: right before the deletion looks, and while it reads what
// takes long.
func TestTheLastMomentKeepsTheUser(t *testing.T) {
	for _, r := range []struct {
		name string
		do   func(*breaker)
	}{
		{"tagged keep", func(b *breaker) {
			b.somebody("TagUser", "UserName", victim, "Tags.member.1.Key", sunset.TagKeep, "Tags.member.1.Value", "mine")
		}},
		{"the deny taken off", func(b *breaker) {
			b.somebody("DeleteUserPolicy", "UserName", victim, "PolicyName", sunset.DenyPolicyName)
		}},
		{"the deny made smaller", func(b *breaker) {
			b.somebody("PutUserPolicy", "UserName", victim, "PolicyName", sunset.DenyPolicyName,
				"PolicyDocument", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}`)
		}},
		{"a new key", func(b *breaker) {
			b.somebody("DeleteAccessKey", "UserName", victim, "AccessKeyId", b.user.Keys[1].AccessKeyID)
			b.somebody("CreateAccessKey", "UserName", victim)
		}},
		{"a key switched off", func(b *breaker) {
			b.somebody("UpdateAccessKey", "UserName", victim, "AccessKeyId", b.user.Keys[0].AccessKeyID, "Status", "Inactive")
		}},
		{"taken out of a group", func(b *breaker) {
			b.somebody("RemoveUserFromGroup", "UserName", victim, "GroupName", "readers")
		}},
		{"renamed", func(b *breaker) { b.somebody("UpdateUser", "UserName", victim, "NewUserName", "wanted") }},
		{"moved to another path", func(b *breaker) { b.somebody("UpdateUser", "UserName", victim, "NewPath", "/wanted/") }},
		{"its key tried", func(b *breaker) {
			b.account.At(b.clock.Now(), func(p *fakeaws.Actor) {
				p.Do(b.user.Keys[0].AccessKeyID, "ec2", "DescribeInstances", "eu-west-1", url.Values{})
			})
		}},
		{"signed in", func(b *breaker) {
			b.account.At(b.clock.Now(), func(p *fakeaws.Actor) { p.SignIn(victim, "us-east-2") })
		}},
		{"exempted", func(b *breaker) {
			b.set(func(s *sunset.Settings) { s.Exemptions = []sunset.Exemption{{Name: victim, Reason: "needed"}} })
		}},
		{"a longer soak", func(b *breaker) { b.set(func(s *sunset.Settings) { s.Soak = sunset.Days(60) }) }},
		{"two needed", func(b *breaker) {
			b.set(func(s *sunset.Settings) {
				s.Approvers, s.ApprovalsNeeded = append([]sunset.Approver{{Email: second}}, s.Approvers...), 2
			})
		}},
		{"another approver", func(b *breaker) { b.set(func(s *sunset.Settings) { s.Approvers = []sunset.Approver{{Email: second}} }) }},
		{"the approver becomes the starter", func(b *breaker) {
			b.set(func(s *sunset.Settings) {
				s.Approvers = []sunset.Approver{{Email: approver, Principals: []string{starter}}}
			})
		}},
		{"it becomes an approver's own", func(b *breaker) {
			b.set(func(s *sunset.Settings) {
				s.Approvers = append(s.Approvers[:1:1], sunset.Approver{Email: second, Principals: []string{b.user.ARN}})
			})
		}},
		{"retained instead", func(b *breaker) { b.set(func(s *sunset.Settings) { s.Final = sunset.FinalRetain }) }},
		{"a cap below", func(b *breaker) { b.set(func(s *sunset.Settings) { s.CapPercent = 1 }) }},
		{"a window that never opens", func(b *breaker) {
			b.set(func(s *sunset.Settings) { s.Windows = []sunset.Window{{From: "x", To: "y"}} })
		}},
		{"a bucket that names it alone", func(b *breaker) {
			b.account.AddBucket("ledger", "us-east-1", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+b.user.ARN+`"},"Action":"s3:*","Resource":"arn:aws:s3:::ledger/*"}]}`)
		}},
	} {
		for _, moment := range []string{"", "LookupEvents"} {
			if moment != "" && r.name == "a bucket that names it alone" {
				continue // what was read before may be a quarter of an hour old
			}
			t.Run(r.name+" "+map[bool]string{true: "before", false: "meanwhile"}[moment == ""], func(t *testing.T) {
				t.Parallel()
				b := newBreaker(t)
				done := false
				b.atDeletion(moment, func() { done = true; r.do(b) })
				b.after(&done)
				b.untouched()
				require.NotEqual(t, sunset.Deleted, b.caseOf(b.user.ID).Outcome)
				require.True(t, b.recorded(b.caseOf(b.user.ID), "decision"))
			})
		}
	}
}

// A store to which others can write: nothing that is put there stands for what was decided and read.
func TestATamperedStoreDeletesNobody(t *testing.T) {
	for name, tamper := range map[string]func(*breaker){
		"another starter, in the row and the request": func(b *breaker) {
			b.row("case/"+b.user.ID, func(c map[string]any) { c["starter"] = "" })
			b.row("request/"+b.request().ID, func(r map[string]any) { r["starter"] = "" })
		},
		"another cleanup, with room under its cap": func(b *breaker) {
			b.row("case/"+b.user.ID, func(c map[string]any) { c["cleanup_id"] = "winter" })
		},
		"a case's entry replaced": func(b *breaker) {
			b.object("cases/"+b.caseOf(b.user.ID).ID+"/entry.json", func(f map[string]any) { f["starter"] = "" })
		},
		"facts changed, and their digest with them": func(b *breaker) {
			r := b.request()
			r.Facts.Name = "somebody-else"
			b.row("request/"+r.ID, func(row map[string]any) { row["facts"], row["digest"] = r.Facts, r.Facts.Digest() })
		},
		"a superseded request made decided": func(b *breaker) {
			r := b.request()
			b.row("request/"+r.ID, func(row map[string]any) { row["round"] = 7; row["case_id"] = "spring-AIDAOTHER" })
		},
		"fewer needed": func(b *breaker) {
			b.set(func(s *sunset.Settings) {
				s.Approvers, s.ApprovalsNeeded = append([]sunset.Approver{{Email: second}}, s.Approvers...), 2
			})
			b.row("request/"+b.request().ID, func(row map[string]any) { row["needed"] = 1 })
		},
		"a decision forged in another's name": func(b *breaker) {
			r := b.request()
			b.set(func(s *sunset.Settings) { s.Approvers = append(s.Approvers[:1:1], sunset.Approver{Email: second}) })
			sum := sha256.Sum256([]byte(second))
			b.plant("decision/"+r.ID+"/"+hex.EncodeToString(sum[:]), sunset.Decision{
				RequestID: r.ID, CaseID: r.CaseID, UserID: r.UserID, Digest: r.Digest, Approver: second, Choice: sunset.ChooseDelete,
				Reason: "because", At: b.clock.Now(), Way: "link", MAC: make([]byte, 32),
			})
		},
		"the snapshot of another case": func(b *breaker) {
			b.object("snapshots/"+b.caseOf(b.user.ID).ID+".json", func(s map[string]any) { s["case_id"] = "winter-" + b.user.ID })
		},
		"a snapshot without an artifact": func(b *breaker) {
			b.object("snapshots/"+b.caseOf(b.user.ID).ID+".json", func(s map[string]any) { delete(s["user"].(map[string]any), "groups") })
		},
		"a snapshot made the day after": func(b *breaker) {
			b.object("snapshots/"+b.caseOf(b.user.ID).ID+".json", func(s map[string]any) {
				s["user"].(map[string]any)["created"] = begin().Format(time.RFC3339)
			})
		},
		"a snapshot in which a key was used later": func(b *breaker) {
			b.object("snapshots/"+b.caseOf(b.user.ID).ID+".json", func(s map[string]any) {
				for _, c := range s["user"].(map[string]any)["credentials"].([]any) {
					c.(map[string]any)["last_used"] = b.clock.Now().Format(time.RFC3339)
				}
			})
		},
		"a row that was never disabled": func(b *breaker) {
			b.row("case/"+b.user.ID, func(c map[string]any) { delete(c, "quarantine") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBreaker(t)
			done := false
			b.atDeletion("", func() { done = true; tamper(b) })
			b.after(&done)
			b.untouched()
		})
	}
}

// A soak is as long as the records say, whatever the row says.
func TestARowCannotShortenItsSoak(t *testing.T) {
	b := newBreaker(t)
	b.settings.Soak = sunset.Days(14)
	b.at(turn().Add(2*day), func() {
		b.row("case/"+b.user.ID, func(c map[string]any) {
			long := b.clock.Now().Add(-30 * day).Format(time.RFC3339)
			c["soak_from"], c["soak_until"] = long, b.clock.Now().Format(time.RFC3339)
			c["quarantine"].(map[string]any)["at"] = long
		})
	})
	done := false
	b.atDeletion("", func() { done = true })
	b.after(&done)
	b.untouched()
	require.Contains(t, b.dump(b.caseOf(b.user.ID)), "by its records")
}

// A decision counts on its own request alone: one taken on an earlier round says nothing about the facts of the next.
func TestADecisionIsNotReplayed(t *testing.T) {
	b := newBreaker(t)
	var first sunset.ApprovalRequest
	b.people[approver] = func(r sunset.ApprovalRequest) sunset.Choice {
		if first.ID == "" {
			first = r
			return sunset.ChooseDelete
		}
		return ""
	}
	tries := 0
	b.invoked = func(function string) error {
		if function != "delete-all-artifacts" {
			return nil
		}
		if tries++; tries == 1 {
			b.somebody("AddUserToGroup", "UserName", victim, "GroupName", "auditors")
		}
		return nil
	}
	b.account.AddGroup(fakeaws.GroupSpec{Name: "auditors"})
	b.clean(sunset.Request{})
	b.until(func() bool {
		c, err := b.machine.Cases.Get(context.Background(), b.user.ID)
		return err == nil && c.Round == 2
	})
	// The first round's decision in the second's place.
	r := b.request()
	sum := sha256.Sum256([]byte(approver))
	place := hex.EncodeToString(sum[:])
	valid, _, err := b.machine.Desk.Decisions(t.Context(), first.ID)
	require.NoError(t, err)
	require.Len(t, valid, 1)
	b.plant("decision/"+r.ID+"/"+place, valid[0])
	valid, forged, err := b.machine.Desk.Decisions(t.Context(), r.ID)
	require.NoError(t, err)
	require.Empty(t, valid)
	require.Equal(t, 1, forged)
	b.until(func() bool { return b.clock.Now().After(r.Issued.Add(2 * day)) })
	b.untouched()
}

// A row put back from a backup, or changed by somebody, can forget that a person asked to have the user back: its records
// don't.
func TestARescueThatItsRowForgotStillCounts(t *testing.T) {
	b := newBreaker(t)
	before := b.stateOf(victim)
	b.at(begin().Add(2*day), func() {
		require.NoError(t, b.machine.Rescue(context.Background(), b.user.ID, "owner@example.com", "the report runs once a year"))
		b.row("case/"+b.user.ID, func(c map[string]any) {
			require.Contains(t, c, "rescue")
			delete(c, "rescue")
		})
	})
	b.clean(sunset.Request{})
	b.finish()
	c := b.caseOf(b.user.ID)
	require.Equal(t, sunset.Restored, c.Outcome, b.dump(c))
	require.Equal(t, "owner@example.com asked to have it back: the report runs once a year", c.Reason)
	require.Equal(t, timeless(before), timeless(b.stateOf(victim)))
}
