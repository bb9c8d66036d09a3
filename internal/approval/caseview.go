package approval

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type casePage struct {
	place
	Title, Email string
	Item
	Status, Mood string
	Retain       bool // the settings strip the user and keep it, instead of deleting it
	Needed       int
	Approvals    int
	Timeline     []moment
	Credentials  []credential
	Evidence     []sunset.Evidence
	Answers      string // the evidence in one line
	Heard        string // the soak in one line
	Groups       []removed
	Irreversible []string
	Options      []option // empty where nothing is to be decided here
	Obstacle     string   // why delete is not among the choices, or empty
}

// moment is a line of the timeline.
type moment struct {
	At    time.Time
	Text  string
	Alarm bool
}

type credential struct {
	Name, Status, Used string
	Created            time.Time
}

// removed is what deletion takes away of one kind.
type removed struct {
	Kind string
	Each []sunset.Artifact
}

type option struct {
	Value       sunset.Choice
	Label, Does string
}

func caseView(at place, email string, item Item, now time.Time) casePage {
	r := item.Request
	p := casePage{place: at, Title: CleanReason(r.UserName), Email: email, Item: item, Retain: r.Facts.Final == sunset.FinalRetain, Needed: max(r.Needed, 1)}
	p.Status, p.Mood = standing(item, now)
	for _, d := range item.decisions() {
		if d.Choice == sunset.ChooseDelete {
			p.Approvals++
		}
	}
	p.Timeline = timeline(item)
	p.Credentials = credentials(r)
	p.Evidence, p.Answers = evidence(r.Shown.Evidence)
	p.Heard = "Every check heard nothing."
	if n := len(r.Facts.Signals); n > 0 {
		p.Heard = "The checks heard " + counted(n, "signal.", "signals.")
	}
	p.Obstacle = obstacle(r)
	// What people wrote about a reference is not among the facts, and is put beside them.
	for i, ref := range p.Request.Facts.References {
		for _, told := range r.Shown.References {
			detail := told.Detail
			if told.Detail = ""; told == ref {
				p.Request.Facts.References[i].Detail = detail
			}
		}
	}
	p.Groups = groups(r.Facts.Artifacts)
	p.Irreversible = irreversible(r)
	if r.State == sunset.RequestOpen && now.Before(r.Expires) && item.Mine == nil && item.Barred == "" {
		p.Options = options(r)
	}
	return p
}

// obstacle says why r can't be decided with delete, or is empty.
func obstacle(r sunset.ApprovalRequest) string {
	if !r.Disturbed {
		return ""
	}
	if len(r.Facts.Signals) > 0 {
		return "something was heard while it was disabled"
	}
	for _, ref := range r.Facts.References {
		if ref.Weight == sunset.Blocking {
			return CleanReason(ref.Resource) + " would be left without anybody who can use it"
		}
	}
	return "its soak was disturbed"
}

func (i Item) decisions() []sunset.Decision {
	all := slices.Clone(i.Others)
	if i.Mine != nil {
		all = append(all, *i.Mine)
	}
	slices.SortStableFunc(all, func(a, b sunset.Decision) int { return a.At.Compare(b.At) })
	return all
}

// Decisions are everybody's, in order of time.
func (p casePage) Decisions() []sunset.Decision { return p.decisions() }

func timeline(item Item) []moment {
	r, s := item.Request, item.Request.Shown
	var all []moment
	add := func(at time.Time, alarm bool, format string, args ...any) {
		if !at.IsZero() {
			all = append(all, moment{At: at, Text: CleanReason(fmt.Sprintf(format, args...)), Alarm: alarm})
		}
	}
	add(r.Facts.Created, false, "The user was created")
	if a := s.LastSeen; a != nil {
		add(a.At, false, "Last seen: %s %s", a.Service, a.Call)
	}
	for _, c := range s.Credentials {
		if c.LastUsed != nil {
			add(*c.LastUsed, false, "Its %s was last used", c.Label())
		}
	}
	if s.Quarantine.At.Equal(s.SoakFrom) {
		add(s.SoakFrom, false, "Disabled (%s); the soak began", methodLabel(s.Quarantine.Method))
	} else {
		add(s.Quarantine.At, false, "Disabled (%s)", methodLabel(s.Quarantine.Method))
		add(s.SoakFrom, false, "The soak began")
	}
	for _, sig := range r.Facts.Signals {
		add(sig.At, true, "Heard: %s", sig.Detail)
	}
	add(s.SoakUntil, false, "The soak's end")
	add(s.HeardUntil, false, "CloudTrail is heard up to here")
	add(r.Issued, false, "You were asked")
	for _, d := range item.decisions() {
		add(d.At, false, "%s decided: %s", d.Approver, choiceLabel(d.Choice))
	}
	add(r.Expires, false, "The last moment to decide; without a decision the user stays disabled")
	slices.SortStableFunc(all, func(a, b moment) int { return a.At.Compare(b.At) })
	return all
}

func methodLabel(m sunset.Method) string {
	switch m {
	case sunset.InlineDeny:
		return "an inline policy denies everything"
	case sunset.ManagedDeny:
		return "AWS's policy AWSDenyAll is attached"
	case sunset.Deactivation:
		return "credentials switched off, password removed"
	}
	return "method not known"
}

