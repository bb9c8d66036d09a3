package approval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Decide takes an approver's word: RequestID, Digest, Approver, Choice and Reason as given, the rest is filled in. It
// returns the decision as stored and what all decisions now add up to, which is empty while more are needed.
//
// The same decision again gives the stored one. Faults: Conflict where the request or its facts have moved on or the
// approver has decided otherwise before, AccessDenied where the approver is barred, Invalid for an impossible choice or
// reason. Their texts are sentences for the approver.
func (d *Desk) Decide(ctx context.Context, dec sunset.Decision) (sunset.Decision, sunset.Choice, error) {
	r, err := d.Request(ctx, dec.RequestID)
	if err != nil {
		return dec, "", err
	}
	s, err := d.settings(ctx)
	if err != nil {
		return dec, "", fmt.Errorf("deciding on request %s: %w", r.ID, err)
	}
	dec.CaseID, dec.UserID, dec.At = r.CaseID, r.UserID, d.clock.Now().UTC()
	dec.Reason, dec.SettingsDigest = CleanReason(dec.Reason), s.Digest()
	if dec.Way == "" {
		dec.Way = sunset.WayLink
	}
	if a, ok := s.Approver(dec.Approver); ok {
		dec.Approver = a.Email
	}

	key := decisionKey(r.ID, dec.Approver)
	stored, _, err := read[sunset.Decision](ctx, d.rows, key)
	if errors.Is(err, store.ErrMissing) {
		if r.Facts.Digest() != r.Digest {
			return dec, "", sunset.Faultf(sunset.Conflict, "the stored facts about %s don't match their digest; tell the security team", r.UserName)
		}
		if err := sunset.CheckDecision(r, dec, s, d.clock.Now()); err != nil {
			return dec, "", err
		}
		if dec.MAC, err = d.signers.Decisions.MAC(ctx, sealed("decision", dec.Message())); err != nil {
			return dec, "", fmt.Errorf("signing the decision on request %s: %w", r.ID, err)
		}
		stored, err = writeOnce(ctx, d.rows, key, dec)
	}
	if err != nil {
		return dec, "", fmt.Errorf("storing the decision on request %s: %w", r.ID, err)
	}

	holds, err := d.holds(ctx, r, key, stored)
	switch {
	case err != nil:
		return dec, "", err
	case !holds:
		return dec, "", sunset.Faultf(sunset.Conflict, "a decision on %s is stored in your name that this page did not take; tell the security team", r.UserName)
	case stored.Choice != dec.Choice || stored.Reason != dec.Reason || stored.Digest != dec.Digest:
		return dec, "", sunset.Faultf(sunset.Conflict, "you decided %q on %s already, %s; a decision can't be changed",
			stored.Choice, r.UserName, stored.At.Format("2 January 2006 15:04 MST"))
	}
	tally, err := d.settle(ctx, r)
	return stored, tally, err
}

// Decisions gives the stored decisions on a request whose MAC holds, and counts those whose does not.
func (d *Desk) Decisions(ctx context.Context, requestID string) (valid []sunset.Decision, forged int, err error) {
	r, err := d.Request(ctx, requestID)
	if err != nil {
		return nil, 0, err
	}
	return d.decisions(ctx, r)
}

func (d *Desk) decisions(ctx context.Context, r sunset.ApprovalRequest) (valid []sunset.Decision, forged int, err error) {
	rows, err := d.rows.List(ctx, "decision/"+r.ID+"/")
	if err != nil {
		return nil, 0, fmt.Errorf("listing the decisions on request %s: %w", r.ID, err)
	}
	return d.checked(ctx, r, rows)
}

// checked tells the decisions on r whose MAC holds from the others, among rows that are stored on it.
func (d *Desk) checked(ctx context.Context, r sunset.ApprovalRequest, rows []store.Row) (valid []sunset.Decision, forged int, err error) {
	for _, row := range rows {
		var dec sunset.Decision
		holds := json.Unmarshal(row.Body, &dec) == nil
		if holds {
			if holds, err = d.holds(ctx, r, row.Key, dec); err != nil {
				return nil, 0, err
			}
		}
		if holds {
			valid = append(valid, dec)
		} else {
			forged++
		}
	}
	return valid, forged, nil
}

// holds reports whether a decision stored at key was taken here, on this request, by the approver in whose place it is.
func (d *Desk) holds(ctx context.Context, r sunset.ApprovalRequest, key string, dec sunset.Decision) (bool, error) {
	if dec.RequestID != r.ID || dec.CaseID != r.CaseID || dec.UserID != r.UserID || key != decisionKey(r.ID, dec.Approver) {
		return false, nil
	}
	ok, err := d.signers.Decisions.Verify(ctx, sealed("decision", dec.Message()), dec.MAC)
	if err != nil {
		return false, fmt.Errorf("checking a decision on request %s: %w", r.ID, err)
	}
	return ok, nil
}

// tally is what the decisions stored on r add up to today.
func (d *Desk) tally(ctx context.Context, r sunset.ApprovalRequest) (sunset.Choice, error) {
	valid, _, err := d.decisions(ctx, r)
	if err != nil {
		return "", err
	}
	s, err := d.settings(ctx)
	if err != nil {
		return "", fmt.Errorf("adding up the decisions on request %s: %w", r.ID, err)
	}
	return sunset.Tally(r, valid, s), nil
}

// settle makes r decided once its decisions add up to something.
func (d *Desk) settle(ctx context.Context, r sunset.ApprovalRequest) (sunset.Choice, error) {
	choice, err := d.tally(ctx, r)
	if err != nil || choice == "" {
		return "", err
	}
	now, err := d.move(ctx, r.ID, sunset.RequestOpen, sunset.RequestDecided)
	switch {
	case err != nil:
		return "", fmt.Errorf("closing request %s: %w", r.ID, err)
	case now.State != sunset.RequestDecided:
		return "", sunset.Faultf(sunset.Conflict, "the request on %s ended (%s) while you decided; open your list again", r.UserName, now.State)
	}
	return choice, nil
}

// CleanReason is what is kept of a text that somebody typed: no control characters but line feeds, nothing that
// reverses the direction of what follows, no bytes that aren't UTF-8, no space around it.
func CleanReason(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return c
		case c == '\t':
			return ' '
		case unicode.IsControl(c), unicode.Is(unicode.Bidi_Control, c), c == '\u2028', c == '\u2029':
			return -1
		}
		return c
	}, s))
}
