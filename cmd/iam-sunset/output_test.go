package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// A table is no wider than its terminal, and loses no word.
func TestTableFitsItsWidth(t *testing.T) {
	reason := "AWS does not report when its service-specific credential ACCA6WOS5PZWEYHZ2OTGS (bedrock.amazonaws.com) was used; arn:aws:s3:::a-bucket-with-a-long-name names it"
	header := table.Row{"User", "Last use", "Verdict", "Why"}
	rows := []table.Row{{"BedrockAPIKey-x7k2", "never", "kept", reason}, {strings.Repeat("n", 64), "2025-10-19", "eligible", "unused for 398 days"}}
	for _, width := range []int{80, 100, 120, 200} {
		got := renderRows(header, rows, []int{24, 10, 8, 0}, width)
		for line := range strings.Lines(got) {
			require.LessOrEqual(t, text.StringWidth(strings.TrimSuffix(line, "\n")), width, "%d columns:\n%s", width, got)
		}
		for _, word := range []string{"credential", "report", "398"} {
			require.Contains(t, got, word, "%d columns:\n%s", width, got)
		}
	}
}

// What other people wrote into names and tags does not move a terminal's cursor.
func TestForeignWordsStayWords(t *testing.T) {
	require.Equal(t, " [2Jowner", printable("\x1b[2Jowner"))
}

func TestCountsAddUp(t *testing.T) {
	kept := func(codes ...sunset.ReasonCode) sunset.Entry {
		var e sunset.Entry
		for _, c := range codes {
			e.Verdict.Reasons = append(e.Verdict.Reasons, sunset.Reason{Code: c})
		}
		return e
	}
	plan := sunset.Plan{Account: "123456789012", Entries: []sunset.Entry{
		{Verdict: sunset.Verdict{Eligible: true}}, kept(sunset.IsUnknown, sunset.IsActive), kept(sunset.IsUnknown), kept(sunset.Blocked, sunset.IsUnknown),
	}}
	require.Equal(t, "4 users in account 123456789012: 1 eligible, 1 active, 1 unknown, 1 blocked.", countsLine(plan))
}

// What happens to many at once is told once; whatever differs in anything but the name is told apart.
func TestStoryTellsEqualThingsOnce(t *testing.T) {
	at := time.Date(2026, 3, 19, 11, 30, 0, 0, time.UTC)
	decided := func(user, choice string) audit.Record {
		return audit.Record{
			Kind: "decision", At: at, UserName: user, CaseID: "c-" + user,
			Data: []byte(fmt.Sprintf(`{"approver":"ann@example.com","choice":%q,"reason":"gone"}`, choice)),
		}
	}
	var out bytes.Buffer
	s := &story{out: &out}
	s.hear(decided("a", "delete"))
	s.hear(decided("b", "delete"))
	s.hear(decided("c", "keep"))
	s.hear(audit.Record{Kind: "intent", At: at, Text: "About to do something."})
	s.hear(audit.Record{Kind: "failed", At: at, UserName: "d", Text: "The case failed. "})
	s.say("end\n")
	require.Equal(t, `Thu 19 Mar 11:30  ann@example.com decided to delete 2 users: gone
                  a, b
Thu 19 Mar 11:30  ann@example.com decided to keep c: gone
Thu 19 Mar 11:30  The case failed.
end
`, text.StripEscape(out.String()))

	out.Reset()
	live := &story{out: &out, live: true}
	live.hear(decided("a", "delete"))
	require.Equal(t, "Thu 19 Mar 11:30  ann@example.com decided to delete a: gone\n", text.StripEscape(out.String()))
}
