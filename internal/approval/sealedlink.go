package approval

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// linkRow is the row of a link of any kind. Its MAC covers all the rest of it, its hash too, so that whoever can write rows
// still can't make a way in for somebody, or stretch or move one.
type linkRow[T any] interface {
	// sealing gives what the MAC is checked by: the secret's hash, the end, and the MAC.
	sealing() (hash string, expires time.Time, mac []byte)
	// sealedBy is the row with a MAC in it; nil: as the MAC covers it.
	sealedBy(mac []byte) T
}

// linkKind is what the links of one kind have in common. The purpose keeps the MAC of one kind from serving another.
type linkKind struct {
	prefix, purpose string
	signer          Signer
}

func linkMessage[T linkRow[T]](k linkKind, l T) ([]byte, error) {
	b, err := json.Marshal(l.sealedBy(nil))
	return sealed(k.purpose, b), err
}

// keepLink seals and stores the row of a new secret, 256 random bits, which is told this once: only its hash is stored.
func keepLink[T linkRow[T]](ctx context.Context, rows store.Rows, k linkKind, rowOf func(hash string) T) (secret string, err error) {
	secret = base64.RawURLEncoding.EncodeToString(random(32))
	hash := hashed(secret)
	l := rowOf(hash)
	message, err := linkMessage(k, l)
	if err != nil {
		return "", err
	}
	mac, err := k.signer.MAC(ctx, message)
	if err != nil {
		return "", err
	}
	if _, err := writeOnce(ctx, rows, k.prefix+hash, l.sealedBy(mac)); err != nil {
		return "", err
	}
	return secret, nil
}

// openLink gives the row of a secret. The error wraps store.ErrMissing, and nothing tells them apart, for one that never
// was, one that is over and one whose row was tampered with. Other errors are wrapped, as no fault of the store's may be shown
// to whoever guesses links.
func openLink[T linkRow[T]](ctx context.Context, rows store.Rows, k linkKind, secret string, now time.Time) (T, error) {
	var none T
	missing := sunset.Faultf(sunset.AccessDenied, "looking up a link: %w", store.ErrMissing)
	if strings.TrimSpace(secret) == "" {
		return none, missing
	}
	want := hashed(secret)
	l, _, err := read[T](ctx, rows, k.prefix+want)
	switch {
	case errors.Is(err, store.ErrMissing):
		return none, missing
	case err != nil:
		return none, fmt.Errorf("looking up a link: %w", err)
	}
	hash, expires, mac := l.sealing()
	if hash != want || !now.Before(expires) {
		return none, missing
	}
	message, err := linkMessage(k, l)
	if err != nil {
		return none, fmt.Errorf("looking up a link: %w", err)
	}
	holds, err := k.signer.Verify(ctx, message, mac)
	switch {
	case err != nil:
		return none, fmt.Errorf("looking up a link: %w", err)
	case !holds:
		return none, missing
	}
	return l, nil
}
