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
	Chains     []chainEnd             `json:"chains"`
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

// WriteManifest ends a cleanup: it writes down where its own chain and those named end, then a record in the cleanup's
// chain with the manifest's hash. Once written a manifest stands; calling again only makes sure of the record. Outcomes
// must add up to discovered.
func (b *Book) WriteManifest(ctx context.Context, cleanupID string, chains []string, outcomes map[sunset.Outcome]int, discovered int) error {
	doing := "writing the manifest of cleanup " + cleanupID
	own := sunset.CleanupChain(cleanupID)
	key := evidence + manifestFile(cleanupID)
	body, err := b.objects.Get(ctx, key)
	if errors.Is(err, store.ErrMissing) {
		if why := miscount(outcomes, discovered); why != "" {
			return sunset.Faultf(sunset.Internal, "%s: %s", doing, why)
		}
		m := manifest{CleanupID: cleanupID, At: b.clock.Now().UTC(), Discovered: discovered, Outcomes: outcomes}
		chains = append(slices.Clone(chains), own)
		slices.Sort(chains)
		for _, chain := range slices.Compact(chains) {
			end, err := b.end(ctx, chain)
			if err != nil {
				return fmt.Errorf("%s: %w", doing, err)
			}
			m.Chains = append(m.Chains, end)
		}
		if body, err = encode(m); err != nil {
			return sunset.Faultf(sunset.Internal, "%s: %w", doing, err)
		}
		if err = b.objects.Put(ctx, key, body); errors.Is(err, store.ErrExists) {
			body, err = b.objects.Get(ctx, key)
		}
	}
	if err != nil {
		return sunset.Faultf(sunset.KindOf(err), "%s: %w", doing, err)
	}
	var written manifest
	if err := json.Unmarshal(body, &written); err != nil {
		return sunset.Faultf(sunset.Internal, "%s: the one that is there can't be read: %w", doing, err)
	}
	data, err := encode(manifestData{Manifest: manifestFile(cleanupID), SHA256: hashOf(body), Chains: len(written.Chains)})
	if err != nil {
		return sunset.Faultf(sunset.Internal, "%s: %w", doing, err)
	}
	_, err = b.Append(ctx, Record{
		Chain: own, Kind: "manifest", CleanupID: cleanupID, By: "iam-sunset", Key: "manifest", Data: data,
		Text: fmt.Sprintf("The ends of the cleanup's %d chains were written into %s.", len(written.Chains), manifestFile(cleanupID)),
	})
	return err
}

// end reads where a chain ends in the store now, whatever this process remembers.
func (b *Book) end(ctx context.Context, chain string) (chainEnd, error) {
	h := b.head(chain)
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	if h.known {
		err = b.catchUp(ctx, chain, h)
	} else {
		err = b.load(ctx, chain, h)
	}
	if err != nil {
		return chainEnd{}, err
	}
	if h.seq == 0 {
		return chainEnd{}, sunset.Faultf(sunset.Internal, "the chain %s has no records", chain)
	}
	return chainEnd{Chain: chain, Count: h.seq, Head: h.hash}, nil
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
