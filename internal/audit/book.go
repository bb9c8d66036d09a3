package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Book appends records to chains. Any number of processes may append to one chain.
type Book struct {
	objects store.Objects
	clock   interface{ Now() time.Time }
	sealer  Sealer // none where nothing is sealed

	mu    sync.Mutex
	heads map[string]*head
	key   PublicKey // the sealer's, once it was asked for
}

// head is what this process knows of a chain's end. The store may be further on: then a write fails, and it is read on.
type head struct {
	mu    sync.Mutex
	known bool
	seq   int
	hash  string
	keys  map[string]int // which record has which idempotency key
}

// NewBook keeps records in objects, dated by c.
func NewBook(objects store.Objects, c interface{ Now() time.Time }) *Book {
	return &Book{objects: objects, clock: c, heads: map[string]*head{}}
}

// races bounds how often Append may lose against other processes in a row.
const races = 50

// Append writes r as the next record of its chain, durably, and gives it with Seq, At and Prev filled in. With a Key
// that the chain has, nothing is written and the record that has it is given. It reads a chain once in a process; after
// that an append costs one write, however long the chain is.
//
// What looks like a secret never gets into a record: a field of Data whose name says that it holds one is an Internal
// fault, since that is a mistake in the program; in sentences, which people may have written, it is taken out.
func (b *Book) Append(ctx context.Context, r Record) (Record, error) {
	doing := fmt.Sprintf("appending %q to %s", r.Kind, r.Chain)
	if !validChain(r.Chain) || r.Kind == "" {
		return Record{}, sunset.Faultf(sunset.Internal, "%s: a record needs a kind and a chain such as case/… or cleanup/…", doing)
	}
	var err error
	if r.Data, err = clean(r.Data); err != nil {
		return Record{}, sunset.Faultf(sunset.Internal, "%s: %w", doing, err)
	}
	r.Text = Redact(r.Text)

	h := b.head(r.Chain)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.known {
		if err := b.load(ctx, r.Chain, h); err != nil {
			return Record{}, fmt.Errorf("%s: %w", doing, err)
		}
	}
	for range races {
		if seq, ok := h.keys[r.Key]; ok && r.Key != "" {
			first, _, err := b.read(ctx, r.Chain, seq)
			if err != nil {
				return Record{}, fmt.Errorf("%s: %w", doing, err)
			}
			return first, nil
		}
		r.Seq, r.Prev, r.At = h.seq+1, h.hash, b.clock.Now().UTC()
		body, err := encode(r)
		if err != nil {
			return Record{}, sunset.Faultf(sunset.Internal, "%s: %w", doing, err)
		}
		switch err := b.objects.Put(ctx, evidence+recordFile(r.Chain, r.Seq), body); {
		case err == nil:
			h.advance(r, body)
			return r, nil
		case !errors.Is(err, store.ErrExists):
			return Record{}, sunset.Faultf(sunset.KindOf(err), "%s: %w", doing, err)
		}
		if err := b.catchUp(ctx, r.Chain, h); err != nil {
			return Record{}, fmt.Errorf("%s: %w", doing, err)
		}
	}
	return Record{}, sunset.Faultf(sunset.Unavailable, "%s: others wrote first %d times in a row; try again", doing, races)
}

// Chain reads all records of a chain in order. It checks nothing: see Verify.
func (b *Book) Chain(ctx context.Context, chain string) ([]Record, error) {
	numbers, err := b.numbers(ctx, chain)
	if err != nil {
		return nil, err
	}
	records := make([]Record, 0, len(numbers))
	for _, n := range numbers {
		r, _, err := b.read(ctx, chain, n)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// Chains are the names of all chains that begin with prefix, sorted.
func (b *Book) Chains(ctx context.Context, prefix string) ([]string, error) {
	keys, err := b.objects.List(ctx, evidence+prefix)
	if err != nil {
		return nil, sunset.Faultf(sunset.KindOf(err), "listing the chains %s…: %w", prefix, err)
	}
	var chains []string
	for _, key := range keys {
		key = strings.TrimPrefix(key, evidence)
		i := strings.LastIndexByte(key, '/')
		if i > 0 && validChain(key[:i]) && !slices.Contains(chains[max(0, len(chains)-1):], key[:i]) {
			chains = append(chains, key[:i])
		}
	}
	return chains, nil
}

func (b *Book) head(chain string) *head {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.heads[chain]
	if h == nil {
		h = &head{keys: map[string]int{}}
		b.heads[chain] = h
	}
	return h
}

func (h *head) advance(r Record, body []byte) {
	h.seq, h.hash = r.Seq, hashOf(body)
	if _, taken := h.keys[r.Key]; r.Key != "" && !taken {
		h.keys[r.Key] = r.Seq
	}
}

// load learns a chain's end and keys. A chain with a gap goes on from its last record, for Verify to tell.
func (b *Book) load(ctx context.Context, chain string, h *head) error {
	numbers, err := b.numbers(ctx, chain)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		r, body, err := b.read(ctx, chain, n)
		if err != nil {
			return err
		}
		r.Seq = n
		h.advance(r, body)
	}
	h.known = true
	return nil
}

// catchUp reads what others wrote beyond h.
func (b *Book) catchUp(ctx context.Context, chain string, h *head) error {
	for {
		r, body, err := b.read(ctx, chain, h.seq+1)
		if errors.Is(err, store.ErrMissing) {
			return nil
		}
		if err != nil {
			return err
		}
		r.Seq = h.seq + 1
		h.advance(r, body)
	}
}

func (b *Book) numbers(ctx context.Context, chain string) ([]int, error) {
	prefix := evidence + chain + "/"
	keys, err := b.objects.List(ctx, prefix)
	if err != nil {
		return nil, sunset.Faultf(sunset.KindOf(err), "listing the records of %s: %w", chain, err)
	}
	var numbers []int
	for _, key := range keys {
		if n, ok := number(strings.TrimPrefix(key, prefix)); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// number reads 7 from 000007.json, and from nothing else.
func number(file string) (int, bool) {
	digits, ok := strings.CutSuffix(file, ".json")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && fmt.Sprintf("%06d", n) == digits
}

func (b *Book) read(ctx context.Context, chain string, seq int) (Record, []byte, error) {
	key := evidence + recordFile(chain, seq)
	body, err := b.objects.Get(ctx, key)
	if err != nil {
		return Record{}, nil, sunset.Faultf(sunset.KindOf(err), "reading record %d of %s: %w", seq, chain, err)
	}
	var r Record
	if err := json.Unmarshal(body, &r); err != nil {
		return Record{}, nil, sunset.Faultf(sunset.Internal, "record %d of %s can't be read: %w", seq, chain, err)
	}
	return r, body, nil
}
