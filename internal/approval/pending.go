package approval

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Pending is an open request and whom it waits for.
type Pending struct {
	Request sunset.ApprovalRequest
	// Asked may decide, by today's settings, and have not.
	Asked []string
	// Stored is how many decisions are stored on it.
	Stored int
	// Told is when anybody was last told of it, and zero if nobody was.
	Told time.Time
}

// Pending lists the open requests, the first to end first. It checks no MAC, so that whoever looks needs no key, and
// decides nothing.
func (d *Desk) Pending(ctx context.Context) ([]Pending, error) {
	s, err := d.settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading who may approve: %w", err)
	}
	open, err := d.OpenRequests(ctx)
	if err != nil {
		return nil, err
	}
	decisions, err := d.rows.List(ctx, "decision/")
	if err != nil {
		return nil, fmt.Errorf("listing decisions: %w", err)
	}
	// The keys say all: whose word it is can't be read from what a stranger may have written.
	decided := map[string]bool{}
	stored := map[string]int{}
	for _, row := range decisions {
		decided[row.Key] = true
		id, _, _ := strings.Cut(strings.TrimPrefix(row.Key, "decision/"), "/")
		stored[id]++
	}
	told := map[string]time.Time{}
	rows, err := d.rows.List(ctx, "announced/")
	if err != nil {
		return nil, fmt.Errorf("listing who was told: %w", err)
	}
	for _, row := range rows {
		var a announced
		if err := json.Unmarshal(row.Body, &a); err != nil {
			return nil, fmt.Errorf("row %s can't be read: %w", row.Key, err)
		}
		told[row.Key] = a.At
	}
	var out []Pending
	for _, r := range open {
		p := Pending{Request: r, Stored: stored[r.ID]}
		for _, a := range s.Approvers {
			if at := told[announcedKey(r.ID, a.Email)]; at.After(p.Told) {
				p.Told = at
			}
			if r.Barred(s, a.Email) == "" && !decided[decisionKey(r.ID, a.Email)] {
				p.Asked = append(p.Asked, a.Email)
			}
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b Pending) int { return a.Request.Expires.Compare(b.Request.Expires) })
	return out, nil
}
