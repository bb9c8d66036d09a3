package audit

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

type verifier struct {
	chains      map[string]*chain
	manifests   map[string]*sealedFile[manifest]
	checkpoints []*sealedFile[checkpoint] // by day
	keys        map[string]PublicKey      // by fingerprint: those trusted, or else those in the evidence
	strict      bool                      // whether keys are trusted
	only        string                    // the one cleanup that the files are of; empty: they are all that there is
	// counted is where the newest checkpoint, that of the day until, says that the chains ended.
	counted  map[string]chainEnd
	until    string
	seals    []string
	sealers  []string
	unsealed []string
	noted    []Problem
	later    []string
	open     []string
	problems []Problem
}

func newVerifier(trusted ...PublicKey) *verifier {
	v := &verifier{
		chains: map[string]*chain{}, manifests: map[string]*sealedFile[manifest]{}, keys: map[string]PublicKey{},
		counted: map[string]chainEnd{}, strict: len(trusted) > 0,
	}
	for _, key := range trusted {
		if key.ecdsa == nil {
			continue // the zero value checks nothing
		}
		v.keys[key.fingerprint] = key
	}
	return v
}

func (v *verifier) bad(file string, seq int, format string, args ...any) {
	v.problems = append(v.problems, Problem{File: file, Seq: seq, Text: fmt.Sprintf(format, args...)})
}

func (v *verifier) readAll(dir fs.FS) error {
	return fs.WalkDir(dir, ".", func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		at, belongs := placeOf(file)
		switch {
		case !e.Type().IsRegular():
			v.bad(file, 0, "it is not a regular file")
			return nil
		case !belongs:
			v.bad(file, 0, "the file does not belong to the evidence")
			return nil
		}
		body, err := fs.ReadFile(dir, file)
		if err != nil {
			return err
		}
		v.addFile(at, file, body)
		return nil
	})
}

// addFile takes a file that belongs to the evidence.
func (v *verifier) addFile(at place, file string, body []byte) {
	switch {
	case at.chain != "":
		v.addRecord(at.chain, file, at.seq, body)
	case at.manifest != "":
		m := readSealed[manifest](v, "manifest", file, body)
		if m.ok && m.body.CleanupID != at.manifest {
			v.bad(file, 0, "the manifest is of cleanup %s", m.body.CleanupID)
			m.ok = false
		}
		v.manifests[at.manifest] = m
	case at.checkpoint != "":
		c := readSealed[checkpoint](v, "checkpoint", file, body)
		if c.ok && c.body.Day != at.checkpoint {
			v.bad(file, 0, "the checkpoint is of %s", c.body.Day)
			c.ok = false
		}
		v.checkpoints = append(v.checkpoints, c)
	default:
		v.addKey(at.key, file, body)
	}
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

func (v *verifier) names() []string { return slices.Sorted(maps.Keys(v.chains)) }

func (v *verifier) report() Report {
	r := Report{
		Chains: len(v.chains), Checkpoints: len(v.checkpoints), Seals: len(v.seals), Keys: v.sealers,
		Unsealed: v.unsealed, Open: v.open, Later: v.later, Noted: v.noted, Problems: v.problems, Until: v.until,
	}
	for name, c := range v.chains {
		r.Records += len(c.entries)
		if strings.HasPrefix(name, "cleanup/") {
			r.Cleanups++
		}
	}
	slices.Sort(r.Keys)
	r.Keys = slices.Compact(r.Keys)
	slices.Sort(r.Later)
	slices.Sort(r.Unsealed)
	sortProblems(r.Problems)
	return r
}

func sortProblems(p []Problem) {
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Or(strings.Compare(a.File, b.File), a.Seq-b.Seq) })
}
