package sunset

import (
	"strings"
	"time"
)

// Stage is where a case stands.
type Stage string

// The stages, in order. Waiting has changed nothing yet; Deleting is the point of no return.
const (
	Waiting    Stage = "waiting"
	Disabling  Stage = "disabling"
	Soaking    Stage = "soaking"
	Requesting Stage = "requesting"
	Deleting   Stage = "deleting"
	Restoring  Stage = "restoring"
	Closed     Stage = "closed"
)

// Outcome is what became of a discovered user.
type Outcome string

// The outcomes. They add up to the users discovered.
const (
	Kept     Outcome = "kept"     // never got a case
	Deleted  Outcome = "deleted"  // gone with everything it had
	Retained Outcome = "retained" // credentials stripped, the empty user stays
	Restored Outcome = "restored" // back as it was, by decision or because it became exempt
	Rescued  Outcome = "rescued"  // back as it was, because a person asked
	Skipped  Outcome = "skipped"  // the facts had moved before anything was changed, or the user was gone
	Lapsed   Outcome = "expired"  // nobody decided in time; still quarantined
	Failed   Outcome = "failed"   // an error; the records say whether before or after a change
)

// Outcomes lists every outcome in the order in which people read them.
func Outcomes() []Outcome {
	return []Outcome{Kept, Deleted, Retained, Restored, Rescued, Skipped, Lapsed, Failed}
}

// Method is how a user was disabled.
type Method string

// The methods. The first two lose nothing; Deactivation switches credentials off and removes the login profile, whose
// password can't be put back.
const (
	InlineDeny   Method = "inline-deny"
	ManagedDeny  Method = "managed-deny"
	Deactivation Method = "deactivation"
)

// DenyPolicyName is the inline policy that quarantines a user.
const DenyPolicyName = "IAMSunsetQuarantine"

// ManagedDenyARN is AWS's own deny-all policy, the fallback where no inline policy fits.
const ManagedDenyARN = "arn:aws:iam::aws:policy/AWSDenyAll"

