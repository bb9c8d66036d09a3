package approval_test

import (
	"context"
	"errors"
	"net/mail"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
)

// nowhere is the address of a team that has none.
func nowhere(context.Context) (string, error) { return "", nil }

func TestOutboxWritesMailThatOnlyItsOwnerReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	o, err := approval.OpenOutbox(dir, nowhere)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, o.Send(t.Context(), approval.Message{To: ada, Subject: "Grüße\r\nBcc: eve@example.com", Text: "Decide.\n", Link: "https://x/a/s3cret"}))
	}
	require.Error(t, o.Send(t.Context(), approval.Message{To: "ada@example.com\r\nBcc: eve@example.com", Subject: "x"}))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 2, "one a message, and nothing half-written")
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	f, err := os.Open(files[0])
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	m, err := mail.ReadMessage(f)
	require.NoError(t, err)
	require.Equal(t, "<"+ada+">", m.Header.Get("To"))
	require.Empty(t, m.Header.Get("Bcc"))
}

func TestTheOutboxKnowsTheTeamsAddress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	team, unread := "", error(nil)
	o, err := approval.OpenOutbox(dir, func(context.Context) (string, error) { return team, unread })
	require.NoError(t, err)
	require.NoError(t, o.Send(t.Context(), approval.Message{To: approval.Team, Subject: "x"}))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, files, "a team without an address gets nothing")

	team = "security@example.com" // settings are read live
	require.NoError(t, o.Send(t.Context(), approval.Message{To: approval.Team, Subject: "x"}))
	files, err = filepath.Glob(filepath.Join(dir, "*.eml"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	mail, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Contains(t, string(mail), "To: <security@example.com>\r\n")

	unread = errors.New("settings: no such file")
	require.ErrorIs(t, o.Send(t.Context(), approval.Message{To: approval.Team, Subject: "x"}), unread, "a message must not get lost for that")
}
