package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/outbox"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	ada  = "ada@example.com"
	page = "https://sunset.example.com/a/AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHHIIIIJJJJKKK"
)

// desk is an outbox with the settings that it reads.
type desk struct {
	*outbox.Outbox
	t        *testing.T
	dir      string
	settings sunset.Settings
	unread   error
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, dir: filepath.Join(t.TempDir(), "outbox"), settings: sunset.DefaultSettings()}
	now := clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	o, err := outbox.Open(d.dir, now, func(context.Context) (sunset.Settings, error) { return d.settings, d.unread })
	require.NoError(t, err)
	d.Outbox = o
	return d
}

// files are the outbox's, by name; each must be its owner's alone.
func (d *desk) files() []string {
	d.t.Helper()
	entries, err := os.ReadDir(d.dir)
	require.NoError(d.t, err)
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(d.t, err)
		require.Equal(d.t, os.FileMode(0o600), info.Mode())
		names = append(names, e.Name())
	}
	return names
}

func (d *desk) read(name string) *mail.Message {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	require.NoError(d.t, err)
	m, err := mail.ReadMessage(bytes.NewReader(b))
	require.NoError(d.t, err)
	return m
}

func letter() approval.Message {
	return approval.Message{To: ada, Subject: "1 unused IAM user waits for your decision", Text: "Please decide.\n", Link: page}
}

func TestEachMessageIsAFile(t *testing.T) {
	d := newDesk(t)
	for range 2 {
		require.NoError(t, d.Send(t.Context(), letter()))
	}
	names := d.files()
	require.Len(t, names, 2, "two messages that say the same are two")
	require.True(t, slices.IsSorted(names))
	for _, name := range names {
		require.Regexp(t, `^20260302T090000\.000-[0-9a-f]{12}-ada@example\.com(-2)?\.eml$`, name)
	}
	m := d.read(names[0])
	require.Equal(t, "<"+ada+">", m.Header.Get("To"))
	require.Equal(t, `"IAM Sunset" <iam-sunset@localhost>`, m.Header.Get("From"))
	require.Equal(t, "Mon, 02 Mar 2026 09:00:00 +0000", m.Header.Get("Date"))
	require.Regexp(t, `^<[0-9a-f]{12}\.[0-9]+@localhost>$`, m.Header.Get("Message-Id"))
	body, err := io.ReadAll(m.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "Please decide.\r\n\r\n"+page+"\r\n", "a link can be copied as it is")
}

// Nothing that a user's name or tag brings along makes another header or another recipient.
// A long line, and a long link, are in the file as they were, whichever way a mail program reads it.
func TestAFileCanBeCopiedFrom(t *testing.T) {
	d := newDesk(t)
	long := letter()
	long.Link = "https://a-very-long-name-of-a-host.in-some-department.example.com/iam-sunset/a/" + strings.Repeat("A", 43)
	long.Text = strings.Repeat("nothing was heard of svc=a ", 20) + "\n"
	require.NoError(t, d.Send(t.Context(), long))
	m := d.read(d.files()[0])
	require.Equal(t, "8bit", m.Header.Get("Content-Transfer-Encoding"))
	body, err := io.ReadAll(m.Body)
	require.NoError(t, err)
	require.Equal(t, long.Text+"\n"+long.Link+"\n", strings.ReplaceAll(string(body), "\r\n", "\n"))
}

func TestHostileMessages(t *testing.T) {
	d := newDesk(t)
	for _, subject := range []string{
		"x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com\n\nbody", "x\rBcc: eve@example.com", "x\u2028Bcc: eve@example.com", "x\x00Bcc: eve@example.com",
		"Grüße =?utf-8?q?=0D=0ABcc:_eve@example.com?=", strings.Repeat("long ", 400), "", "x\x0bBcc: e\x85f",
	} {
		require.NoError(t, d.Send(t.Context(), approval.Message{To: ada, Subject: subject, Text: "ä\r\n.\r\nBcc: eve@example.com\r\n" + strings.Repeat("y", 2000) + "\n"}), "%q", subject)
		names := d.files()
		m := d.read(names[len(names)-1])
		require.Empty(t, m.Header.Get("Bcc"), "%q", subject)
		require.Len(t, m.Header, 9, "%q: %v", subject, m.Header)
		require.Equal(t, "<"+ada+">", m.Header.Get("To"))
		_, err := (&mime.WordDecoder{}).DecodeHeader(m.Header.Get("Subject"))
		require.NoError(t, err)
		for _, name := range names {
			require.NoError(t, os.Remove(filepath.Join(d.dir, name)))
		}
	}
	for _, to := range []string{
		"", "nobody", "ada@example.com, eve@example.com", "ada@example.com\r\nBcc: eve@example.com", `"a b"@example.com`, "ada@example.com>", "Ada <ada@example.com>, x@y.z", "ädä@example.com",
	} {
		err := d.Send(t.Context(), approval.Message{To: to, Subject: "x"})
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%q: %v", to, err)
	}
	require.Empty(t, d.files())
	// A name that would lead elsewhere stays a name.
	require.NoError(t, d.Send(t.Context(), approval.Message{To: "/./etc/x@example.com", Subject: "x"}))
	require.Regexp(t, `-_\._etc_x@example\.com\.eml$`, d.files()[0])
}

func TestTheTeam(t *testing.T) {
	d := newDesk(t)
	require.NoError(t, d.Send(t.Context(), approval.Message{To: approval.Team, Subject: "x"}))
	require.Empty(t, d.files(), "a team without an address gets nothing")
	d.settings.Team = "security@example.com" // settings are read live
	require.NoError(t, d.Send(t.Context(), approval.Message{To: approval.Team, Subject: "x"}))
	require.Len(t, d.files(), 1)
	require.Equal(t, "<security@example.com>", d.read(d.files()[0]).Header.Get("To"))
	require.Equal(t, sunset.Internal, sunset.KindOf(d.Send(t.Context(), approval.Message{To: approval.Team, Subject: "x", Link: page})))
	d.unread = errors.New("settings: no such file")
	require.ErrorIs(t, d.Send(t.Context(), approval.Message{To: approval.Team, Subject: "x"}), d.unread, "a message must not get lost for that")
}

func TestAnOutboxThatOthersMayRead(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	_, err := outbox.Open(dir, clock.Wall{}, nil)
	require.ErrorContains(t, err, "run chmod 700 on it")
}
