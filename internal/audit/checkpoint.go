package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// checkpoint is a day's statement of where all chains ended.
type checkpoint struct {
	Day string    `json:"day"`
	At  time.Time `json:"at"` // when the chains began to be listed
	// Previous is the file of the checkpoint that this one was compared with, empty for the first.
	Previous       string `json:"previous,omitempty"`
	PreviousSHA256 string `json:"previous_sha256,omitempty"`
	// SealedBy is the fingerprint of the key whose seal must follow; empty where none does.
	SealedBy string          `json:"sealed_by,omitempty"`
	Chains   []checkpointEnd `json:"chains"` // by name
	// Manifests are the SHA-256s of their files, by these.
	Manifests map[string]string `json:"manifests,omitempty"`
	Problems  []Problem         `json:"problems,omitempty"`
}

// checkpointEnd is where a chain ended, or, of a broken one, where it last ended whole: count 0 if never.
type checkpointEnd struct {
	chainEnd
	Broken bool `json:"broken,omitempty"`
}

// Checked is what a checkpoint found.
type Checked struct {
	// Chains and Records are how many the checkpoint vouches for; of broken chains, those that were whole.
	Chains, Records int
	// Read is how many records this call read to find out.
	Read int
	// Problems are in order of file and number. On a later call of the day they are those that the checkpoint names.
	Problems []Problem
	// Written says that this call wrote the checkpoint.
	Written bool
	// SHA256 is that of the checkpoint's file. Kept outside the store it is what shows if the newest checkpoint goes.
	SHA256 string
}

// Checkpoint writes down where all chains of the store ended on a day (2006-01-02), sealed where the book has a sealer,
// and checks on the way that nothing which the checkpoint before it vouched for was changed or cut.
//
// A chain is read from there on, and one without new records is not read at all; but every thirtieth of the chains, by a
// hash of the name, is read anew from the first record on, so that within thirty days all are. What is wrong is given as
// Problems and written into the checkpoint, which is made all the same: of a broken chain it repeats the last end at
// which that was whole, so that neither tomorrow's checkpoint nor Verify takes the break for granted, and each day's
// reads it again, wholly, until it is whole. Problems are for an alarm, not an error: an error says that something could
// not be read or written, and then there is no checkpoint and the call may be repeated.
//
// Manifests are checked too: one that is new must be sealed as the checkpoint is, which is told once, and none may go or
// change.
//
// Once written a day's checkpoint stands, whoever of several writers was first, and calling again gives what it found,
// for one read. A day before one that has its checkpoint is a Conflict. With a sealer a checkpoint by another key, or by
// none, counts as a problem and not as one to go on from: then every chain is read from its first record.
//
// Calls to object storage, for c chains of r records, n of them new: (c·r)/1000 lists, n + changed chains + c·r/30 reads,
// two writes, one signature. 5,000 closed chains of 30 records: 150 lists, 5,000 reads of under 2 KB, 16 at a time, and a
// checkpoint of about 650 KB. The first one, and the first with a new key, reads all 150,000.
func (b *Book) Checkpoint(ctx context.Context, day string) (Checked, error) {
	doing := "making the checkpoint of " + day
	if !validDay(day) {
		return Checked{}, sunset.Faultf(sunset.Invalid, "%s: a day is written as 2006-01-02", doing)
	}
	checked, err := b.checkpoint(ctx, day)
	if err != nil {
		return Checked{}, sunset.Faultf(sunset.KindOf(err), "%s: %w", doing, err)
	}
	return checked, nil
}

func (b *Book) checkpoint(ctx context.Context, day string) (Checked, error) {
	key, err := b.sealingKey(ctx)
	if err != nil {
		return Checked{}, err
	}
	in := &inspection{book: b, key: key, day: day, at: b.clock.Now().UTC()}
	there, err := in.readCheckpoint(ctx, day)
	switch {
	case err == nil && there.why == "":
		return there.checked(), nil
	case err == nil:
		in.bad(there.file, "%s", there.why)
	case !errors.Is(err, store.ErrMissing):
		return Checked{}, err
	}
	taken := err == nil
	if err := in.list(ctx); err != nil {
		return Checked{}, err
	}
	if err := in.findBase(ctx); err != nil {
		return Checked{}, err
	}
	body, err := in.inspect(ctx)
	if err != nil {
		return Checked{}, err
	}
	checked := body.checked()
	checked.Read = in.read
	if taken {
		return checked, nil // in the place of ours is a file that is none; nothing can be written over it
	}
	return in.write(ctx, body, checked)
}

