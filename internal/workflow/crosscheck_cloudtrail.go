package workflow

import (
	"context"
	"encoding/json"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// trailReach is how far CloudTrail's event history goes back.
const trailReach = 90 * 24 * time.Hour

// crosscheckPart is what one round found, kept in the store until the last round puts all together.
type crosscheckPart struct {
	Regions  []string          `json:"regions"`
	Until    time.Time         `json:"until"`
	Renames  []trail.Rename    `json:"renames,omitempty"`
	Creators map[string]string `json:"creators,omitempty"` // of users, by UserId
	Gaps     []sunset.Gap      `json:"gaps,omitempty"`
	Found    trail.Result      `json:"found"`
}

// CrosscheckCloudTrail is the state of that name: it asks every open region about the users that still look unused.
func (w *Workflow) CrosscheckCloudTrail(ctx context.Context, in Invocation) (Crosscheck, error) {
	if in.State.Discovery == nil {
		return Crosscheck{}, sunset.Faultf(sunset.Invalid, "cleanup %s reached the cross-check without a discovery", in.Name)
	}
	var d draft
	if _, err := load(ctx, w.Objects, in.State.Discovery.Draft, &d); err != nil {
		return Crosscheck{}, err
	}
	at := Crosscheck{}
	if in.State.Crosscheck != nil {
		at = *in.State.Crosscheck
	}
	if at.Round >= maxRounds {
		return Crosscheck{}, sunset.Faultf(sunset.Internal, "the cross-check of cleanup %s did not end within %d rounds", in.Name, maxRounds)
	}
	if d.Plan.Request.Skips("cloudtrail") {
		return Crosscheck{Done: true, Round: 1, Draft: in.State.Discovery.Draft}, nil
	}

	w, err := w.in(ctx, d.Plan.Account, sunset.AccessRead)
	if err != nil {
		return Crosscheck{}, err
	}
	part, err := w.crosscheckRound(ctx, in.Name, d, at)
	if err != nil {
		return Crosscheck{}, err
	}
	key := draftKey(in.Name, "crosscheck", at.Round+1)
	if _, err := keep(ctx, w.Objects, key, &part); err != nil {
		return Crosscheck{}, err
	}
	at.Round++
	at.Parts = append(at.Parts, key)
	at.Cursor = nil
	if part.Found.Cursor != nil {
		if at.Cursor, err = json.Marshal(part.Found.Cursor); err != nil {
			return Crosscheck{}, sunset.Faultf(sunset.Internal, "writing the cross-check's cursor: %w", err)
		}
		return at, nil
	}

	var whole crosscheckPart
	for _, k := range at.Parts {
		var p crosscheckPart
		if _, err := load(ctx, w.Objects, k, &p); err != nil {
			return Crosscheck{}, err
		}
		whole.Regions, whole.Until, whole.Renames = p.Regions, p.Until, p.Renames
		whole.Gaps = append(whole.Gaps, p.Gaps...)
		if p.Creators != nil {
			whole.Creators = p.Creators
		}
		whole.Found.Add(p.Found)
	}
	d.addTrail(whole)
	at.Draft = draftKey(in.Name, "crosschecked", at.Round)
	if _, err := keep(ctx, w.Objects, at.Draft, &d); err != nil {
		return Crosscheck{}, err
	}
	at.Done = true
	return at, nil
}

func (w *Workflow) crosscheckRound(ctx context.Context, cleanup string, d draft, at Crosscheck) (crosscheckPart, error) {
	now := w.Clock.Now()
	part := crosscheckPart{Until: now}
	query := trail.Query{Since: now.Add(-trailReach), Deadline: w.deadline(ctx)}
	if at.Round == 0 {
		if err := w.firstRound(ctx, d, &part); err != nil {
			return crosscheckPart{}, err
		}
	} else {
		var first crosscheckPart
		if _, err := load(ctx, w.Objects, draftKey(cleanup, "crosscheck", 1), &first); err != nil {
			return crosscheckPart{}, err
		}
		part.Regions, part.Renames, part.Until = first.Regions, first.Renames, first.Until
		query.Since = first.Until.Add(-trailReach)
		query.Cursor = new(trail.Cursor)
		if err := json.Unmarshal(at.Cursor, query.Cursor); err != nil {
			return crosscheckPart{}, sunset.Faultf(sunset.Invalid, "the cross-check's cursor of cleanup %s: %w", cleanup, err)
		}
	}
	query.Regions, query.Until = part.Regions, part.Until
	query.Candidates = w.trailCandidates(ctx, d, part.Renames)
	if len(query.Candidates) == 0 {
		return part, nil
	}
	found, err := w.Trail.Crosscheck(ctx, query, w.progress)
	part.Found = found
	return part, err
}

// firstRound finds out which regions to ask and who had another name. What can't be found out makes every candidate
// unknown, through a gap.
func (w *Workflow) firstRound(ctx context.Context, d draft, part *crosscheckPart) error {
	regions, gap, err := w.openRegions(ctx, d.Plan.Settings)
	if err != nil {
		return err
	}
	part.Regions = regions
	if gap != nil {
		part.Gaps = append(part.Gaps, *gap)
		return nil
	}
	part.Renames, err = w.Trail.Renames(ctx, part.Until.Add(-trailReach), part.Until)
	if err == nil {
		part.Creators, err = w.Trail.Creators(ctx, part.Until.Add(-trailReach), part.Until)
	}
	switch kind := sunset.KindOf(err); {
	case err != nil && kind == sunset.AccessDenied && !awsfault.IsExpired(err):
		part.Gaps = append(part.Gaps, gapOf(err, "cloudtrail:LookupEvents", "us-east-1"))
	case err != nil:
		return err
	}
	return nil
}

// openRegions gives the regions that must be asked: all that the account has enabled, less those that settings close.
func (w *Workflow) openRegions(ctx context.Context, s sunset.Settings) ([]string, *sunset.Gap, error) {
	all, err := w.Trail.Regions(ctx)
	if err != nil {
		if sunset.KindOf(err).Passing() || awsfault.IsExpired(err) {
			return nil, nil, err
		}
		gap := gapOf(err, "account:ListRegions", "")
		return nil, &gap, nil
	}
	var open []string
	for _, r := range all {
		if _, closed := s.RegionClosed(r); !closed {
			open = append(open, r)
		}
	}
	return open, nil, nil
}

// trailCandidates are the users worth asking about, in the plan's order, so that a cursor keeps its meaning.
func (w *Workflow) trailCandidates(_ context.Context, d draft, renames []trail.Rename) []trail.Candidate {
	var out []trail.Candidate
	for _, e := range d.Plan.Entries {
		if d.worthChecking(e) {
			out = append(out, trail.Candidate{UserID: e.User.ID, Name: e.User.Name, FormerNames: trail.FormerNamesOf(e.User.Name, renames)})
		}
	}
	return out
}

// worthChecking judges as of the time when the plan was made, so that every round picks the same users. Cases, and what they
// have marked, are left to the final verdict for the same reason.
func (d draft) worthChecking(e sunset.Entry) bool {
	return e.Detailed && sunset.LooksUnused(e, sunset.Around{
		Now: d.Plan.Made, Settings: d.Plan.Settings, Request: d.Plan.Request,
		Marks: func(string) []string { return []string{e.User.Tags[sunset.TagCase]} },
	})
}

// addTrail puts what all rounds found into the plan. A user that was not proven used must have been looked up in every
// region: one that is missing is unknown.
func (d *draft) addTrail(p crosscheckPart) {
	for i := range d.Plan.Entries {
		e := &d.Plan.Entries[i]
		if !d.worthChecking(*e) {
			continue
		}
		e.TrailRead = true
		e.FormerNames = trail.FormerNamesOf(e.User.Name, p.Renames)
		if e.Owner == (sunset.Owner{}) {
			e.Owner = sunset.CreatorOf(p.Creators[e.User.ID])
		}
		evidence := p.Found.Evidence[e.User.ID]
		if last, ok := p.Found.Last[e.User.ID]; ok {
			e.LastSeen = &last
			e.Class, e.ClassRule = sunset.Classify(e.User, e.LastSeen)
		}
		e.Evidence = append(e.Evidence, wholeTrail(evidence, p.Regions, append(p.Gaps, p.Found.Gaps...), p.Until)...)
	}
	d.Plan.Regions = p.Regions
	d.Plan.Gaps = append(d.Plan.Gaps, p.Gaps...)
	d.Plan.Gaps = append(d.Plan.Gaps, p.Found.Gaps...)
}

// wholeTrail gives CloudTrail's evidence on one user, with Unknown for every gap and every region that is not in it.
func wholeTrail(evidence []sunset.Evidence, regions []string, gaps []sunset.Gap, read time.Time) []sunset.Evidence {
	heard := map[string]bool{}
	for _, e := range evidence {
		heard[e.Region] = true
		if e.Use == sunset.Used {
			return evidence
		}
	}
	unknown := func(action, region, why string) {
		evidence = append(evidence, sunset.Evidence{
			Source: action, Region: region, Read: read, Use: sunset.Unknown, Detail: action + " could not be read: " + why,
		})
	}
	for _, g := range gaps {
		if g.Region == "" || !heard[g.Region] {
			heard[g.Region] = true
			unknown(g.Action, g.Region, g.Why)
		}
	}
	for _, r := range regions {
		if !heard[r] {
			unknown("cloudtrail:LookupEvents", r, "the region was not looked up to its end")
		}
	}
	return evidence
}
