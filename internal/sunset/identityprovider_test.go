package sunset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestIdentityProviders(t *testing.T) {
	for _, row := range []struct {
		name, document string
		field          string // of the refusal; empty: none
	}{
		{"none", `{}`, ""},
		{"right", `{"sign_in": {"issuer": "https://login.example.com/realms/one", "client_id": "pages"}}`, ""},
		{"on this machine", `{"sign_in": {"issuer": "http://127.0.0.1:5556/dex", "client_id": "pages"}}`, ""},
		{"in the clear", `{"sign_in": {"issuer": "http://login.example.com", "client_id": "pages"}}`, "sign_in.issuer"},
		{"in the clear, to a name like this machine's", `{"sign_in": {"issuer": "http://localhost.example.com", "client_id": "pages"}}`, "sign_in.issuer"},
		{"another scheme", `{"sign_in": {"issuer": "file:///etc/passwd", "client_id": "pages"}}`, "sign_in.issuer"},
		{"no issuer", `{"sign_in": {"client_id": "pages"}}`, "sign_in.issuer"},
		{"a query", `{"sign_in": {"issuer": "https://login.example.com?tenant=1", "client_id": "pages"}}`, "sign_in.issuer"},
		{"a fragment", `{"sign_in": {"issuer": "https://login.example.com#1", "client_id": "pages"}}`, "sign_in.issuer"},
		{"a password", `{"sign_in": {"issuer": "https://me:hunter2@login.example.com", "client_id": "pages"}}`, "sign_in.issuer"},
		{"no client", `{"sign_in": {"issuer": "https://login.example.com"}}`, "sign_in.client_id"},
		{"a secret", `{"sign_in": {"issuer": "https://login.example.com", "client_id": "pages", "client_secret": "hunter2"}}`, "client_secret"},
	} {
		s, err := sunset.ParseSettings([]byte(row.document))
		if row.field == "" {
			require.NoError(t, err, row.name)
			require.Equal(t, row.name == "none", s.SignIn == nil, row.name)
			continue
		}
		require.ErrorContains(t, err, row.field, row.name)
		require.NotContains(t, err.Error(), "hunter2", row.name)
	}
}
