package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/audit"
)

// notInContent are ways that leave every file as it was; other tools read over them.
const notInContent = "archive: written in another way"

// in gives files with one of them replaced, or without it where body is nil.
func in(files map[string][]byte, name string, body []byte) map[string][]byte {
	changed := maps.Clone(files)
	changed[name] = body
	if body == nil {
		delete(changed, name)
	}
	return changed
}

// flipped has one bit changed.
func flipped(body []byte, at int) []byte {
	changed := bytes.Clone(body)
	changed[at%len(changed)] ^= 1
	return changed
}

// foreign is the file in the same place of the other cleanup.
func (f *forger) foreign(name string) []byte {
	folder, last := name[:strings.IndexByte(name, '/')+1], name[strings.LastIndexByte(name, '/'):]
	if folder == "evidence/" {
		folder += strings.SplitAfter(name, "/")[1]
	}
	for _, other := range names(f.other) {
		inPlace := strings.HasSuffix(other, last) || !strings.HasPrefix(last, "/0")
		if strings.HasPrefix(other, folder) && inPlace && !bytes.Equal(f.other[other], f.files[name]) {
			return f.other[other]
		}
	}
	return nil
}

// eachFile is what can be done to a file as to any other.
func (f *forger) eachFile() []tampering {
	var all []tampering
	order := names(f.files)
	for i, name := range order {
		body, next := f.files[name], order[(i+1)%len(order)]
		add := func(kind string, changed map[string][]byte) {
			newest := strings.HasPrefix(name, "evidence/checkpoint/") && kind == "dropped"
			all = append(all,
				tampering{kind: "file: " + kind, of: name, bytes: func() []byte { return f.archive(f.inOrder(changed, f.careless)) }},
				tampering{kind: "file: " + kind + ", and from the index", of: name, bytes: func() []byte { return f.pack(changed) }, told: newest})
		}
		add("a bit flipped", in(f.files, name, flipped(body, len(body)/2)))
		add("cut short", in(f.files, name, body[:len(body)-1]))
		add("dropped", in(f.files, name, nil))
		if strange := f.foreign(name); strange != nil {
			add("that of another cleanup", in(f.files, name, strange))
		}
		if !bytes.Equal(body, f.files[next]) {
			add("swapped with the next", in(in(f.files, name, f.files[next]), next, body))
		}
		all = append(all, tampering{kind: "file: twice", of: name, bytes: func() []byte {
			files := f.inOrder(f.files, f.careless)
			return f.archive(slices.Insert(files, i, files[i]))
		}})
	}
	for _, name := range []string{"evidence/case/spring-AIDASTRANGER/000001.json", "evidence/case/summer-AIDASTRANGER/000001.json", "evidence/notes.txt", "notes.txt", "plans/spring/other.json", "snapshots/spring-AIDASTRANGER.json", "evidence/checkpoint/2026-01-01.json", "evidence/manifest/summer.json", "evidence/account/operations/000009.json"} {
		all = append(all, tampering{kind: "file: one more", of: name, bytes: func() []byte { return f.pack(in(f.files, name, []byte("{}\n"))) }})
	}
	return all
}

