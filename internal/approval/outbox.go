package approval

import (
	"context"
	"crypto/rand"
	"fmt"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Outbox is a Messenger that leaves each message as an e-mail in a file of its own, for a mail system to take.
type Outbox struct {
	dir  string
	team func(context.Context) (string, error)
}

// OpenOutbox makes or takes the directory dir, which only its owner may read: the files hold links. team is asked at each
// message to Team for the team's address; where it gives none, the message is dropped; where it fails, so does the message.
func OpenOutbox(dir string, team func(context.Context) (string, error)) (*Outbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the outbox: %w", err)
	}
	return &Outbox{dir: dir, team: team}, nil
}

// Send writes m to a new .eml file, whole or not at all.
func (o *Outbox) Send(ctx context.Context, m Message) error {
	if m.To == Team {
		var err error
		switch m.To, err = o.team(ctx); {
		case err != nil:
			return fmt.Errorf("writing a message to the team: %w", err)
		case m.To == "":
			return nil
		}
	}
	to, err := mail.ParseAddress(m.To)
	if err != nil {
		return fmt.Errorf("writing a message: %q is not an address: %w", m.To, err)
	}
	body := m.Text
	if m.Link != "" {
		body += "\n" + m.Link + "\n"
	}
	text := "To: " + to.String() + "\r\nSubject: " + mime.QEncoding.Encode("utf-8", CleanReason(m.Subject)) +
		"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		strings.ReplaceAll(body, "\n", "\r\n")
	name := filepath.Join(o.dir, time.Now().UTC().Format("20060102T150405.000000000")+"-"+strings.ToLower(rand.Text()))
	f, err := os.OpenFile(name+".tmp", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing a message to %s: %w", m.To, err)
	}
	_, err = f.WriteString(text)
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(name+".tmp", name+".eml")
	}
	if err != nil {
		return fmt.Errorf("writing a message to %s: %w", m.To, err)
	}
	return nil
}
