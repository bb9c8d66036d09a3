package sunset

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ReasonCode says in one word why a user is kept.
type ReasonCode string

// The reasons. NotRequested is a user outside the names that a request narrows to.
const (
	IsActive        ReasonCode = "active"
	TooYoung        ReasonCode = "too-young"
	Exempt          ReasonCode = "exempt"
	IsUnknown       ReasonCode = "unknown"
	Blocked         ReasonCode = "blocked"
	InCase          ReasonCode = "in-case"
	NotCrosschecked ReasonCode = "not-cross-checked"
	NotRequested    ReasonCode = "not-requested"
)

// Reason is why a user is kept.
type Reason struct {
	Code ReasonCode `json:"code"`
	Text string     `json:"text"`
}

// Verdict on one user: eligible, or kept with reasons.
type Verdict struct {
	Eligible bool     `json:"eligible"`
	Reasons  []Reason `json:"reasons,omitempty"`
}

// Has reports whether the verdict gives this reason.
func (v Verdict) Has(code ReasonCode) bool {
	return slices.ContainsFunc(v.Reasons, func(r Reason) bool { return r.Code == code })
}

// Entry is one user in a plan.
type Entry struct {
	User        User        `json:"user"`
	Class       Class       `json:"class"`
	ClassRule   string      `json:"class_rule,omitempty"`
	Owner       Owner       `json:"owner,omitzero"`
	CodeManaged string      `json:"code_managed,omitempty"`
	Evidence    []Evidence  `json:"evidence,omitempty"`
	References  []Reference `json:"references,omitempty"`
	LastSeen    *Activity   `json:"last_seen,omitempty"`
	FormerNames []string    `json:"former_names,omitempty"`
	SpareMFA    []string    `json:"spare_mfa,omitempty"`
	// Detailed says that the user's own reads were made: report and bulk reads know no SSH keys, for one.
	Detailed bool `json:"detailed,omitempty"`
	// TrailRead and OwnershipRead say that the check was made for this user.
	TrailRead     bool    `json:"trail_read,omitempty"`
	OwnershipRead bool    `json:"ownership_read,omitempty"`
	Verdict       Verdict `json:"verdict"`
}

// Plan is a cleanup's list of all users.
type Plan struct {
	CleanupID      string      `json:"cleanup_id"`
	Account        string      `json:"account"`
	Made           time.Time   `json:"made"`
	ReportMade     time.Time   `json:"report_made,omitzero"`
	SettingsDigest string      `json:"settings_digest"`
	Settings       Settings    `json:"settings"` // as tightened by the request
	Request        Request     `json:"request"`
	Regions        []string    `json:"regions,omitempty"`
	Gaps           []Gap       `json:"gaps,omitempty"`
	ClassRules     []ClassRule `json:"class_rules"`
	IdleExemptions []string    `json:"idle_exemptions,omitempty"`
	UnknownNames   []string    `json:"unknown_names,omitempty"` // requested, but no such user
	Entries        []Entry     `json:"entries"`
}

// Around is what judging one user needs beside its entry.
type Around struct {
	Now      time.Time
	Settings Settings
	Request  Request
	// Marks are cases that may have marked the user: the one that it is judged for, and one that has ended here.
	Marks func(userID string) []string
	// Formerly are names that the user had in its plan.
	Formerly []string
	// Due says that the user is judged for a case, which may have quarantined it already.
	Due bool
	// InCase says that the UserId has an open case.
	InCase func(userID string) bool
	// Left says in a sentence which case has ended and left the user disabled, or is empty.
	Left func(userID string) string
	// Own says why the product must never touch this user: the caller, an approver's own, the product's own.
	Own func(User) string
	// Gaps are what could not be read for anybody.
	Gaps []Gap
}

// LooksUnused judges by report and bulk reads alone. Only such a user is worth reads of its own.
func LooksUnused(e Entry, a Around) bool {
	v := judge(e, a)
	return len(v) == 0
}

