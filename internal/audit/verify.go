package audit

import (
	"io/fs"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Report is what Verify found.
type Report struct {
	Records, Chains, Cleanups int
	// Open are cleanups without a manifest: that nothing is cut off at the end of their chains is not proven.
	Open []string
	// Later are chains that took records after their cleanup's manifest; of these the same is true.
	Later []string
	// Problems are in order of file and number; none means that the evidence holds.
	Problems []Problem
}

// Problem is one thing that is wrong.
type Problem struct {
	File string // in the evidence directory
	Seq  int    // the record's number; 0 for a file that is no record
	Text string // one sentence
}

// Verify checks the evidence in dir, the directory that holds case, cleanup and manifest, by its bytes alone. The error
// says that dir could not be read; whatever is wrong with the evidence is a Problem.
func Verify(dir fs.FS) (Report, error) {
	v := verifier{chains: map[string]*chain{}, manifests: map[string]*manifestBody{}}
	if err := v.readAll(dir); err != nil {
		return Report{}, sunset.Faultf(sunset.Invalid, "reading the evidence: %w", err)
	}
	for _, name := range v.names() {
		v.checkChain(v.chains[name])
	}
	for _, id := range v.cleanups() {
		v.checkCleanup(id)
	}
	return v.report(), nil
}
