package approval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

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

// answer is what one source says, in a word for people: used, unused, unknown, or not read.
type answer struct {
	sunset.Evidence
	Word string
}

// Class is the answer's in the stylesheet.
func (a answer) Class() string { return "use-" + strings.ReplaceAll(a.Word, " ", "-") }

const notRead = "not read"

// answers puts what is not a plain "unused" first, and sums up. What could not be read is told from what AWS does not tell.
func answers(r sunset.ApprovalRequest) ([]answer, string) {
	var all []answer
	seen := map[string]bool{}
	for _, e := range r.Shown.Evidence {
		a := answer{Evidence: e, Word: string(e.Use)}
		if e.Use == sunset.Unknown && (e.Read.IsZero() || strings.Contains(e.Detail, "read:") || strings.Contains(e.Detail, "not be read") || strings.Contains(e.Detail, "not read")) {
			a.Word = notRead
		}
		seen[e.Source] = true
		all = append(all, a)
	}
	for _, source := range []string{"credential-report", "cloudtrail:LookupEvents"} {
		if len(all) > 0 && !seen[source] {
			all = append(all, answer{Evidence: sunset.Evidence{Source: source, About: r.UserName, Use: sunset.Unknown, Detail: "It was not asked, or its answer was not kept."}, Word: notRead})
		}
	}
	for _, s := range r.Facts.Signals {
		if s.Kind == sunset.NotHeard {
			all = append(all, answer{Evidence: sunset.Evidence{Source: s.Source, About: s.About, Region: s.Region, Read: s.At, Use: sunset.Unknown, Detail: s.Detail}, Word: notRead})
		}
	}
	rank := map[string]int{string(sunset.Used): 0, notRead: 1, string(sunset.Unknown): 2, string(sunset.Unused): 3}
	count := map[string]int{}
	for _, a := range all {
		count[a.Word]++
	}
	slices.SortStableFunc(all, func(a, b answer) int { return rank[a.Word] - rank[b.Word] })
	var parts []string
	for _, word := range []string{string(sunset.Unused), string(sunset.Unknown), notRead, string(sunset.Used)} {
		if n := count[word]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d: %s", n, word))
		}
	}
	return all, counted(len(all), "answer", "answers") + " (" + strings.Join(parts, ", ") + ")"
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
