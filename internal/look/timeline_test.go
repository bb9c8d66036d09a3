package look_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/look"
)

func TestTimelineDrawsWhatIsWithinIt(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const bad = `"><script>&`
	line := look.Timeline{
		ID: "soak", Title: bad, Text: bad, From: from, Until: from.AddDate(0, 0, 10),
		Bands: []look.Band{{From: from.AddDate(0, 0, -1), Until: from.AddDate(0, 0, 5), Class: "soak", Label: bad}, {From: from.AddDate(0, 1, 0), Until: from.AddDate(0, 2, 0), Class: "later"}},
		Marks: []look.Mark{
			{At: from.AddDate(0, 0, 5), Shape: look.Signal, Label: bad},
			{At: from.AddDate(0, 0, 5), Shape: look.Signal, Label: "again"},
			{At: from, Shape: look.Deed, Label: "first"},
			{At: from.AddDate(-3, 0, 0), Shape: look.Answer, Label: "long ago"},
			{Shape: look.Question, Label: "never"},
		},
	}
	svg := string(line.SVG())
	wellFormed(t, svg)
	require.NotContains(t, svg, "<script")
	require.Contains(t, svg, `<svg x="50.0%" y="34"`, "half-way is in the middle")
	require.Contains(t, svg, `class="band-soak" x="2.0%" y="24" width="48.0%"`, "cut where the picture begins")
	require.Contains(t, svg, "1 Mar 2026")
	require.Contains(t, svg, "11 Mar 2026")
	for _, without := range []string{"band-later", "long ago", "never", "style="} {
		require.NotContains(t, svg, without)
	}

	strip := string(line.Strip())
	wellFormed(t, strip)
	require.Equal(t, 1, strings.Count(strip, "mark-signal"), "one place is one mark")
	require.Less(t, len(strip), 500)

	key := string(line.Key())
	wellFormed(t, key)
	require.Contains(t, key, "heard")
	require.Contains(t, key, "done")
	require.NotContains(t, key, "decided", "nothing of that shape is to be seen")
}

func TestTimelineOfNoTimeIsEmpty(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, line := range []look.Timeline{{}, {From: at, Until: at}, {From: at, Until: at.AddDate(0, 0, -1)}} {
		line.Marks = []look.Mark{{At: at, Shape: look.Deed}}
		svg := string(line.SVG())
		wellFormed(t, svg)
		require.NotContains(t, svg, "mark-")
	}
}
