package dossier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Case is what one case's chain tells.
type Case struct {
	ID, CleanupID, UserID, UserName string
	// Execution is its ARN, made of the cleanup's, which is on record.
	Execution string
	// Entry is what the plan knew of the user when the case was opened; nil where no readable record says.
	Entry   *sunset.Entry
	Claimed time.Time
	Turn    time.Time
	// Snapshot is what would put the user back, nil where none is on record; Was is what is in it, where that could be read
	// and its SHA-256 is the record's.
	Snapshot *Attachment
	Was      *sunset.Snapshot

	Disabled   time.Time
	Quarantine *sunset.Quarantine
	SoakUntil  time.Time
	Checks     []Check
	// Signals are all that was ever heard.
	Signals   []sunset.Signal
	Requests  []Request
	Decisions []sunset.Decision
	Refusals  []Refused
	// Deleting is the last passing of the point of no return, nil where it never was.
	Deleting *Deleting
	Changes  []Change
	Restored *Restored
	Rescue   *sunset.Rescue
	Outcome  sunset.Outcome // empty while the case is open
	Reason   string
	Ended    time.Time
	// Told are the messages that went to the owner, or to the team instead; Words what the owner said, as recorded.
	Told  []Told
	Words []string
	// Others are the records that nothing above tells of in full, in order.
	Others  []audit.Record
	Records int
	last    time.Time // when the last of them was written
	// Problems are what verifying found wrong with this chain.
	Problems []audit.Problem
}

// Check is one look at whether anything was heard.
type Check struct {
	At     time.Time
	Status string          `json:"status"`
	New    int             `json:"new"`
	Until  time.Time       `json:"cloudtrail_until"` // year 1: CloudTrail was not asked yet
	Soak   time.Time       `json:"soak_until"`
	All    []sunset.Signal `json:"signals"`
	Text   string          `json:"-"`
	Seq    int             `json:"-"`
}

// Told is one message to a user's owner.
type Told struct {
	At      time.Time `json:"-"`
	To      string    `json:"to"`
	Message string    `json:"message"`
}

// Request is one time at which the approvers were asked.
type Request struct {
	At        time.Time    `json:"-"`
	Digest    string       `json:"digest"`
	Disturbed bool         `json:"disturbed"`
	Needed    int          `json:"needed"`
	Facts     sunset.Facts `json:"facts"`
}

// Refused is a deletion that was tried and refused.
type Refused struct {
	At       time.Time        `json:"-"`
	Refusals []sunset.Refusal `json:"refusals"`
	Forged   int              `json:"forged_decisions"`
	Text     string           `json:"-"`
}

// Deleting is the point of no return.
type Deleting struct {
	At         time.Time `json:"-"`
	Digest     string    `json:"digest"`
	Until      time.Time `json:"cloudtrail_until"`
	NotCovered string    `json:"not_covered"`
	Resumed    bool      `json:"resumed"`
}

// Change is one change to the user: what was intended, and what came of it.
type Change struct {
	Action string `json:"action"`
	Target string `json:"target"`
	// Meant is when it was about to be done; Done when it was, or could not be. Done is zero where nothing says.
	Meant, Done time.Time
	Failed      bool   `json:"failed"`
	Error       string `json:"error"`
}

// Restored is what putting the user back left.
type Restored struct {
	At          time.Time      `json:"-"`
	Outcome     sunset.Outcome `json:"outcome"`
	Differences []string       `json:"differences"`
	Lost        string         `json:"lost"`
}

// ARN is the user's, as the plan had it; empty where that isn't known.
func (c Case) ARN() string {
	if c.Entry == nil {
		return ""
	}
	return c.Entry.User.ARN
}

// caseOf reads a case from its chain. execution is the cleanup's ARN, or empty.
func (a *Archive) caseOf(ctx context.Context, id, execution string) (Case, error) {
	chain := sunset.ChainOf(id)
	c := Case{ID: id, CleanupID: sunset.CleanupOf(id), Execution: executionOf(execution, id), Problems: a.Proof.Of(chain), Records: len(a.chains[chain])}
	for _, r := range a.chains[chain] {
		if c.UserID == "" {
			c.UserID, c.UserName = r.UserID, r.UserName
		}
		c.last = r.At
		if !c.take(r) {
			c.Others = append(c.Others, r)
		}
	}
	if c.Snapshot != nil {
		var snap sunset.Snapshot
		at, err := a.attached(ctx, c.Snapshot.Key, c.Snapshot.SHA256, &snap)
		if err != nil {
			return c, err
		}
		if at.Wrong == "" && (snap.CaseID != c.ID || snap.User.ID != c.UserID) {
			at.Wrong = at.Key + " is of another case"
		}
		if c.Snapshot = &at; at.Wrong == "" {
			c.Was = &snap
		}
	}
	return c, nil
}

// executionOf is the ARN of a case's execution, which is the cleanup's under another name.
func executionOf(cleanup, id string) string {
	i := strings.LastIndexByte(cleanup, ':')
	if i < 0 {
		return ""
	}
	return cleanup[:i+1] + id
}

// Deletion are the changes since the point of no return.
func (c Case) Deletion() []Change {
	if c.Deleting == nil {
		return nil
	}
	from := c.Deleting.At
	return slices.DeleteFunc(slices.Clone(c.Changes), func(ch Change) bool { return ch.at().Before(from) })
}

func (ch Change) at() time.Time {
	if ch.Meant.IsZero() {
		return ch.Done
	}
	return ch.Meant
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
