package sunset

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Moved says what differs between the facts that somebody was shown and those of now, in sentences for people: what the user
// is, what it has, what names it, what was heard. It is empty only where both have the same digest. Names and details in it
// come from the account, and are to be escaped like any other.
func Moved(shown, now Facts) []string {
	if shown.Digest() == now.Digest() {
		return nil
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if shown.UserID != now.UserID || !shown.Created.Equal(now.Created) {
		say("The name belongs to another user now: %s, created %s; it was %s.", now.UserID, day(now.Created), shown.UserID)
	}
	if shown.Name != now.Name {
		say("It is called %s now; it was %s.", now.Name, shown.Name)
	}
	if shown.Final != now.Final {
		if now.Final == FinalRetain {
			say("Approval strips the user and keeps it now; it deleted it before.")
		} else {
			say("Approval deletes the user now; it stripped and kept it before.")
		}
	}
	out = append(out, movedArtifacts(shown.Artifacts, now.Artifacts)...)
	out = append(out, movedReferences(shown.References, now.References)...)
	out = append(out, movedSignals(shown.Signals, now.Signals)...)
	if len(out) == 0 {
		say("The same things are listed in another way, so that a decision on the earlier list doesn't count.")
	}
	return out
}

func movedArtifacts(shown, now []Artifact) []string {
	var out []string
	at := func(all []Artifact, a Artifact) int {
		return slices.IndexFunc(all, func(o Artifact) bool { return o.Kind == a.Kind && o.ID == a.ID })
	}
	for _, a := range now {
		switch i := at(shown, a); {
		case i < 0 && a.Status != "":
			out = append(out, fmt.Sprintf("It has one more: %s, %s.", a.Label(), a.Status))
		case i < 0:
			out = append(out, fmt.Sprintf("It has one more: %s.", a.Label()))
		case shown[i].Status != a.Status:
			out = append(out, fmt.Sprintf("Its %s is %s now; it was %s.", a.Label(), orNothing(a.Status), orNothing(shown[i].Status)))
		}
	}
	for _, a := range shown {
		if at(now, a) < 0 {
			out = append(out, fmt.Sprintf("It does not have this any more: %s.", a.Label()))
		}
	}
	return out
}

// Label names the artifact for people.
func (a Artifact) Label() string {
	switch kind := CredentialKind(a.Kind); kind {
	case Password, AccessKey, SSHKey, ServiceCredential, SigningCertificate:
		return Credential{Kind: kind, ID: a.ID}.Label()
	}
	name, ok := map[string]string{
		"mfa-virtual": "virtual MFA device", "mfa-fido": "FIDO key or passkey", "mfa-hardware": "hardware MFA token",
		"spare-mfa": "unassigned virtual MFA device", "group": "membership of group", "inline-policy": "inline policy", "attached-policy": "attached policy",
	}[a.Kind]
	if !ok {
		name = strings.ReplaceAll(a.Kind, "-", " ")
	}
	return strings.TrimSpace(name + " " + a.ID)
}

func movedReferences(shown, now []Reference) []string {
	var out []string
	at := func(all []Reference, r Reference) int {
		return slices.IndexFunc(all, func(o Reference) bool {
			return o.Service == r.Service && o.Region == r.Region && o.Resource == r.Resource && o.How == r.How
		})
	}
	for _, r := range now {
		switch i := at(shown, r); {
		case i < 0 && r.Weight == Blocking:
			out = append(out, fmt.Sprintf("%s names it now, and would be left without anybody who can use it.", r.Resource))
		case i < 0:
			out = append(out, fmt.Sprintf("%s names it now (%s).", r.Resource, r.How))
		case shown[i].Weight != r.Weight && r.Weight == Blocking:
			out = append(out, fmt.Sprintf("%s would be left without anybody who can use it now.", r.Resource))
		case shown[i].Weight != r.Weight:
			out = append(out, fmt.Sprintf("%s has somebody else who can use it now.", r.Resource))
		}
	}
	for _, r := range shown {
		if at(now, r) < 0 {
			out = append(out, fmt.Sprintf("%s does not name it any more (%s).", r.Resource, r.How))
		}
	}
	return out
}

func movedSignals(shown, now []Signal) []string {
	var out []string
	without := func(all, others []Signal) []Signal {
		return slices.DeleteFunc(slices.Clone(all), func(s Signal) bool {
			return slices.ContainsFunc(others, func(o Signal) bool { return o.Key() == s.Key() })
		})
	}
	for _, s := range without(now, shown) {
		out = append(out, fmt.Sprintf("Heard since, %s: %s.", s.At.UTC().Format("2 January 2006 15:04 MST"), strings.TrimSuffix(s.saying(), ".")))
	}
	for _, s := range without(shown, now) {
		out = append(out, fmt.Sprintf("Not counted any more: %s.", strings.TrimSuffix(s.saying(), ".")))
	}
	return out
}

func (s Signal) saying() string {
	if s.Detail == "" {
		return strings.TrimSpace(string(s.Kind) + " " + s.About)
	}
	return s.Detail
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

func orNothing(s string) string {
	if s == "" {
		return "without a status"
	}
	return s
}
