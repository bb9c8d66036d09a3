package sunset_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestReplacedMessagesAreTriedOutWhenSettingsAreRead(t *testing.T) {
	for name, tt := range map[string]struct {
		messages map[sunset.MessageKind]sunset.Wording
		refused  string // what the one sentence says; empty: taken
	}{
		"a subject":            {one("notice", "About {{.user}}", ""), ""},
		"a text":               {one("notice", "", "{{if .owner}}Dear {{.owner}}{{else}}Dear team{{end}},\n{{with .turn}}on {{.}}{{end}} {{$.user}}"), ""},
		"words alone":          {one("waiting", "Decide", "Decide, please."), ""},
		"functions":            {one("ended", "", `{{if eq .outcome "deleted"}}{{printf "%q" .user}}{{end}}`), ""},
		"no such message":      {one("birthday", "x", ""), "messages[birthday]: there is no such message; there are disabled, ended,"},
		"nothing":              {one("notice", "", ""), "messages[notice]: it must say subject or text"},
		"no template":          {one("notice", "", "one\n{{.user"), "messages[notice].text: it is no template: line 2: "},
		"a field of another":   {one("notice", "{{.outcome}}", ""), `messages[notice].subject: it has no field "outcome"; there are user, user_id,`},
		"in a dead branch":     {one("notice", "", "{{if .user}}x{{else if .owner}}{{.nobody}}{{end}}"), `messages[notice].text: it has no field "nobody"`},
		"in a pipe":            {one("notice", "", `x{{printf "%s" (print $.nobody)}}`), `messages[notice].text: it has no field "nobody"`},
		"a field of a field":   {one("notice", "", "{{.user.name}}"), `messages[notice].text: "user" has no fields of its own`},
		"a field of a result":  {one("notice", "", "{{(print .user).name}}"), "messages[notice].text: "},
		"a field of a value":   {one("notice", "", "{{with .user}}{{.user}}{{end}}"), "messages[notice].text: it can't be filled in: "},
		"a loop":               {one("notice", "", "{{range 1000000000}}x{{end}}"), "messages[notice].text: {{range 1000000000}}: messages have neither loops"},
		"a template within":    {one("notice", "", `x{{define "y"}}{{.user}}{{end}}`), "messages[notice].text: it defines another template"},
		"prints nothing":       {one("notice", "", "{{if not .user}}x{{end}}"), "messages[notice].text: it prints nothing"},
		"blank":                {one("notice", " ", ""), "messages[notice].subject: it prints nothing"},
		"a comment":            {one("notice", "", "{{/* later */}}"), "messages[notice].text: it prints nothing"},
		"fails on nothing":     {one("notice", "", "{{slice .user 0 2}}"), "messages[notice].text: it can't be filled in where nothing is known: "},
		"a subject of 2 lines": {one("notice", "a\nBcc: eve@example.com", ""), "messages[notice].subject: a subject is one line"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sunset.DefaultSettings()
			s.Messages = tt.messages
			err := s.Validate()
			if tt.refused == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, sunset.Invalid, sunset.KindOf(err))
			require.ErrorContains(t, err, "settings: "+tt.refused)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, strings.Count(err.Error(), "messages["), 2, err)
		})
	}
}

func one(kind sunset.MessageKind, subject, text string) map[sunset.MessageKind]sunset.Wording {
	return map[sunset.MessageKind]sunset.Wording{kind: {Subject: subject, Text: text}}
}

// Every field has an example, so that a preview has no holes.
func TestEveryFieldHasAnExample(t *testing.T) {
	for kind, fields := range sunset.MessageFields() {
		require.Len(t, sunset.MessageExample(kind), len(fields))
		for _, field := range fields {
			require.NotEmpty(t, sunset.MessageExample(kind)[field], fmt.Sprintf("%s: %s", kind, field))
		}
	}
}
