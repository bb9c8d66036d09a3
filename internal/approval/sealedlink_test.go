package approval_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Links that were sent before an upgrade open after it: what their rows say, and what their MACs cover, stays.
func TestLinksThatAreOutStayGood(t *testing.T) {
	dir, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	key, err := approval.OpenKeyFile(filepath.Join(t.TempDir(), "key"))
	require.NoError(t, err)
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	desk := approval.NewDesk(dir.Rows(), approval.Signers{Decisions: key, Links: key, Owners: key},
		func(context.Context) (sunset.Settings, error) { return sunset.DefaultSettings(), nil }, clock.NewVirtual(now))
	keep := func(prefix, purpose, secret, rest string) {
		hash := sha256.Sum256([]byte(secret))
		body := fmt.Sprintf(`{"hash":"%x",%s,"expires":"2026-04-01T09:00:00Z"}`, hash, rest)
		sum := sha256.Sum256([]byte(body))
		mac, err := key.MAC(t.Context(), []byte("iam-sunset/"+purpose+"/v1\n"+fmt.Sprintf("%x", sum)))
		require.NoError(t, err)
		row := fmt.Sprintf(`%s,"mac":%q}`, body[:len(body)-1], base64.StdEncoding.EncodeToString(mac))
		_, err = dir.Rows().Put(t.Context(), prefix+fmt.Sprintf("%x", hash), 0, []byte(row))
		require.NoError(t, err)
	}
	keep("link/", "link", "one", `"approver":"ada@example.com"`)
	email, err := desk.Approver(t.Context(), "one")
	require.NoError(t, err)
	require.Equal(t, "ada@example.com", email)

	keep("ownerlink/", "owner-link", "two", `"case_id":"spring-AIDA1","user_id":"AIDA1","email":"olga@example.com"`)
	l, err := desk.OwnerLink(t.Context(), "two")
	require.NoError(t, err)
	require.Equal(t, "spring-AIDA1 AIDA1 olga@example.com", l.CaseID+" "+l.UserID+" "+l.Email)

	// One kind's MAC serves no other.
	keep("link/", "owner-link", "three", `"approver":"ada@example.com"`)
	_, err = desk.Approver(t.Context(), "three")
	require.ErrorIs(t, err, store.ErrMissing)
	_, err = desk.OwnerLink(t.Context(), "one")
	require.ErrorIs(t, err, store.ErrMissing)
}

// What the store says when it fails is for the log: whoever guesses links reads none of it.
func TestAStoreThatRefusesIsNotTold(t *testing.T) {
	key, err := approval.OpenKeyFile(filepath.Join(t.TempDir(), "key"))
	require.NoError(t, err)
	desk := approval.NewDesk(refusingRows{}, approval.Signers{Decisions: key, Links: key},
		func(context.Context) (sunset.Settings, error) { return sunset.DefaultSettings(), nil }, clock.Wall{})
	pages := approval.NewWeb(approval.Pages{
		Desk: desk, BaseURL: "https://approve.example.com",
		Owners: approval.Owners{OfCase: func(context.Context, string, string) (approval.OwnedCase, error) { return approval.OwnedCase{}, nil }},
	})
	for _, path := range []string{"/a/guessed", "/o/guessed"} {
		rw := httptest.NewRecorder()
		pages.ServeHTTP(rw, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		require.Equal(t, http.StatusInternalServerError, rw.Code, path)
		require.NotContains(t, rw.Body.String(), "casebook", path)
	}
}

type refusingRows struct{ store.Rows }

func (refusingRows) Get(context.Context, string) (store.Row, error) {
	return store.Row{}, sunset.Faultf(sunset.AccessDenied, "reading row in table casebook-123456789012: not authorized")
}
