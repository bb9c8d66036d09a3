package dossier

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Dossier is what the evidence tells of a cleanup, or of one user in it.
type Dossier struct {
	Proof Proof
	// User is the UserId of the one that it is about, or empty.
	User    string
	Cleanup Cleanup
	// Cases are in order of their users' names.
	Cases []Case
	// Kept are the users of the plan that have no case.
	Kept []sunset.Entry
	// Missing says, a sentence each, what can't be told from what was read.
	Missing []string
}

// Cleanup is what its own chain tells.
type Cleanup struct {
	ID, Account, Execution string
	// Claimed is who the request says has started it, Proven who CloudTrail says; empty where nothing does.
	Claimed, Proven string
	Began, Ended    time.Time // the end is zero while it goes on
	Settings        sunset.Settings
	SettingsDigest  string
	Request         sunset.Request
	// PlanText is the plan's own sentence. PlanFile is nil where no plan is on record; Plan where it could not be read or is not
	// the recorded one.
	PlanText string
	PlanFile *Attachment
	Plan     *sunset.Plan
	Gaps     []sunset.Gap
	Users    int // discovered
	Eligible int
	Refusal  string
	// Outcomes are those that the newest record counts, nil before the end; Counted those of the cases' own chains, with the others
	// as kept.
	Outcomes, Counted map[sunset.Outcome]int
	// Records are the cleanup's own and what operators did to it, in order of time.
	Records  []audit.Record
	Problems []audit.Problem
}

// total adds outcomes up.
func total(outcomes map[sunset.Outcome]int) int {
	sum := 0
	for _, n := range outcomes {
		sum += n
	}
	return sum
}

// Reconciled says whether the outcomes on record are those that the cases' chains give, and add up to the users discovered.
func (c Cleanup) Reconciled() (ok bool, text string) {
	counted := maps.Clone(c.Counted)
	maps.DeleteFunc(counted, func(_ sunset.Outcome, n int) bool { return n == 0 })
	stated := maps.Clone(c.Outcomes)
	maps.DeleteFunc(stated, func(_ sunset.Outcome, n int) bool { return n == 0 })
	switch {
	case c.Outcomes == nil:
		return false, "The cleanup has not ended, so that no outcomes are on record yet."
	case total(c.Outcomes) != c.Users:
		return false, fmt.Sprintf("The outcomes on record add up to %d users, but %d were discovered.", total(c.Outcomes), c.Users)
	case !maps.Equal(counted, stated):
		return false, "The outcomes on record are not those that the chains of its cases give."
	}
	return true, fmt.Sprintf("The outcomes add up to the %d users discovered, and counting them anew from the chain of each case gives the same.", c.Users)
}

// Cleanups are the ids of those that are on record, the newest last.
func (a *Archive) Cleanups() []string {
	var ids []string
	for chain := range a.chains {
		if id, ok := strings.CutPrefix(chain, sunset.CleanupChain("")); ok {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y string) int {
		return cmp.Or(a.chains[sunset.CleanupChain(x)][0].At.Compare(a.chains[sunset.CleanupChain(y)][0].At), strings.Compare(x, y))
	})
	return ids
}

// Cleanup tells of one cleanup. It is an Invalid fault where there is no record of it.
func (a *Archive) Cleanup(ctx context.Context, id string) (Dossier, error) {
	if a.chains[sunset.CleanupChain(id)] == nil {
		return Dossier{}, sunset.Faultf(sunset.Invalid, "there is no record of a cleanup %q", id)
	}
	d := Dossier{Proof: a.Proof}
	var err error
	if d.Cleanup, err = a.cleanup(ctx, id); err != nil {
		return d, err
	}
	has := map[string]bool{}
	for chain := range a.chains {
		caseID, ok := strings.CutPrefix(chain, sunset.ChainOf(""))
		if !ok || sunset.CleanupOf(caseID) != id {
			continue
		}
		c, err := a.caseOf(ctx, caseID, d.Cleanup.Execution)
		if err != nil {
			return d, err
		}
		has[c.UserID] = true
		d.Cases = append(d.Cases, c)
	}
	slices.SortFunc(d.Cases, func(x, y Case) int {
		return cmp.Or(strings.Compare(x.UserName, y.UserName), strings.Compare(x.ID, y.ID))
	})
	if d.Cleanup.Plan != nil {
		for _, e := range d.Cleanup.Plan.Entries {
			if !has[e.User.ID] {
				d.Kept = append(d.Kept, e)
			}
		}
	}
	d.Cleanup.Counted = counted(d)
	d.missing()
	return d, nil
}

