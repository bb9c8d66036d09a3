package sunset

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time written as a whole number and a unit: 90d, 12h, 30m, 45s. A day is 24 hours.
type Duration time.Duration

// Days is n days.
func Days(n int) Duration { return Duration(time.Duration(n) * 24 * time.Hour) }

// ParseDuration reads 90d, 12h, 30m or 45s. Nothing else is a duration: no sign, no fraction, no sum, no missing unit.
func ParseDuration(s string) (Duration, error) {
	wrong := fmt.Errorf("%q is not a duration: write a whole number and a unit, such as 90d, 12h, 30m or 45s", s)
	if len(s) < 2 {
		return 0, wrong
	}
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	unit, ok := units[s[len(s)-1]]
	digits := s[:len(s)-1]
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return 0, wrong
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || time.Duration(n) > 100*365*24*time.Hour/unit {
		return 0, wrong
	}
	return Duration(time.Duration(n) * unit), nil
}

// Std is d as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes d in its largest whole unit.
func (d Duration) String() string {
	switch t := time.Duration(d); {
	case t != 0 && t%(24*time.Hour) == 0:
		return strconv.FormatInt(int64(t/(24*time.Hour)), 10) + "d"
	case t != 0 && t%time.Hour == 0:
		return strconv.FormatInt(int64(t/time.Hour), 10) + "h"
	case t != 0 && t%time.Minute == 0:
		return strconv.FormatInt(int64(t/time.Minute), 10) + "m"
	default:
		return strconv.FormatInt(int64(t/time.Second), 10) + "s"
	}
}

// MarshalJSON writes d as people write it.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads what ParseDuration reads.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s is not a duration: write it in quotes, such as \"90d\"", b)
	}
	v, err := ParseDuration(s)
	if err != nil {
		return err
	}
	*d = v
	return nil
}
