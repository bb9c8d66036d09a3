package approval

import (
	"context"
	"fmt"
	"strings"
	"time"

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

func (l link) sealing() (string, time.Time, []byte) { return l.Hash, l.Expires, l.MAC }

func (l link) sealedBy(mac []byte) link {
	l.MAC = mac
	return l
}

func (d *Desk) approversLinks() linkKind { return linkKind{"link/", "link", d.signers.Links} }

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
	secret, err = keepLink(ctx, d.rows, d.approversLinks(), func(hash string) link {
		return link{Hash: hash, Approver: a.Email, Expires: expires.UTC()}
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	return secret, nil
}

// Approver tells whose link a secret is. The error wraps store.ErrMissing, and nothing tells them apart, for one that
// never was, one that is over and one whose row was tampered with.
func (d *Desk) Approver(ctx context.Context, linkSecret string) (email string, err error) {
	l, err := openLink[link](ctx, d.rows, d.approversLinks(), linkSecret, d.clock.Now())
	return l.Approver, err
}

// LinkURL is the address to which a link's secret leads.
func LinkURL(baseURL, secret string) string { return strings.TrimSuffix(baseURL, "/") + "/a/" + secret }
