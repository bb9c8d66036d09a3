package sunset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Facts is what an approver is asked about. Its digest binds the decision: anything that moves voids it. It holds no
// read times and none of our own changes, so that reading twice gives the same digest.
type Facts struct {
	UserID     string      `json:"user_id"`
	Created    time.Time   `json:"created"`
	Name       string      `json:"name"`
	Artifacts  []Artifact  `json:"artifacts"` // with their statuses in the snapshot
	References []Reference `json:"references"`
	Signals    []Signal    `json:"signals"`
	Final      Final       `json:"final"`
}

// FactsOf collects the facts of a case in canonical order.
func FactsOf(snap Snapshot, refs []Reference, signals []Signal, final Final) Facts {
	f := Facts{
		UserID: snap.User.ID, Created: snap.User.Created.UTC(), Name: snap.User.Name,
		Artifacts: snap.User.Artifacts(), Final: final,
	}
	for _, serial := range snap.SpareMFA {
		f.Artifacts = append(f.Artifacts, Artifact{Kind: "spare-mfa", ID: serial})
	}
	slices.SortFunc(f.Artifacts, func(a, b Artifact) int { return strings.Compare(a.Kind+"\x00"+a.ID, b.Kind+"\x00"+b.ID) })
	for _, r := range refs {
		r.Detail = "" // a sentence for people may be worded anew
		f.References = append(f.References, r)
	}
	slices.SortFunc(f.References, func(a, b Reference) int {
		key := func(r Reference) string {
			return strings.Join([]string{r.Service, r.Region, r.Resource, r.How, string(r.Weight)}, "\x00")
		}
		return strings.Compare(key(a), key(b))
	})
	f.References = slices.Compact(f.References) // pages of a moving list may repeat
	f.Signals = MergeSignals(signals, nil)
	return f
}

// Digest is the facts' SHA-256 in hex. It covers no sentences for people and no time at which a state was read.
func (f Facts) Digest() string {
	var signals []Signal
	for _, s := range f.Signals {
		// The key holds what makes it this signal, the time of a use included.
		signals = append(signals, Signal{Kind: s.Kind, About: s.Key()})
	}
	slices.SortFunc(signals, func(a, b Signal) int { return strings.Compare(a.About, b.About) })
	f.Signals = signals
	return digestOf(f)
}

// digestOf hashes v's JSON, which Go writes in the order of fields and of sorted keys.
func digestOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		// Only channels, functions and cycles can't be written; no value here has any.
		panic("sunset: a value that has no JSON was to be digested: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func hashOf(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint64(sum[:8])
}
