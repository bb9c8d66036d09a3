package sunset_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestNextOpen(t *testing.T) {
	weekdays := []string{"mon", "tue", "wed", "thu", "fri"}
	office := sunset.Window{Days: weekdays, From: "09:00", To: "17:00", Zone: "Europe/Berlin"}
	night := sunset.Window{From: "22:00", To: "24:00", Zone: "Europe/Berlin"}
	small := sunset.Window{Days: []string{"sun"}, From: "02:00", To: "03:00", Zone: "Europe/Berlin"}
	for _, row := range []struct {
		name    string
		windows []sunset.Window
		t, want string
	}{
		{"no windows are always open", nil, "2026-06-06T03:00:00Z", "2026-06-06T03:00:00Z"},
		{"inside", []sunset.Window{office}, "2026-06-01T10:00:00Z", "2026-06-01T10:00:00Z"},
		{"the first moment is inside", []sunset.Window{office}, "2026-06-01T07:00:00Z", "2026-06-01T07:00:00Z"},
		{"the last moment is outside", []sunset.Window{office}, "2026-06-01T15:00:00Z", "2026-06-02T07:00:00Z"},
		{"just before the last moment", []sunset.Window{office}, "2026-06-01T14:59:59Z", "2026-06-01T14:59:59Z"},
		{"before", []sunset.Window{office}, "2026-06-01T06:59:59Z", "2026-06-01T07:00:00Z"},
		{"over the weekend", []sunset.Window{office}, "2026-06-05T15:00:00Z", "2026-06-08T07:00:00Z"},
		{"the earliest of several", []sunset.Window{office, night}, "2026-06-05T15:00:00Z", "2026-06-05T20:00:00Z"},
		{"24:00 is midnight", []sunset.Window{night}, "2026-06-01T21:59:59Z", "2026-06-01T21:59:59Z"},
		{"midnight itself is outside", []sunset.Window{night}, "2026-06-01T22:00:00Z", "2026-06-02T20:00:00Z"},
		{"a week ahead", []sunset.Window{{Days: []string{"Mon"}, From: "09:00", To: "10:00"}}, "2026-06-01T10:00:00Z", "2026-06-08T09:00:00Z"},
		{"the days are the zone's", []sunset.Window{{Days: []string{"tue"}, From: "00:00", To: "24:00", Zone: "Pacific/Auckland"}}, "2026-06-01T12:30:00Z", "2026-06-01T12:30:00Z"},

		// 29 March 2026: 02:00 becomes 03:00. 25 October 2026: 03:00 becomes 02:00.
		{"winter", []sunset.Window{office}, "2026-03-27T17:00:00Z", "2026-03-30T07:00:00Z"},
		{"summer", []sunset.Window{office}, "2026-10-23T17:00:00Z", "2026-10-26T08:00:00Z"},
		{"on the day summer begins", []sunset.Window{{From: "09:00", To: "17:00", Zone: "Europe/Berlin"}}, "2026-03-29T00:00:00Z", "2026-03-29T07:00:00Z"},
		{"on the day summer ends", []sunset.Window{{From: "09:00", To: "17:00", Zone: "Europe/Berlin"}}, "2026-10-25T00:00:00Z", "2026-10-25T08:00:00Z"},
		{"closes on time on the day summer begins", []sunset.Window{{From: "01:00", To: "09:00", Zone: "Europe/Berlin"}}, "2026-03-29T07:00:00Z", "2026-03-29T23:00:00Z"},
		{"an hour that doesn't exist is not replaced by an earlier one", []sunset.Window{small}, "2026-03-29T00:00:00Z", "2026-04-05T00:00:00Z"},
		{"nor by a later one", []sunset.Window{small}, "2026-03-29T01:00:00Z", "2026-04-05T00:00:00Z"},
		{"an hour that comes twice is open twice", []sunset.Window{small}, "2026-10-25T01:30:00Z", "2026-10-25T01:30:00Z"},
		{"and then closed", []sunset.Window{small}, "2026-10-25T02:00:00Z", "2026-11-01T01:00:00Z"},

		{"none ever: a time that can't be read", []sunset.Window{{From: "nine", To: "17:00"}}, "2026-06-01T10:00:00Z", ""},
		{"none ever: a zone that isn't known", []sunset.Window{{From: "09:00", To: "17:00", Zone: "Mars/Olympus"}}, "2026-06-01T10:00:00Z", ""},
		{"none ever: a day that isn't one", []sunset.Window{{Days: []string{"moon"}, From: "09:00", To: "17:00"}}, "2026-06-01T10:00:00Z", ""},
		{"none ever: it ends before it begins", []sunset.Window{{From: "17:00", To: "09:00"}}, "2026-06-01T18:00:00Z", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var want time.Time
			if row.want != "" {
				want = at(t, row.want)
			}
			got := sunset.NextOpen(row.windows, at(t, row.t))
			require.True(t, want.Equal(got), "%s", got)
		})
	}
}

// What NextOpen answers is open, and nothing before it was: checked against the wall clock, hour by hour over a year.
func TestNextOpenAgainstTheWallClock(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "UTC"} {
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		windows := []sunset.Window{{Days: []string{"sun", "wed"}, From: "00:00", To: "04:00", Zone: zone}}
		open := func(x time.Time) bool {
			l := x.In(loc)
			return (l.Weekday() == time.Sunday || l.Weekday() == time.Wednesday) && l.Hour() < 4
		}
		start := at(t, "2026-01-01T00:00:00Z")
		for x := start; x.Before(start.AddDate(1, 0, 0)); x = x.Add(30 * time.Minute) {
			next := sunset.NextOpen(windows, x)
			require.Equal(t, open(x), next.Equal(x), "%s %s", zone, x.In(loc))
			require.True(t, open(next), "%s %s gives %s", zone, x.In(loc), next.In(loc))
			require.False(t, next.Before(x))
			require.LessOrEqual(t, next.Sub(x), 8*day)
		}
	}
}
