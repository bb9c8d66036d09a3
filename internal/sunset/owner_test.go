package sunset_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Owners are told at addresses that every mail server takes, and that read as what they are.
func TestOwnersAddresses(t *testing.T) {
	s := sunset.Settings{OwnerDomains: []string{"example.com"}}
	for _, email := range []string{"ada@example.com", "ada@EXAMPLE.com", "ada.b+c_d-e'f@example.com"} {
		require.True(t, s.MayOwn(email), email)
		require.True(t, s.MayHandOver(email), email)
	}
	for _, email := range []string{
		"", "ada", "@example.com", "ada@example.org", "ada@sub.example.com", "Ada <ada@example.com>", "<ada@example.com>", "ada@example.com, eve@example.com", "ada@example.com\r\nBcc: eve@example.com",
		"\u202eada@example.com", "ada\u200b@example.com", "adа@example.com", "ada\u00a0@example.com", "ada\x00@example.com", `"ada b"@example.com`,
		strings.Repeat("a", 243) + "@example.com",
	} {
		require.False(t, s.MayOwn(email), "%q", email)
		require.False(t, s.MayHandOver(email), "%q", email)
		require.False(t, sunset.Settings{}.MayHandOver(email), "%q", email)
	}
	require.False(t, sunset.Settings{}.MayHandOver("ada@example.com"), "nobody hands over where no domain is named")
	require.True(t, sunset.Settings{}.MayOwn("ada@example.org"))
	require.False(t, sunset.Settings{}.MayOwn("\u202eada@example.org"))
}
