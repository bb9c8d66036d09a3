package letters_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/letters"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// replacing gives settings' replacement of one message.
func replacing(kind sunset.MessageKind, w sunset.Wording) map[sunset.MessageKind]sunset.Wording {
	return map[sunset.MessageKind]sunset.Wording{kind: w}
}

// without is the example of a kind with some fields not known.
func without(kind sunset.MessageKind, fields ...string) map[string]string {
	values := sunset.MessageExample(kind)
	for _, f := range fields {
		delete(values, f)
	}
	return values
}

// whole fails where a letter has holes: nothing between words, in brackets or before a full stop.
func whole(t *testing.T, l letters.Letter) {
	t.Helper()
	require.NotEmpty(t, l.Subject)
	require.NotContains(t, l.Subject, "\n")
	require.True(t, strings.HasSuffix(l.Text, "\n"))
	for _, hole := range []string{"  ", " .", " ,", "()", "..", "{{", "<no value>", "\n\n\n", " \n", ": \n"} {
		require.NotContains(t, l.Subject+"\n"+l.Text, hole, "%s\n\n%s", l.Subject, l.Text)
	}
}

// Whatever isn't known, each message is whole, and none that no link follows speaks of one.
func TestEveryMessageIsWholeWhateverIsNotKnown(t *testing.T) {
	require.ElementsMatch(t, slices.Collect(maps.Keys(sunset.MessageFields())), sunset.MessageKinds())
	tried := 0
	for _, kind := range sunset.MessageKinds() {
		// Nobody is told of a user without its name, of a number without it, or of an end without saying which.
		always := []string{"user", "user_id", "account", "count", "users", "outcome"}
		var may []string
		for _, f := range sunset.MessageFields()[kind] {
			if !slices.Contains(always, f) {
				may = append(may, f)
			}
		}
		for set := range 1 << len(may) {
			var missing []string
			for i, f := range may {
				if set&(1<<i) != 0 {
					missing = append(missing, f)
				}
			}
			l := letters.Write(kind, nil, without(kind, missing...))
			whole(t, l)
			if slices.Contains(missing, "link") || !slices.Contains(may, "link") {
				require.NotContains(t, l.Text, "below", "%s without %s", kind, missing)
				require.NotContains(t, l.Text, "on the page")
			}
			tried++
		}
	}
	require.Greater(t, tried, 500)
}

func TestAnEndIsSaidInWords(t *testing.T) {
	for _, outcome := range sunset.Outcomes() {
		values := sunset.MessageExample(sunset.EndedMessage)
		values["outcome"] = string(outcome)
		l := letters.Write(sunset.EndedMessage, nil, values)
		whole(t, l)
		if outcome != sunset.Deleted {
			require.NotContains(t, l.Text, "was deleted, with", outcome)
		}
	}
}

func TestReplacementsGiveWayWhereTheyCantBeFilledIn(t *testing.T) {
	standard := letters.Write(sunset.NoticeMessage, nil, sunset.MessageExample(sunset.NoticeMessage))
	for name, tt := range map[string]struct {
		replaced      sunset.Wording
		subject, text string // empty: the product's own
	}{
		"both":                 {sunset.Wording{Subject: "About {{.user}}", Text: "It ends {{.turn}}."}, "About nightly-export", "It ends 5 March 2026, 09:00 UTC.\n"},
		"the subject alone":    {sunset.Wording{Subject: "About {{.user}}"}, "About nightly-export", ""},
		"the text alone":       {sunset.Wording{Text: "Hello {{.owner}}"}, "", "Hello olga@example.com\n"},
		"broken":               {sunset.Wording{Subject: "{{.user", Text: "{{if}}"}, "", ""},
		"a field there is not": {sunset.Wording{Subject: "{{.users}}", Text: "{{.nobody}}"}, "", ""},
		"nothing left":         {sunset.Wording{Subject: "{{if not .user}}x{{end}}", Text: " \n "}, "", ""},
		"a loop":               {sunset.Wording{Text: "{{range .user}}x{{end}}"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := letters.Write(sunset.NoticeMessage, replacing(sunset.NoticeMessage, tt.replaced), sunset.MessageExample(sunset.NoticeMessage))
			if tt.subject == "" {
				tt.subject = standard.Subject
			}
			if tt.text == "" {
				tt.text = standard.Text
			}
			require.Equal(t, letters.Letter{Subject: tt.subject, Text: tt.text}, l)
		})
	}
}

// Names, tags and reasons are others' texts: none makes a header, a line or a paragraph of its own.
func TestValuesStayOnTheirLine(t *testing.T) {
	for _, kind := range sunset.MessageKinds() {
		for _, field := range sunset.MessageFields()[kind] {
			if field == "users" {
				continue
			}
			values := sunset.MessageExample(kind)
			values[field] = "one\r\nBcc: eve@example.com\n\n\u2028two\u202ethree\x00\x1b[31m"
			l := letters.Write(kind, nil, values)
			require.NotContains(t, l.Subject, "\n")
			require.NotContains(t, l.Text, "\nBcc:")
			for _, bad := range []string{"\r", "\x00", "\x1b", "\u202e", "\u2028"} {
				require.NotContains(t, l.Subject+l.Text, bad)
			}
		}
	}
	l := letters.Write(sunset.NoticeMessage, replacing(sunset.NoticeMessage, sunset.Wording{Subject: "A\nB {{.user}}"}), map[string]string{"user": "x\ny"})
	require.Equal(t, "A B x y", l.Subject)
}

func TestMomentsAndSpansAreWords(t *testing.T) {
	at := time.Date(2026, 3, 5, 10, 0, 0, 0, time.FixedZone("", 3600))
	require.Equal(t, "5 March 2026, 09:00 UTC", letters.When(at))
	require.Equal(t, "5 March 2026", letters.Day(at))
	require.Empty(t, letters.When(time.Time{})+letters.Day(time.Time{}))
	require.Equal(t, "14 days", letters.Span(sunset.Days(14)))
	require.Equal(t, "1 hour", letters.Span(sunset.Duration(time.Hour)))
	require.Equal(t, "0 seconds", letters.Span(0))
}
