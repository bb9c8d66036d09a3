package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type verifier struct {
	chains    map[string]*chain
	manifests map[string]*manifestBody
	later     []string
	open      []string
	problems  []Problem
}

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

type manifestBody struct {
	file string
	hash string
	ok   bool
	manifest
}

func (v *verifier) bad(file string, seq int, format string, args ...any) {
	v.problems = append(v.problems, Problem{File: file, Seq: seq, Text: fmt.Sprintf(format, args...)})
}

func (v *verifier) readAll(dir fs.FS) error {
	return fs.WalkDir(dir, ".", func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, base := path.Dir(file), path.Base(file)
		n, numbered := number(base)
		cleanup, isJSON := strings.CutSuffix(base, ".json")
		switch {
		case !e.Type().IsRegular():
			v.bad(file, 0, "it is not a regular file")
		case validChain(name) && numbered:
			body, err := fs.ReadFile(dir, file)
			if err != nil {
				return err
			}
			v.addRecord(name, file, n, body)
		case name == "manifest" && isJSON && cleanup != "":
			body, err := fs.ReadFile(dir, file)
			if err != nil {
				return err
			}
			m := &manifestBody{file: file, hash: hashOf(body)}
			if err := decode(body, &m.manifest); err != nil {
				v.bad(file, 0, "the manifest can't be read: %v", err)
			} else if m.CleanupID != cleanup {
				v.bad(file, 0, "the manifest is of cleanup %s", m.CleanupID)
			} else {
				m.ok = true
			}
			v.manifests[cleanup] = m
		default:
			v.bad(file, 0, "the file does not belong to the evidence")
		}
		return nil
	})
}

func (v *verifier) addRecord(name, file string, n int, body []byte) {
	e := entry{file: file, seq: n, hash: hashOf(body)}
	if err := decode(body, &e.Record); err != nil {
		v.bad(file, n, "the record can't be read: %v", err)
	} else {
		e.ok = true
	}
	c := v.chains[name]
	if c == nil {
		c = &chain{name: name}
		v.chains[name] = c
	}
	c.entries = append(c.entries, e)
}

// decode reads one JSON object, a newline, and nothing else.
func decode(body []byte, into any) error {
	if !bytes.HasPrefix(body, []byte("{")) || bytes.Count(body, []byte("\n")) != 1 || !bytes.HasSuffix(body, []byte("}\n")) {
		return fmt.Errorf("it is not one JSON object and a newline")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the JSON object")
	}
	return nil
}

// checkChain checks one chain within itself.
func (v *verifier) checkChain(c *chain) {
	slices.SortFunc(c.entries, func(a, b entry) int { return a.seq - b.seq })
	keys := map[string]int{}
	next, prev := 1, ""
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
				if i == 0 {
					v.bad(e.file, e.seq, "the first record names one before it")
				} else {
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
	v.checkIntents(c)
	if id := c.cleanupID(); id != "" && v.chains[sunset.CleanupChain(id)] == nil {
		v.bad(c.entries[0].file, c.entries[0].seq, "it belongs to cleanup %s, of which there is no record", id)
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

// checkCleanup checks a cleanup's chains against its manifest.
func (v *verifier) checkCleanup(id string) {
	own, m := v.chains[sunset.CleanupChain(id)], v.manifests[id]
	if m == nil {
		v.open = append(v.open, id)
		for _, e := range own.entries {
			if e.Kind == "closed" || e.Kind == "manifest" {
				v.bad(e.file, e.seq, "the cleanup is %s, but its manifest is missing", map[string]string{"closed": "closed", "manifest": "sealed"}[e.Kind])
				break
			}
		}
		return
	}
	if !m.ok {
		return
	}
	if why := miscount(m.Outcomes, m.Discovered); why != "" {
		v.bad(m.file, 0, "%s", why)
	}
	listed := map[string]bool{}
	for _, end := range m.Chains {
		if listed[end.Chain] {
			v.bad(m.file, 0, "the manifest lists %s twice", end.Chain)
		}
		listed[end.Chain] = true
		v.checkEnd(end)
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
	v.checkSeal(own, m)
}

// checkEnd compares a chain with where the manifest says that it ended.
func (v *verifier) checkEnd(end chainEnd) {
	c := v.chains[end.Chain]
	if c == nil {
		v.bad(recordFile(end.Chain, 1), 1, "the record is missing, and with it the whole chain: the manifest counts %d", end.Count)
		return
	}
	last := c.entries[len(c.entries)-1]
	i := slices.IndexFunc(c.entries, func(e entry) bool { return e.seq == end.Count })
	switch {
	case last.seq < end.Count:
		v.bad(recordFile(c.name, last.seq+1), last.seq+1, "the record is missing: %s ends with number %d, but the manifest counts %d", c.name, last.seq, end.Count)
	case i >= 0 && c.entries[i].hash != end.Head:
		v.bad(c.entries[i].file, end.Count, "its SHA-256 is %s, but the manifest names %s", c.entries[i].hash, end.Head)
	}
	if !strings.HasPrefix(c.name, "case/") {
		return
	}
	if !c.has("closed", "failed") {
		v.bad(last.file, last.seq, "the cleanup has ended, but nothing says how this case did")
	}
	if last.seq > end.Count {
		v.later = append(v.later, c.name)
	}
}

// checkSeal looks for the record that carries the manifest's hash.
func (v *verifier) checkSeal(own *chain, m *manifestBody) {
	last := own.entries[len(own.entries)-1]
	i := slices.IndexFunc(own.entries, func(e entry) bool { return e.Kind == "manifest" })
	if i < 0 {
		v.bad(recordFile(own.name, last.seq+1), last.seq+1, "the record is missing: nothing in %s carries the hash of its manifest", own.name)
		return
	}
	seal := own.entries[i]
	var data manifestData
	if err := json.Unmarshal(seal.Data, &data); err != nil || data.SHA256 != m.hash || data.Manifest != m.file {
		v.bad(m.file, 0, "its SHA-256 is %s, but record %d of %s names %q: one of the two was changed", m.hash, seal.seq, own.name, data.SHA256)
	}
	if last.seq > seal.seq {
		v.later = append(v.later, own.name)
	}
}

func (v *verifier) names() []string { return slices.Sorted(maps.Keys(v.chains)) }

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

func (v *verifier) report() Report {
	r := Report{Chains: len(v.chains), Open: v.open, Later: v.later, Problems: v.problems}
	for name, c := range v.chains {
		r.Records += len(c.entries)
		if strings.HasPrefix(name, "cleanup/") {
			r.Cleanups++
		}
	}
	slices.Sort(r.Later)
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return cmp.Or(strings.Compare(a.File, b.File), a.Seq-b.Seq) })
	return r
}
