package workflow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// maxRounds bounds the handlers that work on a cursor: a cleanup that needs more has lost its way.
const maxRounds = 500

// startsAnew is the age from which a cleanup's beginning is not that of the execution at hand. Tries and redrives of its
// first states come within 14 days and some hours; 90 days after an execution's end its name may be used again, and the
// new one has its ARN.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html: name
const startsAnew = 30 * 24 * time.Hour

// notAgain refuses an execution with the name of an old cleanup: that one's starter, plan and snapshots would pass for
// its own.
func notAgain(cleanup string, began, now time.Time) error {
	if now.Sub(began) > startsAnew {
		return sunset.Faultf(sunset.Invalid, "a cleanup named %s began on %s; names are not used twice, so start one of another name", cleanup, began.UTC().Format(time.DateOnly))
	}
	return nil
}

// longestCleanupName leaves room for "-" and a UserId in a case's execution name of at most 80 characters.
const longestCleanupName = 58

// Discover is the state Discover. Its first round reads the account in bulk; the rounds after that read, one by one,
// the users that look unused.
func (w *Workflow) Discover(ctx context.Context, in Invocation) (Discovery, error) {
	if in.State.Discovery == nil {
		return w.census(ctx, in)
	}
	at := *in.State.Discovery
	if at.Round >= maxRounds {
		return Discovery{}, sunset.Faultf(sunset.Internal, "discovery of cleanup %s did not end within %d rounds", in.Name, maxRounds)
	}
	var d draft
	if _, err := load(ctx, w.Objects, at.Draft, &d); err != nil {
		return Discovery{}, err
	}
	w, err := w.in(ctx, d.Plan.Account, sunset.AccessRead)
	if err != nil {
		return Discovery{}, err
	}
	around, err := w.around(ctx, d.Plan.Settings, d.Plan.Request, d.Caller)
	if err != nil {
		return Discovery{}, err
	}
	deadline, next := w.deadline(ctx), at.Next
	for ; next < len(d.Plan.Entries) && w.Clock.Now().Before(deadline); next++ {
		e := &d.Plan.Entries[next]
		if !sunset.LooksUnused(withoutUnreadKeys(*e), around) {
			continue
		}
		w.progress("reading " + e.User.Name)
		if err := w.IAM.Detail(ctx, e); err != nil {
			if sunset.KindOf(err) != sunset.Conflict {
				return Discovery{}, err
			}
			// Gone, or another user under the name, since the census: nothing is known of it any more.
			e.Evidence = append(e.Evidence, sunset.Evidence{
				Source: "iam:GetUser", About: e.User.Name, Read: w.Clock.Now(), Use: sunset.Unknown, Detail: "it changed while it was being read: " + err.Error(),
			})
		}
		e.Class, e.ClassRule = sunset.Classify(e.User, nil)
	}
	key := draftKey(in.Name, "discover", at.Round+1)
	if _, err := keep(ctx, w.Objects, key, &d); err != nil {
		return Discovery{}, err
	}
	return Discovery{Done: next >= len(d.Plan.Entries), Round: at.Round + 1, Draft: key, Next: next, Users: len(d.Plan.Entries)}, nil
}

