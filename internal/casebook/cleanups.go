package casebook

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// PutCleanup makes the row of a cleanup. Where it is there already that row stands: a retry changes nothing. It is a
// Conflict where the row is of another account or execution.
func (b *Book) PutCleanup(ctx context.Context, c sunset.Cleanup) error {
	doing := "opening cleanup " + c.ID
	if err := plain(doing, "id", c.ID); err != nil {
		return err
	}
	_, err := change(ctx, b.rows, cleanupPrefix+c.ID, doing, func(have *sunset.Cleanup, found bool) (bool, error) {
		if found {
			if have.Account != c.Account || have.Execution != c.Execution {
				return false, sunset.Faultf(sunset.Conflict, "%s: it is there already, of execution %s in account %s", doing, have.Execution, have.Account)
			}
			return false, nil
		}
		*have = c
		return true, nil
	})
	return err
}

// UpdateCleanup lets f change a cleanup's row, and again where somebody else was faster. It is an Invalid fault where
// there is none.
func (b *Book) UpdateCleanup(ctx context.Context, id string, f func(*sunset.Cleanup) error) (sunset.Cleanup, error) {
	doing := "changing cleanup " + id
	if err := plain(doing, "id", id); err != nil {
		return sunset.Cleanup{}, err
	}
	return change(ctx, b.rows, cleanupPrefix+id, doing, func(c *sunset.Cleanup, found bool) (bool, error) {
		if !found {
			return false, sunset.Faultf(sunset.Invalid, "%s: there is none", doing)
		}
		if err := f(c); err != nil {
			return false, err
		}
		if c.ID != id {
			return false, sunset.Faultf(sunset.Internal, "%s: its id is not changed", doing)
		}
		return true, nil
	})
}

// Cleanup is the row of one cleanup; an Invalid fault where there is none.
func (b *Book) Cleanup(ctx context.Context, id string) (sunset.Cleanup, error) {
	doing := "reading cleanup " + id
	if err := plain(doing, "id", id); err != nil {
		return sunset.Cleanup{}, err
	}
	c, version, err := read[sunset.Cleanup](ctx, b.rows, cleanupPrefix+id, doing)
	if err == nil && version == 0 {
		err = sunset.Faultf(sunset.Invalid, "%s: there is none", doing)
	}
	return c, err
}

// Cleanups are all cleanups, by id.
func (b *Book) Cleanups(ctx context.Context) ([]sunset.Cleanup, error) {
	return list[sunset.Cleanup](ctx, b.rows, cleanupPrefix, "listing the cleanups")
}

// pause is the row by which everything waits.
type pause struct {
	Paused bool      `json:"paused"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Pause keeps every case from changing anything until Resume. Where everything is paused already, that stands.
func (b *Book) Pause(ctx context.Context, by, reason string) error {
	if strings.TrimSpace(by) == "" || strings.TrimSpace(reason) == "" {
		return sunset.Faultf(sunset.Invalid, "pausing: say who pauses, and why")
	}
	_, err := change(ctx, b.rows, pauseKey, "pausing", func(p *pause, _ bool) (bool, error) {
		if p.Paused {
			return false, nil
		}
		*p = pause{Paused: true, By: by, Reason: reason, At: b.clock.Now()}
		return true, nil
	})
	return err
}

// Resume ends a pause, if there is one.
func (b *Book) Resume(ctx context.Context, by string) error {
	if strings.TrimSpace(by) == "" {
		return sunset.Faultf(sunset.Invalid, "resuming: say who resumes")
	}
	_, err := change(ctx, b.rows, pauseKey, "resuming", func(p *pause, _ bool) (bool, error) {
		if !p.Paused {
			return false, nil
		}
		*p = pause{By: by, At: b.clock.Now()}
		return true, nil
	})
	return err
}

// Paused is why everything is paused, with who and when, or empty.
func (b *Book) Paused(ctx context.Context) (reason string, err error) {
	p, _, err := read[pause](ctx, b.rows, pauseKey, "asking whether everything is paused")
	if err != nil || !p.Paused {
		return "", err
	}
	return fmt.Sprintf("%s (%s, %s)", p.Reason, p.By, p.At.UTC().Format(time.DateOnly)), nil
}

// TurnsTaken counts the turns of open cases by their UTC day, written 2006-01-02.
func (b *Book) TurnsTaken(ctx context.Context) (map[string]int, error) {
	open, err := b.OpenCases(ctx)
	if err != nil {
		return nil, err
	}
	taken := map[string]int{}
	for _, c := range open {
		if !c.Turn.IsZero() {
			taken[c.Turn.UTC().Format(time.DateOnly)]++
		}
	}
	return taken, nil
}

// dayOfTurns are the cases that were disabled on one day.
type dayOfTurns struct {
	Cases []string `json:"cases"`
}

// TakeTurn gives a case one of the turns of today (UTC), of which there are batch over all cleanups. ok is false where
// all are taken. A turn once taken stays the case's: a retry finds it.
func (b *Book) TakeTurn(ctx context.Context, caseID string, batch int) (ok bool, err error) {
	day := b.clock.Now().UTC().Format(time.DateOnly)
	_, err = change(ctx, b.rows, dayPrefix+day, "taking a turn of "+day+" for case "+caseID, func(d *dayOfTurns, _ bool) (bool, error) {
		if ok = slices.Contains(d.Cases, caseID); ok || len(d.Cases) >= batch {
			return false, nil
		}
		d.Cases = append(d.Cases, caseID)
		ok = true
		return true, nil
	})
	return ok && err == nil, err
}

// Holding gives the case that keeps a cleanup's later turns waiting, the earliest turn's where several do.
func (b *Book) Holding(ctx context.Context, cleanupID string) (sunset.Case, bool, error) {
	holding, err := b.holding(ctx, cleanupID)
	if err != nil || len(holding) == 0 {
		return sunset.Case{}, false, err
	}
	return holding[0], true, nil
}

// ResumeTurns lets a cleanup's turns go on: by has looked at every case that held them.
func (b *Book) ResumeTurns(ctx context.Context, cleanupID, by string) error {
	if strings.TrimSpace(by) == "" {
		return sunset.Faultf(sunset.Invalid, "resuming the turns of cleanup %s: say who resumes", cleanupID)
	}
	holding, err := b.holding(ctx, cleanupID)
	if err != nil {
		return err
	}
	for _, c := range holding {
		if _, err := b.Update(ctx, c.UserID, c.ID, func(c *sunset.Case) error {
			c.Holds, c.Resumed = false, true
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) holding(ctx context.Context, cleanupID string) ([]sunset.Case, error) {
	all, err := b.Cases(ctx)
	if err != nil {
		return nil, err
	}
	holding := slices.DeleteFunc(all, func(c sunset.Case) bool { return !c.Holds || c.CleanupID != cleanupID })
	slices.SortStableFunc(holding, func(a, b sunset.Case) int {
		return cmp.Or(a.Turn.Compare(b.Turn), strings.Compare(a.UserID, b.UserID))
	})
	return holding, nil
}
