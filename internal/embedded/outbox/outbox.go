// Package outbox carries messages on one machine: each is an e-mail in a file of its own and, where the settings name a mail
// server, sent by it as well.
//
// The directory is a mailbox. Its files hold the links by which approvers decide, so that nobody but their owner may read
// them. A name is <time>-<what it says>-<to whom>, and ends in .eml; while a mail server is named and has not taken the message yet, in
// .unsent.eml. Nothing here takes files away: whoever runs the machine may, at any time.
//
// What a mail server says of a message it refuses could repeat it, link and all. So only its code goes on, with what that
// means here.
package outbox

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	sentSuffix   = ".eml"
	unsentSuffix = ".unsent.eml"
	// unfinished begins the name of a file that is being written.
	unfinished = ".new-"
)

// Outbox is an approval.Messenger.
type Outbox struct {
	dir      string
	clock    clock.Clock
	settings func(context.Context) (sunset.Settings, error)
	getenv   func(string) string
	roots    *x509.CertPool // nil: the machine's
	mu       sync.Mutex     // of files
}

var _ approval.Messenger = (*Outbox)(nil)

// Open makes or takes the directory dir. Settings are read at each message: the team's address, and the mail server.
func Open(dir string, c clock.Clock, settings func(context.Context) (sunset.Settings, error)) (*Outbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the outbox: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the outbox: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, sunset.Faultf(sunset.Invalid, "others may read the outbox %s (mode %04o), where links are that decide; run chmod 700 on it", dir, info.Mode().Perm())
	}
	return &Outbox{dir: dir, clock: c, settings: settings, getenv: os.Getenv}, nil
}

// Send writes m to a file, durably, and sends it where the settings name a mail server. Where that fails the file says so by
// its name, and the same message sent again takes its place; a message that is announced anew with another link is
// the same. It may reach its recipient twice, where the server took it and its answer got lost.
//
// A fault that is Passing may be gone when the same message is sent later. Invalid and AccessDenied stay so until a person
// changes the address, the settings or the server. A message to a team without an address is dropped.
func (o *Outbox) Send(ctx context.Context, m approval.Message) error {
	s, err := o.settings(ctx)
	if err != nil {
		return fmt.Errorf("sending the message %q: %w", oneLine(m.Subject), err)
	}
	if m.To == approval.Team {
		if m.Link != "" {
			return sunset.Faultf(sunset.Internal, "sending the message %q to the team: it has a link, which is one person's alone", oneLine(m.Subject))
		}
		if s.Team == "" {
			return nil
		}
		m.To = s.Team
	}
	mail, err := letter(m, s.SMTP, o.clock.Now())
	if err != nil {
		return err
	}
	path, err := o.keep(mail, s.SMTP == nil)
	if err != nil {
		return sunset.Faultf(sunset.Unavailable, "writing the message %q to %s into the outbox: %w", mail.subject, mail.to.Address, err)
	}
	if s.SMTP == nil {
		return nil
	}
	if err := o.deliver(ctx, *s.SMTP, mail); err != nil {
		return err
	}
	return o.settle(path)
}

// keep writes a letter into its file, whole and durably, and takes away those that it replaces: tries to send the same
// before, which nobody got.
func (o *Outbox) keep(l envelope, done bool) (path string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return "", err
	}
	suffix := unsentSuffix
	if done {
		suffix = sentSuffix
	}
	path = filepath.Join(o.dir, l.at.UTC().Format("20060102T150405.000")+"-"+l.id()+suffix)
	for n := 2; there(path) || there(strings.TrimSuffix(path, suffix)+sentSuffix); n++ {
		path = filepath.Join(o.dir, fmt.Sprintf("%s-%s-%d%s", l.at.UTC().Format("20060102T150405.000"), l.id(), n, suffix))
	}
	f, err := os.CreateTemp(o.dir, unfinished+"*") // made 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(l.text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	for _, e := range entries {
		if _, what, ok := strings.Cut(e.Name(), "-"); ok && strings.HasPrefix(what, l.id()) && strings.HasSuffix(what, unsentSuffix) {
			if err := os.Remove(filepath.Join(o.dir, e.Name())); err != nil {
				return "", err
			}
		}
	}
	return path, syncDir(o.dir)
}

// settle says by a letter's name that it was sent.
func (o *Outbox) settle(path string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := os.Rename(path, strings.TrimSuffix(path, unsentSuffix)+sentSuffix)
	// Another try that went on beside this one may have replaced the file.
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(o.dir)
	}
	if err != nil {
		return sunset.Faultf(sunset.Unavailable, "a message was sent, but the outbox can't be told: %w", err)
	}
	return nil
}

// id names a letter by what it says, its link aside, and by its recipient, as far as a file's name bears it.
func (l envelope) id() string {
	sum := sha256.Sum256([]byte(l.to.Address + "\n" + l.subject + "\n" + l.said))
	to := strings.Map(func(c rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.@_+", c) {
			return c
		}
		return '_'
	}, strings.ToLower(l.to.Address))
	return hex.EncodeToString(sum[:6]) + "-" + to[:min(len(to), 80)]
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
