package workflow

import (
	"context"
	"fmt"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/ownership"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/internal/trail"
)

// Requested is what RequestApproval's function answers; the execution goes on only by the task token.
type Requested struct {
	RequestID string `json:"request_id"`
}

// RequestApproval is the state of that name: it stores a request bound to the facts as they are now. reconcile tells
// the approvers of it.
func (w *Workflow) RequestApproval(ctx context.Context, in Invocation) (Requested, error) {
	c, err := w.caseOf(ctx, in)
	if err != nil {
		return Requested{}, err
	}
	if in.TaskToken == "" {
		return Requested{}, sunset.Faultf(sunset.Invalid, "case %s asks for approval without a task token", c.ID)
	}
	if !c.Open() && c.Outcome == sunset.Failed {
		if c, err = w.reopen(ctx, c); err != nil {
			return Requested{}, err
		}
	}
	if !c.Open() || c.Rescue != nil {
		return Requested{}, nothingToDecide(c)
	}
	file, s, err := w.caseSettings(ctx, c)
	if err != nil {
		return Requested{}, err
	}
	if err := file.fits(c); err != nil {
		return Requested{}, err
	}
	if c.Quarantine == nil || c.SoakFrom.IsZero() {
		return Requested{}, sunset.Faultf(sunset.Internal, "case %s asks for approval but was never disabled", c.ID)
	}
	w, err = w.in(ctx, c.Account, sunset.AccessRead)
	if err != nil {
		return Requested{}, err
	}
	if _, err := w.callerFor(ctx, c); err != nil {
		return Requested{}, err
	}
	snap, err := w.snapshotOf(ctx, c)
	if err != nil {
		return Requested{}, err
	}
	refs, gaps, err := w.askOwnership(ctx, snap.User, s)
	if err != nil {
		return Requested{}, err
	}
	signals := c.Signals
	for _, g := range unaccepted(gaps, s) {
		signals = sunset.MergeSignals(signals, []sunset.Signal{{
			Kind: sunset.NotHeard, About: g.Action, Region: g.Region, At: w.Clock.Now(), Source: g.Action,
			Detail: fmt.Sprintf("what names it was not read: %s in %s: %s", g.Action, orAll(g.Region), g.Why),
		}})
	}
	facts := sunset.FactsOf(snap, refs, signals, s.Final)
	now := w.Clock.Now()
	request := sunset.ApprovalRequest{
		CaseID: c.ID, CleanupID: c.CleanupID, UserID: c.UserID, UserName: snap.User.Name, UserARN: snap.User.ARN, Round: c.Round + 1,
		Starter: c.Starter, Issued: now, Expires: now.Add(s.ApprovalOpen.Std()), Needed: s.ApprovalsNeeded,
		Disturbed: len(signals) > 0 || blocked(refs), Facts: facts, Digest: facts.Digest(), State: sunset.RequestOpen,
		Shown: sunset.Shown{
			Owner: file.Entry.Owner, Class: file.Entry.Class, CodeManaged: file.Entry.CodeManaged, Evidence: file.Entry.Evidence, References: refs,
			Credentials: snap.User.Credentials,
			LastSeen:    file.Entry.LastSeen, Quarantine: *c.Quarantine, SoakFrom: c.SoakFrom, SoakUntil: c.SoakUntil, HeardUntil: c.Heard, Settings: s.Digest(),
		},
	}
	if request, err = w.withStarter(ctx, c, request); err != nil {
		return Requested{}, err
	}
	if c.RequestID != "" && c.Stage == sunset.Requesting {
		// A second try of the same state, with a new token: the first request stays, and learns the token.
		// One that nobody can decide any more would only run out with the new token as well.
		switch earlier, err := w.Desk.Request(ctx, c.RequestID); {
		case err != nil:
			return Requested{}, err
		case earlier.State == sunset.RequestDecided, earlier.State == sunset.RequestOpen && now.Before(earlier.Expires):
			request.Round = c.Round
		}
	}
	request, err = w.Desk.Open(ctx, request, in.TaskToken)
	if err != nil {
		return Requested{}, err
	}
	if c, err = w.Cases.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
		if c.Open() && c.Rescue == nil {
			c.Stage, c.RequestID, c.Round = sunset.Requesting, request.ID, request.Round
		}
		return nil
	}); err != nil {
		return Requested{}, err
	}
	if !c.Open() || c.Rescue != nil {
		// Rescued meanwhile. It must neither be opened again nor be shown to anybody.
		if err := w.Desk.Supersede(ctx, c.ID, ""); err != nil {
			return Requested{}, err
		}
		return Requested{}, nothingToDecide(c)
	}
	if err := w.recordCase(ctx, c, "requested", "iam-sunset", "requested/"+request.ID,
		fmt.Sprintf("The approvers are asked about %s until %s.", c.UserName, request.Expires.Format(time.RFC3339)),
		map[string]any{"request": request.ID, "digest": request.Digest, "facts": request.Facts, "disturbed": request.Disturbed, "needed": request.Needed, "gaps": gaps}); err != nil {
		return Requested{}, err
	}
	// From here on it may be deleted any time: the last call.
	return Requested{RequestID: request.ID}, w.tellOwner(ctx, c, file, s, sunset.LastCallMessage, fmt.Sprintf("/%d", request.Round), map[string]string{
		"expires": letters.When(request.Expires), "soak_from": letters.Day(c.SoakFrom), "heard": heardOf(signals), "password": passwordLoss(snap.User, "", false),
	})
}