// DenyDocument is the inline quarantine. Minified: IAM doesn't count white space, but people compare it.
const DenyDocument = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`

// TagCase marks a user whose case is open, TagKeep is how an owner keeps one without any page.
const (
	TagCase = "iam-sunset-case"
	TagKeep = "iam-sunset-keep"
)

// Quarantine is how and when a case's user was disabled.
type Quarantine struct {
	Method Method    `json:"method"`
	At     time.Time `json:"at"`
	// Deny is the deny that is on, which deactivation has beside it where one fitted.
	Deny Method `json:"deny,omitempty"`
	// Lost says in one sentence what restoring won't bring back, or is empty.
	Lost string `json:"lost,omitempty"`
}

// DenyBy is the deny that the case put on, or empty where none fitted.
func (q Quarantine) DenyBy() Method {
	if q.Method == Deactivation {
		return q.Deny
	}
	return q.Method
}

// Snapshot is everything needed to put a user back, written before the first change.
type Snapshot struct {
	CaseID  string    `json:"case_id"`
	Account string    `json:"account"`
	Taken   time.Time `json:"taken"`
	User    User      `json:"user"`
	// InlineDocuments are the texts of the inline policies, by name.
	InlineDocuments map[string]string `json:"inline_documents,omitempty"`
	// PasswordResetRequired is part of a login profile, if there is one.
	PasswordResetRequired bool `json:"password_reset_required,omitempty"`
	// Bodies are the public halves of SSH keys and signing certificates, by id.
	Bodies map[string]string `json:"bodies,omitempty"`
	// SpareMFA are serials of virtual devices of the user's name that nobody is assigned to.
	SpareMFA []string `json:"spare_mfa,omitempty"`
}

// Rescue is a person's wish to have the user back.
type Rescue struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	// Way is how whoever asked on a page was known, and Principal whom a sign-in made known; empty: an operator's command.
	Way       Way    `json:"way,omitempty"`
	Principal string `json:"principal,omitempty"`
}

// Lease is the right to change one user, for a time.
type Lease struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

// Case is the row of one case. Its key is the UserId: one open case a user, ever.
type Case struct {
	ID        string    `json:"id"` // <cleanup>-<UserId>, also the execution's name
	CleanupID string    `json:"cleanup_id"`
	Account   string    `json:"account"`
	UserID    string    `json:"user_id"`
	UserName  string    `json:"user_name"` // at the time of the claim
	Execution string    `json:"execution,omitempty"`
	Starter   string    `json:"starter"` // who started the cleanup, as far as known
	Stage     Stage     `json:"stage"`
	Claimed   time.Time `json:"claimed"`
	Turn      time.Time `json:"turn"`
	Changed   bool      `json:"changed"` // anything at all was changed in the account

	SnapshotKey string `json:"snapshot_key,omitempty"`
	// SnapshotSHA256 is of the snapshot's bytes: what is restored and compared is what was written before the change.
	SnapshotSHA256 string      `json:"snapshot_sha256,omitempty"`
	Quarantine     *Quarantine `json:"quarantine,omitempty"`
	SoakFrom       time.Time   `json:"soak_from,omitzero"`
	SoakUntil      time.Time   `json:"soak_until,omitzero"`
	Heard          time.Time   `json:"heard,omitzero"` // CloudTrail is known up to here
	Signals        []Signal    `json:"signals,omitempty"`
	Rescue         *Rescue     `json:"rescue,omitempty"`
	// Forgiven are last uses, by credential id (empty: the password), that a decision to soak again has seen.
	Forgiven map[string]time.Time `json:"forgiven,omitempty"`

	// Round counts requests: a new one after every "soak again" or drift.
	Round     int    `json:"round,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// SoakedAgain is the request whose decision to soak again has been carried out.
	SoakedAgain string `json:"soaked_again,omitempty"`
	// DeletingSince is when the point of no return was passed. It stays through a failure, so that the deletion of
	// what is left can be taken up again.
	DeletingSince time.Time `json:"deleting_since,omitzero"`

	Outcome Outcome   `json:"outcome,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Ended   time.Time `json:"ended,omitzero"`
	Lease   *Lease    `json:"lease,omitempty"`
	// Holds says that this case keeps later turns from coming until a person resumes.
	Holds bool `json:"holds,omitempty"`
	// Resumed says that a person has seen the case's trouble and let later turns come; only a new trouble holds them again.
	Resumed bool `json:"resumed,omitempty"`
	// Logged says that the end is on record. Until then the execution is still to find out, and no other case may take
	// the row.
	Logged bool `json:"logged,omitempty"`
	// Redrives is how often the execution had been redriven when the case last failed: once more, and it may go on.
	Redrives int `json:"redrives,omitempty"`
}

// Open reports whether the case has not come to its end.
func (c Case) Open() bool { return c.Stage != Closed }

// LeftDisabled reports whether the case has ended and left its user disabled on purpose, with the snapshot that puts it
// back.
func (c Case) LeftDisabled() bool {
	return !c.Open() && c.Changed && (c.Outcome == Lapsed || c.Outcome == Failed || c.Outcome == Retained)
}

// CaseID is the name of a case and of its execution: the cleanup's and the user's ids, at most 80 characters, never
// the user's name, which Step Functions might not take.
func CaseID(cleanup, userID string) string { return cleanup + "-" + userID }

// CleanupOf is the cleanup in a case's id. A UserId has no dash, while a cleanup's name may have some, so that "spring"
// doesn't take the cases of "spring-2" for its own.
func CleanupOf(caseID string) string {
	i := strings.LastIndexByte(caseID, '-')
	return caseID[:max(i, 0)]
}

// ChainOf is the name of a case's chain of records; CleanupChain of a cleanup's.
func ChainOf(caseID string) string { return "case/" + caseID }

// CleanupChain is the name of a cleanup's chain of records.
func CleanupChain(cleanup string) string { return "cleanup/" + cleanup }

// ValidUserName reports whether name may be sent to IAM as a user's. An empty one would act on the caller.
func ValidUserName(name string) error {
	if strings.TrimSpace(name) == "" {
		return Faultf(Invalid, "refusing a call with an empty user name: IAM would act on the caller instead")
	}
	return nil
}

// Cleanup is the row of one cleanup.
type Cleanup struct {
	ID        string `json:"id"`
	Account   string `json:"account"`
	Execution string `json:"execution"`
	Starter   string `json:"starter"` // as claimed
	// Proven is the starter by CloudTrail, once known. What decides is the record of it.
	Proven   string    `json:"proven,omitempty"`
	Began    time.Time `json:"began"`
	PlanKey  string    `json:"plan_key,omitempty"`
	Users    int       `json:"users"`
	Eligible int       `json:"eligible"`
	// Settled says that no more cases will come: all are open, or the plan was a dry run, refused, or failed.
	Settled bool      `json:"settled"`
	DryRun  bool      `json:"dry_run,omitempty"`
	Refusal string    `json:"refusal,omitempty"`
	Ended   time.Time `json:"ended,omitzero"`
	// Outcomes are final counts, set at the end.
	Outcomes map[Outcome]int `json:"outcomes,omitempty"`
}