// Judge gives the verdict on an entry for which everything that will be read has been.
func Judge(e Entry, a Around) Verdict {
	reasons := judge(e, a)
	add := func(code ReasonCode, format string, args ...any) {
		reasons = append(reasons, Reason{code, fmt.Sprintf(format, args...)})
	}
	if !e.Detailed && len(reasons) == 0 {
		add(IsUnknown, "its own credentials were not read")
	}
	if len(reasons) == 0 && (!e.TrailRead || !e.OwnershipRead) {
		var missing []string
		if !e.TrailRead {
			missing = append(missing, "CloudTrail")
		}
		if !e.OwnershipRead {
			missing = append(missing, "ownership")
		}
		add(NotCrosschecked, "%s not checked", strings.Join(missing, " and "))
	}
	for _, r := range e.References {
		if r.Weight == Blocking {
			add(Blocked, "%s names it (%s): %s", r.Resource, r.How, r.Detail)
		}
	}
	for _, g := range a.Gaps {
		service := g.Service()
		_, closed := a.Settings.RegionClosed(g.Region)
		switch {
		case ownershipServices[service]:
			if e.OwnershipRead && !slices.Contains(a.Settings.AcceptUnread, service) {
				add(IsUnknown, "what names it was not read: %s%s: %s", g.Action, inRegion(g.Region), g.Why)
			}
		case !closed:
			// Whatever else was not read may have told of use: accept_unread is about ownership alone.
			add(IsUnknown, "not read: %s%s: %s", g.Action, inRegion(g.Region), g.Why)
		}
	}
	return Verdict{Eligible: len(reasons) == 0, Reasons: reasons}
}

// ownershipServices are those whose policies may name a user. A gap there says that blocking references may exist.
var ownershipServices = map[string]bool{
	"s3": true, "kms": true, "iam": true, "sns": true, "sqs": true, "lambda": true, "secretsmanager": true, "ecr": true, "tag": true, "account": true,
}

func inRegion(region string) string {
	if region == "" {
		return ""
	}
	return " in " + region
}

func judge(e Entry, a Around) []Reason {
	var reasons []Reason
	add := func(code ReasonCode, format string, args ...any) {
		reasons = append(reasons, Reason{code, fmt.Sprintf(format, args...)})
	}
	u := e.User
	if len(a.Request.Users) > 0 && !slices.Contains(a.Request.Users, u.Name) {
		add(NotRequested, "the request names other users")
	}
	if a.Own != nil {
		if why := a.Own(u); why != "" {
			add(Exempt, "%s", why)
		}
	}
	if x, ok := a.Settings.ExemptionFor(u, a.Now, a.Formerly...); ok {
		add(Exempt, "%s (exemption by %s)", x.Reason, x)
	}
	if _, ok := tagFold(u.Tags, TagKeep); ok {
		add(Exempt, "it carries the tag %s", TagKeep)
	}
	if a.InCase != nil && a.InCase(u.ID) {
		add(InCase, "another case on it is open")
	}
	if a.Left != nil {
		if why := a.Left(u.ID); why != "" {
			add(InCase, "%s", why)
		}
	}
	if !slices.ContainsFunc(reasons, func(r Reason) bool { return r.Code == InCase }) {
		if why := elsewhere(u, a); why != "" {
			add(InCase, "%s", why)
		}
	}
	switch age := a.Now.Sub(u.Created); {
	case u.Created.IsZero() || u.ID == "":
		add(IsUnknown, "its UserId or creation date was not read")
	case age < a.Settings.MinAge.Std():
		add(TooYoung, "it is %d days old; %s are the least", int(age.Hours()/24), a.Settings.MinAge)
	}
	reasons = append(reasons, useReasons(e, a)...)
	return reasons
}

// elsewhere says by what a user looks like one of a case that isn't known here: another deployment's, or one whose rows were
// lost. A new snapshot would take that one's deny for the user's own, and two would end what one began.
func elsewhere(u User, a Around) string {
	id, marked := u.Tags[TagCase]
	switch {
	case marked && (id == "" || a.Marks == nil || !slices.Contains(a.Marks(u.ID), id)):
		return fmt.Sprintf("it carries the tag %s of case %q, which is not known here: rescue it where that case was opened, or give it back by hand", TagCase, id)
	case !a.Due && slices.Contains(u.Inline, DenyPolicyName):
		return fmt.Sprintf("it has the inline policy %s of a case that is not known here: rescue it where that case was opened, or give it back by hand", DenyPolicyName)
	}
	return ""
}

