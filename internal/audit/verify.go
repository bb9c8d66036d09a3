package audit

import (
	"io/fs"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Report is what Verify found.
type Report struct {
	Records, Chains, Cleanups, Checkpoints int
	// Until is the newest checkpoint's day, as 2006-01-02: up to it nothing is cut off the end of any chain.
	Until string
	// Seals is how many manifests and checkpoints carry a seal that holds, Keys the fingerprints of the keys of these.
	Seals int
	Keys  []string
	// Unsealed are the manifests and checkpoints that carry none and name none.
	Unsealed []string
	// Open are cleanups without a manifest: what their chains took on after the newest checkpoint may be cut off.
	Open []string
	// Later are chains that took records after their cleanup's manifest and after the newest checkpoint; of these the
	// same is true.
	Later []string
	// Noted is what was bad on the day of a checkpoint. What still is, is a problem too.
	Noted []Problem
	// Problems are in order of file and number; none means that the evidence holds.
	Problems []Problem
	// VerifyPart alone gives what the manifest counts, nil where it does not hold, and what documents the records name.
	Discovered int
	Outcomes   map[sunset.Outcome]int
	Documents  []Document
}

// Problem is one thing that is wrong.
type Problem struct {
	File string `json:"file"`          // in the evidence directory
	Seq  int    `json:"seq,omitempty"` // the record's number; 0 for a file that is no record
	Text string `json:"text"`          // one sentence
}

// Verify checks the evidence in dir, the directory that holds case, cleanup and manifest, by its bytes alone. The error
// says that dir could not be read; whatever is wrong with the evidence is a Problem.
//
// With trusted keys every manifest and every checkpoint must be sealed by one of these, and something must. Without,
// seals are checked against the keys that the evidence brings itself, which proves that it is consistent, but not who
// signed it; and what is not sealed is only named.
func Verify(dir fs.FS, trusted ...PublicKey) (Report, error) {
	v := newVerifier(trusted...)
	if err := v.readAll(dir); err != nil {
		return Report{}, sunset.Faultf(sunset.Invalid, "reading the evidence: %w", err)
	}
	v.check()
	return v.report(), nil
}

func (v *verifier) check() {
	v.checkSeals()
	for _, name := range v.names() {
		v.checkChain(v.chains[name])
	}
	v.checkCheckpoints()
	for _, id := range v.cleanups() {
		v.checkCleanup(id)
	}
}
