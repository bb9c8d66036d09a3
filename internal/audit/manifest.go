package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// manifest proves where the chains of a cleanup ended.
type manifest struct {
	CleanupID  string                 `json:"cleanup_id"`
	At         time.Time              `json:"at"`
	Discovered int                    `json:"discovered"`
	Outcomes   map[sunset.Outcome]int `json:"outcomes"`
	// SealedBy is the fingerprint of the key whose seal must follow; empty where none does.
	SealedBy string     `json:"sealed_by,omitempty"`
	Chains   []chainEnd `json:"chains"`
}

type chainEnd struct {
	Chain string `json:"chain"`
	Count int    `json:"count"`
	Head  string `json:"head"` // SHA-256 of the last record's file
}

// manifestData is what the record of kind "manifest" carries.
type manifestData struct {
	Manifest string `json:"manifest"`
	SHA256   string `json:"sha256"`
	Chains   int    `json:"chains"`
}

// WriteManifest ends a cleanup: it writes down where its own chain and those named end, sealed where the book has a
// sealer, then a record in the cleanup's chain with the manifest's hash. Once written a manifest stands; calling again
// only makes sure of the record. Outcomes must add up to discovered.
//
// What it seals it has made itself, in one piece with the seal: a manifest that somebody else put there is never sealed
// nor recorded, and is an Internal fault.
func (b *Book) WriteManifest(ctx context.Context, cleanupID string, chains []string, outcomes map[sunset.Outcome]int, discovered int) error {
	doing := "writing the manifest of cleanup " + cleanupID
	key, err := b.sealingKey(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	at := evidence + manifestFile(cleanupID)
	body, err := b.objects.Get(ctx, at)
	if errors.Is(err, store.ErrMissing) {
		if body, err = b.manifestOf(ctx, key, cleanupID, chains, outcomes, discovered); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if err = b.objects.Put(ctx, at, body); errors.Is(err, store.ErrExists) {
			body, err = b.objects.Get(ctx, at)
		}
	}
	if err != nil {
		return sunset.Faultf(sunset.KindOf(err), "%s: %w", doing, err)
	}
	if err := b.recordManifest(ctx, key, cleanupID, body); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// manifestOf makes the file, and puts the key that checks its seal where an auditor finds it.
func (b *Book) manifestOf(ctx context.Context, key PublicKey, cleanupID string, chains []string, outcomes map[sunset.Outcome]int, discovered int) ([]byte, error) {
	if why := miscount(outcomes, discovered); why != "" {
		return nil, sunset.Faultf(sunset.Internal, "%s", why)
	}
	m := manifest{CleanupID: cleanupID, At: b.clock.Now().UTC(), Discovered: discovered, Outcomes: outcomes, SealedBy: key.fingerprint}
	chains = append(slices.Clone(chains), sunset.CleanupChain(cleanupID))
	slices.Sort(chains)
	for _, chain := range slices.Compact(chains) {
		end, err := b.end(ctx, chain)
		if err != nil {
			return nil, err
		}
		m.Chains = append(m.Chains, end)
	}
	line, err := encode(m)
	if err != nil {
		return nil, sunset.Faultf(sunset.Internal, "%w", err)
	}
	if key.ecdsa != nil {
		// A wrong key in that place is for Verify and Checkpoint to tell; the seal doesn't depend on it.
		if _, err := b.publishKey(ctx, key); err != nil {
			return nil, err
		}
	}
	return b.sealed(ctx, key, line)
}

// recordManifest makes sure that the cleanup's chain carries the hash of body, its manifest.
func (b *Book) recordManifest(ctx context.Context, key PublicKey, cleanupID string, body []byte) error {
	own := sunset.CleanupChain(cleanupID)
	var m manifest
	line, s, err := decodeSealed(body, &m)
	if err != nil {
		return sunset.Faultf(sunset.Internal, "the one that is there can't be read: %w", err)
	}
	recorded, err := b.recorded(ctx, own, "manifest")
	if err != nil {
		return err
	}
	if why := notOurs(key, line, s, m.SealedBy); why != "" && !recorded {
		return sunset.Faultf(sunset.Internal, "the one that is there: %s", why)
	}
	data, err := encode(manifestData{Manifest: manifestFile(cleanupID), SHA256: hashOf(body), Chains: len(m.Chains)})
	if err != nil {
		return sunset.Faultf(sunset.Internal, "%w", err)
	}
	r, err := b.Append(ctx, Record{
		Chain: own, Kind: "manifest", CleanupID: cleanupID, By: "iam-sunset", Key: "manifest", Data: data,
		Text: fmt.Sprintf("The ends of the cleanup's %d chains were written into %s.", len(m.Chains), manifestFile(cleanupID)),
	})
	if err != nil {
		return err
	}
	var says manifestData
	if err := json.Unmarshal(r.Data, &says); err != nil || says.SHA256 != hashOf(body) {
		return sunset.Faultf(sunset.Internal, "record %d of %s names the SHA-256 %q, but that of the one that is there is %s", r.Seq, own, says.SHA256, hashOf(body))
	}
	return nil
}

// recorded reports whether a chain has a record with this key.
func (b *Book) recorded(ctx context.Context, chain, key string) (bool, error) {
	h := b.head(chain)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := b.refresh(ctx, chain, h); err != nil {
		return false, err
	}
	_, taken := h.keys[key]
	return taken, nil
}

// end reads where a chain ends in the store now, whatever this process remembers.
func (b *Book) end(ctx context.Context, chain string) (chainEnd, error) {
	h := b.head(chain)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := b.refresh(ctx, chain, h); err != nil {
		return chainEnd{}, err
	}
	if h.seq == 0 {
		return chainEnd{}, sunset.Faultf(sunset.Internal, "the chain %s has no records", chain)
	}
	return chainEnd{Chain: chain, Count: h.seq, Head: h.hash}, nil
}

// refresh brings h, which is locked, to where the chain is in the store.
func (b *Book) refresh(ctx context.Context, chain string, h *head) error {
	if h.known {
		return b.catchUp(ctx, chain, h)
	}
	return b.load(ctx, chain, h)
}

// miscount says what is wrong with a cleanup's numbers, or is empty.
func miscount(outcomes map[sunset.Outcome]int, discovered int) string {
	sum := 0
	for o, n := range outcomes {
		if !slices.Contains(sunset.Outcomes(), o) || n < 0 {
			return fmt.Sprintf("the outcome %q with %d users is none", o, n)
		}
		sum += n
	}
	if sum != discovered {
		return fmt.Sprintf("the outcomes add up to %d users, but %d were discovered", sum, discovered)
	}
	return ""
}