// heardOf is what was heard first, for people, and empty where nothing was.
func heardOf(signals []sunset.Signal) string {
	if len(signals) == 0 {
		return ""
	}
	return signals[0].Detail + " on " + letters.Day(signals[0].At)
}

// nothingToDecide has the execution go on at once: the restore finds out what became of the case.
func nothingToDecide(c sunset.Case) error {
	return sunset.Faultf(sunset.Moot, "nobody has to decide on %s any more: its case is %s", c.UserName, c.Stage)
}

func blocked(refs []sunset.Reference) bool {
	for _, r := range refs {
		if r.Weight == sunset.Blocking {
			return true
		}
	}
	return false
}

// unaccepted are the gaps that settings don't allow.
func unaccepted(gaps []sunset.Gap, s sunset.Settings) []sunset.Gap {
	var out []sunset.Gap
	for _, g := range gaps {
		accepted := false
		for _, service := range s.AcceptUnread {
			accepted = accepted || service == g.Service()
		}
		if !accepted {
			out = append(out, g)
		}
	}
	return out
}

// askTrail asks CloudTrail about one user over all the time it remembers.
func (w *Workflow) askTrail(ctx context.Context, e sunset.Entry, s sunset.Settings) ([]sunset.Evidence, error) {
	now := w.Clock.Now()
	regions, gap, err := w.openRegions(ctx, s)
	if err != nil {
		return nil, err
	}
	var gaps []sunset.Gap
	if gap != nil {
		gaps = append(gaps, *gap)
	}
	found, err := w.Trail.Crosscheck(ctx, trail.Query{
		Regions: regions, Candidates: []trail.Candidate{{UserID: e.User.ID, Name: e.User.Name, FormerNames: e.FormerNames}},
		Since: now.Add(-trailReach), Until: now, Deadline: w.deadline(ctx),
	}, w.progress)
	if err != nil {
		return nil, err
	}
	return wholeTrail(found.Evidence[e.User.ID], regions, append(gaps, found.Gaps...), now), nil
}

// askOwnership looks for what names one user now. Everybody with an open case counts as gone.
func (w *Workflow) askOwnership(ctx context.Context, u sunset.User, s sunset.Settings) ([]sunset.Reference, []sunset.Gap, error) {
	regions, gap, err := w.openRegions(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	var gaps []sunset.Gap
	if gap != nil {
		gaps = append(gaps, *gap)
	}
	census, err := w.IAM.Principals(ctx)
	if err != nil {
		return nil, nil, err
	}
	open, err := w.Cases.OpenCases(ctx)
	if err != nil {
		return nil, nil, err
	}
	caller, err := w.IAM.Caller(ctx)
	if err != nil {
		return nil, nil, err
	}
	q := ownership.Query{
		Account: caller.Account, Regions: regions, Candidates: []ownership.Candidate{ownershipCandidate(u)}, Going: map[string]bool{u.ID: true},
		GroupsOf: map[string][]string{u.ID: u.Groups}, InlineOf: map[string][]string{u.ID: withoutDeny(u.Inline)}, Deadline: w.deadline(ctx),
	}
	for _, c := range open {
		q.Going[c.UserID] = true
	}
	for _, x := range census.Users {
		q.Users = append(q.Users, ownership.Known{ID: x.ID, ARN: x.ARN, Name: x.Name})
	}
	for _, r := range census.Roles {
		q.Roles = append(q.Roles, ownership.Known{ID: r.ID, ARN: r.ARN, Name: r.Name})
		q.Trust = append(q.Trust, ownership.Document{ARN: r.ARN, JSON: r.Trust})
	}
	for _, p := range census.Policies {
		q.Trust = append(q.Trust, ownership.Document{ARN: p.ARN, JSON: p.Document})
	}
	found, err := w.Ownership.Look(ctx, q, w.progress)
	if err != nil {
		return nil, nil, err
	}
	gaps = append(gaps, found.Gaps...)
	if found.Cursor != nil {
		// Of no service that settings may accept as unread: nobody knows which others are missing.
		why := "there was no time to read everything that may name it"
		if len(found.Broken) > 0 {
			why = "what comes after that was not read either"
		}
		gaps = append(append(gaps, found.Broken...), sunset.Gap{Action: "iam:ListRoles", Why: why})
	}
	return found.References[u.ID], gaps, nil
}

func withoutDeny(names []string) []string {
	var out []string
	for _, n := range names {
		if n != sunset.DenyPolicyName {
			out = append(out, n)
		}
	}
	return out
}
