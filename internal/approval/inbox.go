package approval

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/iam-sunset/iam-sunset/internal/store"
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

// checksAtOnce is how many decisions are checked at a time: where the key is in KMS, each is a call.
const checksAtOnce = 16

// Inbox gives what an approver has before them: open requests, the oldest first, then the latest that were decided or
// ran out. It is an AccessDenied fault if today's settings don't name the approver.
//
// The store is asked twice, however many there are. Decisions are checked on the requests that are given, and on no others.
func (d *Desk) Inbox(ctx context.Context, email string) ([]Item, error) {
	s, err := d.approverSettings(ctx, email)
	if err != nil {
		return nil, err
	}
	all, err := d.requests(ctx, func(r sunset.ApprovalRequest) bool { return r.State != sunset.RequestSuperseded })
	if err != nil {
		return nil, err
	}
	return d.itemsOf(ctx, latestFirst(all), email, s)
}

// Items gives those requests of ids that there are, by their ids, as an approver finds them; faults are those of Inbox.
func (d *Desk) Items(ctx context.Context, email string, ids []string) (map[string]Item, error) {
	s, err := d.approverSettings(ctx, email)
	if err != nil {
		return nil, err
	}
	wanted, err := d.requests(ctx, func(r sunset.ApprovalRequest) bool { return slices.Contains(ids, r.ID) })
	if err != nil {
		return nil, err
	}
	items, err := d.itemsOf(ctx, wanted, email, s)
	out := map[string]Item{}
	for _, item := range items {
		out[item.Request.ID] = item
	}
	return out, err
}

// itemsOf reads the decisions on many requests at once.
func (d *Desk) itemsOf(ctx context.Context, requests []sunset.ApprovalRequest, email string, s sunset.Settings) ([]Item, error) {
	rows, err := d.rows.List(ctx, "decision/")
	if err != nil {
		return nil, fmt.Errorf("listing decisions: %w", err)
	}
	stored := map[string][]store.Row{}
	for _, row := range rows {
		id, _, _ := strings.Cut(strings.TrimPrefix(row.Key, "decision/"), "/")
		stored[id] = append(stored[id], row)
	}
	items := make([]Item, len(requests))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(checksAtOnce)
	for i, r := range requests {
		group.Go(func() error {
			valid, forged, err := d.checked(ctx, r, stored[r.ID])
			items[i] = itemOf(r, email, s, valid, forged)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return items, nil
}

// latestFirst gives the open requests, the oldest first, then the last few that ended.
func latestFirst(all []sunset.ApprovalRequest) []sunset.ApprovalRequest {
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
	return append(open, closed[:min(len(closed), inboxClosed)]...)
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
	return itemOf(r, email, s, valid, forged), nil
}

func itemOf(r sunset.ApprovalRequest, email string, s sunset.Settings, valid []sunset.Decision, forged int) Item {
	slices.SortStableFunc(valid, func(a, b sunset.Decision) int { return a.At.Compare(b.At) })
	item := Item{Request: r, Forged: forged, Barred: r.Barred(s, email)}
	for _, dec := range valid {
		if strings.EqualFold(dec.Approver, email) {
			item.Mine = &dec
		} else {
			item.Others = append(item.Others, dec)
		}
	}
	return item
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
