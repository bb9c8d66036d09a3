package approval

import (
	"context"
	"encoding/json"
	"fmt"
)

// SealKeep makes the MAC by which the function that gives users back knows that an owner asked for it on a page: it can be
// called by others, who must not put words into an owner's mouth.
func (d *Desk) SealKeep(ctx context.Context, a OwnerAct) ([]byte, error) {
	message, err := keepMessage(a)
	if err != nil {
		return nil, err
	}
	mac, err := d.signers.Decisions.MAC(ctx, message)
	if err != nil {
		return nil, fmt.Errorf("signing the wish to keep the user of case %s: %w", a.CaseID, err)
	}
	return mac, nil
}

// KeepHolds reports whether mac is the one that a page made for a.
func (d *Desk) KeepHolds(ctx context.Context, a OwnerAct, mac []byte) (bool, error) {
	message, err := keepMessage(a)
	if err != nil || len(mac) == 0 {
		return false, err
	}
	holds, err := d.signers.Decisions.Verify(ctx, message, mac)
	if err != nil {
		return false, fmt.Errorf("checking the wish to keep the user of case %s: %w", a.CaseID, err)
	}
	return holds, nil
}

func keepMessage(a OwnerAct) ([]byte, error) {
	a.To = ""
	b, err := json.Marshal(a)
	return sealed("keep", b), err
}
