package outbox_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/outbox"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// posting is a desk whose settings name a server.
func posting(t *testing.T, s *server) *desk {
	d := newDesk(t)
	d.settings.SMTP = &sunset.SMTP{Server: "127.0.0.1", Port: s.port, From: "IAM Sunset <sunset@example.com>"}
	d.Trust(s.roots, nil)
	return d
}

func passwordFile(t *testing.T, text string, mode os.FileMode) string {
	path := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

func TestMailIsSentEncrypted(t *testing.T) {
	for name, c := range map[string]struct {
		server    func(*server)
		tls       sunset.TLS
		encrypted bool
	}{
		"STARTTLS":           {nil, "", true},
		"implicit TLS":       {func(s *server) { s.implicit = true }, sunset.ImplicitTLS, true},
		"none, on loopback":  {nil, sunset.NoTLS, false},
		"none, with sign-in": {func(s *server) { s.password = "correct horse" }, sunset.NoTLS, false},
		"with sign-in":       {func(s *server) { s.password = "correct horse" }, "", true},
		"implicit, sign-in":  {func(s *server) { s.implicit, s.password = true, "correct horse" }, sunset.ImplicitTLS, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, c.server)
			d := posting(t, s)
			d.settings.SMTP.TLS = c.tls
			if s.password != "" {
				d.settings.SMTP.User, d.settings.SMTP.PasswordFile = "sunset", passwordFile(t, s.password+"\n", 0o600)
			}
			require.NoError(t, d.Send(t.Context(), letter()))
			require.Len(t, s.took(), 1)
			m := s.took()[0]
			require.Equal(t, c.encrypted, m.encrypted)
			require.Contains(t, m.from, "<sunset@example.com>")
			require.Equal(t, "RCPT TO:<"+ada+">", m.to)
			require.Len(t, d.files(), 1)
			require.Regexp(t, `@example\.com\.eml$`, d.files()[0])
			kept, err := os.ReadFile(filepath.Join(d.dir, d.files()[0]))
			require.NoError(t, err)
			sent := strings.Replace(m.text, "Encoding: quoted-printable", "Encoding: 8bit", 1) // which not every server takes
			require.Equal(t, strings.TrimSpace(string(kept)), strings.TrimSpace(sent), "what was sent is what is kept")
		})
	}
}

