package approval_test

import (
	"net/mail"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
)

func TestOutboxWritesMailThatOnlyItsOwnerReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	o, err := approval.OpenOutbox(dir)
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