// MethodLabel says how the user was disabled.
func (p casePage) MethodLabel() string { return methodLabel(p.Request.Shown.Quarantine.Method) }

// credentials lists the ways in. Those that are bound by the digest are all there, whatever else was handed over.
func credentials(r sunset.ApprovalRequest) []credential {
	var out []credential
	for _, a := range r.Facts.Artifacts {
		c := sunset.Credential{Kind: sunset.CredentialKind(a.Kind), ID: a.ID, Status: sunset.Status(a.Status)}
		switch c.Kind {
		case sunset.Password, sunset.AccessKey, sunset.SSHKey, sunset.ServiceCredential, sunset.SigningCertificate:
		default:
			continue
		}
		known := slices.IndexFunc(r.Shown.Credentials, func(o sunset.Credential) bool { return o.Kind == c.Kind && o.ID == c.ID })
		if known >= 0 {
			c = r.Shown.Credentials[known]
		}
		line := credential{Name: sentence(c.Label()), Status: a.Status, Created: c.Created}
		switch {
		case c.LastUsed != nil:
			line.Used = when(*c.LastUsed)
			if c.Service != "" {
				line.Used += ", " + c.Service
			}
		case !c.Kind.UseReported():
			line.Used = "AWS does not report it"
		case known >= 0:
			line.Used = "never"
		default:
			line.Used = "not known"
		}
		out = append(out, line)
	}
	return out
}

// evidence puts what is not a plain "unused" first, and sums up.
func evidence(all []sunset.Evidence) ([]sunset.Evidence, string) {
	rank := map[sunset.Use]int{sunset.Used: 0, sunset.Unknown: 1, sunset.Unused: 2}
	count := map[sunset.Use]int{}
	for _, e := range all {
		count[e.Use]++
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b sunset.Evidence) int { return rank[a.Use] - rank[b.Use] })
	var parts []string
	for _, use := range []sunset.Use{sunset.Unused, sunset.Unknown, sunset.Used} {
		if n := count[use]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d: %s", n, use))
		}
	}
	return sorted, counted(len(all), "answer", "answers") + " (" + strings.Join(parts, ", ") + ")"
}

func groups(artifacts []sunset.Artifact) []removed {
	var out []removed
	for _, a := range artifacts {
		if n := len(out); n == 0 || out[n-1].Kind != a.Kind {
			out = append(out, removed{Kind: a.Kind})
		}
		last := &out[len(out)-1]
		last.Each = append(last.Each, a)
	}
	return out
}

// irreversible lists what no restore brings back once the decision is carried out.
func irreversible(r sunset.ApprovalRequest) []string {
	var out []string
	has := map[string]int{}
	for _, a := range r.Facts.Artifacts {
		has[a.Kind]++
	}
	for _, k := range []struct{ kind, text string }{
		{"password", "The password. Nobody can set the same one again without knowing it."},
		{"access-key", "The access keys. Whatever still holds one needs a new one."},
		{"ssh-key", "The SSH keys, as far as AWS knows them; their owners may upload them again."},
		{"service-credential", "The service-specific credentials. AWS never gives the same one twice."},
		{"signing-certificate", "The signing certificates, as far as AWS knows them."},
		{"mfa-virtual", "The virtual MFA device; its owner would have to set up a new one."},
		{"mfa-fido", "The pairing with the FIDO key; its owner would have to pair it again."},
		{"mfa-hardware", "The pairing with the hardware token; its owner would have to pair it again."},
	} {
		if has[k.kind] > 0 {
			out = append(out, k.text)
		}
	}
	if r.Facts.Final != sunset.FinalRetain {
		out = append([]string{"The user and its id " + r.UserID + ". A new user of the same name is another user to AWS."}, out...)
		if len(r.Facts.References) > 0 {
			out = append(out, "What other policies grant to it. AWS stores the id in them, so a new user of the same name gets nothing from them.")
		}
	}
	if lost := CleanReason(r.Shown.Quarantine.Lost); lost != "" {
		out = append(out, "Lost already when it was disabled: "+lost)
	}
	return out
}

func options(r sunset.ApprovalRequest) []option {
	var out []option
	for _, c := range r.Choices() {
		o := option{Value: c}
		switch c {
		case sunset.ChooseDelete:
			o.Label, o.Does = "Delete", "The user and everything listed above goes, for good."
			if r.Facts.Final == sunset.FinalRetain {
				o.Label, o.Does = "Strip", "All credentials listed above go, for good; the empty, tagged user stays."
			}
			if r.Needed > 1 {
				o.Does += fmt.Sprintf(" Needs %d approvers.", r.Needed)
			}
		case sunset.ChooseKeep:
			o.Label, o.Does = "Keep", "The user gets back what it had before it was disabled. One approver is enough."
		case sunset.ChooseSoakAgain:
			o.Label, o.Does = "Soak again", "The user stays disabled and is listened to for another round; then you are asked again."
		}
		out = append(out, o)
	}
	return out
}
