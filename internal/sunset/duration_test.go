package sunset_test

import (
	"encoding/json"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"90d": 90 * day, "12h": 12 * time.Hour, "30m": 30 * time.Minute, "45s": 45 * time.Second, "0d": 0, "36500d": 36500 * day,
	} {
		d, err := sunset.ParseDuration(in)
		require.NoError(t, err, in)
		require.Equal(t, want, d.Std(), in)
	}
	for _, in := range []string{
		"", "d", "90", "-1d", "+1d", "1.5h", "1h30m", "90 d", " 90d", "90d ", "90D", "1w", "1y", "1ms", "٣d",
		"36501d", "99999999999s", "9223372036854775807d",
	} {
		_, err := sunset.ParseDuration(in)
		require.ErrorContains(t, err, "is not a duration", in)
	}
}

func TestDurationIsWrittenAsItIsRead(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		unit := []time.Duration{time.Second, time.Minute, time.Hour, day}[r.Intn(4)]
		d := sunset.Duration(time.Duration(r.Intn(30000)) * unit)
		b, err := json.Marshal(d)
		require.NoError(t, err)
		var back sunset.Duration
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, d, back, string(b))
	}
	require.Equal(t, "14d", sunset.Days(14).String())
	require.Equal(t, "36h", sunset.Duration(36*time.Hour).String())
	require.Equal(t, "90s", sunset.Duration(90*time.Second).String())
	require.Equal(t, "0s", sunset.Duration(0).String())
}

func TestDurationIsWrittenInQuotes(t *testing.T) {
	for _, in := range []string{`90`, `null`, `{}`, `true`, `""`} {
		var d sunset.Duration
		require.ErrorContains(t, json.Unmarshal([]byte(in), &d), "not a duration", in)
	}
}
