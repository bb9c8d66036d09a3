package sunset

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Drift compares a quarantined user with its snapshot and names every difference that the case did not make itself.
//
// It does not look for the deny itself: see DeletionFacts.DenyInPlace.
func Drift(c Case, snap Snapshot, live User, now time.Time) []Signal {
	var out []Signal
	var q Quarantine
	if c.Quarantine != nil {
		q = *c.Quarantine
	}
	// moved reports a use later than the snapshot's and than what a decision to soak again has seen.
	moved := func(about string, was, is *time.Time) bool {
		return is != nil && (was == nil || is.After(*was)) && is.After(c.Forgiven[about])
	}
	heard := func(kind SignalKind, about, source, format string, args ...any) {
		out = append(out, Signal{Kind: kind, About: about, At: now, Source: source, Detail: fmt.Sprintf(format, args...)})
	}
	was := snap.User
	if live.ID != was.ID || !live.Created.Equal(was.Created) {
		heard(OtherUserID, live.ID, "iam:GetUser", "its name now belongs to another user, %s", live.ID)
		return out
	}
	if live.Path != was.Path {
		heard(Renamed, live.Path, "iam:GetUser", "its path was changed from %s to %s", was.Path, live.Path)
	}
	if live.Name != was.Name {
		heard(Renamed, live.Name, "iam:GetUser", "it was renamed from %s to %s", was.Name, live.Name)
	}
	if _, ok := tagFold(live.Tags, TagKeep); ok {
		heard(KeepTag, TagKeep, "iam:ListUserTags", "somebody tagged it %s", TagKeep)
	}
	before := map[string]Credential{}
	for _, c := range was.Credentials {
		before[string(c.Kind)+c.ID] = c
	}
	for _, c := range live.Credentials {
		old, known := before[string(c.Kind)+c.ID]
		delete(before, string(c.Kind)+c.ID)
		want := old.Status
		if q.Method == Deactivation && want == Active && c.Kind != Password {
			want = Inactive
		}
		switch {
		case !known, c.Kind == Password && q.Method == Deactivation:
			heard(NewCredential, c.ID, "iam:GetUser", "it has a new %s", c.Label())
			continue
		case c.Status != want:
			heard(CredentialDrift, c.ID, "iam:List", "its %s is %s, not %s", c.Label(), c.Status, want)
		}
		if c.Kind == Password {
			if c.Created.After(old.Created) {
				heard(NewCredential, c.ID, "iam:GetLoginProfile", "its password was made anew %s", c.Created.UTC().Format(time.RFC3339))
			}
			live.PasswordLastUsed = later(live.PasswordLastUsed, c.LastUsed)
			was.PasswordLastUsed = later(was.PasswordLastUsed, old.LastUsed)
			continue
		}
		if old.LastUsed != nil && c.LastUsed == nil {
			heard(NotHeard, c.ID, "iam:GetAccessKeyLastUsed", "when its %s was last used can't be read any more", c.Label())
		}
		if moved(c.ID, old.LastUsed, c.LastUsed) {
			out = append(out, Signal{
				Kind: LastUsedMoved, About: c.ID, At: *c.LastUsed, Source: "iam:GetAccessKeyLastUsed", Region: c.Region,
				Detail: fmt.Sprintf("its %s was tried %s%s", c.Label(), c.LastUsed.UTC().Format(time.RFC3339), forService(c.Service)),
			})
		}
	}
	for _, c := range before {
		if c.Kind != Password || q.Method != Deactivation {
			heard(CredentialDrift, c.ID, "iam:List", "its %s is gone", c.Label())
		}
	}
	if p := live.PasswordLastUsed; moved("", was.PasswordLastUsed, p) {
		out = append(out, Signal{Kind: SignIn, At: *p, Source: "iam:GetUser", Detail: "its password was used " + p.UTC().Format(time.RFC3339)})
	}
	// Deactivation puts a deny on as well, where one fits.
	denies := map[Method][]string{InlineDeny: {DenyPolicyName}, ManagedDeny: {ManagedDenyARN}, Deactivation: {DenyPolicyName, ManagedDenyARN}}[q.Method]
	for _, set := range []struct {
		kind      string
		was, live []string
	}{
		{"group", was.Groups, live.Groups},
		{"inline policy", was.Inline, live.Inline},
		{"attached policy", was.Attached, live.Attached},
		{"MFA device", serials(was.MFA), serials(live.MFA)},
		{"permissions boundary", one(was.Boundary), one(live.Boundary)},
	} {
		for _, id := range set.live {
			if !slices.Contains(denies, id) && !slices.Contains(set.was, id) {
				heard(ArtifactDrift, id, "iam:List", "%s %s was added", set.kind, id)
			}
		}
		for _, id := range set.was {
			if !slices.Contains(set.live, id) {
				heard(ArtifactDrift, id, "iam:List", "%s %s is gone", set.kind, id)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Signal) int { return strings.Compare(a.Key(), b.Key()) })
	return out
}

func forService(s string) string {
	if s == "" {
		return ""
	}
	return " with " + s
}

func later(a, b *time.Time) *time.Time {
	if a == nil || (b != nil && b.After(*a)) {
		return b
	}
	return a
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func serials(devices []MFADevice) []string {
	var out []string
	for _, d := range devices {
		out = append(out, d.Serial)
	}
	return out
}
