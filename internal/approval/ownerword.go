package approval

import (
	"context"
	"errors"
	"fmt"

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

func ownerKey(caseID string) string { return "owner/" + caseID }
