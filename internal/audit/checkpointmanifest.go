package audit

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// checkManifests gives the SHA-256 of every manifest that is in the store or that the base lists. It reads them all, since
// there is but one a cleanup.
func (in *inspection) checkManifests(ctx context.Context) (map[string]string, error) {
	known, ours := map[string]string{}, in.base != nil && in.base.why == ""
	if in.base != nil {
		known = in.base.body.Manifests
	}
	hashes := map[string]string{}
	if ours {
		maps.Copy(hashes, known)
	}
	for _, file := range in.manifests {
		body, err := in.book.objects.Get(ctx, evidence+file)
		if errors.Is(err, store.ErrMissing) {
			in.bad(file, "the manifest is missing: it went while it was read")
			continue
		}
		if err != nil {
			return nil, sunset.Faultf(sunset.KindOf(err), "reading %s: %w", file, err)
		}
		hash := hashOf(body)
		if known[file] != "" && known[file] != hash {
			in.bad(file, "its SHA-256 is %s, but the checkpoint of %s names %s", hash, in.base.body.Day, known[file])
		}
		if hashes[file] == "" {
			in.checkNew(file, body)
			hashes[file] = hash
		}
	}
	for _, file := range slices.Sorted(maps.Keys(known)) {
		if !slices.Contains(in.manifests, file) {
			in.bad(file, "the manifest is missing: the checkpoint of %s names it", in.base.body.Day)
		}
	}
	return hashes, nil
}

// checkNew tells of a manifest that this deployment did not seal.
func (in *inspection) checkNew(file string, body []byte) {
	var m manifest
	line, s, err := decodeSealed(body, &m)
	if err != nil {
		in.bad(file, "the manifest can't be read: %v", err)
		return
	}
	if why := notOurs(in.key, line, s, m.SealedBy); why != "" {
		in.bad(file, "%s", why)
	}
}
