package approval

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
)

// anyRequest stands in the key of the row that says when somebody was last told of whatever it was. No request's id is
// as short.
const anyRequest = "any"

// LastTold is when an approver, or the Team, was last sent a message of what waits; zero if never.
func (d *Desk) LastTold(ctx context.Context, who string) (time.Time, error) {
	return d.Announced(ctx, anyRequest, who)
}

// MarkTold says that an approver, or the Team, was sent a message of what waits just now.
func (d *Desk) MarkTold(ctx context.Context, who string) error {
	return d.MarkAnnounced(ctx, anyRequest, who)
}

// Announced is when an approver, or the Team, was last told of a request; zero if never.
func (d *Desk) Announced(ctx context.Context, requestID, who string) (time.Time, error) {
	a, _, err := read[announced](ctx, d.rows, announcedKey(requestID, who))
	if err != nil && !errors.Is(err, store.ErrMissing) {
		return time.Time{}, fmt.Errorf("reading when %s was told: %w", who, err)
	}
	return a.At, nil
}
