package sunset

import (
	"fmt"
	"slices"
	"strings"
	"time"
	// Lambda's own image need not have the zones.
	_ "time/tzdata"
)

// Window is some hours of some days. A set of windows is open when any of them is; an empty set always is.
type Window struct {
	Days []string `json:"days"` // mon … sun; empty: every day
	From string   `json:"from"` // 09:00
	To   string   `json:"to"`   // 17:00, later than From; 24:00 is midnight
	Zone string   `json:"zone"` // IANA name; empty: UTC
}

var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (w Window) validate() error {
	for _, d := range w.Days {
		if !slices.Contains(weekdays[:], strings.ToLower(d)) {
			return fmt.Errorf("days: %q is not one of mon, tue, wed, thu, fri, sat, sun", d)
		}
	}
	from, to, err := w.bounds()
	if err != nil {
		return err
	}
	if to <= from {
		return fmt.Errorf("to: %q is not later than from: %q", w.To, w.From)
	}
	// Local would be another zone on each machine.
	if _, err := time.LoadLocation(w.Zone); err != nil || w.Zone == "Local" {
		return fmt.Errorf("zone: %q is not known; write an IANA name such as Europe/Berlin", w.Zone)
	}
	return nil
}

func (w Window) bounds() (from, to time.Duration, err error) {
	if from, err = clockTime(w.From); err != nil {
		return 0, 0, fmt.Errorf("from: %w", err)
	}
	if to, err = clockTime(w.To); err != nil {
		return 0, 0, fmt.Errorf("to: %w", err)
	}
	return from, to, nil
}

func clockTime(s string) (time.Duration, error) {
	if s == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time of day such as 09:00", s)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

// NextOpen is t itself where one of windows is open at t, and else the next moment at which one opens. It returns the
// zero time where none ever does.
func NextOpen(windows []Window, t time.Time) time.Time {
	if len(windows) == 0 {
		return t
	}
	var best time.Time
	for _, w := range windows {
		if next := w.next(t); !next.IsZero() && (best.IsZero() || next.Before(best)) {
			best = next
		}
	}
	return best
}

func (w Window) next(t time.Time) time.Time {
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return time.Time{}
	}
	from, to, err := w.bounds()
	if err != nil {
		return time.Time{}
	}
	// Whether it is open is read off the wall clock, so that a day of clock change neither moves nor stretches it.
	open := func(t time.Time) bool {
		local := t.In(zone)
		if len(w.Days) > 0 && !slices.ContainsFunc(w.Days, func(s string) bool { return strings.EqualFold(s, weekdays[local.Weekday()]) }) {
			return false
		}
		wall := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute +
			time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
		return from <= wall && wall < to
	}
	if open(t) {
		return t
	}
	y, m, d := t.In(zone).Date()
	for day := range 15 { // a clock change can swallow this week's window
		opens := time.Date(y, m, d+day, 0, int(from/time.Minute), 0, 0, zone)
		// A moment that the clocks skip comes out too early or too late: what follows the skip is near enough.
		for try := range 5 {
			if at := opens.Add(time.Duration(try) * 30 * time.Minute); at.After(t) && open(at) {
				return at.UTC()
			}
		}
	}
	return time.Time{}
}
