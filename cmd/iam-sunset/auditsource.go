package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/bundle"
	"github.com/iam-sunset/iam-sunset/internal/dossier"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// auditor is what every command has that tells of evidence.
type auditor struct {
	operator
	evidence string
	keys     []string
}

func (o *auditor) addFlags(cmd *cobra.Command) {
	o.addFlag(cmd)
	cmd.Flags().StringVar(&o.evidence, "evidence", "", "directory of evidence, or a bundle, to read instead of a deployment")
	cmd.Flags().StringArrayVar(&o.keys, "key", nil, "`FILE` with the public key, in PEM, that must have sealed everything; may be repeated")
	_ = cmd.MarkFlagFilename("evidence") // the flag is there
}

// read reads the evidence from where the flags say, and verifies it.
func (o *auditor) read(ctx context.Context) (*dossier.Archive, error) {
	keys, err := publicKeys(o.keys)
	if err != nil {
		return nil, err
	}
	if o.evidence == "" {
		w, err := o.station(ctx)
		if err != nil {
			return nil, err
		}
		return dossier.Read(ctx, w.Objects, keys...)
	}
	if cmp.Or(o.deployment, o.engine) != "" {
		return nil, hinted{errors.New("--evidence and a deployment are two different places"), "name the one that you mean"}
	}
	return readEvidence(ctx, o.evidence, keys)
}

func readEvidence(ctx context.Context, place string, keys []audit.PublicKey) (*dossier.Archive, error) {
	const hint = "name a directory as audit verify takes it, or a file that audit export made"
	if info, err := os.Stat(place); err == nil && !info.IsDir() {
		packed, err := bundle.Open(place)
		if err != nil {
			return nil, hinted{fmt.Errorf("reading the evidence: %w", err), hint}
		}
		proof := dossier.Proof{Report: packed.Verify(keys...).Report, Named: len(keys) > 0}
		return dossier.ReadVerified(ctx, packed.Objects(), proof)
	}
	objects, err := dossier.Dir(place)
	if err != nil {
		return nil, hinted{err, hint}
	}
	a, err := dossier.Read(ctx, objects, keys...)
	if sunset.KindOf(err) == sunset.Invalid {
		err = hinted{err, hint}
	}
	return a, err
}

// unproven is the answer of "no" where what was told comes from evidence that does not hold.
func unproven(p dossier.Proof) error {
	if p.Holds() {
		return nil
	}
	text := fmt.Sprintf("not verified: %s: %s", p.Problems[0].File, p.Problems[0].Text)
	if more := len(p.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return verdictNo{printable(text)}
}

// lookedFor adds what to do where nobody or more than one was found.
func lookedFor(err error) error {
	switch sunset.KindOf(err) {
	case sunset.Invalid:
		return hinted{err, "name a user by the name that it had, its UserId or its ARN; a user that was kept is found in a plan, which a copy of evidence/ alone does not hold"}
	case sunset.Conflict:
		return hinted{err, "repeat the command with one of the UserIds"}
	}
	return err
}
