package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/store"
)

func TestKeepUnknown(t *testing.T) {
	type row struct {
		ID    string `json:"id,omitempty"`
		Known string `json:"known,omitempty"`
		Plain int
	}
	for _, r := range []struct{ was, now, want string }{
		{"", `{"id":"a"}`, `{"id":"a"}`},
		{`{"id":"a","known":"x"}`, `{"id":"a"}`, `{"id":"a"}`},
		{`{"id":"a","Plain":1}`, `{"id":"a","Plain":0}`, `{"id":"a","Plain":0}`},
		{`{"id":"a","newer":[1]}`, `{"id":"a","known":"x"}`, `{"id":"a","known":"x","newer":[1]}`},
		{`{"id":"a","newer":[1]}`, `{"id":"b","known":"x"}`, `{"id":"b","known":"x"}`},
		{`{"newer":1}`, `{"known":"x"}`, `{"known":"x","newer":1}`},
	} {
		got, err := store.KeepUnknown[row]([]byte(r.was), []byte(r.now))
		require.NoError(t, err, r.was)
		require.JSONEq(t, r.want, string(got), r.was)
	}
	_, err := store.KeepUnknown[row]([]byte("[]"), []byte("{}"))
	require.Error(t, err)
	got, err := store.KeepUnknown[map[string]any]([]byte(`{"a":1}`), []byte(`{}`))
	require.NoError(t, err)
	require.Equal(t, "{}", string(got), "of what has no fields nothing is unknown")
}
