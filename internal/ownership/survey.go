// Package ownership finds what names an IAM user: resource policies, key grants, role trust, managed policies, tags,
// its groups and inline policies, and code. AWS has no answer to "who needs this user", so everything that may name one
// is read and matched here, by ARN, by UserId and by condition.
//
// A reference is blocking where deleting the user would leave something that can't be put right afterwards: a policy
// without a living principal, or a Deny that exempts nobody who is still there. All others inform people.
//
// Not read: policies of a Lambda function's versions and aliases, access points, and everything that has no policy of
// its own. S3 ACLs can't name an IAM user.
package ownership

import (
	"cmp"
	"context"
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Candidate is a user to look for.
type Candidate struct {
	UserID, Name, ARN string
	// KeyIDs are its access keys, which only Search looks for: policies can't name them.
	KeyIDs []string
}

// Known is a user or role of the account.
type Known struct {
	ID, ARN, Name string
}

// Document is a policy that has been read already.
type Document struct {
	// ARN is the role's whose trust policy it is, or the managed policy's.
	ARN  string
	JSON string
}

// Query is what a survey looks for, and what it is told beforehand.
type Query struct {
	Account    string
	Regions    []string
	Candidates []Candidate
	// Going has the UserIds of everybody who will be gone: candidates, and users of open cases.
	Going map[string]bool
	// Users and Roles are all that the account has now. A principal that is not among them is dead.
	Users []Known
	Roles []Known
	// Trust are role trust policies and customer-managed policies.
	Trust []Document
	// GroupsOf and InlineOf are names of groups and inline policies, by UserId.
	GroupsOf, InlineOf map[string][]string
	// Deadline ends the call: no request is sent at or after it. Zero is no deadline.
	Deadline time.Time
	// Cursor goes on where an earlier call of the same query stopped; nil begins.
	Cursor *Cursor
}

// Result is what one call found. Calls of the same query add up: see Add.
type Result struct {
	// References are by UserId, sorted.
	References map[string][]sunset.Reference
	// Gaps are services and single resources that could not be read.
	Gaps []sunset.Gap
	// Cursor is where to go on; nil when all is done.
	Cursor *Cursor
	// Broken are the calls because of which the last call stopped before its end and its deadline.
	Broken []sunset.Gap
}

// Add takes in what the next call of the same query found.
func (r *Result) Add(more Result) {
	if r.References == nil {
		r.References = map[string][]sunset.Reference{}
	}
	for id, refs := range more.References {
		r.References[id] = tidy(append(r.References[id], refs...))
	}
	r.Gaps = tidyGaps(append(r.Gaps, more.Gaps...))
	r.Cursor, r.Broken = more.Cursor, more.Broken
}

// Cursor says, by region, at which service, page and resource a survey goes on. "" is S3, which is asked for all
// regions at once.
type Cursor struct {
	Of      string           `json:"of"`
	Regions map[string]place `json:"regions"`
}

type place struct {
	Service int    `json:"s"`
	Page    string `json:"p,omitempty"` // the page's token
	After   string `json:"a,omitempty"` // the last resource of the page that was read
}

// Survey looks for what names users. It is safe for several users at once.
type Survey struct {
	cfg   aws.Config
	clock clock.Clock
}

// New is a Survey over cfg's credentials and endpoint. It tries again by itself and doesn't use cfg's retryer.
func New(cfg aws.Config, c clock.Clock) *Survey {
	cfg = cfg.Copy()
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	cfg.RetryMaxAttempts = 0
	return &Survey{cfg: cfg, clock: c}
}

// Look reads every service in every region, regions side by side, and tells what names the candidates.
//
// A service or a single resource that refuses, or that the region doesn't have, is a gap; without regions, each regional
// service is. What passes (throttling, a
// server's error) is tried again and then left to the next call; it is a Throttled or Unavailable fault only where the
// whole call got nowhere. Expired credentials are an AccessDenied fault. progress may be nil.
func (s *Survey) Look(ctx context.Context, q Query, progress func(string)) (Result, error) {
	if q.Cursor != nil && q.Cursor.Of != q.checksum() {
		return Result{}, sunset.Faultf(sunset.Invalid, "cursor: it is of another survey: regions or candidates differ; begin again without it")
	}
	w := newWorld(q)
	lanes := []*lane{s.lane(w, q, "", s.global())}
	for _, region := range q.Regions {
		lanes = append(lanes, s.lane(w, q, region, s.regional(region)))
	}
	say := once(progress)
	var all []func(context.Context) error
	for _, l := range lanes {
		l.progress = say
		all = append(all, l.run)
	}
	if err := s.clock.Together(ctx, all...); err != nil {
		return Result{}, err
	}
	r := Result{References: map[string][]sunset.Reference{}}
	if q.Cursor == nil {
		found, gaps := w.toldBefore(q)
		r.Add(Result{References: found, Gaps: gaps})
		if len(q.Regions) == 0 {
			for _, unread := range s.regional("")(&lane{}) {
				r.Gaps = append(r.Gaps, sunset.Gap{Action: unread.listing, Why: "there is no region to ask"})
			}
			r.Gaps = tidyGaps(r.Gaps)
		}
	}
	cursor := &Cursor{Of: q.checksum(), Regions: map[string]place{}}
	open, advanced := false, q.Cursor == nil && len(q.Trust) > 0
	var stopped error
	var broken []sunset.Gap
	for _, l := range lanes {
		r.Add(Result{References: l.found, Gaps: l.gaps})
		cursor.Regions[l.region] = l.at
		open = open || l.at.Service < len(l.services)
		advanced = advanced || l.advanced
		stopped = cmp.Or(stopped, l.stopped)
		if l.stopped != nil {
			broken = append(broken, l.broken)
		}
	}
	if stopped != nil && !advanced {
		return Result{}, stopped
	}
	if open {
		r.Cursor, r.Broken = cursor, broken
	}
	return r, nil
}

func (q Query) checksum() string {
	h := fnv.New64a()
	for _, s := range slices.Concat([]string{q.Account}, q.Regions) {
		_, _ = h.Write(append([]byte(s), 0)) // a hash takes every write
	}
	for _, c := range q.Candidates {
		_, _ = h.Write([]byte(strings.Join([]string{c.UserID, c.Name, c.ARN}, "\x00")))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// tidy sorts references and keeps one of each, blocking before informing.
func tidy(refs []sunset.Reference) []sunset.Reference {
	key := func(r sunset.Reference) string {
		return strings.Join([]string{r.Service, r.Region, r.Resource, r.How}, "\x00")
	}
	slices.SortStableFunc(refs, func(a, b sunset.Reference) int {
		return cmp.Or(cmp.Compare(key(a), key(b)), cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.CompactFunc(refs, func(a, b sunset.Reference) bool { return key(a) == key(b) })
}

func tidyGaps(gaps []sunset.Gap) []sunset.Gap {
	slices.SortStableFunc(gaps, func(a, b sunset.Gap) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Why, b.Why))
	})
	return slices.Compact(gaps)
}