// write puts the checkpoint into its place, or finds that another writer was first.
func (in *inspection) write(ctx context.Context, body checkpoint, checked Checked) (Checked, error) {
	line, err := encode(body)
	if err != nil {
		return Checked{}, sunset.Faultf(sunset.Internal, "%w", err)
	}
	file, err := in.book.sealed(ctx, in.key, line)
	if err != nil {
		return Checked{}, err
	}
	err = in.book.objects.Put(ctx, evidence+checkpointFile(in.day), file)
	if errors.Is(err, store.ErrExists) {
		there, err := in.readCheckpoint(ctx, in.day)
		if err != nil {
			return Checked{}, err
		}
		if there.why != "" {
			checked.Problems = append(checked.Problems, Problem{File: there.file, Text: there.why})
			sortProblems(checked.Problems)
			return checked, nil
		}
		read := checked.Read
		checked = there.checked()
		checked.Read = read
		return checked, nil
	}
	if err != nil {
		return Checked{}, sunset.Faultf(sunset.KindOf(err), "writing it: %w", err)
	}
	checked.Written, checked.SHA256 = true, hashOf(file)
	return checked, nil
}

// inspection is the work for one checkpoint.
type inspection struct {
	book *Book
	key  PublicKey
	day  string
	at   time.Time

	chains map[string][]int // the numbers of the records that are in the store, rising
	days   []string         // that have a checkpoint, rising
	// manifests are the files of those in the store.
	manifests []string
	// base is what to compare with, none for the first checkpoint; heads are carried over only if it is ours.
	base     *writtenCheckpoint
	ends     map[string]checkpointEnd // of base
	problems []Problem
	read     int
}

func (in *inspection) bad(file, format string, args ...any) {
	in.problems = append(in.problems, Problem{File: file, Text: fmt.Sprintf(format, args...)})
}

// list learns from one listing what is in the evidence.
func (in *inspection) list(ctx context.Context) error {
	keys, err := in.book.objects.List(ctx, evidence)
	if err != nil {
		return sunset.Faultf(sunset.KindOf(err), "listing the evidence: %w", err)
	}
	in.chains = map[string][]int{}
	for _, key := range keys {
		file := strings.TrimPrefix(key, evidence)
		at, belongs := placeOf(file)
		switch {
		case !belongs:
			in.bad(file, "the file does not belong to the evidence")
		case at.chain != "":
			in.chains[at.chain] = append(in.chains[at.chain], at.seq)
		case at.checkpoint != "":
			in.days = append(in.days, at.checkpoint)
		case at.manifest != "":
			in.manifests = append(in.manifests, file)
		}
	}
	for _, numbers := range in.chains {
		slices.Sort(numbers)
	}
	return nil
}

// readers is how many chains are read at once.
const readers = 16

// mostProblems keeps a checkpoint small, whatever somebody put into the store. Which chains are broken is marked anyway.
const mostProblems = 1000

// inspect checks all chains, and gives what there is to say.
func (in *inspection) inspect(ctx context.Context) (checkpoint, error) {
	c := checkpoint{Day: in.day, At: in.at, SealedBy: in.key.fingerprint, Chains: []checkpointEnd{}}
	if in.base != nil {
		c.Previous, c.PreviousSHA256 = in.base.file, in.base.hash
	}
	if in.key.ecdsa != nil {
		wrong, err := in.book.publishKey(ctx, in.key)
		if err != nil {
			return checkpoint{}, err
		}
		if wrong != "" {
			in.bad(keyFile(in.key.fingerprint), "%s", wrong)
		}
	}
	names := in.names()
	found := make([]inspected, len(names))
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, name := range names {
		g.Go(func() error {
			var err error
			found[i], err = in.chain(each, name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return checkpoint{}, err
	}
	for _, f := range found {
		// A chain that is gone stays listed if a checkpoint of ours ever vouched for it.
		if len(in.chains[f.end.Chain]) > 0 || f.end.Count > 0 {
			c.Chains = append(c.Chains, f.end)
		}
		in.problems = append(in.problems, f.problems...)
		in.read += f.read
	}
	var err error
	if c.Manifests, err = in.checkManifests(ctx); err != nil {
		return checkpoint{}, err
	}
	sortProblems(in.problems)
	if more := len(in.problems) - mostProblems; more > 0 {
		in.problems = in.problems[:mostProblems]
		in.bad(".", "%d more problems were found", more)
	}
	c.Problems = in.problems
	return c, nil
}

func (c checkpoint) checked() Checked {
	found := Checked{Problems: c.Problems}
	for _, end := range c.Chains {
		if end.Count > 0 {
			found.Chains++
			found.Records += end.Count
		}
	}
	return found
}
