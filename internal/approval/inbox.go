package approval

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Item is a request as one approver finds it. Decisions are those whose MAC holds.
type Item struct {
	Request sunset.ApprovalRequest
	Mine    *sunset.Decision
	Others  []sunset.Decision
	Forged  int    // decisions stored by somebody else than this desk
	Barred  string // why the approver's word can't count here, or empty
}

// inboxClosed is how many ended requests an inbox shows; the records hold all of them.
const inboxClosed = 50

// Inbox gives what an approver has before them: open requests, the oldest first, then the latest that were decided or
// ran out. It is an AccessDenied fault if today's settings don't name the approver.
func (d *Desk) Inbox(ctx context.Context, email string) ([]Item, error) {
	s, err := d.approverSettings(ctx, email)
	if err != nil {
		return nil, err
	}
	all, err := d.requests(ctx, func(r sunset.ApprovalRequest) bool { return r.State != sunset.RequestSuperseded })
	if err != nil {
		return nil, err
	}
	var open, closed []sunset.ApprovalRequest
	for _, r := range all {
		if r.State == sunset.RequestOpen {
			open = append(open, r)
		} else {
			closed = append(closed, r)
		}
	}
	byTime := func(a, b sunset.ApprovalRequest) int {
		if c := a.Issued.Compare(b.Issued); c != 0 {
			return c
		}
		return strings.Compare(a.UserName+"\x00"+a.ID, b.UserName+"\x00"+b.ID)
	}
	slices.SortFunc(open, byTime)
	slices.SortFunc(closed, func(a, b sunset.ApprovalRequest) int { return byTime(b, a) })
	var items []Item
	for _, r := range append(open, closed[:min(len(closed), inboxClosed)]...) {
		item, err := d.item(ctx, r, email, s)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// Item gives one request as an approver finds it; faults are those of Request and Inbox.
func (d *Desk) Item(ctx context.Context, email, requestID string) (Item, error) {
	s, err := d.approverSettings(ctx, email)
	if err != nil {
		return Item{}, err
	}
	r, err := d.Request(ctx, requestID)
	if err != nil {
		return Item{}, err
	}
	return d.item(ctx, r, email, s)
}

func (d *Desk) item(ctx context.Context, r sunset.ApprovalRequest, email string, s sunset.Settings) (Item, error) {
	valid, forged, err := d.decisions(ctx, r)
	if err != nil {
		return Item{}, err
	}
	slices.SortStableFunc(valid, func(a, b sunset.Decision) int { return a.At.Compare(b.At) })
	item := Item{Request: r, Forged: forged, Barred: r.Barred(s, email)}
	for _, dec := range valid {
		if strings.EqualFold(dec.Approver, email) {
			item.Mine = &dec
		} else {
			item.Others = append(item.Others, dec)
		}
	}
	return item, nil
}

func (d *Desk) approverSettings(ctx context.Context, email string) (sunset.Settings, error) {
	s, err := d.settings(ctx)
	if err != nil {
		return s, fmt.Errorf("reading who may approve: %w", err)
	}
	if _, ok := s.Approver(email); !ok {
		return s, sunset.Faultf(sunset.AccessDenied, "%s is not an approver in today's settings", email)
	}
	return s, nil
}

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
