package approval

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// OwnerLink is the way in of one owner to one case. By it a user can be kept, and never be deleted.
type OwnerLink struct {
	Hash    string    `json:"hash"`
	CaseID  string    `json:"case_id"`
	UserID  string    `json:"user_id"`
	Email   string    `json:"email"` // whom the link was made for
	Expires time.Time `json:"expires"`
	// MAC covers all the rest, under a purpose of its own, so that no approver's link and no row that somebody else
	// writes opens an owner's page.
	MAC []byte `json:"mac,omitempty"`
}

func (l OwnerLink) sealing() (string, time.Time, []byte) { return l.Hash, l.Expires, l.MAC }

func (l OwnerLink) sealedBy(mac []byte) OwnerLink {
	l.MAC = mac
	return l
}

func (d *Desk) ownersLinks() linkKind { return linkKind{"ownerlink/", "owner-link", d.signers.Owners} }

// afterCase is how long an owner's link opens its page beyond the time that a case takes: whoever comes back from a
// holiday still finds out what became of the user, and can have back one that was left disabled.
const afterCase = 30 * 24 * time.Hour

// NewOwnerLink makes a way in to a case for its owner. The secret, 256 random bits, is told this once; only its hash is
// stored. It is good for as long as a case takes by today's settings, notice, soak and approval, and 30 days: some two
// months by default. A longer case brings new links with each message, and the page itself says when the case is over.
//
// It is an AccessDenied fault where today's settings let nobody be told at the address.
func (d *Desk) NewOwnerLink(ctx context.Context, caseID, userID, email string) (secret string, err error) {
	doing := fmt.Sprintf("making a link for the owner of case %q", caseID)
	if !plainKey(caseID) || userID == "" {
		return "", sunset.Faultf(sunset.Invalid, "%s: it must name a case and a user", doing)
	}
	s, err := d.settings(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	if !s.MayOwn(email) {
		return "", sunset.Faultf(sunset.AccessDenied, "%s: today's settings let no owner be told at %q", doing, email)
	}
	until := d.clock.Now().Add(s.Notice.Std() + s.Soak.Std() + s.ApprovalOpen.Std() + afterCase)
	secret, err = keepLink(ctx, d.rows, d.ownersLinks(), func(hash string) OwnerLink {
		return OwnerLink{Hash: hash, CaseID: caseID, UserID: userID, Email: email, Expires: until.UTC()}
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	return secret, nil
}

// OwnerLink tells what a secret leads to. The error wraps store.ErrMissing, and nothing tells them apart, for one that
// never was, one that is over and one whose row was tampered with.
func (d *Desk) OwnerLink(ctx context.Context, secret string) (OwnerLink, error) {
	return openLink[OwnerLink](ctx, d.rows, d.ownersLinks(), secret, d.clock.Now())
}

const ownerPath = "/o/"

// OwnerLinkURL is the address to which the secret of an owner's link leads.
func OwnerLinkURL(baseURL, secret string) string {
	return strings.TrimSuffix(baseURL, "/") + ownerPath + secret
}

// ForOwner reports whether a message's link leads to an owner's page, and not to an approver's.
func (m Message) ForOwner() bool {
	i := strings.LastIndexByte(m.Link, '/')
	return i >= 0 && strings.HasSuffix(m.Link[:i+1], ownerPath)
}
