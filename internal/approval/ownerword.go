package approval

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// OwnerWord gives what a case's owner has said; its zero value where that is nothing.
func (d *Desk) OwnerWord(ctx context.Context, caseID string) (sunset.OwnerWord, error) {
	if !plainKey(caseID) {
		return sunset.OwnerWord{}, sunset.Faultf(sunset.Invalid, "case %q: that is no case's id", caseID)
	}
	word, _, err := read[sunset.OwnerWord](ctx, d.rows, ownerKey(caseID))
	if err != nil && !errors.Is(err, store.ErrMissing) {
		return sunset.OwnerWord{}, fmt.Errorf("reading what the owner said of case %s: %w", caseID, err)
	}
	return word, nil
}

// Agree stores that a case's owner agrees that the user goes. The first agreement stands. It is a Conflict where the case
// was handed over to somebody else meanwhile.
func (d *Desk) Agree(ctx context.Context, a OwnerAct) (sunset.OwnerWord, error) {
	return d.say(ctx, a, func(word *sunset.OwnerWord) (bool, error) {
		switch {
		case word.Former(a.By):
			return false, handedOn(*word)
		case !word.Agreed.IsZero():
			return false, nil
		}
		word.Agreed, word.AgreedBy, word.Way = d.clock.Now().UTC(), a.By, a.Way
		return true, nil
	})
}

// HandOver stores that a case has another owner from now on, who has agreed to nothing yet. Faults: Invalid where
// today's settings don't allow the address, Conflict where the case was handed over to somebody else meanwhile. The same
// again changes nothing.
func (d *Desk) HandOver(ctx context.Context, a OwnerAct) (sunset.OwnerWord, error) {
	s, err := d.settings(ctx)
	if err != nil {
		return sunset.OwnerWord{}, fmt.Errorf("handing over case %s: %w", a.CaseID, err)
	}
	switch {
	case !s.MayHandOver(a.To):
		return sunset.OwnerWord{}, sunset.Faultf(sunset.Invalid, "it can't be handed over to this address: only to plain addresses of %s", strings.Join(s.OwnerDomains, ", "))
	case strings.EqualFold(a.To, a.By):
		return sunset.OwnerWord{}, sunset.Faultf(sunset.Invalid, "it is yours already: name somebody else")
	}
	return d.say(ctx, a, func(word *sunset.OwnerWord) (bool, error) {
		switch {
		case strings.EqualFold(word.Owner.Email, a.To) && strings.EqualFold(word.HandedBy, a.By):
			return false, nil
		case word.Former(a.By):
			return false, handedOn(*word)
		}
		*word = sunset.OwnerWord{
			Owner: sunset.Owner{Email: a.To, Name: a.To, From: "handed over by " + a.By}, HandedBy: a.By, HandedAt: d.clock.Now().UTC(), Way: a.Way,
		}
		return true, nil
	})
}

func handedOn(word sunset.OwnerWord) error {
	return sunset.Faultf(sunset.Conflict, "it was handed over to %s meanwhile", CleanReason(word.Owner.Email))
}

func (d *Desk) say(ctx context.Context, a OwnerAct, f func(*sunset.OwnerWord) (bool, error)) (sunset.OwnerWord, error) {
	if !plainKey(a.CaseID) {
		return sunset.OwnerWord{}, sunset.Faultf(sunset.Invalid, "case %q: that is no case's id", a.CaseID)
	}
	var refused error
	word, err := change(ctx, d.rows, ownerKey(a.CaseID), func(word *sunset.OwnerWord) (changed bool) {
		changed, refused = f(word)
		return changed
	})
	switch {
	case err != nil:
		return sunset.OwnerWord{}, fmt.Errorf("storing what the owner said of case %s: %w", a.CaseID, err)
	case refused != nil:
		return sunset.OwnerWord{}, refused
	}
	return word, nil
}

func ownerKey(caseID string) string { return "owner/" + caseID }
