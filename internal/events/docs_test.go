package events_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/events"
)

// section is what docs/events.md says of one kind.
type section struct {
	name, prose string
	example     struct {
		Text string
		Data json.RawMessage
	}
}

var heading = regexp.MustCompile("(?m)^#### `([a-z-]+)`: (.+)$")

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/events.md")
	require.NoError(t, err)
	return string(b)
}

// documented reads the sections of docs/events.md, and the kinds that it tells of twice.
func documented(t *testing.T) map[string]section {
	t.Helper()
	text, out := page(t), map[string]section{}
	heads := heading.FindAllStringSubmatchIndex(text, -1)
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		kind := text[h[2]:h[3]]
		require.NotContains(t, out, kind, "told twice")
		prose, example, ok := strings.Cut(text[h[1]:end], "```json\n")
		require.True(t, ok, "%s has no example", kind)
		example, _, _ = strings.Cut(example, "\n```")
		s := section{name: text[h[4]:h[5]], prose: prose}
		require.NoError(t, json.Unmarshal([]byte(example), &s.example), kind)
		out[kind] = s
	}
	return out
}

func TestThePageTellsOfEveryKind(t *testing.T) {
	docs, told := documented(t), events.Told()
	for kind := range docs {
		require.Contains(t, told, kind)
	}
	for kind, tell := range told {
		require.Contains(t, docs, kind, "docs/events.md has nothing on it")
		require.Equal(t, tell.Name, docs[kind].name)
		for _, field := range tell.Fields {
			require.Contains(t, docs[kind].prose, "`"+field+"`", "of kind %s", kind)
		}
	}
}

func TestTheExamplesAreWhatIsPublished(t *testing.T) {
	for kind, s := range documented(t) {
		r := record(kind, string(s.example.Data))
		r.Text = s.example.Text
		_, d := published(t, r)
		require.Empty(t, d.LeftOut, kind)
		require.Equal(t, s.example.Text, d.Text, kind)
		if s.example.Data == nil {
			require.Empty(t, d.Data, kind)
			continue
		}
		data, err := json.Marshal(d.Data)
		require.NoError(t, err)
		require.JSONEq(t, string(s.example.Data), string(data), kind)
	}
}

func TestTheFirstExampleIsWhatIsPublished(t *testing.T) {
	_, first, ok := strings.Cut(page(t), "```json\n")
	require.True(t, ok)
	first, _, _ = strings.Cut(first, "\n```")
	var shown struct {
		DetailType string `json:"detail-type"`
		Source     string
		Detail     json.RawMessage
	}
	require.NoError(t, json.Unmarshal([]byte(first), &shown))
	var r audit.Record // an event's detail has its record's own names
	require.NoError(t, json.Unmarshal(shown.Detail, &r))
	e, _ := published(t, r)
	require.JSONEq(t, string(shown.Detail), e.Detail)
	require.Equal(t, shown.DetailType, e.DetailType)
	require.Equal(t, shown.Source, e.Source)
}

// schema is the part of JSON Schema that docs/events.schema.json uses.
type schema struct {
	Type                 string
	Required             []string
	Properties           map[string]schema
	Items                *schema
	Const                any
	Pattern              string
	AdditionalProperties bool
}

// check says what is wrong with v.
func (s schema) check(t *testing.T, at string, v any) {
	t.Helper()
	types := map[string]string{"string": "string", "object": "map", "array": "slice", "integer": "float64"}
	if s.Type != "" {
		require.Equal(t, types[s.Type], reflect.TypeOf(v).Kind().String(), at)
	}
	if s.Const != nil {
		require.Equal(t, s.Const, v, at)
	}
	if s.Pattern != "" {
		require.Regexp(t, s.Pattern, v, at)
	}
	if object, ok := v.(map[string]any); ok {
		for _, name := range s.Required {
			require.Contains(t, object, name, at)
		}
		for name, inner := range object {
			if s.Properties[name].Type != "" || s.Properties[name].Const != nil {
				s.Properties[name].check(t, at+"."+name, inner)
			}
		}
	}
	if list, ok := v.([]any); ok {
		for _, inner := range list {
			s.Items.check(t, at+"[]", inner)
		}
	}
}

func TestEventsFitTheSchema(t *testing.T) {
	b, err := os.ReadFile("../../docs/events.schema.json")
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(b, &s))
	require.True(t, s.AdditionalProperties, "readers of version 1 have to bear more fields")

	var names, always []string
	detail := reflect.TypeFor[events.Detail]()
	for i := range detail.NumField() {
		name, option, _ := strings.Cut(detail.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
		if option != "omitempty" {
			always = append(always, name)
		}
	}
	require.Len(t, s.Properties, len(names))
	for _, name := range names {
		require.Contains(t, s.Properties, name)
		require.Contains(t, page(t), "`"+name+"`")
	}
	require.ElementsMatch(t, always, s.Required)
	require.False(t, slices.Contains(always, "data"))

	for _, r := range []audit.Record{
		record("disabled", `{"quarantine":{"method":"inline-deny"},"more":1}`),
		{Chain: "cleanup/a", Seq: 1, Kind: "begun"},
		{Chain: "account/strays", Seq: 1_234_567, Kind: "made-up", Data: json.RawMessage(`[1]`)},
	} {
		e, _ := published(t, r)
		var v any
		require.NoError(t, json.Unmarshal([]byte(e.Detail), &v))
		s.check(t, "detail", v)
	}
}
