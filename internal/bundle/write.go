package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Source is where a cleanup's files are read from. Any store.Objects is one; Folder is one that can't be written.
type Source interface {
	// Get reads an object; store.ErrMissing where there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// List gives all keys that begin with prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
}

// Packed is what Write made.
type Packed struct {
	Index Index
	// Missing are documents on record that the source does not have, so that Verify misses them too.
	Missing []string
}

// Write packs what proves cleanup into w, as it is found: whether it holds is for Verify to say. It is an Invalid fault
// where the source has no record of the cleanup. A cleanup that goes on meanwhile is packed as it was at some moment.
//
// The same files, made and by give the same archive; how gzip packs it depends on the version of Go. One file is read
// once, sixteen at a time; nothing is kept but the index.
func Write(ctx context.Context, w io.Writer, from Source, cleanup string, made time.Time, by string) (Packed, error) {
	doing := "packing the evidence of cleanup " + cleanup
	if err := store.CheckKey(cleanup); err != nil || strings.Contains(cleanup, "/") {
		return Packed{}, sunset.Faultf(sunset.Invalid, "%q can't be the name of a cleanup", cleanup)
	}
	names, err := collect(ctx, from, cleanup)
	if err != nil {
		return Packed{}, fmt.Errorf("%s: %w", doing, err)
	}
	out := &writer{packer: newPacker(w), from: from, documents: map[string]bool{}}
	out.index = Index{Format: format, Cleanup: cleanup, Made: made.UTC(), By: by, Files: []File{}}
	if err := out.copy(ctx, names); err != nil {
		return Packed{}, fmt.Errorf("%s: %w", doing, err)
	}
	if err := out.copy(ctx, slices.Sorted(maps.Keys(out.documents))); err != nil {
		return Packed{}, fmt.Errorf("%s: %w", doing, err)
	}
	out.index.Chains = chainsOf(out.index.Files)
	body, err := encodeIndex(out.index)
	if err == nil {
		err = errors.Join(out.packer.add(indexName, body), out.packer.close())
	}
	if err != nil {
		return Packed{}, fmt.Errorf("%s: %w", doing, err)
	}
	return Packed{out.index, out.missing}, nil
}

// collect gives the names of the evidence, sorted. What says where chains end is looked for first, so that a chain which
// grows meanwhile has at least what that counts.
func collect(ctx context.Context, from Source, cleanup string) ([]string, error) {
	ended, manifest, err := find(ctx, from, "manifest/"+cleanup+".json")
	if err != nil {
		return nil, err
	}
	names, err := seals(ctx, from, cleanup, manifest)
	if err != nil {
		return nil, err
	}
	for _, prefix := range []string{sunset.CleanupChain(cleanup) + "/", sunset.ChainOf(cleanup + "-"), audit.Operations + "/"} {
		keys, err := from.List(ctx, evidence+prefix)
		if err != nil {
			return nil, sunset.Faultf(sunset.KindOf(err), "listing %s…: %w", prefix, err)
		}
		for _, key := range keys {
			if audit.IsPart(cleanup, strings.TrimPrefix(key, evidence)) {
				names = append(names, key)
			}
		}
	}
	if ended {
		names = append(names, evidence+"manifest/"+cleanup+".json")
	} else if now, _, err := find(ctx, from, "manifest/"+cleanup+".json"); err != nil || now {
		if err != nil {
			return nil, err
		}
		return collect(ctx, from, cleanup) // it has ended while its chains were listed, and does so once
	}
	own := evidence + sunset.CleanupChain(cleanup) + "/"
	if !ended && !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, own) }) {
		return nil, sunset.Faultf(sunset.Invalid, "there is no record of such a cleanup")
	}
	slices.Sort(names)
	return names, nil
}

// seals gives the newest checkpoint, and the keys that it and the manifest name.
func seals(ctx context.Context, from Source, cleanup string, manifest []byte) ([]string, error) {
	days, err := from.List(ctx, evidence+"checkpoint/")
	if err != nil {
		return nil, sunset.Faultf(sunset.KindOf(err), "listing the checkpoints: %w", err)
	}
	days = slices.DeleteFunc(days, func(key string) bool { return !audit.IsPart(cleanup, strings.TrimPrefix(key, evidence)) })
	var names []string
	keys := map[string]bool{audit.SealedBy(manifest): true}
	if len(days) > 0 {
		newest := days[len(days)-1]
		body, err := from.Get(ctx, newest)
		if err != nil {
			return nil, sunset.Faultf(sunset.KindOf(err), "reading %s: %w", newest, err)
		}
		names, keys[audit.SealedBy(body)] = append(names, newest), true
	}
	delete(keys, "")
	for key := range keys {
		file := "key/" + key + ".pem"
		there, _, err := find(ctx, from, file)
		if err != nil {
			return nil, err
		}
		if there {
			names = append(names, evidence+file)
		}
	}
	return names, nil
}

// find reads a file of the evidence that need not be there.
func find(ctx context.Context, from Source, file string) (there bool, body []byte, err error) {
	body, err = from.Get(ctx, evidence+file)
	if errors.Is(err, store.ErrMissing) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, sunset.Faultf(sunset.KindOf(err), "reading %s: %w", file, err)
	}
	return true, body, nil
}

type writer struct {
	packer    *packer
	from      Source
	index     Index
	documents map[string]bool // that the records name
	missing   []string
}

const (
	readers = 16
	batch   = 256 // files that are in memory at once
)

// copy packs files in the order given. A document that is on record and not there is left out, for Verify to tell.
func (w *writer) copy(ctx context.Context, names []string) error {
	for part := range slices.Chunk(names, batch) {
		bodies := make([][]byte, len(part))
		g, each := errgroup.WithContext(ctx)
		g.SetLimit(readers)
		for i, name := range part {
			g.Go(func() error {
				body, err := w.from.Get(each, name)
				if errors.Is(err, store.ErrMissing) && isDocument(name) {
					return nil
				}
				if err != nil {
					return sunset.Faultf(sunset.KindOf(err), "reading %s: %w", name, err)
				}
				bodies[i] = append([]byte{}, body...) // never nil: it is there
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for i, name := range part {
			if bodies[i] == nil {
				w.missing = append(w.missing, name)
				continue
			}
			if err := w.add(name, bodies[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) add(name string, body []byte) error {
	if err := w.packer.add(name, body); err != nil {
		return err
	}
	w.index.Files = append(w.index.Files, File{Name: name, Size: int64(len(body)), SHA256: hashOf(body)})
	if _, _, isRecord := audit.RecordAt(strings.TrimPrefix(name, evidence)); !isRecord || isDocument(name) {
		return nil
	}
	if name == evidence+sunset.CleanupChain(w.index.Cleanup)+"/000001.json" {
		w.index.Account = accountOf(body)
	}
	var r audit.Record
	if json.Unmarshal(body, &r) != nil {
		return nil // Verify tells of it
	}
	if d, ok := audit.DocumentOf(r); ok && isDocument(d.Key) && store.CheckKey(d.Key) == nil {
		w.documents[d.Key] = true
	}
	return nil
}
