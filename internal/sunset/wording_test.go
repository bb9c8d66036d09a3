package sunset_test

import (
	"fmt"
	"strings"
	"testing"
	"text/template"

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
		"functions":            {one("ended", "", `{{if and (eq .outcome "deleted" "retained") (not (ne .user .user))}}{{or .owner "team"}}{{end}}`), ""},
		"no such message":      {one("birthday", "x", ""), "messages[birthday]: there is no such message; there are disabled, ended,"},
		"nothing":              {one("notice", "", ""), "messages[notice]: it must say subject or text"},
		"no template":          {one("notice", "", "one\n{{.user"), "messages[notice].text: it is no template: line 2: "},
		"a field of another":   {one("notice", "{{.outcome}}", ""), `messages[notice].subject: it has no field "outcome"; there are user, user_id,`},
		"in a dead branch":     {one("notice", "", "{{if .user}}x{{else if .owner}}{{.nobody}}{{end}}"), `messages[notice].text: it has no field "nobody"`},
		"in brackets":          {one("notice", "", `x{{if not (eq $.nobody "x")}}y{{end}}`), `messages[notice].text: it has no field "nobody"`},
		"a field of a field":   {one("notice", "", "{{.user.name}}"), `messages[notice].text: "user" has no fields of its own`},
		"a field of a result":  {one("notice", "", "{{(or .user .owner).name}}"), "messages[notice].text: (or .user .owner).name: messages know fields such as"},
		"a field in a with":    {one("notice", "", "{{with .user}}{{.user}}{{end}}"), ""},
		"other functions":      {one("notice", "", "{{printf .user}}"), `messages[notice].text: it is no template: line 1: function "printf" not defined`},
		"a pipe":               {one("notice", "", "{{.user | not}}"), "messages[notice].text: .user | not: messages know fields such as"},
		"a variable":           {one("notice", "", "{{$x := .user}}{{$x}}"), "messages[notice].text: $x := .user: messages know fields such as"},
		"an empty comparison":  {one("notice", "", "{{if eq .user}}x{{end}}"), "messages[notice].text: eq .user: eq needs something to work on"},
		"a loop":               {one("notice", "", "{{range 1000000000}}x{{end}}"), "messages[notice].text: range 1000000000: messages know fields such as"},
		"a template within":    {one("notice", "", `x{{define "y"}}{{.user}}{{end}}`), "messages[notice].text: it defines another template"},
		"prints nothing":       {one("notice", "", "{{if not .user}}x{{end}}"), "messages[notice].text: it prints nothing"},
		"blank":                {one("notice", " ", ""), "messages[notice].subject: it prints nothing"},
		"a comment":            {one("notice", "", "{{/* later */}}"), "messages[notice].text: it prints nothing"},
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

// What Go's own templates make of a template is what messages make of it.
func TestMessagesAreFilledInAsGoDoesIt(t *testing.T) {
	for _, text := range []string{
		"a {{.user}}{{- /* why */ -}} b", "{{if .owner}}o {{.owner}}{{else if .user}}u{{else}}n{{end}}", "{{with .turn}}on {{.}} {{$.user}}{{else}}never{{end}}",
		`{{if eq .user "x" "ann"}}1{{end}}{{if ne .user "ann"}}2{{end}}{{if not .owner}}3{{end}}`, `{{or .owner .user "nobody"}} {{and .user .owner}} {{and .user .turn}}`,
		`{{if and (eq .user "ann") (or .owner (not .turn))}}y{{else}}n{{end}}`, `{{"quoted"}} {{if or .user .owner}}x{{end}}`,
	} {
		for _, values := range []map[string]string{
			{"user": "", "owner": "", "turn": ""}, {"user": "ann", "owner": "", "turn": "Monday"}, {"user": "x", "owner": "olga", "turn": ""},
		} {
			var want strings.Builder
			require.NoError(t, template.Must(template.New("").Parse(text)).Execute(&want, values))
			got, err := sunset.ParseMessage(sunset.NoticeMessage, text)
			require.NoError(t, err)
			require.Equal(t, want.String(), got.Fill(values), "%s with %v", text, values)
		}
	}
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