// A refusal is a fault of the right kind, without a word of the message; the file waits, and the next try takes its place.
func TestWhatAServerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		refuse  [2]string
		change  func(*server, *desk)
		kind    sunset.Kind
		says    string
		forgets func(*server, *desk)
	}{
		"the sender, for now":     {refuse: [2]string{"MAIL", "451 4.7.1 later " + page}, kind: sunset.Unavailable, says: "it takes no message at the moment (451)"},
		"the sender":              {refuse: [2]string{"MAIL", "550 5.7.1 no " + page}, kind: sunset.Invalid, says: "(550)"},
		"the recipient, for now":  {refuse: [2]string{"RCPT", "450 greylisted"}, kind: sunset.Unavailable, says: "(450)"},
		"the recipient":           {refuse: [2]string{"RCPT", "550 5.1.1 unknown"}, kind: sunset.Invalid, says: "(550)"},
		"a full mailbox":          {refuse: [2]string{"RCPT", "552 full"}, kind: sunset.Unavailable, says: "(552)"},
		"data":                    {refuse: [2]string{"DATA", "554 no"}, kind: sunset.Invalid, says: "(554)"},
		"the content":             {refuse: [2]string{".", "554 5.7.1 spam:"}, kind: sunset.Invalid, says: "(554)"},
		"the content, for now":    {refuse: [2]string{".", "452 4.3.1 no room:"}, kind: sunset.Unavailable, says: "(452)"},
		"the greeting":            {refuse: [2]string{"EHLO", "421 busy"}, kind: sunset.Unavailable, says: "(421)"},
		"STARTTLS, then nothing":  {refuse: [2]string{"STARTTLS", "454 4.7.0 TLS not available"}, kind: sunset.Unavailable, says: "(454)"},
		"whoever doesn't sign in": {change: func(s *server, _ *desk) { s.password = "x" }, kind: sunset.AccessDenied, says: "(530)"},
		"no STARTTLS": {
			change: func(s *server, _ *desk) { s.starttls = false }, kind: sunset.Invalid, says: "it offers no STARTTLS, and nothing is sent unencrypted",
			forgets: func(s *server, _ *desk) { s.starttls = true },
		},
		"a certificate that nobody trusts": {
			change: func(_ *server, d *desk) { d.Trust(nil, nil) }, kind: sunset.Invalid, says: "its certificate is not one that this machine trusts",
			forgets: func(s *server, d *desk) { d.Trust(s.roots, nil) },
		},
		"a wrong password": {
			change: func(s *server, d *desk) {
				s.password, d.settings.SMTP.User = "right", "sunset"
				d.Trust(s.roots, map[string]string{outbox.PasswordVariable: "correct horse"})
			},
			kind: sunset.AccessDenied, says: "it takes not this user or this password (535)",
			forgets: func(s *server, d *desk) { d.Trust(s.roots, map[string]string{outbox.PasswordVariable: "right"}) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, nil)
			d := posting(t, s)
			s.change(func(s *server) {
				if c.refuse[0] != "" {
					s.refuse[c.refuse[0]] = c.refuse[1]
				}
				if c.change != nil {
					c.change(s, d)
				}
			})
			var first []string
			for range 3 {
				err := d.Send(t.Context(), letter())
				require.Equal(t, c.kind, sunset.KindOf(err), "%v", err)
				require.ErrorContains(t, err, c.says)
				require.ErrorContains(t, err, ada)
				for _, secret := range []string{page, "AAAABBBB", "correct horse", "Please decide"} {
					require.NotContains(t, err.Error(), secret)
				}
				require.Len(t, d.files(), 1, "one file, however often it is tried")
				require.Regexp(t, `\.unsent\.eml$`, d.files()[0])
				first = d.files()
			}
			require.Empty(t, s.took())
			s.change(func(s *server) {
				clear(s.refuse)
				s.password = strings.TrimPrefix(s.password, "x")
				if c.forgets != nil {
					c.forgets(s, d)
				}
			})
			again := letter()
			again.Link = strings.Replace(page, "AAAA", "ZZZZ", 1) // an announcement is made anew
			require.NoError(t, d.Send(t.Context(), again))
			require.Len(t, s.took(), 1)
			require.Contains(t, s.took()[0].text, "ZZZZ")
			require.Len(t, d.files(), 1)
			require.NotEqual(t, first, d.files())
			require.NotContains(t, d.files()[0], "unsent")
		})
	}
}

// No password is sent where the line is not encrypted, nor anything else.
func TestNothingIsSaidUnencrypted(t *testing.T) {
	s := newServer(t, func(s *server) { s.starttls, s.password = false, "correct horse" })
	d := posting(t, s)
	d.settings.SMTP.User = "sunset"
	d.Trust(s.roots, map[string]string{outbox.PasswordVariable: "correct horse"})
	require.Error(t, d.Send(t.Context(), letter()))
	for _, line := range s.lines() {
		require.Regexp(t, `^(EHLO|QUIT)`, line)
	}
	require.NotEmpty(t, s.lines())
}

func TestPasswordsAreKeptWell(t *testing.T) {
	s := newServer(t, func(s *server) { s.password = "correct horse" })
	for says, file := range map[string]string{
		"run chmod 600 on it":                                           passwordFile(t, "correct horse", 0o640),
		"must hold the mail server's password on one line":              passwordFile(t, "correct\nhorse\n", 0o600),
		"can't be read":                                                 filepath.Join(t.TempDir(), "none"),
		"but no password_file, and IAM_SUNSET_SMTP_PASSWORD is not set": "",
	} {
		d := posting(t, s)
		d.settings.SMTP.User, d.settings.SMTP.PasswordFile = "sunset", file
		err := d.Send(t.Context(), letter())
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "horse")
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	}
	require.Empty(t, s.lines())
}

// Whoever sends has no more time than its context.
func TestAServerThatSaysNothing(t *testing.T) {
	for _, command := range []string{"EHLO", "STARTTLS", "MAIL", "RCPT", "DATA"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(s *server) { s.silent = command })
			d := posting(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			err := d.Send(ctx, letter())
			require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "did not take it in time")
			require.Regexp(t, `\.unsent\.eml$`, d.files()[0])
		})
	}
	t.Run("nobody is there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		s := &server{port: l.Addr().(*net.TCPAddr).Port}
		require.NoError(t, l.Close())
		err = posting(t, s).Send(t.Context(), letter())
		require.Equal(t, sunset.Unavailable, sunset.KindOf(err))
		require.ErrorContains(t, err, "it can't be reached")
	})
}
