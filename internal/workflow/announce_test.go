package workflow

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestWhenAnApproverIsTold(t *testing.T) {
	monday := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	office := []sunset.Window{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", To: "17:00"}}
	// asked is a request that began at one time, is open as long, and was announced at another; zero: not yet.
	asked := func(issued time.Time, open time.Duration, announced time.Time) approval.Waiting {
		return approval.Waiting{Request: sunset.ApprovalRequest{Issued: issued, Expires: issued.Add(open)}, Announced: announced}
	}
	never := time.Time{}
	known := asked(monday.Add(-2*day), 14*day, monday.Add(-2*day))
	for name, tt := range map[string]struct {
		now, told time.Time
		waiting   []approval.Waiting
		due       bool
	}{
		"the first":                           {monday, never, []approval.Waiting{asked(monday, 14*day, never)}, true},
		"nothing new":                         {monday, monday.Add(-2 * day), []approval.Waiting{known}, false},
		"something new beside what is known":  {monday, monday.Add(-2 * day), []approval.Waiting{known, asked(monday, 14*day, never)}, true},
		"a reminder":                          {monday.Add(2 * day), monday.Add(-2 * day), []approval.Waiting{known}, true},
		"a reminder, an hour too early":       {monday.Add(2*day - time.Hour), monday.Add(-2 * day), []approval.Waiting{known}, false},
		"the second to last day":              {monday.Add(10*day + time.Hour), monday.Add(9 * day), []approval.Waiting{known}, true},
		"the last day":                        {monday.Add(11*day + time.Hour), monday.Add(10*day + time.Hour), []approval.Waiting{known}, true},
		"the last day, a second time":         {monday.Add(11*day + 2*time.Hour), monday.Add(11*day + time.Hour), []approval.Waiting{known}, false},
		"before the last two":                 {monday.Add(10*day - time.Hour), monday.Add(9 * day), []approval.Waiting{known}, false},
		"new after the day's message":         {monday.Add(time.Hour), monday, []approval.Waiting{asked(monday, 14*day, never)}, false},
		"new, and half over by tomorrow":      {monday.Add(time.Hour), monday, []approval.Waiting{asked(monday, 36*time.Hour-15*time.Hour, never)}, true},
		"new, on a friday, for two days":      {monday.Add(4*day + time.Hour), monday.Add(4 * day), []approval.Waiting{asked(monday.Add(4*day), 2*day, never)}, true},
		"new, on a friday, for two weeks":     {monday.Add(4*day + time.Hour), monday.Add(4 * day), []approval.Waiting{asked(monday.Add(4*day), 14*day, never)}, false},
		"known, short, and told today":        {monday.Add(time.Hour), monday, []approval.Waiting{asked(monday, 6*time.Hour, monday)}, false},
		"told before days were kept, today":   {monday.Add(time.Hour), never, []approval.Waiting{asked(monday, 14*day, monday)}, false},
		"told before days were kept, earlier": {monday.Add(day), never, []approval.Waiting{asked(monday, 14*day, monday)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.due, dueNow(sunset.Settings{OfficeHours: office}, tt.now, tt.told, tt.waiting))
		})
	}
	closed := sunset.Settings{OfficeHours: []sunset.Window{{Days: []string{"mon"}, From: "09:00", To: "09:00"}}}
	require.True(t, dueNow(closed, monday.Add(time.Hour), monday, []approval.Waiting{asked(monday, 14*day, never)}), "no office hours to wait for")
}
