package workflow

import (
	"encoding/json"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Invocation is what every Task hands to its function.
type Invocation struct {
	Execution string `json:"execution"` // ARN
	Name      string `json:"name"`      // the cleanup's id, or the case's
	Stage     string `json:"stage,omitempty"`
	TaskToken string `json:"task_token,omitempty"` // secret
	Redrives  int    `json:"redrives,omitempty"`   // how often the execution was redriven
	// Rescue is what an operator hands to the function restore, outside of any execution.
	Rescue *RescueInput `json:"rescue,omitempty"`
	State  State        `json:"state"`
}

// RescueInput asks to give a user back at once.
type RescueInput struct {
	UserID string `json:"user_id"`
	By     string `json:"by"`
	Reason string `json:"reason"`
	// Way and Principal are how whoever asked on a page was known; empty: an operator's command. They count only with the
	// MAC that approval-web makes over all the rest, and for the case that it names.
	Way       sunset.Way `json:"way,omitempty"`
	Principal string     `json:"principal,omitempty"`
	CaseID    string     `json:"case_id,omitempty"`
	MAC       []byte     `json:"mac,omitempty"`
}

// State is the document that travels through an execution. Each Task owns one key of it, and it carries references:
// plans, snapshots and lists live in the store.
type State struct {
	sunset.Request

	Discovery   *Discovery   `json:"discovery,omitempty"`
	Crosscheck  *Crosscheck  `json:"crosscheck,omitempty"`
	Ownership   *Ownership   `json:"ownership,omitempty"`
	Plan        *Planned     `json:"plan,omitempty"`
	Opening     *Opening     `json:"opening,omitempty"`
	Case        *CaseInput   `json:"case,omitempty"`
	Disable     *Disabled    `json:"disable,omitempty"`
	Soak        *Soak        `json:"soak,omitempty"`
	Approval    *Approved    `json:"approval,omitempty"`
	Deletion    *Deletion    `json:"deletion,omitempty"`
	Restoration *Restoration `json:"restoration,omitempty"`
	Closing     *Closing     `json:"closing,omitempty"`
	Expired     *Expired     `json:"expired,omitempty"`
	Redrive     *Redrive     `json:"redrive,omitempty"`
	Error       *CaughtError `json:"error,omitempty"`

	// input keeps what came in, so that a request can be read strictly.
	input json.RawMessage
}

// UnmarshalJSON keeps the raw document beside the fields. Approval is what the answer of a task token left there;
// anybody who holds the token can write anything into it, so that what doesn't fit is dropped. And soak is a request's
// duration in a cleanup, and CheckSoak's answer in a case.
func (s *State) UnmarshalJSON(b []byte) error {
	type plain State
	var p struct {
		plain
		Soak     json.RawMessage `json:"soak"`
		Approval json.RawMessage `json:"approval"`
		Expired  json.RawMessage `json:"expired"`
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*s = State(p.plain)
	s.input = append(json.RawMessage(nil), b...)
	var soak Soak
	if json.Unmarshal(p.Soak, &soak) == nil {
		s.Soak = &soak
	}
	var a Approved
	if json.Unmarshal(p.Approval, &a) == nil {
		s.Approval = &a
	}
	var x Expired
	if json.Unmarshal(p.Expired, &x) == nil {
		s.Expired = &x
	}
	return nil
}

// request reads the cleanup's request strictly: in its first state the document is nothing else. A key that a Task owns
// would be taken for that Task's own work of before, such as a cross-check that somebody else's cleanup once made.
func (s State) request() (sunset.Request, error) {
	if len(s.input) == 0 {
		return sunset.ParseRequest([]byte("{}"))
	}
	return sunset.ParseRequest(s.input)
}

// keepInput makes the document of a state that was built here rather than read.
func (s *State) keepInput() error {
	b, err := json.Marshal(s.Request)
	if err != nil {
		return sunset.Faultf(sunset.Internal, "writing the request: %w", err)
	}
	s.input = b
	return nil
}

// Discovery is $.discovery.
type Discovery struct {
	Done  bool   `json:"done"`
	Round int    `json:"round"`
	Draft string `json:"draft"` // key of the newest draft of the plan
	Next  int    `json:"next"`  // the entry whose own reads come next
	Users int    `json:"users"`
}

// Crosscheck is $.crosscheck.
type Crosscheck struct {
	Done   bool            `json:"done"`
	Round  int             `json:"round"`
	Parts  []string        `json:"parts,omitempty"` // keys of what each round found
	Draft  string          `json:"draft,omitempty"`
	Cursor json.RawMessage `json:"cursor,omitempty"`
}

// Ownership is $.ownership.
type Ownership struct {
	Done   bool            `json:"done"`
	Round  int             `json:"round"`
	Parts  []string        `json:"parts,omitempty"`
	Plan   string          `json:"plan,omitempty"` // key of the finished plan
	Cursor json.RawMessage `json:"cursor,omitempty"`
}

// Planned is $.plan.
type Planned struct {
	Open     bool   `json:"open"`
	Refused  bool   `json:"refused"`
	Refusal  string `json:"refusal"`
	Users    int    `json:"users"`
	Eligible int    `json:"eligible"`
	Key      string `json:"key"`
	Digest   string `json:"digest"` // SHA-256 of the plan's bytes
}

// Opening is $.opening.
type Opening struct {
	Done   bool `json:"done"`
	Next   int  `json:"next"`
	Opened int  `json:"opened"`
}

// CaseInput is $.case, the input of a case's execution.
type CaseInput struct {
	ID        string    `json:"id"`
	UserID    string    `json:"user_id"`
	CleanupID string    `json:"cleanup_id"`
	TurnAt    time.Time `json:"turn_at"`
}

// Disabled is $.disable.
type Disabled struct {
	Status  string    `json:"status"` // disabled, held, skipped
	Reason  string    `json:"reason,omitempty"`
	AgainAt time.Time `json:"again_at,omitzero"`
	Soak    *Soak     `json:"soak,omitempty"`
}

// Soak is $.soak.
type Soak struct {
	Status          string    `json:"status"` // soaking, quiet, disturbed, restore, ended
	Reason          string    `json:"reason,omitempty"`
	Until           time.Time `json:"until"`
	NextCheckAt     time.Time `json:"next_check_at"`
	ApprovalSeconds int       `json:"approval_seconds"` // how long the task token may be answered
}

// Approved is $.approval: a hint and no more. The stored decisions decide.
type Approved struct {
	Choice    sunset.Choice `json:"choice"`
	RequestID string        `json:"request_id"`
}

// Deletion is $.deletion.
type Deletion struct {
	Status  string    `json:"status"` // deleted, retained, wait, recheck, restore, ended
	Reason  string    `json:"reason,omitempty"`
	AgainAt time.Time `json:"again_at,omitzero"`
}

// Restoration is $.restoration.
type Restoration struct {
	Status string `json:"status"` // restored, undecided, ended
	Reason string `json:"reason,omitempty"`
}

// Closing is $.closing.
type Closing struct {
	Outcome sunset.Outcome `json:"outcome"`
}

// Expired is $.expired.
type Expired struct {
	Outcome sunset.Outcome `json:"outcome"`
}

// Redrive is $.redrive: where a failed case goes on once it was redriven.
type Redrive struct {
	Next string `json:"next"` // disable, listen, delete, close
}

// CaughtError is $.error, as a Catch writes it.
type CaughtError struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}
