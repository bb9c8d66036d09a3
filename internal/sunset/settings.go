package sunset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/mail"
	"path"
	"slices"
	"strings"
	"time"
)

// Settings belong to the deployment and are read live: what they say today decides, not what they said at the start.
type Settings struct {
	Unused       Duration `json:"unused"`        // a credential idle for longer is unused
	MinAge       Duration `json:"min_age"`       // a younger user is kept
	Soak         Duration `json:"soak"`          // how long a quarantined user is listened to, at least
	Batch        int      `json:"batch"`         // users disabled a day, over all cleanups
	Notice       Duration `json:"notice"`        // between telling the owner and the first turn
	ApprovalOpen Duration `json:"approval_open"` // how long a request may be decided on
	CapPercent   int      `json:"cap_percent"`   // of all users; more eligible than that refuses the cleanup

	Disable DisableHow `json:"disable"`
	Final   Final      `json:"final"`

	Approvers       []Approver `json:"approvers"`
	ApprovalsNeeded int        `json:"approvals_needed"`

	Exemptions    []Exemption    `json:"exemptions"`
	AcceptUnknown []string       `json:"accept_unknown"` // user names whose unreported credentials may be ignored
	AcceptUnread  []string       `json:"accept_unread"`  // services that ownership may fail to read, such as "ecr"
	ClosedRegions []ClosedRegion `json:"closed_regions"`
	Windows       []Window       `json:"windows"`      // when anything changes; empty: always
	OfficeHours   []Window       `json:"office_hours"` // when approvers get messages; empty: always
	Team          string         `json:"team"`         // address told when nobody else is

	// Owners say whose a user is; the first that fits goes before tags and creators.
	Owners []OwnerRule `json:"owners,omitempty"`
	// OwnerDomains are the domains of addresses that owners are told at, and to which a user may be handed over. Empty: any
	// owner is told, and nobody can hand over.
	OwnerDomains []string `json:"owner_domains,omitempty"`
	// SignIn has people sign in before any page; nil: links alone tell who they are.
	SignIn *IdentityProvider `json:"sign_in,omitempty"`
	// Messages replace the texts of messages.
	Messages map[MessageKind]Wording `json:"messages,omitempty"`

	// Accounts may be cleaned up beside the deployment's own.
	Accounts []MemberAccount `json:"accounts,omitempty"`

	// SMTP sends what an outbox on one machine writes; nil: it is only written.
	SMTP *SMTP `json:"smtp,omitempty"`
}

// DisableHow says how users are disabled.
type DisableHow string

// ByQuarantine attaches a deny; ByDeactivation switches credentials off at once, and loses the password.
const (
	ByQuarantine   DisableHow = "quarantine"
	ByDeactivation DisableHow = "deactivate"
)

// Final says how an approved case ends.
type Final string

// FinalDelete deletes the user; FinalRetain strips it of credentials and keeps the tagged, empty user.
const (
	FinalDelete Final = "delete"
	FinalRetain Final = "retain"
)

// Approver may decide on cases. Principals are the ARNs under which the same person acts in AWS: an approver who
// started a cleanup, or is its subject, does not count.
type Approver struct {
	Email      string   `json:"email"`
	Principals []string `json:"principals"`
}

// ClosedRegion is a region that need not be asked, with the reason why nothing can happen there.
type ClosedRegion struct {
	Region string `json:"region"`
	Reason string `json:"reason"`
}

// DefaultSettings is what holds where nothing is said. It names no approver, and so deletes nobody.
func DefaultSettings() Settings {
	return Settings{
		Unused: Days(90), MinAge: Days(30), Soak: Days(14), Batch: 20, Notice: Days(3), ApprovalOpen: Days(14),
		CapPercent: 20, Disable: ByQuarantine, Final: FinalDelete, ApprovalsNeeded: 1,
	}
}

// ParseSettings reads settings over the defaults. An unknown field, a second document or an impossible value is an
// Invalid fault that names the field.
func ParseSettings(b []byte) (Settings, error) {
	s := DefaultSettings()
	if err := decodeStrictly(b, &s); err != nil {
		return Settings{}, Faultf(Invalid, "settings: %w", err)
	}
	if err := s.Validate(); err != nil {
		return Settings{}, err
	}
	return s, nil
}

