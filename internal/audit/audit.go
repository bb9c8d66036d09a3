// Package audit writes records that chain, and verifies them offline.
//
// # Format
//
// Evidence is a directory of files that are written once:
//
//	case/<case id>/000001.json …       one chain of records a case
//	cleanup/<cleanup id>/000001.json … one a cleanup
//	account/<topic>/000001.json …      what belongs to neither
//	manifest/<cleanup id>.json         a finished cleanup's chains
//
// Every file is one JSON object and a newline. A record names its chain and its number, which is the file's name, and
// in "prev" the lower-case hex SHA-256 of the previous file's bytes, all of them, newline included; the first one's is
// empty. A manifest lists, for each chain of the cleanup, how many records it had and the SHA-256 of the last one, and
// how many users had which outcome. A record of kind "manifest" in the cleanup's chain carries the manifest's own
// SHA-256. sha256sum and a JSON reader are all that another tool needs to check this.
//
// # What is found, and what is not
//
// A record that was changed, dropped, swapped, inserted or renamed breaks a link. A chain cut short, or written anew
// from some record on, does not match the manifest. Until a cleanup has its manifest the end of its chains is not
// proven, and neither is what a chain took on after it (a failed case that was taken up again): Report names both.
// In the record that carries the manifest's hash everything but that hash is unproven, since nothing comes after it.
// Whoever can rewrite a whole chain and the manifest and the cleanup's chain leaves nothing to find: against that, keep
// the last hash of the cleanup's chain somewhere else, or the files in storage that refuses to overwrite.
package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"
)

// Record is one audit entry.
type Record struct {
	Chain string    `json:"chain"` // see sunset.ChainOf and sunset.CleanupChain
	Seq   int       `json:"seq"`   // from 1
	At    time.Time `json:"at"`
	// Kind is what happened. Verify knows: intent and outcome, closed and failed, manifest.
	Kind      string `json:"kind"`
	CleanupID string `json:"cleanup_id,omitempty"`
	CaseID    string `json:"case_id,omitempty"`
	UserID    string `json:"user_id,omitempty"`
	UserName  string `json:"user_name,omitempty"`
	By        string `json:"by,omitempty"`
	// Text is one sentence for an auditor, Data the same for machines.
	Text string          `json:"text,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
	// Key lets a retry find its own record: a chain takes it once.
	Key string `json:"key,omitempty"`
	// Prev is the SHA-256 of the previous record's file, in hex; empty for the first.
	Prev string `json:"prev"`
}

// evidence is where all of it lies in the store.
const evidence = "evidence/"

// kinds of chains: the first part of their names.
var chainKinds = []string{"case", "cleanup", "account"}

func recordFile(chain string, seq int) string { return fmt.Sprintf("%s/%06d.json", chain, seq) }

func manifestFile(cleanup string) string { return "manifest/" + cleanup + ".json" }

func checkpointFile(day string) string { return "checkpoint/" + day + ".json" }

func keyFile(fingerprint string) string { return "key/" + fingerprint + ".pem" }

// place is what a file of the evidence is, by its name. One of its fields is set, or chain with seq.
type place struct {
	chain      string
	seq        int
	manifest   string // the cleanup
	checkpoint string // the day
	key        string // the fingerprint
}

// placeOf reports whether file, relative to the evidence, belongs to it.
func placeOf(file string) (place, bool) {
	dir, base := path.Dir(file), path.Base(file)
	if n, ok := number(base); ok && validChain(dir) {
		return place{chain: dir, seq: n}, true
	}
	name, isJSON := strings.CutSuffix(base, ".json")
	switch {
	case dir == "manifest" && isJSON && name != "":
		return place{manifest: name}, true
	case dir == "checkpoint" && isJSON && validDay(name):
		return place{checkpoint: name}, true
	case dir == "key":
		name, isPEM := strings.CutSuffix(base, ".pem")
		return place{key: name}, isPEM && validHash(name)
	}
	return place{}, false
}

func validDay(day string) bool {
	t, err := time.Parse(time.DateOnly, day)
	return err == nil && t.Format(time.DateOnly) == day
}

func validHash(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// encode writes v as one line.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// validChain reports whether chain is <kind>/<name>.
func validChain(chain string) bool {
	kind, name, ok := strings.Cut(chain, "/")
	if !ok || name == "" || strings.Contains(name, "/") {
		return false
	}
	for _, k := range chainKinds {
		if k == kind {
			return true
		}
	}
	return false
}
