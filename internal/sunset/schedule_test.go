package sunset_test

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func checks(id string, from, until time.Time) []time.Time {
	var all []time.Time
	for t := from; t.Before(until) && len(all) < 1000; {
		t = sunset.NextCheck(id, from, until, t)
		all = append(all, t)
	}
	return all
}

func TestNextCheck(t *testing.T) {
	until := now.Add(14 * day)
	spreads := map[time.Duration]bool{}
	for i := range 200 {
		all := checks(fmt.Sprintf("AIDA%d", i), now, until)
		require.LessOrEqual(t, len(all), 20)
		require.GreaterOrEqual(t, len(all), 16)
		require.Equal(t, []time.Time{now.Add(time.Hour), now.Add(4 * time.Hour), now.Add(12 * time.Hour)}, all[:3])
		spread := all[3].Sub(now.Add(day))
		require.GreaterOrEqual(t, spread, time.Duration(0))
		require.Less(t, spread, time.Hour)
		spreads[spread] = true
		for k := 4; k < len(all)-1; k++ {
			require.Equal(t, day, all[k].Sub(all[k-1]))
		}
		require.Equal(t, until, all[len(all)-1])
	}
	require.Greater(t, len(spreads), 30, "the users' checks must not fall together")
}

func TestNextCheckIsLaterAndNeverPastTheEnd(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	for range 5000 {
		id := fmt.Sprintf("AIDA%d", r.Intn(1000))
		until := now.Add(time.Duration(1 + r.Int63n(int64(60*day))))
		x := now.Add(time.Duration(r.Int63n(int64(until.Sub(now)))))
		next := sunset.NextCheck(id, now, until, x)
		require.True(t, next.After(x))
		require.False(t, next.After(until))
		require.LessOrEqual(t, next.Sub(x), 25*time.Hour)
	}
	require.Equal(t, now.Add(time.Second), sunset.NextCheck("A", now, now.Add(time.Second), now), "a soak shorter than the first check")
	require.Equal(t, now.Add(4*time.Hour), sunset.NextCheck("A", now, now.Add(day), now.Add(time.Hour)), "strictly later")
	require.Equal(t, now.Add(day), sunset.NextCheck("A", now, now.Add(day), now.Add(day)), "at the end")
	require.Equal(t, now.Add(day), sunset.NextCheck("A", now, now.Add(day), now.Add(2*day)), "past the end")
}

func perDay(turns []time.Time) map[string]int {
	out := map[string]int{}
	for _, t := range turns {
		out[t.UTC().Format(time.DateOnly)]++
	}
	return out
}

func TestTurns(t *testing.T) {
	turns := sunset.Turns(45, 20, now, nil, nil)
	require.Len(t, turns, 45)
	require.Equal(t, map[string]int{"2026-06-01": 20, "2026-06-02": 20, "2026-06-03": 5}, perDay(turns))
	require.Equal(t, now, turns[0])
	require.Equal(t, now.Add(day), turns[20])

	taken := map[string]int{"2026-06-01": 20, "2026-06-02": 15, "2026-06-03": 25}
	turns = sunset.Turns(10, 20, now, nil, taken)
	require.Equal(t, map[string]int{"2026-06-02": 5, "2026-06-04": 5}, perDay(turns), "20 a day over all cleanups")
	require.Equal(t, map[string]int{"2026-06-01": 20, "2026-06-02": 15, "2026-06-03": 25}, taken, "what was handed in stays")

	require.Empty(t, sunset.Turns(0, 20, now, nil, nil))
	require.Empty(t, sunset.Turns(5, 0, now, nil, nil), "no batch, no turns, and an answer all the same")
	require.Empty(t, sunset.Turns(5, 20, now, []sunset.Window{{From: "x", To: "y"}}, nil), "no window ever opens")
}

func TestTurnsKeepToWindowsAndBatch(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	windows := []sunset.Window{{Days: []string{"mon", "tue", "thu"}, From: "09:00", To: "09:30", Zone: "Europe/Berlin"}}
	for range 300 {
		n, batch := r.Intn(60), 1+r.Intn(20)
		after := now.Add(time.Duration(r.Int63n(int64(300 * day))))
		taken := map[string]int{after.Format(time.DateOnly): r.Intn(25)}
		turns := sunset.Turns(n, batch, after, windows, taken)
		require.Len(t, turns, n)
		for i, x := range turns {
			require.False(t, x.Before(after))
			require.True(t, sunset.NextOpen(windows, x).Equal(x), "%s is in no window", x)
			if i > 0 {
				require.False(t, x.Before(turns[i-1]))
			}
		}
		for d, k := range perDay(turns) {
			require.LessOrEqual(t, k+taken[d], max(batch, taken[d]), d)
		}
		if n > 0 {
			// Three windows a week: nobody waits longer than the batches need, and a week of clock change.
			weeks := time.Duration((n+25)/batch/3 + 3)
			require.Less(t, turns[n-1].Sub(after), weeks*7*day)
		}
	}
}