func counted(d Dossier) map[sunset.Outcome]int {
	out := map[sunset.Outcome]int{sunset.Kept: d.Cleanup.Users - len(d.Cases)}
	for _, c := range d.Cases {
		if c.Outcome != "" {
			out[c.Outcome]++
		}
	}
	return out
}

// only is the dossier of one user in d.
func (d Dossier) only(userID string) Dossier {
	d.User = userID
	d.Cases = slices.DeleteFunc(slices.Clone(d.Cases), func(c Case) bool { return c.UserID != userID })
	d.Kept = slices.DeleteFunc(slices.Clone(d.Kept), func(e sunset.Entry) bool { return e.User.ID != userID })
	d.missing()
	return d
}

func (a *Archive) cleanup(ctx context.Context, id string) (Cleanup, error) {
	chain := sunset.CleanupChain(id)
	c := Cleanup{ID: id, Problems: a.Proof.Of(chain)}
	for _, r := range a.chains[chain] {
		c.Records = append(c.Records, r)
		if err := c.take(ctx, a, r); err != nil {
			return c, err
		}
	}
	for _, r := range a.chains[audit.Operations] {
		if r.CleanupID == id || r.CleanupID == "" && !r.At.Before(c.Began) && (c.Ended.IsZero() || !r.At.After(c.Ended)) {
			c.Records = append(c.Records, r)
		}
	}
	slices.SortStableFunc(c.Records, func(x, y audit.Record) int { return x.At.Compare(y.At) })
	return c, nil
}

func (c *Cleanup) take(ctx context.Context, a *Archive, r audit.Record) error {
	var data struct {
		Execution  string                 `json:"execution"`
		Account    string                 `json:"account"`
		Request    sunset.Request         `json:"request"`
		Settings   sunset.Settings        `json:"settings"`
		Digest     string                 `json:"settings_digest"`
		Proven     string                 `json:"proven"`
		Plan       string                 `json:"plan"`
		SHA256     string                 `json:"sha256"`
		Users      int                    `json:"users"`
		Eligible   int                    `json:"eligible"`
		Gaps       []sunset.Gap           `json:"gaps"`
		Discovered int                    `json:"discovered"`
		Outcomes   map[sunset.Outcome]int `json:"outcomes"`
		Refusal    string                 `json:"refusal"`
	}
	if !read(r, &data) {
		return nil
	}
	switch r.Kind {
	case "begun":
		c.Began, c.Claimed, c.Execution, c.Account = r.At, r.By, data.Execution, data.Account
		c.Settings, c.SettingsDigest, c.Request = data.Settings, data.Digest, data.Request
	case "starter":
		c.Proven = data.Proven
	case "plan":
		c.PlanText, c.Users, c.Eligible, c.Gaps = r.Text, data.Users, data.Eligible, data.Gaps
		var plan sunset.Plan
		at, err := a.attached(ctx, data.Plan, data.SHA256, &plan)
		if err != nil {
			return err
		}
		if at.Wrong == "" && plan.CleanupID != c.ID {
			at.Wrong = at.Key + " is of another cleanup"
		}
		if c.PlanFile = &at; at.Wrong == "" {
			c.Plan = &plan
		}
	case "closed":
		c.Ended, c.Outcomes, c.Refusal = r.At, data.Outcomes, data.Refusal
		c.Users = data.Discovered
	case "recounted":
		c.Outcomes = data.Outcomes
	}
	return nil
}

// missing says what can't be told.
func (d *Dossier) missing() {
	d.Missing = nil
	add := func(format string, args ...any) { d.Missing = append(d.Missing, fmt.Sprintf(format, args...)) }
	switch c := d.Cleanup; {
	case c.PlanFile == nil:
		add("No plan is on record: which users were discovered, and why those without a case were kept, can't be told.")
	case c.PlanFile.Wrong != "":
		add("The plan can't be shown: %s. Which users were kept without a case, and why, can't be told; how many, the records say.", c.PlanFile.Wrong)
	}
	for _, c := range d.Cases {
		if c.Snapshot != nil && c.Snapshot.Wrong != "" {
			add("The snapshot of %s can't be shown: %s. What it consisted of in full can't be told; its record lists its parts by name.", c.UserName, c.Snapshot.Wrong)
		}
	}
	add("Step Functions keeps an execution's own history for 90 days after its end; this is told from the evidence alone, which has no such limit.")
	add("CloudTrail tells of calls minutes to hours late, and its event history has no data events, such as reads of S3 objects: what was done in that way shows only where a last use moved.")
}
