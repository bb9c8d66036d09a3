package sunset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestRepeated(t *testing.T) {
	for document, want := range map[string]string{
		`{}`: "", ``: "", `[`: "", `"soak"`: "", `7`: "",
		`{"soak":"14d","notice":"3d"}`:                      "",
		`{"soak":"14d","soak":"1s"}`:                        "soak",
		`{"soak":"14d","Soak":"1s"}`:                        "Soak",
		`{"batch":1,"\u0062atch":2}`:                        "batch",
		`{"a":{"b":1},"c":{"b":1}}`:                         "",
		`{"a":[{"b":1},{"b":1}]}`:                           "",
		`{"a":["a","a",{"a":"a"}],"b":"a"}`:                 "",
		`{"approvers":[{"email":"x"},{"email":1,"email":2`:  "approvers[1].email",
		`{"a":{"b":[[],[{"c":null,"c":{}}]]}}`:              "a.b[1][0].c",
		`{"approvers":[],"closed_regions":[],"approvers":1`: "approvers",
	} {
		require.Equal(t, want, sunset.Repeated([]byte(document)), document)
	}
	_, err := sunset.ParseSettings([]byte(`{"soak":"14d","soak":"1s"}`))
	require.ErrorContains(t, err, `settings: the field "soak" stands there twice`)
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	_, err = sunset.ParseRequest([]byte(`{"users":["a"],"Users":["b"]}`))
	require.ErrorContains(t, err, `request: the field "Users" stands there twice`)
}
