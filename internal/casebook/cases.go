package casebook

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Claim makes c the one open case of its user. claimed is false, with that row, where another case is open on the user
// or somebody still holds a lease on a closed one. The same case again is claimed, with the row as it stands: a retry.
// The row of another, closed case gives way.
func (b *Book) Claim(ctx context.Context, c sunset.Case) (row sunset.Case, claimed bool, err error) {
	doing := "claiming user " + c.UserName + " for case " + c.ID
	if err := plain(doing, "user_id", c.UserID); err != nil {
		return sunset.Case{}, false, err
	}
	if c.ID == "" || c.CleanupID == "" {
		return sunset.Case{}, false, sunset.Faultf(sunset.Invalid, "%s: id and cleanup_id must be set", doing)
	}
	now := b.clock.Now()
	if c.Stage == "" {
		c.Stage = sunset.Waiting
	}
	if c.Claimed.IsZero() {
		c.Claimed = now
	}
	row, err = change(ctx, b.rows, casePrefix+c.UserID, doing, func(have *sunset.Case, found bool) (bool, error) {
		claimed = !found || have.ID == c.ID || !have.Open() && !leased(*have, now)
		if !claimed || found && have.ID == c.ID {
			return false, nil
		}
		*have = c
		return true, nil
	})
	return row, claimed && err == nil, err
}

// Get is the newest case of a user, open or closed; an Invalid fault where there never was one.
func (b *Book) Get(ctx context.Context, userID string) (sunset.Case, error) {
	doing := "reading the case of user " + userID
	if err := plain(doing, "user_id", userID); err != nil {
		return sunset.Case{}, err
	}
	c, version, err := read[sunset.Case](ctx, b.rows, casePrefix+userID, doing)
	if err == nil && version == 0 {
		err = sunset.Faultf(sunset.Invalid, "%s: it has none", doing)
	}
	return c, err
}

// UpdateOption says more about a change.
type UpdateOption func(*update)

type update struct{ writer string }

// By names the writer, as in Lease. With it, a change of stage while somebody else holds the lease is a Conflict.
func By(holder string) UpdateOption { return func(u *update) { u.writer = holder } }

// Update lets f change the row of a case and writes it, and calls f again on the newer row where somebody else was
// faster: f must do nothing beside. An error of f's ends it unchanged. It is a Conflict where the user's row is of
// another case by now. The ids, the lease and the rescue have methods of their own and may not be changed, nor may the
// stage become Deleting but by BeginDeleting, unless the deletion had begun before.
func (b *Book) Update(ctx context.Context, userID, caseID string, f func(*sunset.Case) error, options ...UpdateOption) (sunset.Case, error) {
	var u update
	for _, o := range options {
		o(&u)
	}
	doing := "changing case " + caseID
	return b.change(ctx, userID, caseID, doing, func(c *sunset.Case) (bool, error) {
		was := clone(*c)
		if err := f(c); err != nil {
			return false, err
		}
		if c.ID != was.ID || c.UserID != was.UserID || !reflect.DeepEqual(c.Lease, was.Lease) || !reflect.DeepEqual(c.Rescue, was.Rescue) {
			return false, sunset.Faultf(sunset.Internal, "%s: its ids, lease and rescue are not changed this way", doing)
		}
		if c.Stage != was.Stage {
			if u.writer != "" && leased(was, b.clock.Now()) && was.Lease.Holder != u.writer {
				return false, heldBy(doing, was)
			}
			if c.Stage == sunset.Deleting && was.DeletingSince.IsZero() {
				return false, sunset.Faultf(sunset.Internal, "%s: a deletion begins under its lease alone", doing)
			}
			if c.Stage == sunset.Closed && c.Ended.IsZero() {
				c.Ended = b.clock.Now()
			}
		}
		return !reflect.DeepEqual(*c, was), nil
	})
}

// Lease gives holder the right to change the user for d, or prolongs it. It is a Conflict that names the holder where
// another one has it and its time is not over.
func (b *Book) Lease(ctx context.Context, userID, caseID, holder string, d time.Duration) (sunset.Case, error) {
	doing := "leasing the user of case " + caseID
	if holder == "" || d <= 0 {
		return sunset.Case{}, sunset.Faultf(sunset.Invalid, "%s: holder must be named and the time be longer than none", doing)
	}
	return b.change(ctx, userID, caseID, doing, func(c *sunset.Case) (bool, error) {
		now := b.clock.Now()
		if leased(*c, now) && c.Lease.Holder != holder {
			return false, heldBy(doing, *c)
		}
		c.Lease = &sunset.Lease{Holder: holder, Until: now.Add(d)}
		return true, nil
	})
}

// Release gives holder's lease back. Where it has none any more, because its time was over or the row is of another
// case, there is nothing to do.
func (b *Book) Release(ctx context.Context, userID, caseID, holder string) error {
	doing := "releasing the user of case " + caseID
	if err := plain(doing, "user_id", userID); err != nil {
		return err
	}
	_, err := change(ctx, b.rows, casePrefix+userID, doing, func(c *sunset.Case, found bool) (bool, error) {
		if !found || c.ID != caseID || c.Lease == nil || c.Lease.Holder != holder {
			return false, nil
		}
		c.Lease = nil
		return true, nil
	})
	return err
}