// eachRecord is what somebody does who links the chain anew behind it.
func (f *forger) eachRecord() []tampering {
	var all []tampering
	for _, c := range f.indexOf(f.files).Chains {
		var bodies [][]byte
		for _, name := range f.chain(c.Name) {
			bodies = append(bodies, f.files[name])
		}
		for i, body := range bodies {
			add := func(kind string, changed func() [][]byte) {
				all = append(all, tampering{kind: "record: " + kind + ", all behind it linked anew", of: fmt.Sprintf("%s %d", c.Name, i+1), bytes: func() []byte {
					return f.pack(f.relinked(f.files, c.Name, changed()))
				}})
			}
			forged := f.reworded(body)
			all = append(all, tampering{kind: "record: changed", of: fmt.Sprintf("%s %d", c.Name, i+1), bytes: func() []byte {
				return f.pack(in(f.files, fmt.Sprintf("evidence/%s/%06d.json", c.Name, i+1), forged))
			}})
			add("changed", func() [][]byte { return slices.Replace(slices.Clone(bodies), i, i+1, forged) })
			if i+1 == len(bodies) {
				// Behind the seals nothing proves anything, neither what is missing nor what is new.
				all = append(all, tampering{kind: "record: one more behind the seals", of: c.Name, told: true, bytes: func() []byte {
					return f.pack(f.relinked(f.files, c.Name, append(slices.Clone(bodies), f.invented(body))))
				}})
			}
			add("dropped", func() [][]byte { return slices.Delete(slices.Clone(bodies), i, i+1) })
			if i+1 < len(bodies) {
				add("doubled", func() [][]byte { return slices.Insert(slices.Clone(bodies), i, body) })
			}
			add("the last of its chain", func() [][]byte { return bodies[:i] })
			if i+1 < len(bodies) {
				add("swapped with the next", func() [][]byte {
					return slices.Replace(slices.Clone(bodies), i, i+2, bodies[i+1], body)
				})
			}
			if strange := f.foreign(fmt.Sprintf("evidence/%s/%06d.json", c.Name, i+1)); strange != nil {
				add("that of another cleanup", func() [][]byte { return slices.Replace(slices.Clone(bodies), i, i+1, strange) })
			}
			if strings.HasPrefix(c.Name, "account/") {
				continue
			}
			all = append(all, tampering{kind: "record: changed, with chain, manifest and index", of: fmt.Sprintf("%s %d", c.Name, i+1), bytes: func() []byte {
				return f.pack(f.remanifested(f.relinked(f.files, c.Name, slices.Replace(slices.Clone(bodies), i, i+1, forged)), nil, []string{"was", "none", "thief"}[i%3]))
			}})
		}
	}
	return all
}

// reworded is a record that says something else, in good form.
func (f *forger) reworded(body []byte) []byte {
	var r audit.Record
	f.must(json.Unmarshal(body, &r))
	r.Text += " Somebody else did it."
	return f.line(r)
}

// invented is a record that nobody can tell from one that was written after body.
func (f *forger) invented(body []byte) []byte {
	var r audit.Record
	f.must(json.Unmarshal(body, &r))
	r.Kind, r.Key, r.Text, r.Data = "note", "", "It was somebody else.", nil
	return f.line(r)
}

// eachChain is what can be done to a whole one.
func (f *forger) eachChain() []tampering {
	var all []tampering
	chains := f.indexOf(f.files).Chains
	for i, c := range chains {
		without := maps.Clone(f.files)
		for _, name := range f.chain(c.Name) {
			delete(without, name)
		}
		if caseID, ok := strings.CutPrefix(c.Name, "case/"); ok {
			// With the documents that it alone names: nothing in the bundle is left of the user.
			delete(without, "cases/"+caseID+"/entry.json")
			delete(without, "snapshots/"+caseID+".json")
		}
		all = append(all, tampering{kind: "chain: dropped", of: c.Name, bytes: func() []byte { return f.pack(without) }})
		if !strings.HasPrefix(c.Name, "case/") {
			continue
		}
		for _, sealer := range []string{"was", "none", "thief"} {
			fewer := func(m map[string]any) {
				outcomes := m["outcomes"].(map[string]any)
				for o, n := range outcomes {
					if n.(float64) > 0 {
						outcomes[o] = n.(float64) - 1
						m["discovered"] = m["discovered"].(float64) - 1
						return
					}
				}
			}
			all = append(all, tampering{kind: "chain: dropped, with its user in the manifest", of: c.Name + " " + sealer, bytes: func() []byte {
				return f.pack(f.remanifested(without, fewer, sealer))
			}})
		}
		other := chains[(i+1)%len(chains)].Name
		if strings.HasPrefix(other, "case/") {
			var ours, theirs [][]byte
			for _, name := range f.chain(c.Name) {
				ours = append(ours, f.files[name])
			}
			for _, name := range f.chain(other) {
				theirs = append(theirs, f.files[name])
			}
			all = append(all, tampering{kind: "chain: swapped with another", of: c.Name, bytes: func() []byte {
				return f.pack(f.relinked(f.relinked(f.files, c.Name, theirs), other, ours))
			}})
		}
	}
	return all
}
