package approval

import (
	"fmt"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// tell fills in what a line of the inbox says of an open case.
func (line *row) tell(now time.Time) {
	r := line.Request
	line.LastUse = lastUse(r)
	line.Named = named(r)
	for _, d := range line.decisions() {
		if d.Choice == sunset.ChooseDelete {
			line.Approved++
		}
	}
	line.Picture = soakOf(line.Item).Strip()
	if decidable(line.Item, now) {
		line.Choices = r.Choices()
	}
}

// decidable reports whether this approver may decide now.
func decidable(item Item, now time.Time) bool {
	return item.Request.State == sunset.RequestOpen && now.Before(item.Request.Expires) && item.Mine == nil && item.Barred == ""
}

// lastUse is the newest use that anything has told of.
func lastUse(r sunset.ApprovalRequest) string {
	var newest time.Time
	for _, c := range r.Shown.Credentials {
		if c.LastUsed != nil && c.LastUsed.After(newest) {
			newest = *c.LastUsed
		}
	}
	for _, e := range r.Shown.Evidence {
		if e.Last != nil && e.Last.After(newest) {
			newest = *e.Last
		}
	}
	if a := r.Shown.LastSeen; a != nil && a.At.After(newest) {
		newest = a.At
	}
	if newest.IsZero() {
		return "never, as far as AWS tells"
	}
	return newest.UTC().Format("2 Jan 2006")
}

// named says in a few words what names the user.
func named(r sunset.ApprovalRequest) string {
	blocking := 0
	for _, ref := range r.Facts.References {
		if ref.Weight == sunset.Blocking {
			blocking++
		}
	}
	switch n := len(r.Facts.References); {
	case n == 0:
		return "nothing that was read"
	case blocking > 0:
		return fmt.Sprintf("%s, of which %d would be left without anybody", counted(n, "resource", "resources"), blocking)
	case n == 1:
		return CleanReason(r.Facts.References[0].Resource)
	default:
		return counted(n, "resource", "resources")
	}
}
