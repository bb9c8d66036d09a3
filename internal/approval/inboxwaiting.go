package approval

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Waiting is an approver whose word on a request is still asked for.
type Waiting struct {
	Request  sunset.ApprovalRequest
	Approver string
	// Announced is when the approver was last told, and zero if never.
	Announced time.Time
}

// announced is the row that says when an approver was last told.
type announced struct {
	At time.Time `json:"at"`
}

// Waiting lists, request by request, every approver who may decide and has not, told or not: whom to remind.
func (d *Desk) Waiting(ctx context.Context) ([]Waiting, error) {
	s, err := d.settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading who may approve: %w", err)
	}
	open, err := d.OpenRequests(ctx)
	if err != nil {
		return nil, err
	}
	now := d.clock.Now()
	var out []Waiting
	for _, r := range open {
		if !now.Before(r.Expires) {
			continue
		}
		valid, _, err := d.decisions(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, a := range s.Approvers {
			if r.Barred(s, a.Email) != "" ||
				slices.ContainsFunc(valid, func(dec sunset.Decision) bool { return strings.EqualFold(dec.Approver, a.Email) }) {
				continue
			}
			told, err := list[announced](ctx, d.rows, announcedKey(r.ID, a.Email))
			if err != nil {
				return nil, fmt.Errorf("reading who was told of request %s: %w", r.ID, err)
			}
			w := Waiting{Request: r, Approver: a.Email}
			if len(told) > 0 {
				w.Announced = told[0].At
			}
			out = append(out, w)
		}
	}
	return out, nil
}

// Unannounced lists those of Waiting who were never told.
func (d *Desk) Unannounced(ctx context.Context) ([]Waiting, error) {
	all, err := d.Waiting(ctx)
	return slices.DeleteFunc(all, func(w Waiting) bool { return !w.Announced.IsZero() }), err
}

// MarkAnnounced says that an approver was told of a request just now, for the first time or again.
func (d *Desk) MarkAnnounced(ctx context.Context, requestID, email string) error {
	at := d.clock.Now().UTC()
	_, err := change(ctx, d.rows, announcedKey(requestID, email), func(a *announced) bool {
		if !at.After(a.At) {
			return false
		}
		a.At = at
		return true
	})
	if err != nil {
		return fmt.Errorf("marking that %s was told of request %s: %w", email, requestID, err)
	}
	return nil
}
