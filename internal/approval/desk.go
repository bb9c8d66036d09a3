// Package approval asks people and keeps their word: requests, decisions, the links by which approvers come, and the
// pages on which they decide.
//
// The store is assumed to be written by others too, and task tokens to be known to others. So a decision counts only
// while its MAC holds, a link opens only if its MAC holds, and what a decision says is worked out anew from stored
// decisions and today's settings whenever somebody asks. A token decides nothing.
//
// Rows: request/<id>, round/<case>/<round> (which request that is), token/<request>, decision/<request>/<approver>,
// announced/<request>/<approver>, link/<hash>, ownerlink/<hash>, owner/<case>. Approvers are in keys by the SHA-256 of their lower-case address.
package approval

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Settings reads the deployment's settings as they are now.
type Settings func(ctx context.Context) (sunset.Settings, error)

// Desk is where requests wait for decisions. It is safe for concurrent use, by as many processes as its store is.
type Desk struct {
	rows     store.Rows
	signers  Signers
	settings Settings
	clock    interface{ Now() time.Time }
}

// Signers are the keys of a desk. They are two, so that whoever makes links, reconcile, can't make decisions.
type Signers struct {
	Decisions Signer
	Links     Signer
	// Owners is for the links of owners, by which nobody can be deleted: more functions make those. nil: Links, under
	// another purpose.
	Owners Signer
}

// NewDesk is a desk over rows. Settings are read for every answer that depends on them.
func NewDesk(rows store.Rows, signers Signers, settings Settings, clock interface{ Now() time.Time }) *Desk {
	if signers.Owners == nil {
		signers.Owners = signers.Links
	}
	return &Desk{rows: rows, signers: signers, settings: settings, clock: clock}
}

// Open puts r before the approvers and keeps the task token that its decision will answer. There is one request for a
// case and round: a retry gets the first one back, in whatever state it is by now, and its token takes the place of
// the earlier one, whose task is over. Open requests of earlier rounds become superseded.
//
// ID (128 random bits), Issued and Digest are filled in where empty. It is an Invalid fault if r names no case or user,
// has no end, or if its digest is not that of its facts, and a Conflict if the case has a later round already.
func (d *Desk) Open(ctx context.Context, r sunset.ApprovalRequest, taskToken string) (sunset.ApprovalRequest, error) {
	doing := fmt.Sprintf("opening the request on case %q, round %d", r.CaseID, r.Round)
	switch {
	case !plainKey(r.CaseID) || r.UserID == "" || r.UserName == "":
		return r, sunset.Faultf(sunset.Invalid, "%s: it must name a case and a user", doing)
	case r.Facts.UserID != r.UserID:
		return r, sunset.Faultf(sunset.Invalid, "%s: its facts are about user %q, not %q", doing, r.Facts.UserID, r.UserID)
	case r.Digest != "" && r.Digest != r.Facts.Digest():
		return r, sunset.Faultf(sunset.Invalid, "%s: its digest is not that of its facts", doing)
	case r.Expires.IsZero():
		return r, sunset.Faultf(sunset.Invalid, "%s: expires: it must end at some time", doing)
	case r.ID != "" && !plainKey(r.ID):
		return r, sunset.Faultf(sunset.Invalid, "%s: id: only letters, digits and ._-@+= may be in it", doing)
	}
	if r.ID == "" {
		r.ID = hex.EncodeToString(random(16))
	}
	if r.Issued.IsZero() {
		r.Issued = d.clock.Now().UTC()
	}
	r.Digest = r.Facts.Digest()
	r.State = sunset.RequestOpen

	rounds, err := d.rounds(ctx, r.CaseID)
	if err != nil {
		return r, fmt.Errorf("%s: %w", doing, err)
	}
	for _, other := range rounds {
		if other.Round > r.Round {
			return r, sunset.Faultf(sunset.Conflict, "%s: round %d was asked already", doing, other.Round)
		}
	}

	// The round is claimed first, so that whoever tries again after a crash goes on with the same id, and the token is
	// there before anybody can decide.
	claim, err := writeOnce(ctx, d.rows, roundKey(r.CaseID, r.Round), round{RequestID: r.ID, Round: r.Round})
	if err != nil {
		return r, fmt.Errorf("%s: %w", doing, err)
	}
	r.ID = claim.RequestID
	if _, err := change(ctx, d.rows, tokenKey(r.ID), func(t *token) bool {
		if t.Token == taskToken {
			return false
		}
		*t = token{Token: taskToken}
		return true
	}); err != nil {
		return r, fmt.Errorf("%s: keeping its token: %w", doing, err)
	}
	if r, err = writeOnce(ctx, d.rows, requestKey(r.ID), r); err != nil {
		return r, fmt.Errorf("%s: %w", doing, err)
	}
	for _, other := range rounds {
		if other.Round < r.Round {
			if err := d.supersede(ctx, other.RequestID); err != nil {
				return r, fmt.Errorf("%s: superseding round %d: %w", doing, other.Round, err)
			}
		}
	}
	return r, nil
}

