package sunset

import (
	"slices"
	"strings"
	"time"
)

// SignalKind says what was heard in a soak.
type SignalKind string

// The kinds of signals.
const (
	LastUsedMoved   SignalKind = "last-used-moved"
	DeniedCall      SignalKind = "denied-call"
	Call            SignalKind = "call"
	SignIn          SignalKind = "sign-in"
	DenyMissing     SignalKind = "deny-missing"
	CredentialDrift SignalKind = "credential-changed" // switched on or off, or gone
	NewCredential   SignalKind = "new-credential"
	ArtifactDrift   SignalKind = "artifact-changed" // a policy, group or device came or went
	KeepTag         SignalKind = "keep-tag"
	Renamed         SignalKind = "renamed"
	OtherUserID     SignalKind = "other-user-id"
	NotHeard        SignalKind = "not-heard" // a source could not be read: the soak proves nothing there
)

// Signal is one thing heard. Two signals with the same Key are the same signal.
type Signal struct {
	Kind   SignalKind `json:"kind"`
	About  string     `json:"about,omitempty"` // credential id, event name, tag, region …
	At     time.Time  `json:"at"`
	Source string     `json:"source"` // the AWS action that told
	Region string     `json:"region,omitempty"`
	Detail string     `json:"detail"` // one sentence for people
}

// Key identifies a signal whatever the time at which it was read: a use by its own time, a state by what it is about.
func (s Signal) Key() string {
	key := string(s.Kind) + "|" + s.About + "|" + s.Region
	switch s.Kind {
	case LastUsedMoved, DeniedCall, Call, SignIn:
		return key + "|" + s.At.UTC().Format(time.RFC3339)
	default:
		return key
	}
}

// MergeSignals adds those of more that have is missing, in order of time.
func MergeSignals(have, more []Signal) []Signal {
	seen := map[string]bool{}
	var out []Signal
	for _, s := range slices.Concat(have, more) {
		if !seen[s.Key()] {
			seen[s.Key()] = true
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b Signal) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Key(), b.Key())
	})
	return out
}
