package dossier

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Archive is evidence that was read and verified.
type Archive struct {
	// Proof is what verifying came to.
	Proof   Proof
	objects Objects
	chains  map[string][]audit.Record
}

// Proof says how far evidence can be believed.
type Proof struct {
	audit.Report
	// Named says that keys were given from outside, by which everything must be sealed.
	Named bool
}

// Holds reports whether nothing at all is wrong.
func (p Proof) Holds() bool { return len(p.Problems) == 0 }

// Of are the problems with one chain. In a bundle files are called by their whole keys.
func (p Proof) Of(chain string) []audit.Problem {
	return slices.DeleteFunc(slices.Clone(p.Problems), func(q audit.Problem) bool {
		return !strings.HasPrefix(strings.TrimPrefix(q.File, evidencePrefix), chain+"/")
	})
}

// sinceCheckpoint says from when on nothing counts the ends of chains that no manifest does.
func (p Proof) sinceCheckpoint() string {
	if p.Until == "" {
		return ""
	}
	return ", of after the checkpoint of " + p.Until + ","
}

// readers is how many objects are read side by side.
const readers = 16

// Read reads all evidence in objects and verifies it as audit.Verify does with keys. Whatever is wrong with the evidence is in
// the proof; the error says that it could not be read, or that there is none.
func Read(ctx context.Context, objects Objects, keys ...audit.PublicKey) (*Archive, error) {
	files, err := collect(ctx, objects)
	if err != nil {
		return nil, err
	}
	report, err := audit.Verify(files, keys...)
	if err != nil {
		return nil, err
	}
	return archive(objects, files, Proof{Report: report, Named: len(keys) > 0})
}

// ReadVerified reads evidence that was verified in another way, such as a bundle's, with what came of it.
func ReadVerified(ctx context.Context, objects Objects, proof Proof) (*Archive, error) {
	files, err := collect(ctx, objects)
	if err != nil {
		return nil, err
	}
	return archive(objects, files, proof)
}

func collect(ctx context.Context, objects Objects) (*tree, error) {
	keys, err := objects.List(ctx, evidencePrefix)
	if err != nil {
		return nil, sunset.Faultf(sunset.KindOf(err), "listing the evidence: %w", err)
	}
	files := newTree()
	var mu sync.Mutex
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(readers)
	for _, key := range keys {
		work.Go(func() error {
			body, err := objects.Get(ctx, key)
			if err != nil {
				return sunset.Faultf(sunset.KindOf(err), "reading %s: %w", key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			files.add(strings.TrimPrefix(key, evidencePrefix), body)
			return nil
		})
	}
	return files, work.Wait()
}

func archive(objects Objects, files *tree, proof Proof) (*Archive, error) {
	a := &Archive{Proof: proof, objects: objects, chains: map[string][]audit.Record{}}
	for file, body := range files.files {
		chain, n, ok := audit.RecordAt(file)
		if !ok {
			continue // a manifest, a checkpoint or a key; or something foreign, which verifying has found
		}
		var r audit.Record
		if json.Unmarshal(body, &r) != nil {
			continue // verifying has found it
		}
		r.Chain, r.Seq = chain, n // where it is, whatever it says itself: that, too, verifying has found
		a.chains[chain] = append(a.chains[chain], r)
	}
	if len(a.chains) == 0 {
		return nil, sunset.Faultf(sunset.Invalid, "there is no record in the evidence")
	}
	for _, records := range a.chains {
		slices.SortFunc(records, func(a, b audit.Record) int { return a.Seq - b.Seq })
	}
	return a, nil
}

// Attachment is an object that a record names with its SHA-256.
type Attachment struct {
	Key, SHA256 string
	// Wrong says in a sentence why it can't be shown or believed, or is empty: then it is what the record names.
	Wrong string
}

// attached reads into v the object that a record names, where its bytes are those of which the record has the SHA-256.
func (a *Archive) attached(ctx context.Context, key, sha256 string, v any) (Attachment, error) {
	at := Attachment{Key: key, SHA256: sha256}
	body, err := a.objects.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrMissing):
		at.Wrong = key + " is not among what was read"
	case sunset.KindOf(err) == sunset.Invalid:
		at.Wrong = err.Error()
	case err != nil:
		return at, sunset.Faultf(sunset.KindOf(err), "reading %s: %w", key, err)
	case hashOf(body) != sha256:
		at.Wrong = "the SHA-256 of " + key + " is " + hashOf(body) + ", but its record names " + sha256 + ": one of the two was changed"
	case json.Unmarshal(body, v) != nil:
		at.Wrong = key + " can't be read: this release doesn't know its form"
	}
	return at, nil
}