// Rescue stores a person's wish to have the user back, which no deletion gets past. The first wish stands; a second
// finds it. It is a Conflict that says who won where the deletion has begun or the case has ended; but a case that has
// ended and left its user disabled can still be rescued, unless its deletion had begun.
func (b *Book) Rescue(ctx context.Context, userID string, r sunset.Rescue) (sunset.Case, error) {
	doing := "rescuing user " + userID
	if strings.TrimSpace(r.By) == "" {
		return sunset.Case{}, sunset.Faultf(sunset.Invalid, "%s: by: say who asks", doing)
	}
	return b.change(ctx, userID, "", doing, func(c *sunset.Case) (bool, error) {
		switch {
		case c.Rescue != nil:
			return false, nil
		case c.Stage == sunset.Deleting:
			return false, sunset.Faultf(sunset.Conflict, "the rescue of %s comes too late: its deletion has begun and goes on", c.UserName)
		case !c.Open() && c.Outcome == sunset.Failed && !c.DeletingSince.IsZero():
			return false, sunset.Faultf(sunset.Conflict, "the rescue of %s comes too late: its deletion had begun %s and then failed; what is left of it stays disabled",
				c.UserName, c.DeletingSince.UTC().Format(time.DateOnly))
		case !c.Open() && (!c.LeftDisabled() || c.Outcome == sunset.Retained):
			return false, sunset.Faultf(sunset.Conflict, "%s can't be rescued: its case %s ended %s as %s", c.UserName, c.ID, c.Ended.UTC().Format(time.DateOnly), c.Outcome)
		}
		if r.At.IsZero() {
			r.At = b.clock.Now()
		}
		c.Rescue = &r
		return true, nil
	})
}

// BeginDeleting passes the point of no return, under holder's lease and with no rescue stored; else it is a Conflict
// that says what won. Beginning again is fine.
func (b *Book) BeginDeleting(ctx context.Context, userID, caseID, holder string) (sunset.Case, error) {
	doing := "beginning the deletion of case " + caseID
	return b.change(ctx, userID, caseID, doing, func(c *sunset.Case) (bool, error) {
		now := b.clock.Now()
		switch {
		case c.Rescue != nil:
			return false, sunset.Faultf(sunset.Conflict, "%s is not deleted: %s asked to have it back: %s", c.UserName, c.Rescue.By, c.Rescue.Reason)
		case !c.Open() || c.Stage == sunset.Restoring:
			return false, sunset.Faultf(sunset.Conflict, "%s: the case is %s", doing, c.Stage)
		case leased(*c, now) && c.Lease.Holder != holder:
			return false, heldBy(doing, *c)
		case holder == "" || !leased(*c, now):
			return false, sunset.Faultf(sunset.Conflict, "%s: %q has no lease on %s, or its time is over", doing, holder, c.UserName)
		case c.Stage == sunset.Deleting:
			return false, nil
		}
		c.Stage = sunset.Deleting
		return true, nil
	})
}

// Cases are the newest cases of all users, by UserId.
func (b *Book) Cases(ctx context.Context) ([]sunset.Case, error) {
	return list[sunset.Case](ctx, b.rows, casePrefix, "listing the cases")
}

// OpenCases are those that have not come to their end.
func (b *Book) OpenCases(ctx context.Context) ([]sunset.Case, error) {
	all, err := b.Cases(ctx)
	return slices.DeleteFunc(all, func(c sunset.Case) bool { return !c.Open() }), err
}

// change alters the row of one case; an empty caseID takes whichever the user has.
func (b *Book) change(ctx context.Context, userID, caseID, doing string, f func(*sunset.Case) (bool, error)) (sunset.Case, error) {
	if err := plain(doing, "user_id", userID); err != nil {
		return sunset.Case{}, err
	}
	return change(ctx, b.rows, casePrefix+userID, doing, func(c *sunset.Case, found bool) (bool, error) {
		switch {
		case !found:
			return false, sunset.Faultf(sunset.Invalid, "%s: user %s has no case", doing, userID)
		case caseID != "" && c.ID != caseID:
			return false, sunset.Faultf(sunset.Conflict, "%s: user %s has another case by now, %s", doing, c.UserName, c.ID)
		}
		return f(c)
	})
}

func leased(c sunset.Case, now time.Time) bool { return c.Lease != nil && now.Before(c.Lease.Until) }

func heldBy(doing string, c sunset.Case) error {
	return sunset.Faultf(sunset.Conflict, "%s: %s is changing %s until %s at the latest", doing, c.Lease.Holder, c.UserName, c.Lease.Until.UTC().Format(time.RFC3339))
}

// clone copies all that f could change in place.
func clone(c sunset.Case) sunset.Case {
	if c.Lease != nil {
		l := *c.Lease
		c.Lease = &l
	}
	if c.Rescue != nil {
		r := *c.Rescue
		c.Rescue = &r
	}
	if c.Quarantine != nil {
		q := *c.Quarantine
		c.Quarantine = &q
	}
	c.Signals = slices.Clone(c.Signals)
	if c.Forgiven != nil {
		m := make(map[string]time.Time, len(c.Forgiven))
		for k, v := range c.Forgiven {
			m[k] = v
		}
		c.Forgiven = m
	}
	return c
}

// plain refuses an id that can't be one part of a key.
func plain(doing, field, id string) error {
	if err := store.CheckKey(id); err != nil || strings.Contains(id, "/") {
		return sunset.Faultf(sunset.Invalid, "%s: %s: %q is not an id", doing, field, id)
	}
	return nil
}
