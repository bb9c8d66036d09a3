package audit

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Operations is the chain of what operators did to all cleanups at once: pauses, and their ends.
const Operations = "account/operations"

// IsPart reports whether file, relative to the evidence, is one of those that prove the cleanup: its chain and manifest,
// the chains of its cases, and what operators did. Checkpoints and keys may be of any.
func IsPart(cleanup, file string) bool {
	at, belongs := placeOf(file)
	return belongs && isPart(cleanup, at)
}

func isPart(cleanup string, at place) bool {
	switch caseID, isCase := strings.CutPrefix(at.chain, sunset.ChainOf("")); {
	case isCase:
		return sunset.CleanupOf(caseID) == cleanup
	case at.chain != "":
		return at.chain == sunset.CleanupChain(cleanup) || at.chain == Operations
	case at.manifest != "":
		return at.manifest == cleanup
	}
	return true
}

// about reports whether what is at a place is among what the files must tell of.
func (v *verifier) about(at place) bool { return v.only == "" || isPart(v.only, at) }

// VerifyPart is Verify for the files of one cleanup, by their names in the evidence, each once. Of the checkpoints one is
// enough: what it says of other cleanups is not asked. A file of another cleanup is a Problem, as is a cleanup without a
// record.
//
// Without a manifest, and of chains that went on since, the newest checkpoint is all that tells where they ended: what
// they took on behind it, whole cases included, may be cut off. Report names what that is true of.
func VerifyPart(cleanup string, files iter.Seq2[string, []byte], trusted ...PublicKey) Report {
	v := newVerifier(trusted...)
	v.only = cleanup
	for file, body := range files {
		at, belongs := placeOf(file)
		if !belongs || !isPart(cleanup, at) {
			v.bad(file, 0, "the file does not belong to cleanup %s", cleanup)
			continue
		}
		v.addFile(at, file, body)
	}
	slices.SortFunc(v.checkpoints, func(a, b *sealedFile[checkpoint]) int { return strings.Compare(a.file, b.file) })
	for _, older := range v.checkpoints[:max(0, len(v.checkpoints)-1)] {
		v.bad(older.file, 0, "there is a newer checkpoint: one is enough for one cleanup")
	}
	v.check()
	v.checkKeys(files)
	own := v.chains[sunset.CleanupChain(cleanup)]
	if own == nil && v.manifests[cleanup] == nil {
		v.bad(recordFile(sunset.CleanupChain(cleanup), 1), 1, "the record is missing: there is none of cleanup %s", cleanup)
	}
	if c := v.chains[Operations]; c != nil {
		v.goesOn(c, 0)
	}
	r := v.report()
	if m := v.manifests[cleanup]; m != nil && m.ok {
		r.Discovered, r.Outcomes = m.body.Discovered, m.body.Outcomes
	}
	for _, name := range v.names() {
		for _, e := range v.chains[name].entries {
			if d, ok := DocumentOf(e.Record); ok {
				d.File, d.Seq = e.file, e.seq
				r.Documents = append(r.Documents, d)
			}
		}
	}
	return r
}

// checkKeys makes sure that the keys which come along are those that the seals name, and no others.
func (v *verifier) checkKeys(files iter.Seq2[string, []byte]) {
	there, named := map[string]bool{}, map[string]string{}
	for file := range files {
		if at, _ := placeOf(file); at.key != "" {
			there[at.key] = true
		}
	}
	for _, m := range v.manifests {
		named[m.body.SealedBy] = m.file
	}
	for _, c := range v.checkpoints {
		named[c.body.SealedBy] = c.file
	}
	for key, file := range named {
		if key != "" && !there[key] && v.strict {
			v.bad(keyFile(key), 0, "the key is missing: %s names it", file)
		}
	}
	for key := range there {
		if named[key] == "" {
			v.bad(keyFile(key), 0, "nothing is sealed by this key")
		}
	}
}

// RecordAt gives the chain and the number of the record that file, relative to the evidence, is the name of.
func RecordAt(file string) (chain string, seq int, ok bool) {
	at, belongs := placeOf(file)
	return at.chain, at.seq, belongs && at.chain != ""
}

// Document is an object beside the evidence that a record names with its SHA-256.
type Document struct {
	Key, SHA256 string
	// Users is how many users the record counts in a plan; 0 for other documents.
	Users int
	// File and Seq are the record's.
	File string
	Seq  int
}

// DocumentOf gives the document that a record names: the plan, a case's file, a user's snapshot.
func DocumentOf(r Record) (Document, bool) {
	var data struct {
		Plan     string `json:"plan"`
		CaseFile string `json:"case_file"`
		Snapshot string `json:"snapshot"`
		SHA256   string `json:"sha256"`
		Users    int    `json:"users"`
	}
	if r.Kind != "plan" && r.Kind != "claimed" && r.Kind != "snapshot" || json.Unmarshal(r.Data, &data) != nil {
		return Document{}, false
	}
	key := map[string]string{"plan": data.Plan, "claimed": data.CaseFile, "snapshot": data.Snapshot}[r.Kind]
	return Document{Key: key, SHA256: data.SHA256, Users: data.Users}, key != ""
}

// SealedBy is the fingerprint of the key that a manifest or checkpoint says to be sealed by; empty where it says none.
// It proves nothing.
func SealedBy(body []byte) string {
	line, _, _ := bytes.Cut(body, []byte("\n"))
	var says struct {
		SealedBy string `json:"sealed_by"`
	}
	if json.Unmarshal(line, &says) != nil || !validHash(says.SealedBy) {
		return ""
	}
	return says.SealedBy
}
