package sunset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestParseRequest(t *testing.T) {
	r, err := sunset.ParseRequest([]byte(`{"users":["old-ci"],"soak":"20d","skip":["cloudtrail"],"starter":"dora@example.com"}`))
	require.NoError(t, err)
	require.Equal(t, []string{"old-ci"}, r.Users)
	require.True(t, r.Skips("cloudtrail"))
	require.False(t, r.Skips("ownership"))

	_, err = sunset.ParseRequest([]byte(`{"dry_run":true}`))
	require.NoError(t, err)

	for _, row := range []struct{ in, field string }{
		{``, "empty"},
		{`[]`, "object"},
		{`{"user":["x"],"starter":"d"}`, `"user"`},
		{`{"soak":20,"starter":"d"}`, "soak"},
		{`{"soak":"20 days","starter":"d"}`, "soak"},
		{`{"batch":"1","starter":"d"}`, "batch"},
		{`{"users":["a",""],"starter":"d"}`, "users[1]"},
		// A list that came out empty must not mean everybody.
		{`{"users":[],"starter":"d"}`, "users"},
		{`{"skip":["iam"],"starter":"d"}`, "skip"},
	} {
		_, err := sunset.ParseRequest([]byte(row.in))
		require.ErrorContains(t, err, row.field, row.in)
		require.ErrorContains(t, err, "request", row.in)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), row.in)
	}
}

func TestARequestNamesAnAccountOfTheSettings(t *testing.T) {
	s := settings()
	for _, row := range []struct{ account, text string }{{"", ""}, {"444455556666", "know no other account"}} {
		_, err := sunset.Request{Account: row.account}.Apply(s)
		if row.text == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, row.text)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	}
	s.Accounts = []sunset.MemberAccount{{ID: "444455556666"}}
	_, err := sunset.Request{Account: "444455556666"}.Apply(s)
	require.NoError(t, err)
	_, err = sunset.Request{Account: "777788889999"}.Apply(s)
	require.ErrorContains(t, err, `account: "777788889999" is none of the accounts in the settings (444455556666)`)
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
}

func TestRequestOnlyTightens(t *testing.T) {
	days := func(n int) *sunset.Duration { d := sunset.Days(n); return &d }
	num := func(n int) *int { return &n }
	for _, row := range []struct {
		name  string
		r     sunset.Request
		field string // of the refusal; empty: none
	}{
		{"nothing", sunset.Request{}, ""},
		{"the same", sunset.Request{Unused: days(90), MinAge: days(30), Soak: days(14), Notice: days(3), CapPercent: num(20), Batch: num(20)}, ""},
		{"all tighter", sunset.Request{Unused: days(180), MinAge: days(60), Soak: days(28), Notice: days(7), CapPercent: num(1), Batch: num(1)}, ""},
		{"unused", sunset.Request{Unused: days(89)}, "unused"},
		{"min_age", sunset.Request{MinAge: days(0)}, "min_age"},
		{"soak", sunset.Request{Soak: days(13)}, "soak"},
		{"notice", sunset.Request{Notice: days(2)}, "notice"},
		{"cap_percent", sunset.Request{CapPercent: num(21)}, "cap_percent"},
		{"no cap", sunset.Request{CapPercent: num(0)}, "cap_percent"},
		{"batch", sunset.Request{Batch: num(21)}, "batch"},
		{"no batch", sunset.Request{Batch: num(-1)}, "batch"},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := settings()
			got, err := row.r.Apply(before)
			if row.field != "" {
				require.ErrorContains(t, err, "request: "+row.field)
				require.Equal(t, sunset.Invalid, sunset.KindOf(err))
				require.Equal(t, before, row.r.Tighten(before), "what would loosen counts for nothing later")
				return
			}
			require.NoError(t, err)
			require.Equal(t, got, row.r.Tighten(before))
			require.Equal(t, settings(), before, "the settings themselves stay")
			want := settings()
			if row.r.Unused != nil {
				want.Unused, want.MinAge, want.Soak, want.Notice = *row.r.Unused, *row.r.MinAge, *row.r.Soak, *row.r.Notice
				want.CapPercent, want.Batch = *row.r.CapPercent, *row.r.Batch
			}
			require.Equal(t, want, got)
		})
	}
}

// Settings that became stricter than the request while a case waits hold, instead of failing the case.
func TestTightenTakesTheStricter(t *testing.T) {
	soak, unused, batch, capped := sunset.Days(20), sunset.Days(200), 5, 10
	r := sunset.Request{Soak: &soak, Unused: &unused, Batch: &batch, CapPercent: &capped}
	s := settings()
	s.Soak, s.Batch = sunset.Days(30), 2
	got := r.Tighten(s)
	require.Equal(t, sunset.Days(30), got.Soak)
	require.Equal(t, sunset.Days(200), got.Unused)
	require.Equal(t, 2, got.Batch)
	require.Equal(t, 10, got.CapPercent)
}
