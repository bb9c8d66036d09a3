//go:build terraform

package terraform

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// What says who signs in and who owns what reaches the functions as it was given, and the client's secret the pages alone.
func TestSignInAndOwners(t *testing.T) {
	w := newWorld(t)
	const secret = "the-clients-secret"
	p := w.plan(t, map[string]any{
		"sign_in_client_secret": secret,
		"settings": map[string]any{
			"sign_in":       map[string]any{"issuer": "https://login.example.com", "client_id": "pages"},
			"owners":        []any{map[string]any{"path": "/batch/", "email": "batch@example.com"}},
			"owner_domains": []string{"example.com"},
		},
	})
	document := p.one(t, "aws_s3_object.settings").text(t, "content")
	require.NotContains(t, document, secret)
	s, err := sunset.ParseSettings([]byte(document))
	require.NoError(t, err)
	assert.Equal(t, &sunset.IdentityProvider{Issuer: "https://login.example.com", ClientID: "pages"}, s.SignIn)
	assert.Equal(t, []sunset.OwnerRule{{Path: "/batch/", Email: "batch@example.com"}}, s.Owners)
	assert.Equal(t, []string{"example.com"}, s.OwnerDomains)
	for _, r := range p.all(t, "aws_lambda_function") {
		given := r.block(t, "environment")["variables"].(map[string]any)[signin.SecretVariable]
		if r.text(t, "function_name") == "iam-sunset-approval-web" {
			assert.Equal(t, secret, given)
		} else {
			assert.Nil(t, given, r.Address)
		}
	}
}