// census is the first round.
func (w *Workflow) census(ctx context.Context, in Invocation) (Discovery, error) {
	if len(in.Name) > longestCleanupName {
		return Discovery{}, sunset.Faultf(sunset.Invalid, "execution name %q has %d characters; at most %d leave room for the cases' own names", in.Name, len(in.Name), longestCleanupName)
	}
	request, err := in.State.request()
	if err != nil {
		return Discovery{}, err
	}
	live, err := w.Settings(ctx)
	if err != nil {
		return Discovery{}, err
	}
	settings, err := request.Apply(live)
	if err != nil {
		return Discovery{}, err
	}
	if request.Starter == "" && !request.DryRun {
		return Discovery{}, sunset.Faultf(sunset.Invalid, "request: starter: say who starts the cleanup, so that they can't approve it themselves")
	}
	account := request.Account
	if account == "" {
		own, err := w.IAM.Caller(ctx)
		if err != nil {
			return Discovery{}, err
		}
		account = own.Account
	}
	now := w.Clock.Now()
	if err := w.Cases.PutCleanup(ctx, sunset.Cleanup{
		ID: in.Name, Account: account, Execution: in.Execution, Starter: request.Starter, Began: now, DryRun: request.DryRun,
	}); err != nil {
		return Discovery{}, err
	}
	if err := w.record(ctx, audit.Record{
		Chain: sunset.CleanupChain(in.Name), Kind: "begun", CleanupID: in.Name, By: request.Starter, Key: "begun",
		Text: "The cleanup began.",
	}, map[string]any{"execution": in.Execution, "account": account, "request": request, "settings": live, "settings_digest": live.Digest()}); err != nil {
		return Discovery{}, err
	}
	first, err := w.begunOf(ctx, in.Name)
	if err != nil {
		return Discovery{}, err
	}
	if err := notAgain(in.Name, first.at, now); err != nil {
		return Discovery{}, err
	}
	if w, err = w.in(ctx, request.Account, sunset.AccessRead); err != nil {
		return Discovery{}, err
	}
	caller, err := w.IAM.Caller(ctx)
	switch {
	case err != nil:
		return Discovery{}, err
	case caller.Account != account:
		return Discovery{}, sunset.Faultf(sunset.AccessDenied, "the cleanup is of account %s, but the credentials are of account %s", account, caller.Account)
	}
	w.progress("reading the account in bulk")
	census, err := w.IAM.Census(ctx, w.progress)
	if err != nil {
		return Discovery{}, err
	}
	d := draft{
		Plan: sunset.Plan{
			CleanupID: in.Name, Account: caller.Account, Made: w.Clock.Now(), ReportMade: census.ReportMade,
			SettingsDigest: live.Digest(), Settings: settings, Request: request, Gaps: census.Gaps,
			ClassRules: sunset.ClassRules(), Entries: census.Entries,
		},
		Roles: census.Roles, Policies: census.Policies, Caller: caller,
	}
	var users []sunset.User
	for i := range d.Plan.Entries {
		e := &d.Plan.Entries[i]
		e.Class, e.ClassRule = sunset.Classify(e.User, nil)
		e.Owner, e.CodeManaged = live.OwnerOf(e.User), sunset.CodeManaged(e.User.Tags)
		users = append(users, e.User)
	}
	for _, x := range live.IdleExemptions(users, now) {
		d.Plan.IdleExemptions = append(d.Plan.IdleExemptions, x.String())
	}
	for _, name := range request.Users {
		if !slices.ContainsFunc(users, func(u sunset.User) bool { return u.Name == name }) {
			d.Plan.UnknownNames = append(d.Plan.UnknownNames, name)
		}
	}
	key := draftKey(in.Name, "discover", 1)
	if _, err := keep(ctx, w.Objects, key, &d); err != nil {
		return Discovery{}, err
	}
	return Discovery{Done: len(d.Plan.Entries) == 0, Round: 1, Draft: key, Users: len(d.Plan.Entries)}, nil
}

// withoutUnreadKeys leaves out what bulk reads could not tell, because a user's own reads may still tell it.
func withoutUnreadKeys(e sunset.Entry) sunset.Entry {
	e.Evidence = slices.DeleteFunc(slices.Clone(e.Evidence), func(ev sunset.Evidence) bool { return ev.Use == sunset.Unknown })
	return e
}

// around gathers what judging needs beside a user's entry.
func (w *Workflow) around(ctx context.Context, s sunset.Settings, r sunset.Request, caller callerIdentity) (sunset.Around, error) {
	all, err := w.Cases.Cases(ctx)
	if err != nil {
		return sunset.Around{}, err
	}
	inCase, left, ended := map[string]bool{}, map[string]string{}, map[string]string{}
	for _, c := range all {
		switch {
		case c.Open() || !c.Logged:
			inCase[c.UserID] = true
		case c.LeftDisabled():
			// Its snapshot is the one that puts the user back; a new one would take the deny for the user's own.
			left[c.UserID] = fmt.Sprintf("case %s ended as %s and left it disabled; rescue it first to look at it again", c.ID, c.Outcome)
		default:
			ended[c.UserID] = c.ID
		}
	}
	return sunset.Around{
		Now: w.Clock.Now(), Settings: s, Request: r,
		InCase: func(id string) bool { return inCase[id] },
		Left:   func(id string) string { return left[id] },
		Marks:  func(id string) []string { return []string{ended[id]} },
		Own:    func(u sunset.User) string { return w.own(u, s, caller) },
	}, nil
}
