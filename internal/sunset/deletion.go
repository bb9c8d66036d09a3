package sunset

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Settle is how long CloudTrail is given before its silence counts: events arrive late.
const Settle = 2 * time.Hour

// Reading is how long it may take to read everything that decides on a deletion. Beyond that, what was read first is
// too old.
const Reading = 15 * time.Minute

// DeletionFacts is everything that decides whether a user may be deleted at this moment, read at this moment.
type DeletionFacts struct {
	Now      time.Time
	Settings Settings // today's, as tightened by the cleanup's request
	Case     Case
	Snapshot Snapshot
	// Live is the user as read just now. Found is false where no user has the UserId.
	Live  User
	Found bool
	// DenyInPlace says that this case's disabling was read just now, in the form that the case recorded.
	DenyInPlace bool
	// Signals are all that were heard, now included; a NotHeard among them is something unread.
	Signals []Signal
	// Heard is the time up to which CloudTrail was read in every open region.
	Heard time.Time
	// References as read just now, and what could not be.
	References    []Reference
	OwnershipGaps []Gap
	Request       ApprovalRequest
	Decisions     []Decision // of this request, only those whose MAC holds
	Forged        int        // decisions found whose MAC does not hold
	// Disabled is when the case's soak began by its records, which can't be overwritten as its row can.
	Disabled time.Time
	// Starter is who started the cleanup by CloudTrail, as its record says or as was read now; empty: not known.
	Starter string
	// Began is when the cleanup began by its records: CloudTrail's events take a while.
	Began time.Time
	// Own says why the product must never touch this user, or is empty.
	Own string
	// Paused is why everything is paused, or empty.
	Paused string
	// Deleted counts users that this cleanup deleted, Users those that it discovered.
	Deleted, Users int
	// Holder is who is about to delete; the lease must be its.
	Holder string
}

// UnprovenStarter is why nobody is deleted in a cleanup that anybody may have started, an approver too.
const UnprovenStarter = "CloudTrail doesn't say who started the cleanup, and so it may have been an approver"

// Then says where a refused deletion goes.
type Then string

// Where to. Stop is for a user that is not, or no longer, the one of this case: it must not even be restored.
const (
	ThenRestore Then = "restore"
	ThenStop    Then = "stop"
	ThenRecheck Then = "recheck"
	ThenAsk     Then = "ask"
	ThenWait    Then = "wait"
)

// Refusal is one reason for which a deletion must not happen now.
type Refusal struct {
	Then Then      `json:"then"`
	Text string    `json:"text"`
	At   time.Time `json:"at,omitzero"` // for ThenWait: when to try again
}

