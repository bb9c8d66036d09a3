package approval

import (
	"context"
	"net/http"
	"slices"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

type movedPage struct {
	place
	Title, Email string
	Item         // the request to decide on now
	Address      string
	Choice       sunset.Choice // what was chosen on the earlier facts
	Moved        []string
	Options      []option
	Obstacle     string
}

// moved says what moved between the facts that b was chosen on and those of now, and asks again. It reports false, and says
// nothing, where no facts have moved.
func (w *web) moved(rw http.ResponseWriter, r *http.Request, who visitor, item Item, b ballot) bool {
	if item.Mine != nil {
		return false
	}
	now, changes, ok := w.newer(r.Context(), who, item)
	if !ok && b.Digest != item.Request.Digest && item.Request.State == sunset.RequestOpen {
		now, changes, ok = item, w.since(r.Context(), item, b.Digest), true
	}
	if !ok {
		return false
	}
	page := movedPage{
		place: w.place(r), Title: "The facts have moved", Email: who.Email, Item: now, Choice: b.Choice, Moved: changes, Obstacle: obstacle(now.Request),
	}
	page.Address = page.Inbox + "/" + now.Request.ID
	if decidable(now, w.desk.clock.Now()) {
		page.Options = options(now.Request)
	}
	w.page(rw, r, http.StatusConflict, "moved", page)
	return true
}

// newer is the latest request on the item's case, if it is a later one, and what moved until then.
func (w *web) newer(ctx context.Context, who visitor, item Item) (newer Item, changes []string, ok bool) {
	id, err := w.desk.latest(ctx, item.Request.CaseID)
	if err != nil || id == item.Request.ID {
		if err != nil {
			w.log.WarnContext(ctx, "whether there is a newer request can't be read", "request", item.Request.ID, "error", err)
		}
		return Item{}, nil, false
	}
	newer, err = w.desk.Item(ctx, who.Email, id)
	if err != nil {
		w.log.WarnContext(ctx, "a newer request can't be read", "request", id, "error", err)
		return Item{}, nil, false
	}
	return newer, sunset.Moved(item.Request.Facts, newer.Request.Facts), newer.Request.Round > item.Request.Round
}

// since is what moved between the round whose facts have a digest and the item's.
func (w *web) since(ctx context.Context, item Item, digest string) []string {
	rounds, err := w.desk.rounds(ctx, item.Request.CaseID)
	if err != nil {
		w.log.WarnContext(ctx, "earlier requests can't be read", "request", item.Request.ID, "error", err)
	}
	slices.SortFunc(rounds, func(a, b round) int { return b.Round - a.Round })
	for _, earlier := range rounds {
		if r, err := w.desk.Request(ctx, earlier.RequestID); err == nil && r.Digest == digest {
			return sunset.Moved(r.Facts, item.Request.Facts)
		}
	}
	return nil
}