// useReasons weighs the credentials and the evidence.
func useReasons(e Entry, a Around) []Reason {
	var reasons []Reason
	accepted := slices.Contains(a.Settings.AcceptUnknown, e.User.Name)
	limit := a.Now.Add(-a.Settings.Unused.Std())
	for _, c := range e.User.Credentials {
		switch since := lastSign(c); {
		case !c.Kind.UseReported() && !accepted:
			// One that is Inactive too: until when it was used is just as unknown.
			reasons = append(reasons, Reason{IsUnknown, fmt.Sprintf("AWS does not report when its %s was used", c.Label())})
		case c.Kind == AccessKey && sendsMail(e.User, c) && !accepted:
			reasons = append(reasons, Reason{IsUnknown, fmt.Sprintf("its %s sends mail by SMTP, which CloudTrail does not show", c.Label())})
		case since.IsZero():
			reasons = append(reasons, Reason{IsUnknown, fmt.Sprintf("when its %s was made is not known", c.Label())})
		case since.After(limit) && c.LastUsed != nil && c.LastUsed.After(limit):
			reasons = append(reasons, Reason{IsActive, fmt.Sprintf("its %s was used %s", c.Label(), c.LastUsed.UTC().Format(time.DateOnly))})
		case since.After(limit):
			reasons = append(reasons, Reason{IsActive, fmt.Sprintf("its %s is only %d days old", c.Label(), int(a.Now.Sub(since).Hours()/24))})
		}
	}
	if p := e.User.PasswordLastUsed; p != nil && p.After(limit) && !slices.ContainsFunc(reasons, func(r Reason) bool { return r.Code == IsActive }) {
		reasons = append(reasons, Reason{IsActive, "its password was used " + p.UTC().Format(time.DateOnly)})
	}
	for _, ev := range e.Evidence {
		switch ev.Use {
		case Used:
			if ev.Last == nil || ev.Last.After(limit) {
				reasons = append(reasons, Reason{IsActive, cmp.Or(ev.Detail, ev.Source+" shows use") + inRegion(ev.Region)})
			}
		case Unknown:
			reasons = append(reasons, Reason{IsUnknown, cmp.Or(ev.Detail, ev.Source+" could not be read") + inRegion(ev.Region)})
		case Unused:
		default:
			reasons = append(reasons, Reason{IsUnknown, fmt.Sprintf("%s gave evidence that can't be read", ev.Source)})
		}
	}
	return reasons
}

// sendsMail reports whether an access key looks like an SMTP password of SES. A key that was only ever used for SMTP may
// show no use at all (inferred), so the signs that the SES console leaves count as well: the user's name, its group and
// its policy. https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
func sendsMail(u User, key Credential) bool {
	return strings.EqualFold(key.Service, "ses") || strings.HasPrefix(strings.ToLower(u.Name), "ses-smtp-user") ||
		slices.Contains(u.Groups, "AWSSESSendingGroupDoNotRename") || slices.Contains(u.Inline, "AmazonSesSendingAccess")
}

// lastSign is when a credential was last used, or else made.
func lastSign(c Credential) time.Time {
	if c.LastUsed != nil && c.LastUsed.After(c.Created) {
		return *c.LastUsed
	}
	if c.LastUsed != nil && c.Created.IsZero() {
		return *c.LastUsed
	}
	return c.Created
}

// Weigh gives evidence with every use that lies before the limit as what it says of the present: unused, last seen then.
func Weigh(evidence []Evidence, limit time.Time) []Evidence {
	out := slices.Clone(evidence)
	for i, e := range out {
		if e.Use == Used && e.Last != nil && !e.Last.After(limit) {
			out[i].Use = Unused
		}
	}
	return out
}

// Eligible gives the plan's eligible entries, longest unused first, so that the surest go first.
func (p Plan) Eligible() []Entry {
	var out []Entry
	for _, e := range p.Entries {
		if e.Verdict.Eligible {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int {
		if c := a.User.LastUse().Compare(b.User.LastUse()); c != 0 {
			return c
		}
		return strings.Compare(a.User.ID, b.User.ID)
	})
	return out
}

// Refusal is why the plan must not be carried out, or empty: more are eligible than the cap allows.
func (p Plan) Refusal() string {
	n, all := len(p.Eligible()), len(p.Entries)
	if n*100 <= p.Settings.CapPercent*all {
		return ""
	}
	return fmt.Sprintf("cap_percent: %d of %d users are eligible, which is more than %d %%; nothing was changed: "+
		"read the plan, then raise cap_percent in the settings or name fewer users", n, all, p.Settings.CapPercent)
}

// LastUse is the latest use of any credential as far as reported, or else the user's creation.
func (u User) LastUse() time.Time {
	last := u.Created
	for _, c := range u.Credentials {
		if c.LastUsed != nil && c.LastUsed.After(last) {
			last = *c.LastUsed
		}
	}
	if u.PasswordLastUsed != nil && u.PasswordLastUsed.After(last) {
		last = *u.PasswordLastUsed
	}
	return last
}
