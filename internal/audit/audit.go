// Package audit writes records that chain, has the chains' ends sealed, and verifies all of it offline.
//
// # Format
//
// Evidence is a directory of files that are written once:
//
//	case/<case id>/000001.json …       one chain of records a case
//	cleanup/<cleanup id>/000001.json … one a cleanup
//	account/<topic>/000001.json …      what belongs to neither
//	manifest/<cleanup id>.json         where a finished cleanup's chains ended
//	checkpoint/<day>.json              where all chains ended on a day, as 2006-01-02
//	key/<fingerprint>.pem              a public key that checks seals
//
// A record is one JSON object and a newline. It names its chain and its number, which is the file's name, and in "prev"
// the lower-case hex SHA-256 of the previous file's bytes, all of them, newline included; the first one's is empty. A
// manifest lists, for each chain of the cleanup, how many records it had ("count") and the SHA-256 of the last one
// ("head"), and how many users had which outcome. A record of kind "manifest" in the cleanup's chain carries the SHA-256
// of the manifest's file.
//
// A checkpoint lists the same for every chain that the store has, names the checkpoint before it ("previous") with the
// SHA-256 of that file ("previous_sha256"; both are left out in the first), and says in "problems" what was found wrong
// on that day. A chain that was is "broken": its count and head are then those of the last checkpoint at which it was
// whole, and 0 and empty if it never was. No checkpoint counts fewer records of a chain than one before it. "manifests"
// gives the SHA-256 of every manifest's file.
//
// # Seals
//
// Manifests and checkpoints are one line, as records are, or two. The second is the seal of the first, a JSON object
// without spaces, of these fields in this order:
//
//	digest     lower-case hex SHA-256 of the first line, newline included
//	algorithm  ECDSA_SHA_256
//	key        fingerprint: lower-case hex SHA-256 of the public key's SubjectPublicKeyInfo in DER
//	signature  the ECDSA signature of that digest on curve P-256: ASN.1 DER in standard base64
//
// The first line names the same fingerprint in "sealed_by", so that a seal that was taken away is missed, and carries
// the time in "at", so that the time is signed. key/<fingerprint>.pem is the key as PEM ("PUBLIC KEY"). It is there for
// convenience: whoever asks who signed takes the key from where it was made. With head, sha256sum, base64 and openssl:
//
//	head -n 1 FILE | openssl dgst -sha256 -verify KEY.pem -signature SIGNATURE
//
// # What is found, and what is not
//
// A record that was changed, dropped, swapped, inserted or renamed breaks a link. A chain cut short, or written anew
// from some record on, does not match the manifest or the next checkpoint. What a chain took on after both is not proven
// to be all: Report names the cleanups and chains of which that is so. What was cut or written anew before the first
// checkpoint that counts it leaves nothing to find.
//
// Without seals whoever can rewrite a whole chain, the manifest, the checkpoints and the cleanup's chain leaves nothing
// to find either. With seals, and the key from elsewhere, they would need the private key. Nothing in the evidence tells
// of its newest checkpoint, though: if that is taken away, with all that the chains took on since the one before, only
// the SHA-256 that Checkpoint gave tells, where it was kept elsewhere, or storage that refuses to delete.
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
