package approval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Delivery is a decision for which a task waits.
type Delivery struct {
	Request sunset.ApprovalRequest
	Token   string // never to be logged or recorded
	Choice  sunset.Choice
}

// token is the row of a request's task token.
type token struct {
	Token     string `json:"token"`
	Delivered bool   `json:"delivered,omitempty"`
}

// Undelivered gives the decided requests whose token was not answered yet, with what their decisions add up to today.
//
// It first makes up for what a crash left behind: an open request whose stored decisions suffice becomes decided. And
// one whose decisions no longer add up, because an approver has left the settings or more approvals are needed today, is
// opened again. A superseded request whose task still waits has nothing left to decide: its choice is keep, so that the
// case goes on and finds out what became of it.
func (d *Desk) Undelivered(ctx context.Context) ([]Delivery, error) {
	tokens, err := d.rows.List(ctx, tokenKey(""))
	if err != nil {
		return nil, fmt.Errorf("listing what was not answered yet: %w", err)
	}
	var out []Delivery
	for _, row := range tokens {
		var t token
		if err := json.Unmarshal(row.Body, &t); err == nil && t.Delivered {
			continue
		}
		waits, ok, err := d.Delivery(ctx, strings.TrimPrefix(row.Key, tokenKey("")))
		switch {
		case errors.Is(err, store.ErrMissing):
			// Its Open died before the request was written, and will be tried again.
		case err != nil:
			return nil, err
		case ok:
			out = append(out, waits)
		}
	}
	return out, nil
}

// Delivery is Undelivered for one request; ok is false where nothing is to be answered.
func (d *Desk) Delivery(ctx context.Context, requestID string) (waits Delivery, ok bool, err error) {
	t, waiting, err := d.waitingToken(ctx, requestID)
	if err != nil || !waiting {
		return Delivery{}, false, err
	}
	r, err := d.Request(ctx, requestID)
	if err != nil {
		return Delivery{}, false, err
	}
	switch r.State {
	case sunset.RequestOpen, sunset.RequestDecided:
	case sunset.RequestSuperseded:
		return Delivery{Request: r, Token: t.Token, Choice: sunset.ChooseKeep}, true, nil
	default:
		return Delivery{}, false, nil
	}
	choice, err := d.tally(ctx, r)
	if err != nil {
		return Delivery{}, false, err
	}
	from, to := sunset.RequestOpen, sunset.RequestDecided
	if choice == "" {
		from, to = to, from
	}
	if r, err = d.move(ctx, r.ID, from, to); err != nil {
		return Delivery{}, false, fmt.Errorf("settling request %s: %w", requestID, err)
	}
	return Delivery{Request: r, Token: t.Token, Choice: choice}, choice != "" && r.State == sunset.RequestDecided, nil
}

func (d *Desk) waitingToken(ctx context.Context, requestID string) (token, bool, error) {
	t, _, err := read[token](ctx, d.rows, tokenKey(requestID))
	switch {
	case errors.Is(err, store.ErrMissing):
		return token{}, false, nil
	case err != nil:
		return token{}, false, fmt.Errorf("reading whether request %s was answered: %w", requestID, err)
	}
	return t, !t.Delivered, nil
}

// MarkDelivered says that token, a request's, was answered. If a retry has put another one in its place meanwhile, that
// one still waits.
func (d *Desk) MarkDelivered(ctx context.Context, requestID, answered string) error {
	_, err := change(ctx, d.rows, tokenKey(requestID), func(t *token) bool {
		if t.Delivered || t.Token != answered {
			return false
		}
		t.Delivered = true
		return true
	})
	if err != nil {
		return fmt.Errorf("marking request %s as answered: %w", requestID, err)
	}
	return nil
}
