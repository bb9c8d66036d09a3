package outbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// PasswordVariable is the environment variable that has the mail server's password where the settings name no file.
const PasswordVariable = "IAM_SUNSET_SMTP_PASSWORD"

// within bounds a whole delivery: whoever sends a message waits for it.
const within = 20 * time.Second

// deliver hands a letter to the mail server.
func (o *Outbox) deliver(ctx context.Context, s sunset.SMTP, l envelope) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	secret, err := o.password(s)
	if err != nil {
		return sunset.Faultf(sunset.Invalid, "sending the message %q to %s: %w", l.subject, l.to.Address, err)
	}
	line := &line{roots: o.roots, server: s}
	defer line.close()
	defer context.AfterFunc(ctx, line.close)()
	client, err := mail.NewClient(s.Server, options(s, secret, line)...)
	if err != nil {
		return sunset.Faultf(sunset.Invalid, "sending the message %q to %s: the mail server's settings can't be used: %w", l.subject, l.to.Address, err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err == nil {
		err = client.SendWithSMTPClient(session, l.msg)
	}
	if err == nil || l.msg.IsDelivered() {
		if session != nil {
			_ = client.CloseWithSMTPClient(session) // the message was taken; how the two part changes nothing
		}
		return nil
	}
	if ctx.Err() != nil {
		return sunset.Faultf(sunset.Unavailable, "sending the message %q to %s: the mail server %s did not take it in time: %w", l.subject, l.to.Address, s.Server, context.Cause(ctx))
	}
	kind, why := refusal(err)
	return sunset.Faultf(kind, "sending the message %q to %s: the mail server %s: %s", l.subject, l.to.Address, s.Server, why)
}

func options(s sunset.SMTP, secret string, line *line) []mail.Option {
	opts := []mail.Option{mail.WithPort(s.PortNumber()), mail.WithTimeout(within), mail.WithDialContextFunc(line.dial), mail.WithTLSConfig(line.tls())}
	switch s.Encryption() {
	case sunset.ImplicitTLS:
		opts = append(opts, mail.WithSSL())
	case sunset.NoTLS:
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS))
	default:
		opts = append(opts, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.User != "" {
		// In this order; the client takes another where the server offers none of these.
		opts = append(opts, mail.WithUsername(s.User), mail.WithPassword(secret),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	return opts
}

// line is the one connection of a delivery. The client forgets it where the greeting fails, and heeds no context once it is
// there; so both are done here.
type line struct {
	roots  *x509.CertPool
	server sunset.SMTP

	mu   sync.Mutex
	conn net.Conn
}

func (l *line) tls() *tls.Config {
	return &tls.Config{ServerName: l.server.Server, RootCAs: l.roots, MinVersion: tls.VersionTLS12}
}

func (l *line) dial(ctx context.Context, network, _ string) (conn net.Conn, err error) {
	address := net.JoinHostPort(l.server.Server, strconv.Itoa(l.server.PortNumber()))
	if l.server.Encryption() == sunset.ImplicitTLS {
		conn, err = (&tls.Dialer{Config: l.tls()}).DialContext(ctx, network, address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
	return conn, nil
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close() // what there was to say was said
	}
}

// password finds the password, and never says it.
func (o *Outbox) password(s sunset.SMTP) (string, error) {
	switch {
	case s.User == "":
		return "", nil
	case s.PasswordFile == "":
		if p := o.getenv(PasswordVariable); p != "" {
			return p, nil
		}
		return "", errors.New("the settings name a user of the mail server, but no password_file, and " + PasswordVariable + " is not set")
	}
	info, err := os.Stat(s.PasswordFile)
	if err != nil {
		return "", errors.New("the file with the mail server's password can't be read: " + err.Error())
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", errors.New("others may read " + s.PasswordFile + ", where the mail server's password is; run chmod 600 on it")
	}
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", errors.New("the file with the mail server's password can't be read: " + err.Error())
	}
	p := strings.TrimRight(string(text), "\r\n")
	if p == "" || strings.ContainsAny(p, "\r\n\x00") {
		return "", errors.New(s.PasswordFile + " must hold the mail server's password on one line and nothing else")
	}
	return p, nil
}

// refusal is what a failed delivery means. https://datatracker.ietf.org/doc/html/rfc5321#section-4.2.1
func refusal(err error) (sunset.Kind, string) {
	var refused *mail.SendError
	var said *textproto.Error
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var network net.Error
	code := 0
	switch {
	case errors.As(err, &refused) && refused.ErrorCode() != 0:
		code = refused.ErrorCode()
	case errors.As(err, &said):
		code = said.Code
	}
	switch {
	case code >= 400 && code < 500:
		return sunset.Unavailable, "it takes no message at the moment (" + strconv.Itoa(code) + ")"
	case code == 530, code == 534, code == 535, code == 538:
		return sunset.AccessDenied, "it takes not this user or this password (" + strconv.Itoa(code) + ")"
	case code == 552:
		return sunset.Unavailable, "a mailbox or the server is full (552)"
	case code >= 500:
		return sunset.Invalid, "it takes not this sender, this recipient or this content (" + strconv.Itoa(code) + ")"
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return sunset.Invalid, "it offers no STARTTLS, and nothing is sent unencrypted"
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid):
		return sunset.Invalid, "its certificate is not one that this machine trusts for that name"
	case strings.Contains(err.Error(), "AUTH"):
		return sunset.Invalid, "it offers no way to sign in that is safe"
	case errors.As(err, &network):
		return sunset.Unavailable, "it can't be reached"
	}
	return sunset.Unavailable, "the connection to it broke"
}