// RefuseDeletion lists every reason against deleting the user now, the gravest first; none means that it may go. It is
// the rule that everything else stands on: nothing is deleted unless each condition was read live and holds.
func RefuseDeletion(f DeletionFacts) []Refusal {
	var out []Refusal
	no := func(then Then, format string, args ...any) {
		out = append(out, Refusal{Then: then, Text: fmt.Sprintf(format, args...)})
	}
	s, c, who := f.Settings, f.Case, f.Case.UserName

	if c.Rescue != nil {
		no(ThenRestore, "%s asked to have %s back: %s", c.Rescue.By, who, c.Rescue.Reason)
	}
	if f.Own != "" {
		no(ThenRestore, "%s", f.Own)
	}
	if f.Found {
		if x, ok := s.ExemptionFor(f.Live, f.Now, who); ok {
			no(ThenRestore, "%s is exempt by today's settings: %s (%s)", who, x.Reason, x)
		}
		if _, ok := tagFold(f.Live.Tags, TagKeep); ok {
			no(ThenRecheck, "%s carries the tag %s", who, TagKeep)
		}
	}

	switch {
	case c.Stage == Closed:
		no(ThenStop, "the case on %s is closed", who)
	case c.UserID == "" || f.Snapshot.User.ID != c.UserID || f.Snapshot.CaseID != c.ID || f.Snapshot.Account != c.Account:
		no(ThenStop, "the snapshot is not of the user of this case")
	case !f.Found:
		no(ThenStop, "no user has the id %s any more", c.UserID)
	case f.Live.ID != c.UserID:
		no(ThenStop, "the name %s now belongs to another user, %s", who, f.Live.ID)
	case strings.TrimSpace(f.Live.Name) == "":
		no(ThenStop, "the name of %s was not read, and a call without one would act on the caller", c.UserID)
	case f.Live.Created.IsZero() || !f.Live.Created.Equal(f.Snapshot.User.Created):
		no(ThenStop, "%s was made %s, not %s as planned", who, f.Live.Created, f.Snapshot.User.Created)
	}

	switch {
	case c.Quarantine == nil || c.Quarantine.At.IsZero() || c.SoakFrom.IsZero() || c.SoakUntil.IsZero():
		no(ThenRecheck, "%s was never disabled by this case", who)
	case !f.DenyInPlace:
		no(ThenRecheck, "what disabled %s is not in place", who)
	case f.Now.Sub(c.Quarantine.At) < s.Soak.Std(), f.Now.Sub(c.SoakFrom) < s.Soak.Std(), f.Now.Before(c.SoakUntil):
		no(ThenRecheck, "%s has not soaked for %s yet", who, s.Soak)
	case f.Disabled.IsZero() || f.Now.Sub(f.Disabled) < s.Soak.Std():
		no(ThenRecheck, "by its records %s has not soaked for %s yet", who, s.Soak)
	}
	for _, sig := range f.Signals {
		no(ThenRecheck, "heard in the soak: %s", sig.Detail)
	}
	if f.Heard.Before(f.Now.Add(-Settle - Reading)) {
		no(ThenRecheck, "CloudTrail was read only up to %s", f.Heard.UTC().Format(time.RFC3339))
	}
	for _, r := range f.References {
		if r.Weight == Blocking {
			no(ThenRecheck, "%s would be left without a living principal", r.Resource)
		}
	}
	for _, g := range f.OwnershipGaps {
		if !slices.Contains(s.AcceptUnread, g.Service()) {
			no(ThenRecheck, "what names %s was not read: %s%s: %s", who, g.Action, inRegion(g.Region), g.Why)
		}
	}

	out = append(out, refuseDecisions(f)...)

	if f.Paused != "" {
		out = append(out, Refusal{ThenWait, "everything is paused: " + f.Paused, f.Now.Add(time.Hour)})
	}
	if open := NextOpen(s.Windows, f.Now); !open.Equal(f.Now) {
		if open.IsZero() {
			open = f.Now.Add(24 * time.Hour)
		}
		out = append(out, Refusal{ThenWait, "outside the windows in which anything changes", open})
	}
	if (f.Deleted+1)*100 > s.CapPercent*f.Users {
		out = append(out, Refusal{ThenWait, fmt.Sprintf("cap_percent: one more would make %d of %d users, which is more than %d %%",
			f.Deleted+1, f.Users, s.CapPercent), f.Now.Add(24 * time.Hour)})
	}
	if l := c.Lease; l == nil || l.Holder != f.Holder || f.Holder == "" || !f.Now.Before(l.Until) {
		no(ThenWait, "somebody else is changing %s", who)
		out[len(out)-1].At = f.Now.Add(15 * time.Minute)
	}

	if f.Starter == "" {
		out = append(out, refuseUnproven(f, out))
	}

	// Stop goes first: a user that is not this case's, or whose snapshot is another's, must not even be restored.
	rank := []Then{ThenStop, ThenRestore, ThenRecheck, ThenAsk, ThenWait}
	slices.SortStableFunc(out, func(a, b Refusal) int { return slices.Index(rank, a.Then) - slices.Index(rank, b.Then) })
	return out
}

// refuseUnproven is the refusal where nobody knows who started the cleanup. The user goes back, since that will not
// become known any more; but where anything else speaks against deleting, such as somebody who tries its keys, people
// decide first: a stolen key must not switch itself back on.
func refuseUnproven(f DeletionFacts, others []Refusal) Refusal {
	out := Refusal{Then: ThenRestore, Text: UnprovenStarter}
	if slices.ContainsFunc(others, func(r Refusal) bool { return r.Then == ThenRecheck || r.Then == ThenAsk }) {
		out.Then = ThenRecheck
	}
	if known := f.Began.Add(Settle); f.Now.Before(known) {
		out.Then, out.At = ThenWait, known
	}
	return out
}

func refuseDecisions(f DeletionFacts) []Refusal {
	var out []Refusal
	no := func(format string, args ...any) {
		out = append(out, Refusal{Then: ThenAsk, Text: fmt.Sprintf(format, args...)})
	}
	r := f.Request
	r.Proven = f.Starter // the row's may be old, or anybody's
	digest := FactsOf(f.Snapshot, f.References, f.Signals, f.Settings.Final).Digest()
	switch {
	case r.ID == "" || r.ID != f.Case.RequestID || r.UserID != f.Case.UserID || r.CaseID != f.Case.ID:
		no("no request on this case was decided")
	case r.State == RequestSuperseded || r.State == RequestExpired:
		no("the request is %s", r.State)
	case r.Starter != f.Case.Starter || r.UserARN == "" || r.UserARN != f.Snapshot.User.ARN:
		no("the request names another starter or subject than the case")
	case r.Facts.Digest() != r.Digest:
		no("the request's facts don't match its digest")
	case digest != r.Digest:
		no("the facts have moved since they were shown")
	}
	if f.Forged > 0 {
		no("%d stored decisions were not made by the approval page", f.Forged)
	}
	if tally := Tally(r, f.Decisions, f.Settings); tally != ChooseDelete {
		var barred []string
		for _, d := range f.Decisions {
			if why := r.Barred(f.Settings, d.Approver); why != "" {
				barred = append(barred, why)
			}
		}
		why := "the stored decisions don't add up to delete"
		if len(barred) > 0 {
			why += ": " + strings.Join(barred, "; ")
		}
		no("%s", why)
	}
	return out
}
