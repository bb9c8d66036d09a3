package sunset

import (
	"slices"
	"strings"
	"time"
)

// Request is an execution's input. It may narrow and tighten the settings, never loosen them.
type Request struct {
	// Users narrows the cleanup to these names. They are checked like all others.
	Users []string `json:"users,omitempty"`
	// DryRun ends the cleanup after its plan.
	DryRun bool `json:"dry_run,omitempty"`
	// Unused, MinAge, Soak and Notice lengthen what the settings say.
	Unused *Duration `json:"unused,omitempty"`
	MinAge *Duration `json:"min_age,omitempty"`
	Soak   *Duration `json:"soak,omitempty"`
	Notice *Duration `json:"notice,omitempty"`
	// CapPercent and Batch lower what the settings say.
	CapPercent *int `json:"cap_percent,omitempty"`
	Batch      *int `json:"batch,omitempty"`
	// Skip leaves out "cloudtrail" or "ownership". What was not checked is not eligible.
	Skip []string `json:"skip,omitempty"`
	// Account names another account of the settings; empty: the deployment's own.
	Account string `json:"account,omitempty"`
	// Starter is who says to have started the cleanup: claimed, not proven.
	Starter string `json:"starter,omitempty"`
}

// ParseRequest reads an execution's input strictly. Its faults are Invalid and name the field.
func ParseRequest(b []byte) (Request, error) {
	var r Request
	if err := decodeStrictly(b, &r); err != nil {
		return Request{}, Faultf(Invalid, "request: %w", err)
	}
	for _, s := range r.Skip {
		if s != "cloudtrail" && s != "ownership" {
			return Request{}, Faultf(Invalid, "request: skip: %q is neither \"cloudtrail\" nor \"ownership\"", s)
		}
	}
	if r.Users != nil && len(r.Users) == 0 {
		return Request{}, Faultf(Invalid, "request: users is an empty list; name users, or leave it out to look at everybody")
	}
	for i, name := range r.Users {
		if strings.TrimSpace(name) == "" {
			return Request{}, Faultf(Invalid, "request: users[%d] is empty; write an IAM user name or leave it out", i)
		}
	}
	return r, nil
}

// Skips reports whether a check is left out.
func (r Request) Skips(check string) bool { return slices.Contains(r.Skip, check) }

// Apply gives the settings as this request tightens them. A field that would loosen them is an Invalid fault.
func (r Request) Apply(s Settings) (Settings, error) {
	if err := r.knowsAccount(s); err != nil {
		return Settings{}, err
	}
	for _, d := range []struct {
		field string
		want  *Duration
		have  *Duration
	}{
		{"unused", r.Unused, &s.Unused},
		{"min_age", r.MinAge, &s.MinAge},
		{"soak", r.Soak, &s.Soak},
		{"notice", r.Notice, &s.Notice},
	} {
		if d.want == nil {
			continue
		}
		if *d.want < *d.have {
			return Settings{}, Faultf(Invalid, "request: %s: %s would loosen the settings' %s; a request may only lengthen it", d.field, *d.want, *d.have)
		}
		*d.have = *d.want
	}
	for _, n := range []struct {
		field string
		want  *int
		have  *int
	}{{"cap_percent", r.CapPercent, &s.CapPercent}, {"batch", r.Batch, &s.Batch}} {
		if n.want == nil {
			continue
		}
		if *n.want > *n.have || *n.want < 1 {
			return Settings{}, Faultf(Invalid, "request: %s: %d must be from 1 to the settings' %d; a request may only lower it", n.field, *n.want, *n.have)
		}
		*n.have = *n.want
	}
	return s, nil
}

// Tighten gives s with every field that r makes stricter. Unlike Apply it refuses nothing: for a case in flight, today's
// settings hold wherever they have become stricter than its request was.
func (r Request) Tighten(s Settings) Settings {
	longer := func(have, want *Duration) {
		if want != nil {
			*have = max(*have, *want)
		}
	}
	lower := func(have, want *int) {
		if want != nil && *want >= 1 {
			*have = min(*have, *want)
		}
	}
	longer(&s.Unused, r.Unused)
	longer(&s.MinAge, r.MinAge)
	longer(&s.Soak, r.Soak)
	longer(&s.Notice, r.Notice)
	lower(&s.CapPercent, r.CapPercent)
	lower(&s.Batch, r.Batch)
	return s
}

// earlyChecks: what breaks, mostly breaks in the first hours.
var earlyChecks = [...]time.Duration{time.Hour, 4 * time.Hour, 12 * time.Hour}

// NextCheck is when a soak is listened to next: 1, 4 and 12 hours after it began, then daily, each put off by a share
// of an hour that the UserId's hash sets, and for the last time exactly at until. For t at or past until it is until.
func NextCheck(userID string, from, until, t time.Time) time.Time {
	spread := time.Duration(hashOf(userID)%60) * time.Minute
	for i := 0; ; i++ {
		var at time.Time
		if i < len(earlyChecks) {
			at = from.Add(earlyChecks[i])
		} else {
			at = from.Add(time.Duration(i-len(earlyChecks)+1)*24*time.Hour + spread)
		}
		if !at.Before(until) {
			return until
		}
		if at.After(t) {
			return at
		}
	}
}

// Turns gives the next n turns: batch a day, in whole days from the first moment after the notice at which a window is
// open. taken counts turns that open cases already have, by their UTC day. Fewer come back where no window ever opens.
func Turns(n, batch int, after time.Time, windows []Window, taken map[string]int) []time.Time {
	used := map[string]int{}
	for day, k := range taken {
		used[day] = k
	}
	var turns []time.Time
	if batch < 1 {
		return nil
	}
	t := NextOpen(windows, after)
	for len(turns) < n && !t.IsZero() {
		day := t.UTC().Format(time.DateOnly)
		if used[day] < batch {
			used[day]++
			turns = append(turns, t)
			continue
		}
		y, m, d := t.UTC().Date()
		t = NextOpen(windows, time.Date(y, m, d+1, t.UTC().Hour(), t.UTC().Minute(), t.UTC().Second(), 0, time.UTC))
		if !t.IsZero() && t.UTC().Format(time.DateOnly) == day {
			return turns
		}
	}
	return turns
}