func decodeStrictly[T any](b []byte, into *T) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) && wrongType.Field == "" {
			return fmt.Errorf("the document must be an object, not %s", wrongType.Value)
		}
		if errors.As(err, &wrongType) {
			return fmt.Errorf("field %q can't be %s", wrongType.Field, wrongType.Value)
		}
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("the document is not JSON: at byte %d: %w", syntax.Offset, err)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the document is not JSON: it breaks off")
		}
		if errors.Is(err, io.EOF) {
			return errors.New("the document is empty; write at least {}")
		}
		return errors.New(fieldAtFault[T](b) + strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the end of the document")
	}
	if twice := Repeated(b); twice != "" {
		return fmt.Errorf("the field %q stands there twice", twice)
	}
	return nil
}

// fieldAtFault finds the field whose value can't be read, since a type's own UnmarshalJSON isn't told which one it reads.
func fieldAtFault[T any](b []byte) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		alone, err := json.Marshal(map[string]json.RawMessage{name: fields[name]})
		if err == nil && json.Unmarshal(alone, new(T)) != nil {
			return name + ": "
		}
	}
	return ""
}

// longestCase leaves room for turns and windows in the year that an execution of Step Functions may take.
const longestCase = 300 * 24 * time.Hour

// Validate returns an Invalid fault that names the first impossible field.
func (s Settings) Validate() error {
	bad := func(field, format string, args ...any) error {
		return Faultf(Invalid, "settings: %s: %w", field, fmt.Errorf(format, args...))
	}
	for _, d := range []struct {
		field string
		value Duration
		least time.Duration
	}{
		{"unused", s.Unused, 24 * time.Hour},
		{"min_age", s.MinAge, 0},
		{"soak", s.Soak, time.Second},
		{"notice", s.Notice, 0},
		{"approval_open", s.ApprovalOpen, time.Second},
	} {
		if d.value.Std() < d.least {
			return bad(d.field, "%s is too short; it must be at least %s", d.value, Duration(d.least))
		}
	}
	for _, d := range []struct {
		field string
		value Duration
	}{{"soak", s.Soak}, {"notice", s.Notice}, {"approval_open", s.ApprovalOpen}} {
		if d.value.Std() > longestCase {
			return bad(d.field, "%s is too long; it must be at most %s, since an execution lives a year", d.value, Duration(longestCase))
		}
	}
	switch {
	case s.Batch < 1 || s.Batch > 5000:
		return bad("batch", "%d is not a number of users a day from 1 to 5000", s.Batch)
	case s.CapPercent < 1 || s.CapPercent > 100:
		return bad("cap_percent", "%d is not a percentage from 1 to 100", s.CapPercent)
	case s.Disable != ByQuarantine && s.Disable != ByDeactivation:
		return bad("disable", "%q is neither %q nor %q", s.Disable, ByQuarantine, ByDeactivation)
	case s.Final != FinalDelete && s.Final != FinalRetain:
		return bad("final", "%q is neither %q nor %q", s.Final, FinalDelete, FinalRetain)
	case s.ApprovalsNeeded < 1:
		return bad("approvals_needed", "%d is too few; it must be at least 1", s.ApprovalsNeeded)
	case len(s.Approvers) > 0 && s.ApprovalsNeeded > len(s.Approvers):
		return bad("approvals_needed", "%d are needed but only %d approvers are named", s.ApprovalsNeeded, len(s.Approvers))
	}
	seen := map[string]bool{}
	var principals []string
	for i, a := range s.Approvers {
		addr, err := mail.ParseAddress(a.Email)
		if err != nil || addr.Address != a.Email {
			return bad(fmt.Sprintf("approvers[%d].email", i), "%q is not a plain e-mail address", a.Email)
		}
		if key := strings.ToLower(a.Email); seen[key] {
			return bad(fmt.Sprintf("approvers[%d].email", i), "%q is named twice", a.Email)
		} else {
			seen[key] = true
		}
		for _, p := range a.Principals {
			if !strings.HasPrefix(p, "arn:") {
				return bad(fmt.Sprintf("approvers[%d].principals", i), "%q is not an ARN", p)
			}
			// Otherwise one person would be two approvers.
			if slices.ContainsFunc(principals, func(other string) bool { return samePrincipal(p, other) }) {
				return bad(fmt.Sprintf("approvers[%d].principals", i), "%q belongs to another approver as well", p)
			}
		}
		principals = append(principals, a.Principals...)
	}
	for i, e := range s.Exemptions {
		field := fmt.Sprintf("exemptions[%d]", i)
		if e.Name == "" && e.Path == "" && e.Tag == "" {
			return bad(field, "it must say name, path or tag")
		}
		if strings.TrimSpace(e.Reason) == "" {
			return bad(field+".reason", "an exemption must say why")
		}
		if _, err := path.Match(e.Name, ""); err != nil {
			return bad(field+".name", "%q is not a glob", e.Name)
		}
		if e.Path != "" && !strings.HasPrefix(e.Path, "/") {
			return bad(field+".path", "%q is no path; it must begin with a slash", e.Path)
		}
		if strings.HasPrefix(e.Tag, "=") {
			return bad(field+".tag", "%q has no key; write key or key=value", e.Tag)
		}
		if e.Expires != "" {
			if _, err := time.Parse(time.DateOnly, e.Expires); err != nil {
				return bad(field+".expires", "%q is not a day such as 2027-01-31", e.Expires)
			}
		}
	}
	for i, name := range s.AcceptUnknown {
		if strings.TrimSpace(name) == "" || strings.ContainsAny(name, "*?") {
			return bad(fmt.Sprintf("accept_unknown[%d]", i), "%q is not the name of one user", name)
		}
	}
	for i, service := range s.AcceptUnread {
		if !ownershipServices[service] {
			return bad(fmt.Sprintf("accept_unread[%d]", i), "%q is not one of %s", service,
				strings.Join(slices.Sorted(maps.Keys(ownershipServices)), ", "))
		}
	}
	if addr, err := mail.ParseAddress(s.Team); s.Team != "" && (err != nil || addr.Address != s.Team) {
		return bad("team", "%q is not a plain e-mail address", s.Team)
	}
	for i, r := range s.ClosedRegions {
		if r.Region == "" || strings.TrimSpace(r.Reason) == "" {
			return bad(fmt.Sprintf("closed_regions[%d]", i), "it must say region and reason")
		}
	}
	for _, set := range []struct {
		field   string
		windows []Window
	}{{"windows", s.Windows}, {"office_hours", s.OfficeHours}} {
		for i, w := range set.windows {
			if err := w.validate(); err != nil {
				return bad(fmt.Sprintf("%s[%d]", set.field, i), "%w", err)
			}
		}
	}
	if field, err := validateAccounts(s.Accounts); err != nil {
		return bad(field, "%w", err)
	}
	if field, err := s.validateOwners(); err != nil {
		return bad(field, "%w", err)
	}
	if field, err := s.SignIn.validate(); err != nil {
		return bad("sign_in."+field, "%w", err)
	}
	if field, err := validateMessages(s.Messages); err != nil {
		return bad("messages"+field, "%w", err)
	}
	if field, err := s.SMTP.validate(); err != nil {
		return bad("smtp."+field, "%w", err)
	}
	return nil
}

// RegionClosed gives the reason for which a region need not be asked.
func (s Settings) RegionClosed(region string) (reason string, closed bool) {
	for _, r := range s.ClosedRegions {
		if r.Region == region {
			return r.Reason, true
		}
	}
	return "", false
}

// Approver finds an approver by address, whatever its case.
func (s Settings) Approver(email string) (Approver, bool) {
	for _, a := range s.Approvers {
		if strings.EqualFold(a.Email, email) {
			return a, true
		}
	}
	return Approver{}, false
}

// Digest identifies settings in plans and decisions.
func (s Settings) Digest() string { return digestOf(s) }
