package bundle

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Report is what was found in a bundle. Problems name files as they are called in it; "." is the bundle itself.
type Report struct {
	audit.Report
	Index Index
	// Held is how many documents, the plan, cases' files and snapshots, are as a record names them.
	Held int
}

// Verify checks the bundle at path by its bytes alone: that it holds what its index says and nothing else, all that
// audit.VerifyPart checks, and that each document is the one on record. The error says that it is no bundle; whatever else
// is wrong is a Problem. Trusted keys mean what they mean to audit.Verify.
func Verify(path string, trusted ...audit.PublicKey) (Report, error) {
	b, problems, err := read(path)
	if err != nil {
		return Report{}, err
	}
	return b.verify(problems, trusted), nil
}

// VerifyFrom is Verify of what r gives.
func VerifyFrom(r io.Reader, trusted ...audit.PublicKey) (Report, error) {
	b, problems, err := readFrom(r, most())
	if err != nil {
		return Report{}, fmt.Errorf("reading the bundle: %w", err)
	}
	return b.verify(problems, trusted), nil
}

// Verify is the function of that name for a bundle that was opened.
func (b *Bundle) Verify(trusted ...audit.PublicKey) Report { return b.verify(nil, trusted) }

func (b *Bundle) verify(problems []audit.Problem, trusted []audit.PublicKey) Report {
	if b.Index.Format != format {
		return Report{Report: audit.Report{Problems: problems}} // nothing in it can be told apart
	}
	r := Report{Report: audit.VerifyPart(b.Index.Cleanup, b.Evidence(), trusted...), Index: b.Index}
	for i := range r.Problems {
		if r.Problems[i].File != "." {
			r.Problems[i].File = evidence + r.Problems[i].File
		}
	}
	v := &verifier{bundle: b, problems: problems}
	v.checkBegun()
	v.checkDocuments(r.Documents)
	v.checkPlan(&r)
	r.Held = v.held
	r.Problems = append(v.problems, r.Problems...)
	slices.SortStableFunc(r.Problems, func(a, b audit.Problem) int { return cmp.Or(strings.Compare(a.File, b.File), a.Seq-b.Seq) })
	return r
}

type verifier struct {
	bundle   *Bundle
	problems []audit.Problem
	held     int
}

func (v *verifier) bad(file, format string, args ...any) {
	v.problems = append(v.problems, audit.Problem{File: file, Text: fmt.Sprintf(format, args...)})
}

// checkBegun compares the index's account with what the cleanup's first record says.
func (v *verifier) checkBegun() {
	account := accountOf(v.bundle.files[evidence+sunset.CleanupChain(v.bundle.Index.Cleanup)+"/000001.json"])
	if account != v.bundle.Index.Account {
		v.bad(indexName, "the index says that account %q was cleaned up, and the first record %q", v.bundle.Index.Account, account)
	}
}

// accountOf is the account that a cleanup's first record names, if it does.
func accountOf(record []byte) string {
	var begun struct {
		Data struct {
			Account string `json:"account"`
		} `json:"data"`
	}
	_ = json.Unmarshal(record, &begun) // one that can't be read names none, and is a problem of its own
	return begun.Data.Account
}

// checkDocuments makes sure that all documents on record are there, as recorded, and no others.
func (v *verifier) checkDocuments(documents []audit.Document) {
	named := map[string]string{}
	for _, d := range documents {
		body, there := v.bundle.files[d.Key]
		switch {
		case named[d.Key] != "" && named[d.Key] != d.SHA256:
			v.bad(d.Key, "record %d of %s names it with another SHA-256 than an earlier one", d.Seq, d.File)
		case !isDocument(d.Key):
			v.bad(evidence+d.File, "it names %.80q, which is no document of a cleanup", d.Key)
		case !there:
			v.bad(d.Key, "the document is missing: %s names it", evidence+d.File)
		case hashOf(body) != d.SHA256:
			v.bad(d.Key, "its SHA-256 is %s, but %s names %q: one of the two was changed", hashOf(body), evidence+d.File, d.SHA256)
		default:
			v.held++
		}
		named[d.Key] = d.SHA256
	}
	for name := range v.bundle.files {
		if _, onRecord := named[name]; !onRecord && !strings.HasPrefix(name, evidence) {
			v.bad(name, "no record names it")
		}
	}
}

// checkPlan checks that the plan is the cleanup's and that its users are those of whom the manifest says what became.
func (v *verifier) checkPlan(r *Report) {
	for _, d := range r.Documents {
		if !strings.HasPrefix(d.Key, "plans/") || v.bundle.files[d.Key] == nil {
			continue
		}
		var plan struct {
			CleanupID string            `json:"cleanup_id"`
			Account   string            `json:"account"`
			Entries   []json.RawMessage `json:"entries"`
		}
		switch err := json.NewDecoder(bytes.NewReader(v.bundle.files[d.Key])).Decode(&plan); {
		case err != nil:
			v.bad(d.Key, "the plan can't be read: %v", err)
		case plan.CleanupID != r.Index.Cleanup || plan.Account != r.Index.Account:
			v.bad(d.Key, "it is the plan of cleanup %q of account %q", plan.CleanupID, plan.Account)
		case len(plan.Entries) != d.Users:
			v.bad(d.Key, "it lists %d users, but %s counts %d", len(plan.Entries), evidence+d.File, d.Users)
		case r.Outcomes != nil && r.Discovered != d.Users:
			v.bad(d.Key, "it lists %d users, but the manifest tells of %d what became of them", d.Users, r.Discovered)
		}
	}
}

func isDocument(key string) bool {
	for _, kind := range []string{"plans/", "cases/", "snapshots/"} {
		if strings.HasPrefix(key, kind) {
			return true
		}
	}
	return false
}
