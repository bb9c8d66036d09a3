package workflow

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func gapOf(err error, action, region string) sunset.Gap { return awsfault.Gap(err, action, region) }

// ownershipPart is what one round found.
type ownershipPart struct {
	Regions []string                      `json:"regions"`
	Found   map[string][]sunset.Reference `json:"found,omitempty"`
	Gaps    []sunset.Gap                  `json:"gaps,omitempty"`
	Cursor  json.RawMessage               `json:"cursor,omitempty"`
}

// CheckOwnership is the state of that name: it looks for what names the users that still look unused, and in its last
// round gives every user its verdict.
func (w *Workflow) CheckOwnership(ctx context.Context, in Invocation) (Ownership, error) {
	if in.State.Crosscheck == nil {
		return Ownership{}, sunset.Faultf(sunset.Invalid, "cleanup %s reached the ownership check without a cross-check", in.Name)
	}
	var d draft
	if _, err := load(ctx, w.Objects, in.State.Crosscheck.Draft, &d); err != nil {
		return Ownership{}, err
	}
	at := Ownership{}
	if in.State.Ownership != nil {
		at = *in.State.Ownership
	}
	if at.Round >= maxRounds {
		return Ownership{}, sunset.Faultf(sunset.Internal, "the ownership check of cleanup %s did not end within %d rounds", in.Name, maxRounds)
	}
	w, err := w.in(ctx, d.Plan.Account, sunset.AccessRead)
	if err != nil {
		return Ownership{}, err
	}
	skipped := d.Plan.Request.Skips("ownership")
	if !skipped {
		part, err := w.ownershipRound(ctx, in.Name, d, at)
		if err != nil {
			return Ownership{}, err
		}
		key := draftKey(in.Name, "ownership", at.Round+1)
		if _, err := keep(ctx, w.Objects, key, &part); err != nil {
			return Ownership{}, err
		}
		at.Round++
		at.Parts = append(at.Parts, key)
		at.Cursor = part.Cursor
		if part.Cursor != nil {
			return at, nil
		}
	}

	candidates := ownershipCandidates(d)
	for _, k := range at.Parts {
		var p ownershipPart
		if _, err := load(ctx, w.Objects, k, &p); err != nil {
			return Ownership{}, err
		}
		d.addOwnership(p, candidates)
	}
	around, err := w.around(ctx, d.Plan.Settings, d.Plan.Request, d.Caller)
	if err != nil {
		return Ownership{}, err
	}
	around.Gaps = d.Plan.Gaps
	for i := range d.Plan.Entries {
		e := &d.Plan.Entries[i]
		e.Evidence = sunset.Weigh(e.Evidence, around.Now.Add(-d.Plan.Settings.Unused.Std()))
		e.Verdict = sunset.Judge(*e, around)
	}
	plan := d.Plan
	at.Plan = planKey(in.Name)
	if _, err := keep(ctx, w.Objects, at.Plan, &plan); err != nil {
		return Ownership{}, err
	}
	at.Done = true
	return at, nil
}

func (w *Workflow) ownershipRound(ctx context.Context, cleanup string, d draft, at Ownership) (ownershipPart, error) {
	candidates := ownershipCandidates(d)
	if len(candidates) == 0 {
		return ownershipPart{}, nil
	}
	query := ownership.Query{
		Account: d.Plan.Account, Candidates: candidates, Going: map[string]bool{}, Deadline: w.deadline(ctx),
		Trust: documentsOf(d), GroupsOf: map[string][]string{}, InlineOf: map[string][]string{},
	}
	part := ownershipPart{Regions: d.Plan.Regions}
	switch {
	case at.Round > 0:
		var first ownershipPart
		if _, err := load(ctx, w.Objects, draftKey(cleanup, "ownership", 1), &first); err != nil {
			return ownershipPart{}, err
		}
		part.Regions = first.Regions
		query.Cursor = new(ownership.Cursor)
		if err := json.Unmarshal(at.Cursor, query.Cursor); err != nil {
			return ownershipPart{}, sunset.Faultf(sunset.Invalid, "the ownership check's cursor of cleanup %s: %w", cleanup, err)
		}
	case len(part.Regions) == 0:
		regions, gap, err := w.openRegions(ctx, d.Plan.Settings)
		if err != nil {
			return ownershipPart{}, err
		}
		part.Regions = regions
		if gap != nil {
			part.Gaps = append(part.Gaps, *gap)
		}
	}
	query.Regions = part.Regions
	open, err := w.Cases.OpenCases(ctx)
	if err != nil {
		return ownershipPart{}, err
	}
	for _, c := range open {
		query.Going[c.UserID] = true
	}
	for _, c := range candidates {
		query.Going[c.UserID] = true
	}
	for _, e := range d.Plan.Entries {
		query.Users = append(query.Users, ownership.Known{ID: e.User.ID, ARN: e.User.ARN, Name: e.User.Name})
		query.GroupsOf[e.User.ID], query.InlineOf[e.User.ID] = e.User.Groups, e.User.Inline
	}
	for _, r := range d.Roles {
		query.Roles = append(query.Roles, ownership.Known{ID: r.ID, ARN: r.ARN, Name: r.Name})
	}
	found, err := w.Ownership.Look(ctx, query, w.progress)
	if err != nil {
		return ownershipPart{}, err
	}
	part.Found = found.References
	part.Gaps = append(part.Gaps, found.Gaps...)
	if found.Cursor != nil {
		if part.Cursor, err = json.Marshal(found.Cursor); err != nil {
			return ownershipPart{}, sunset.Faultf(sunset.Internal, "writing the ownership check's cursor: %w", err)
		}
	}
	return part, nil
}

// ownershipCandidates are the users that nothing has kept so far, in the plan's order.
func ownershipCandidates(d draft) []ownership.Candidate {
	var out []ownership.Candidate
	for _, e := range d.Plan.Entries {
		if d.worthChecking(e) {
			out = append(out, ownershipCandidate(e.User))
		}
	}
	return out
}

func ownershipCandidate(u sunset.User) ownership.Candidate {
	c := ownership.Candidate{UserID: u.ID, Name: u.Name, ARN: u.ARN}
	for _, k := range u.Of(sunset.AccessKey) {
		c.KeyIDs = append(c.KeyIDs, k.ID)
	}
	return c
}

func documentsOf(d draft) []ownership.Document {
	var out []ownership.Document
	for _, r := range d.Roles {
		out = append(out, ownership.Document{ARN: r.ARN, JSON: r.Trust})
	}
	for _, p := range d.Policies {
		out = append(out, ownership.Document{ARN: p.ARN, JSON: p.Document})
	}
	return out
}

func (d *draft) addOwnership(p ownershipPart, candidates []ownership.Candidate) {
	for i := range d.Plan.Entries {
		e := &d.Plan.Entries[i]
		if slices.ContainsFunc(candidates, func(c ownership.Candidate) bool { return c.UserID == e.User.ID }) {
			e.OwnershipRead = true
			e.References = append(e.References, p.Found[e.User.ID]...)
		}
	}
	if len(d.Plan.Regions) == 0 {
		d.Plan.Regions = p.Regions
	}
	d.Plan.Gaps = append(d.Plan.Gaps, p.Gaps...)
}