// Request gives a request by its id. The error wraps store.ErrMissing where there is none.
func (d *Desk) Request(ctx context.Context, id string) (sunset.ApprovalRequest, error) {
	if !plainKey(id) {
		return sunset.ApprovalRequest{}, fmt.Errorf("reading a request: %w", store.ErrMissing)
	}
	r, _, err := read[sunset.ApprovalRequest](ctx, d.rows, requestKey(id))
	if err != nil {
		return r, fmt.Errorf("reading request %s: %w", id, err)
	}
	return r, nil
}

// OpenRequests gives every request that may still be decided, in order of ids.
func (d *Desk) OpenRequests(ctx context.Context) ([]sunset.ApprovalRequest, error) {
	return d.requests(ctx, func(r sunset.ApprovalRequest) bool { return r.State == sunset.RequestOpen })
}

func (d *Desk) requests(ctx context.Context, want func(sunset.ApprovalRequest) bool) ([]sunset.ApprovalRequest, error) {
	all, err := list[sunset.ApprovalRequest](ctx, d.rows, "request/")
	if err != nil {
		return nil, fmt.Errorf("listing requests: %w", err)
	}
	var out []sunset.ApprovalRequest
	for _, r := range all {
		if want(r) {
			out = append(out, r)
		}
	}
	return out, nil
}

// Supersede ends all open requests of a case but the one whose id is except, because the facts have moved.
func (d *Desk) Supersede(ctx context.Context, caseID, except string) error {
	rounds, err := d.rounds(ctx, caseID)
	if err != nil {
		return fmt.Errorf("superseding the requests on case %s: %w", caseID, err)
	}
	for _, r := range rounds {
		if r.RequestID == except {
			continue
		}
		if err := d.supersede(ctx, r.RequestID); err != nil {
			return fmt.Errorf("superseding request %s on case %s: %w", r.RequestID, caseID, err)
		}
	}
	return nil
}

// Expire ends an open request because nobody decided in time. One that is no longer open stays as it is.
func (d *Desk) Expire(ctx context.Context, requestID string) error {
	if _, err := d.move(ctx, requestID, sunset.RequestOpen, sunset.RequestExpired); err != nil {
		return fmt.Errorf("ending request %s: %w", requestID, err)
	}
	return nil
}

func (d *Desk) supersede(ctx context.Context, id string) error {
	_, err := d.move(ctx, id, sunset.RequestOpen, sunset.RequestSuperseded)
	if errors.Is(err, store.ErrMissing) {
		// Its Open died between claiming the round and writing the request: nothing is there to be decided.
		return nil
	}
	return err
}

// move changes a request's state if it is from, and gives the request as it is then.
func (d *Desk) move(ctx context.Context, id string, from, to sunset.State) (sunset.ApprovalRequest, error) {
	if _, err := d.Request(ctx, id); err != nil {
		return sunset.ApprovalRequest{}, err
	}
	return change(ctx, d.rows, requestKey(id), func(r *sunset.ApprovalRequest) bool {
		if r.State != from {
			return false
		}
		r.State = to
		return true
	})
}

// round says which request asks about a case in a round.
type round struct {
	RequestID string `json:"request_id"`
	Round     int    `json:"round"`
}

func (d *Desk) rounds(ctx context.Context, caseID string) ([]round, error) {
	return list[round](ctx, d.rows, "round/"+caseID+"/")
}

func requestKey(id string) string          { return "request/" + id }
func roundKey(caseID string, n int) string { return fmt.Sprintf("round/%s/%d", caseID, n) }
func tokenKey(id string) string            { return "token/" + id }
func decisionKey(id, approver string) string {
	return "decision/" + id + "/" + hashed(strings.ToLower(approver))
}

func announcedKey(id, approver string) string {
	return "announced/" + id + "/" + hashed(strings.ToLower(approver))
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	return b
}
