package audit

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// cleanups are all that have a chain or a manifest.
func (v *verifier) cleanups() []string {
	ids := slices.Collect(maps.Keys(v.manifests))
	for name := range v.chains {
		if id, ok := strings.CutPrefix(name, "cleanup/"); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// checkCleanup checks a cleanup's chains against its manifest.
func (v *verifier) checkCleanup(id string) {
	own, m := v.chains[sunset.CleanupChain(id)], v.manifests[id]
	if m == nil {
		v.open = append(v.open, id)
		for _, e := range own.entries {
			if e.Kind == "closed" || e.Kind == "manifest" {
				v.bad(e.file, e.seq, "the cleanup is %s, but its manifest is missing", map[string]string{"closed": "closed", "manifest": "ended"}[e.Kind])
				break
			}
		}
		return
	}
	if !m.ok {
		return
	}
	if why := miscount(m.body.Outcomes, m.body.Discovered); why != "" {
		v.bad(m.file, 0, "%s", why)
	}
	listed := map[string]bool{}
	for _, end := range m.body.Chains {
		if listed[end.Chain] {
			v.bad(m.file, 0, "the manifest lists %s twice", end.Chain)
		}
		listed[end.Chain] = true
		v.checkManifested(end)
	}
	for _, name := range v.names() {
		if c := v.chains[name]; !listed[name] && (c.cleanupID() == id || strings.HasPrefix(name, "case/") && sunset.CleanupOf(strings.TrimPrefix(name, "case/")) == id) {
			v.bad(c.entries[0].file, c.entries[0].seq, "%s is not in the manifest of its cleanup", name)
		}
	}
	if own == nil {
		v.bad(m.file, 0, "there is no record of cleanup %s", id)
		return
	}
	v.checkRecorded(own, m)
}

// checkManifested checks that a chain is as the manifest of its cleanup says, and that a case says how it ended.
func (v *verifier) checkManifested(end chainEnd) {
	c := v.chains[end.Chain]
	v.checkEnd(c, end, "the manifest")
	if c == nil || !strings.HasPrefix(c.name, "case/") {
		return
	}
	last := c.entries[len(c.entries)-1]
	if !c.has("closed", "failed") {
		v.bad(last.file, last.seq, "the cleanup has ended, but nothing says how this case did")
	}
	v.goesOn(c, end.Count)
}

// goesOn notes a chain with records behind number seq that no checkpoint counts.
func (v *verifier) goesOn(c *chain, seq int) {
	if last := c.entries[len(c.entries)-1].seq; last > seq && last > v.counted[c.name].Count {
		v.later = append(v.later, c.name)
	}
}

// checkRecorded looks for the record that carries the manifest's hash.
func (v *verifier) checkRecorded(own *chain, m *sealedFile[manifest]) {
	last := own.entries[len(own.entries)-1]
	i := slices.IndexFunc(own.entries, func(e entry) bool { return e.Kind == "manifest" })
	if i < 0 {
		v.bad(recordFile(own.name, last.seq+1), last.seq+1, "the record is missing: nothing in %s carries the hash of its manifest", own.name)
		return
	}
	r := own.entries[i]
	var data manifestData
	if err := json.Unmarshal(r.Data, &data); err != nil || data.SHA256 != m.hash || data.Manifest != m.file {
		v.bad(m.file, 0, "its SHA-256 is %s, but record %d of %s names %q: one of the two was changed", m.hash, r.seq, own.name, data.SHA256)
	}
	v.goesOn(own, r.seq)
}
