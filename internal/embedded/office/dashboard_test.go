package office_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/office"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// The key alone opens no dashboard: whom AWS names is invited, under that name, where they are of the engine's account.
func TestWhoIsInvitedToTheDashboard(t *testing.T) {
	w := open(t, office.Operators())
	in, err := w.client().Dashboard(t.Context(), w.as("operators", "olga"))
	require.NoError(t, err)
	require.Equal(t, office.Invitation{
		ARN: "arn:aws:sts::123456789012:assumed-role/operators/olga", Path: "/dashboard/sign-in/secret", Until: time.Date(2026, 3, 2, 9, 5, 0, 0, time.UTC),
	}, in)
	require.Equal(t, []string{in.ARN}, w.invited)

	status, body := w.sends(t, hand{method: http.MethodPost, path: "/office/dashboard", key: key})
	require.Equal(t, http.StatusForbidden, status, body)
	require.Contains(t, body, "without a proof of your AWS identity")
	// A proof for another request is none for this one.
	proof, err := identity.Prove(t.Context(), w.as("operators", "olga"), key.ID, identity.ToSend(http.MethodGet, "/office/v1/requests", nil), time.Now())
	require.NoError(t, err)
	status, body = w.sends(t, hand{method: http.MethodPost, path: "/office/dashboard", key: key, header: map[string]string{identity.Header: proof}})
	require.Equal(t, http.StatusForbidden, status, body)
	status, _ = w.sends(t, hand{method: http.MethodGet, path: "/office/dashboard", key: key, header: map[string]string{identity.Header: proof}})
	require.Equal(t, http.StatusBadRequest, status)
	require.Len(t, w.invited, 1)

	w.ofEngine = "210987654321"
	w.begin(office.Operators())
	_, err = w.client().Dashboard(t.Context(), w.as("operators", "olga"))
	require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
	require.ErrorContains(t, err, "the engine is for account 210987654321, but the credentials are of account 123456789012")
	require.Len(t, w.invited, 1)

	w.ofEngine, w.withoutDashboard = "123456789012", true
	w.begin(office.Operators())
	_, err = w.client().Dashboard(t.Context(), w.as("operators", "olga"))
	require.ErrorContains(t, err, "this engine has no dashboard")
}
