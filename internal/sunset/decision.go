package sunset

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Choice is what an approver decides on one case.
type Choice string

// The choices. Delete needs as many approvers as the settings say; one Keep or SoakAgain is enough.
const (
	ChooseDelete    Choice = "delete"
	ChooseKeep      Choice = "keep"
	ChooseSoakAgain Choice = "soak-again"
)

// ApprovalRequest asks the approvers about one case. It binds them to the facts by their digest.
type ApprovalRequest struct {
	ID        string `json:"id"` // unguessable
	CaseID    string `json:"case_id"`
	CleanupID string `json:"cleanup_id"`
	UserID    string `json:"user_id"`
	UserName  string `json:"user_name"`
	UserARN   string `json:"user_arn"`
	Round     int    `json:"round"`
	Starter   string `json:"starter"` // as claimed
	// Proven is who started the cleanup by CloudTrail, and empty where that was not known yet.
	Proven  string    `json:"proven,omitempty"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
	Needed  int       `json:"needed"`
	// Disturbed says that something was heard: Delete is not among the choices.
	Disturbed bool   `json:"disturbed"`
	Facts     Facts  `json:"facts"`
	Digest    string `json:"digest"`
	// Shown is what the page tells beside the facts: why the user is held unused, and how it was disabled.
	Shown Shown `json:"shown"`
	State State `json:"state"`
}

// Shown is what an approver reads; nothing in it is bound by the digest.
type Shown struct {
	Owner       Owner  `json:"owner,omitzero"`
	Class       Class  `json:"class,omitempty"`
	CodeManaged string `json:"code_managed,omitempty"`
	// Credentials are the snapshot's, with their last uses.
	Credentials []Credential `json:"credentials,omitempty"`
	Evidence    []Evidence   `json:"evidence,omitempty"`
	References  []Reference  `json:"references,omitempty"`
	LastSeen    *Activity    `json:"last_seen,omitempty"`
	Quarantine  Quarantine   `json:"quarantine"`
	SoakFrom    time.Time    `json:"soak_from"`
	SoakUntil   time.Time    `json:"soak_until"`
	HeardUntil  time.Time    `json:"heard_until,omitzero"`
	Settings    string       `json:"settings"` // their digest
}

// State of a request.
type State string

// The states of a request.
const (
	RequestOpen       State = "open"
	RequestDecided    State = "decided"
	RequestExpired    State = "expired"
	RequestSuperseded State = "superseded"
)

// Choices are what an approver may choose.
func (r ApprovalRequest) Choices() []Choice {
	if r.Disturbed {
		return []Choice{ChooseKeep, ChooseSoakAgain}
	}
	return []Choice{ChooseDelete, ChooseKeep, ChooseSoakAgain}
}

// Way is how somebody was known.
type Way string

// The ways: by a link alone, by a link and a sign-in, by a request that AWS checked the signature of.
const (
	WayLink   Way = "link"
	WaySignIn Way = "sign-in"
	WayAWS    Way = "aws"
)

// Decision is one approver's word on one request.
type Decision struct {
	RequestID string    `json:"request_id"`
	CaseID    string    `json:"case_id"`
	UserID    string    `json:"user_id"`
	Digest    string    `json:"digest"`
	Approver  string    `json:"approver"` // the address in the settings
	Choice    Choice    `json:"choice"`
	Reason    string    `json:"reason"`
	At        time.Time `json:"at"`
	Way       Way       `json:"way"` // how the approver was known
	// Principal is the ARN that a signed request came from, or whom a sign-in made known: the issuer, "#" and the subject.
	Principal string `json:"principal,omitempty"`
	// SettingsDigest is of the settings by which the decision was taken.
	SettingsDigest string `json:"settings_digest,omitempty"`
	MAC            []byte `json:"mac,omitempty"`
}

// Message is what the decision's MAC covers: everything but the MAC.
func (d Decision) Message() []byte {
	d.MAC = nil
	b, err := json.Marshal(d)
	if err != nil {
		panic("sunset: a decision that has no JSON: " + err.Error())
	}
	return b
}

// Barred says why an approver's word on this case can't count today, or is empty: not on the list, the starter, or
// the subject.
func Barred(s Settings, email, starter, subjectARN string) string {
	a, ok := s.Approver(email)
	switch {
	case !ok:
		return email + " is not an approver in today's settings"
	case a.Is(starter):
		return email + " started this cleanup"
	case a.Is(subjectARN):
		return email + " is the subject of this case"
	}
	return ""
}

// Barred says why an approver's word can't count on this request today, or is empty: as the function says, for both the
// claimed and the proven starter.
func (r ApprovalRequest) Barred(s Settings, email string) string {
	if why := Barred(s, email, r.Starter, r.UserARN); why != "" {
		return why
	}
	return Barred(s, email, r.Proven, r.UserARN)
}

// Is reports whether who, an address or an ARN, is this approver: by the address, by a principal that the settings name,
// or as a user or session that is called by the address. Nobody is the empty one.
func (a Approver) Is(who string) bool {
	return who != "" && (named(who, a.Email) || slices.ContainsFunc(a.Principals, func(p string) bool { return samePrincipal(p, who) }))
}

// named reports whether who is the address itself, or the ARN of a session or user that is called by it, as IAM
// Identity Center calls its sessions.
func named(who, email string) bool {
	who, email = strings.ToLower(who), strings.ToLower(email)
	return who == email || strings.HasPrefix(who, "arn:") && strings.HasSuffix(who, "/"+email)
}

// FitsClaim reports whether somebody who started a cleanup is whom its request claims: the ARN, a session of the role, as
// a schedule claims it, or a user or session that is called by the address.
func FitsClaim(claimed, who string) bool {
	return claimed != "" && (named(who, claimed) || proves(claimed, who))
}

// samePrincipal compares ARNs, taking a session of an assumed role for the role, and leaving paths out.
func samePrincipal(a, b string) bool {
	return a != "" && b != "" && strings.EqualFold(roleOf(a), roleOf(b))
}

// roleOf leaves out the path of a role, because the ARN of a session has none, and of a user, because it can be moved to
// another one; names are unique without it.
func roleOf(arn string) string {
	for _, kind := range []string{":role/", ":user/"} {
		if head, rest, ok := strings.Cut(arn, kind); ok {
			return head + kind + rest[strings.LastIndex(rest, "/")+1:]
		}
	}
	head, rest, ok := strings.Cut(arn, ":assumed-role/")
	if !ok {
		return arn
	}
	role, _, _ := strings.Cut(rest, "/")
	return strings.Replace(head, ":sts:", ":iam:", 1) + ":role/" + role
}

// Tally sums up decisions on r whose MACs hold. It is empty while more are needed. Decisions on other facts and of
// barred approvers do not count; Keep goes before SoakAgain before Delete.
func Tally(r ApprovalRequest, decisions []Decision, s Settings) Choice {
	if r.ID == "" || r.Digest == "" || r.UserID == "" {
		return ""
	}
	need := max(r.Needed, s.ApprovalsNeeded, 1) // settings that were not read must not need nobody
	var deletes []string
	var soak bool
	for _, d := range decisions {
		if d.RequestID != r.ID || d.Digest != r.Digest || d.UserID != r.UserID || d.CaseID != r.CaseID ||
			r.Barred(s, d.Approver) != "" {
			continue
		}
		switch d.Choice {
		case ChooseKeep:
			return ChooseKeep
		case ChooseSoakAgain:
			soak = true
		case ChooseDelete:
			if who := strings.ToLower(d.Approver); !r.Disturbed && !slices.Contains(deletes, who) {
				deletes = append(deletes, who)
			}
		}
	}
	if soak {
		return ChooseSoakAgain
	}
	if len(deletes) >= need {
		return ChooseDelete
	}
	return ""
}

// CheckDecision says why a decision can't be taken on r, as a sentence for its approver, or is nil.
func CheckDecision(r ApprovalRequest, d Decision, s Settings, now time.Time) error {
	switch {
	case r.State == RequestSuperseded:
		return Faultf(Conflict, "the facts about %s have changed since this page was made; open your list again", r.UserName)
	case r.State == RequestExpired || !now.Before(r.Expires):
		return Faultf(Conflict, "the time to decide on %s ended %s; it stays quarantined", r.UserName, r.Expires.UTC().Format(time.DateOnly))
	case r.State != RequestOpen:
		return Faultf(Conflict, "%s has been decided already", r.UserName)
	case d.Digest != r.Digest:
		return Faultf(Conflict, "the facts about %s have changed since this page was made; open your list again", r.UserName)
	case !slices.Contains(r.Choices(), d.Choice):
		return Faultf(Invalid, "decision: %q is not one of the choices on %s (%s)", d.Choice, r.UserName, fmt.Sprint(r.Choices()))
	case strings.TrimSpace(d.Reason) == "":
		return Faultf(Invalid, "reason: write why, in a few words")
	case utf8.RuneCountInString(d.Reason) > 1000:
		return Faultf(Invalid, "reason: %d characters are too many; write at most 1000", utf8.RuneCountInString(d.Reason))
	}
	if why := r.Barred(s, d.Approver); why != "" {
		return Faultf(AccessDenied, "%s, and so can't decide on %s", why, r.UserName)
	}
	return nil
}
