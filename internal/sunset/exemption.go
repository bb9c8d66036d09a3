package sunset

import (
	"path"
	"slices"
	"strings"
	"time"
)

// Exemption keeps users by name, path or tag. All fields that are set must match.
type Exemption struct {
	Name    string `json:"name"`    // glob over the user name: * and ?
	Path    string `json:"path"`    // prefix of the user's path
	Tag     string `json:"tag"`     // "key" or "key=value"
	Reason  string `json:"reason"`  // shown wherever it keeps somebody
	Expires string `json:"expires"` // last day, as 2027-01-31; empty: does not end
}

// ExemptionFor gives the first exemption that keeps u at now, by its name or by another by which people may know it, since
// users are renamed. It fails closed: an exemption on its last day still holds, and one whose expiry can't be read never ends.
func (s Settings) ExemptionFor(u User, now time.Time, also ...string) (Exemption, bool) {
	for _, e := range s.Exemptions {
		if e.Over(now) {
			continue
		}
		for _, name := range append([]string{u.Name}, also...) {
			known := u
			known.Name = name
			if e.matches(known) {
				return e, true
			}
		}
	}
	return Exemption{}, false
}

// Over reports whether the exemption's last day is past everywhere: nobody said in which zone it was written, so it
// ends with the day of UTC-12.
func (e Exemption) Over(now time.Time) bool {
	last, err := time.Parse(time.DateOnly, e.Expires)
	return err == nil && !now.Before(last.AddDate(0, 0, 1).Add(12*time.Hour))
}

func (e Exemption) matches(u User) bool {
	if e.Name != "" {
		// A glob that can't be read keeps everybody: exemptions fail closed.
		if ok, err := path.Match(strings.ToLower(e.Name), strings.ToLower(u.Name)); !ok && err == nil {
			return false
		}
	}
	if e.Path != "" && !strings.HasPrefix(strings.ToLower(u.Path), strings.ToLower(e.Path)) {
		return false
	}
	if e.Tag != "" {
		key, value, valued := strings.Cut(e.Tag, "=")
		have, ok := tagFold(u.Tags, key)
		if !ok || (valued && !strings.EqualFold(have, value)) {
			return false
		}
	}
	return true
}

// String names the exemption as its settings wrote it.
func (e Exemption) String() string {
	var parts []string
	for _, p := range [][2]string{{"name", e.Name}, {"path", e.Path}, {"tag", e.Tag}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

// IdleExemptions lists those that match nobody, or are over: each is a typing error or a leftover.
func (s Settings) IdleExemptions(users []User, now time.Time) []Exemption {
	var idle []Exemption
	for _, e := range s.Exemptions {
		if e.Over(now) || !slices.ContainsFunc(users, e.matches) {
			idle = append(idle, e)
		}
	}
	return idle
}

func tagFold(tags map[string]string, key string) (string, bool) {
	if v, ok := tags[key]; ok {
		return v, true
	}
	for k, v := range tags {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
}
