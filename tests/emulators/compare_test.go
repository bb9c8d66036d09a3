//go:build emulators

package emulators

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"
)

// difference is one way in which moto's events may differ from the embedded engine's.
type difference struct {
	why string
	in  types.HistoryEventType
	// mend brings the details of moto's event to the form of ours. It reports whether there was anything to mend.
	mend func(details map[string]any) bool
}

// differences are all that are tolerated. One that does not occur fails the test: the table would tell more than there is.
func differences() []difference {
	return []difference{
		{
			why: "a request of moto's walk is shortened, so that it ends while somebody waits for it: see shortened",
			in:  types.HistoryEventTypeTaskScheduled,
			mend: func(details map[string]any) bool {
				if details["TimeoutInSeconds"] != float64(shortly) {
					return false
				}
				details["TimeoutInSeconds"] = (quick().ApprovalOpen.Std() + 2*time.Hour).Seconds()
				return true
			},
		},
	}
}

// compare holds two engines' histories of the same executions against each other: the same events in the same order, each with
// the same fields. Of the payloads that means the same keys and the same words; ids, times, digests and figures differ by run.
func compare(t *testing.T, ours, motos map[string][]types.HistoryEvent) {
	t.Helper()
	require.Equal(t, slices.Sorted(maps.Keys(ours)), slices.Sorted(maps.Keys(motos)))
	found := make([]int, len(differences()))
	events := 0
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		var here, there []string
		for _, e := range ours[name] {
			here = append(here, written(t, fields(t, e)))
		}
		for _, e := range motos[name] {
			f := fields(t, e)
			for i, d := range differences() {
				for _, details := range f {
					if m, ok := details.(map[string]any); ok && e.Type == d.in && d.mend(m) {
						found[i]++
					}
				}
			}
			there = append(there, written(t, f))
		}
		for i := range min(len(here), len(there)) {
			if here[i] != there[i] {
				t.Errorf("%s, event %d:\n  ours  %s\n  moto's %s", name, i+1, here[i], there[i])
			}
		}
		require.Len(t, there, len(here), name)
		events += len(here)
	}
	for i, d := range differences() {
		require.Positive(t, found[i], "this doesn't differ any more: %s", d.why)
	}
	t.Logf("%d events of %d executions are the same on both engines; kinds of differences tolerated: %d", events, len(ours), len(differences()))
}

// fields are an event's, without its time and with its payloads' shapes. An event that is not one's first has the distance to the
// one before.
func fields(t *testing.T, e types.HistoryEvent) map[string]any {
	t.Helper()
	b, err := json.Marshal(e)
	require.NoError(t, err)
	var f map[string]any
	require.NoError(t, json.Unmarshal(b, &f))
	delete(f, "Timestamp")
	shaped := without(f).(map[string]any)
	for _, details := range shaped {
		d, ok := details.(map[string]any)
		if !ok {
			continue
		}
		for _, payload := range []string{"Input", "Output", "Parameters", "Cause"} {
			text, ok := d[payload].(string)
			var v any
			if ok && json.Unmarshal([]byte(text), &v) == nil {
				d[payload] = shape(v)
			}
		}
	}
	return shaped
}

// without leaves out what is null.
func without(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, x := range m {
		if x == nil {
			delete(m, k)
			continue
		}
		m[k] = without(x)
	}
	return m
}

// word is what means the same in each run.
var word = regexp.MustCompile(`^[a-z][a-z-]*$`)

// shape keeps the keys, words and truths of a document.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = shape(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = shape(x)
		}
		return out
	case string:
		if word.MatchString(v) {
			return v
		}
		return "…"
	case float64:
		return "0"
	}
	return v
}

func written(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}
