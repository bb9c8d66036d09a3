package statemachine_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/statemachine"
)

// The README's picture is the definition's. To renew it: UPDATE=1 go test ./statemachine
func TestTheReadmeShowsTheDefinitionAsItIs(t *testing.T) {
	picture, err := statemachine.Picture()
	require.NoError(t, err)
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(readme), "```mermaid\n")
	require.True(t, ok, "the README has no picture")
	drawn, after, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile("../README.md", []byte(before+"```mermaid\n"+picture+"```"+after), 0o644))
		return
	}
	require.Equal(t, picture, drawn)
}
