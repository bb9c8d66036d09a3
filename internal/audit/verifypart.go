package audit

import (
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
	return v.report()
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
