package audit

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type chain struct {
	name    string
	entries []entry // by number
}

type entry struct {
	file string
	seq  int
	hash string
	ok   bool // record could be read
	Record
}

// checkChain checks one chain within itself.
func (v *verifier) checkChain(c *chain) {
	v.checkLinks(c, 1, "")
	v.checkIntents(c)
	if id := c.cleanupID(); id != "" && v.chains[sunset.CleanupChain(id)] == nil {
		v.bad(c.entries[0].file, c.entries[0].seq, "it belongs to cleanup %s, of which there is no record", id)
	}
}

// checkLinks checks that the entries are those from number next on, with none missing, and that the first follows a
// record whose SHA-256 is prev.
func (v *verifier) checkLinks(c *chain, next int, prev string) {
	slices.SortFunc(c.entries, func(a, b entry) int { return a.seq - b.seq })
	keys := map[string]int{}
	for i, e := range c.entries {
		linked := e.seq == next
		if !linked {
			v.bad(recordFile(c.name, next), next, "the record is missing: %s goes on with number %d", c.name, e.seq)
		}
		next = e.seq + 1
		if e.ok {
			if e.Chain != c.name || e.Seq != e.seq {
				v.bad(e.file, e.seq, "the record says that it is number %d of %s", e.Seq, e.Chain)
			}
			if linked && e.Prev != prev {
				switch {
				case e.seq == 1:
					v.bad(e.file, e.seq, "the first record names one before it")
				case i == 0:
					v.bad(e.file, e.seq, "it names %q as the SHA-256 of the record before it, which is %s", e.Prev, prev)
				default:
					v.bad(c.entries[i-1].file, e.seq-1, "its SHA-256 is %s, but record %d names %q: one of the two was changed", prev, e.seq, e.Prev)
				}
			}
			if first, taken := keys[e.Key]; taken && e.Key != "" {
				v.bad(e.file, e.seq, "it has the key %q, as record %d has: one thing is recorded twice", e.Key, first)
			} else {
				keys[e.Key] = e.seq
			}
			if e.Kind == "" || e.At.IsZero() {
				v.bad(e.file, e.seq, "the record has no kind or no time")
			}
		}
		prev = e.hash
	}
}

// checkEnd compares a chain, of which the entries are in order, with where a manifest or checkpoint says that it ended.
func (v *verifier) checkEnd(c *chain, end chainEnd, counter string) {
	if c == nil || len(c.entries) == 0 {
		v.bad(recordFile(end.Chain, 1), 1, "the record is missing, and with it the whole chain: %s counts %d", counter, end.Count)
		return
	}
	last := c.entries[len(c.entries)-1]
	i := slices.IndexFunc(c.entries, func(e entry) bool { return e.seq == end.Count })
	switch {
	case last.seq < end.Count:
		v.bad(recordFile(c.name, last.seq+1), last.seq+1, "the record is missing: %s ends with number %d, but %s counts %d", c.name, last.seq, counter, end.Count)
	case i >= 0 && c.entries[i].hash != end.Head:
		v.bad(c.entries[i].file, end.Count, "its SHA-256 is %s, but %s names %s", c.entries[i].hash, counter, end.Head)
	}
}

// settling are kinds of records that say how the user was found to be after all that was begun before them: a try may
// die between a change and its outcome, and the next one then finds the change made.
var settling = map[string]bool{"failed": true, "disabled": true, "restored": true, "deleted": true, "skipped": true, "gone": true}

// checkIntents finds intents that an ended chain leaves without an outcome.
func (v *verifier) checkIntents(c *chain) {
	open := map[string]entry{}
	for _, e := range c.entries {
		switch {
		case e.Kind == "intent":
			open[e.about()] = e
		case e.Kind == "outcome":
			delete(open, e.about())
		case settling[e.Kind]:
			clear(open)
		}
	}
	if !c.has("closed") {
		return // still at work, or rightly reported as not closed
	}
	for _, e := range slices.SortedFunc(maps.Values(open), func(a, b entry) int { return a.seq - b.seq }) {
		v.bad(e.file, e.seq, "the chain ended without the outcome of this intent")
	}
}

// about is what an intent or an outcome is of.
func (e entry) about() string {
	var data struct {
		Action string `json:"action"`
		Target string `json:"target"`
	}
	// Data of another form is about nothing in particular.
	_ = json.Unmarshal(e.Data, &data)
	return data.Action + "\x00" + data.Target
}

func (c *chain) has(kinds ...string) bool {
	return slices.ContainsFunc(c.entries, func(e entry) bool { return slices.Contains(kinds, e.Kind) })
}

// cleanupID is the cleanup that a chain says to belong to, if it does.
func (c *chain) cleanupID() string {
	if id, ok := strings.CutPrefix(c.name, "cleanup/"); ok {
		return id
	}
	for _, e := range c.entries {
		if e.CleanupID != "" && strings.HasPrefix(c.name, "case/") {
			return e.CleanupID
		}
	}
	return ""
}
