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

// link is the row of a link. Its MAC covers the link's hash too, so that whoever can write rows still can't make a way
// in for an approver, or stretch or move one.
type link struct {
	Hash     string    `json:"hash"`
	Approver string    `json:"approver"`
	Expires  time.Time `json:"expires"`
	MAC      []byte    `json:"mac,omitempty"`
}

func (l link) message() ([]byte, error) {
	l.MAC = nil
	b, err := json.Marshal(l)
	return sealed("link", b), err
}

// NewLink makes a way in for an approver, good until expires. The secret, 256 random bits, is told this once; only its
// hash is stored. It is an AccessDenied fault if today's settings don't name the approver.
func (d *Desk) NewLink(ctx context.Context, approverEmail string, expires time.Time) (secret string, err error) {
	doing := "making a link for " + approverEmail
	s, err := d.settings(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	a, ok := s.Approver(approverEmail)
	if !ok {
		return "", sunset.Faultf(sunset.AccessDenied, "%s: it is not an approver in today's settings", doing)
	}
	secret = base64.RawURLEncoding.EncodeToString(random(32))
	l := link{Hash: hashed(secret), Approver: a.Email, Expires: expires.UTC()}
	message, err := l.message()
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	if l.MAC, err = d.signers.Links.MAC(ctx, message); err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	if _, err := writeOnce(ctx, d.rows, linkKey(l.Hash), l); err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	return secret, nil
}

// Approver tells whose link a secret is. The error wraps store.ErrMissing, and nothing tells them apart, for one that
// never was, one that is over and one whose row was tampered with.
func (d *Desk) Approver(ctx context.Context, linkSecret string) (email string, err error) {
	none := sunset.Faultf(sunset.AccessDenied, "looking up a link: %w", store.ErrMissing)
	if strings.TrimSpace(linkSecret) == "" {
		return "", none
	}
	hash := hashed(linkSecret)
	l, _, err := read[link](ctx, d.rows, linkKey(hash))
	switch {
	case errors.Is(err, store.ErrMissing):
		return "", none
	case err != nil:
		return "", fmt.Errorf("looking up a link: %w", err)
	case l.Hash != hash || !d.clock.Now().Before(l.Expires):
		return "", none
	}
	message, err := l.message()
	if err != nil {
		return "", fmt.Errorf("looking up a link: %w", err)
	}
	holds, err := d.signers.Links.Verify(ctx, message, l.MAC)
	switch {
	case err != nil:
		return "", fmt.Errorf("looking up a link: %w", err)
	case !holds:
		return "", none
	}
	return l.Approver, nil
}

func linkKey(hash string) string { return "link/" + hash }

// LinkURL is the address to which a link's secret leads.
func LinkURL(baseURL, secret string) string { return strings.TrimSuffix(baseURL, "/") + "/a/" + secret }
