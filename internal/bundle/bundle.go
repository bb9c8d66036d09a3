// Package bundle packs what proves one cleanup into one file that can be checked without AWS, and reads such files.
// docs/bundle.md says what is in it byte by byte, so that other tools can check it too.
package bundle

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
)

// Suffix ends the names that bundles are given.
const Suffix = ".bundle.tar.gz"

const (
	format    = 1
	indexName = "bundle.json"
	evidence  = "evidence/"
)

// Index is the last file of a bundle: what it holds. Nobody signs it. What it says of the evidence is checked against
// that; By and Made are the exporter's word alone.
type Index struct {
	Format  int    `json:"format"` // 1
	Cleanup string `json:"cleanup"`
	// Account is the account that was cleaned up, empty where no record says it.
	Account string    `json:"account,omitempty"`
	Made    time.Time `json:"made"` // when the bundle was made, in UTC
	By      string    `json:"by"`   // version of the program that made it
	// Chains are where the chains in the bundle end, by name.
	Chains []Chain `json:"chains"`
	// Files are all others, in the order in which they lie in it.
	Files []File `json:"files"`
}

// Chain is where a chain of records ends.
type Chain struct {
	Name  string `json:"chain"`
	Count int    `json:"count"`
	Head  string `json:"head"` // SHA-256 of the last record's file
}

// File is one of a bundle's files. Name is its key in the store that it was read from.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // lower-case hex
}

// Bundle is a bundle that was read, whole, into memory.
type Bundle struct {
	Index Index
	files map[string][]byte
}

// Objects are the bundle's files under the keys that they had: evidence/…, plans/…, cases/…, snapshots/…. They can only be
// read: Put is an error. That the bundle was read does not make them true; see Verify.
func (b *Bundle) Objects() store.Objects { return objects{b.files} }

// Evidence gives the files of the evidence, by their names in it, sorted.
func (b *Bundle) Evidence() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, f := range b.Index.Files {
			name, ok := strings.CutPrefix(f.Name, evidence)
			if ok && !yield(name, b.files[f.Name]) {
				return
			}
		}
	}
}

type objects struct{ files map[string][]byte }

func (o objects) Put(_ context.Context, key string, _ []byte) error {
	return fmt.Errorf("writing object %s: a bundle can only be read", key)
}

func (o objects) Get(_ context.Context, key string) ([]byte, error) {
	body, ok := o.files[key]
	if !ok {
		return nil, fmt.Errorf("reading object %s from the bundle: %w", key, store.ErrMissing)
	}
	return bytes.Clone(body), nil
}

func (o objects) List(_ context.Context, prefix string) ([]string, error) {
	var keys []string
	for key := range o.files {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// inOrder says how files lie in a bundle: evidence first, since it names the others, and by name.
func inOrder(a, b string) int {
	return cmp.Or(cmp.Compare(group(a), group(b)), strings.Compare(a, b))
}

func group(name string) int {
	switch {
	case strings.HasPrefix(name, evidence):
		return 0
	case name != indexName:
		return 1
	}
	return 2
}

// encodeIndex writes the index as its one line.
func encodeIndex(i Index) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(i); err != nil {
		return nil, fmt.Errorf("writing the bundle's index: %w", err)
	}
	return b.Bytes(), nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
