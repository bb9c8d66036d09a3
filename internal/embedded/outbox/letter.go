package outbox

import (
	"bytes"
	"cmp"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wneessen/go-mail"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// nobody is whom messages are from where no mail server is named, which would care.
const nobody = "IAM Sunset <iam-sunset@localhost>"

// longestLine is below the 998 characters that a line may have: https://datatracker.ietf.org/doc/html/rfc5322#section-2.1.1
const longestLine = 900

// envelope is a message ready to go.
type envelope struct {
	msg     *mail.Msg
	to      *netmail.Address
	subject string
	said    string // the text without its link
	text    []byte // all of it, as in a file
	at      time.Time
}

// letter makes an e-mail of a message. Whatever is in its subject, there is one header of each kind and one recipient.
func letter(m approval.Message, server *sunset.SMTP, at time.Time) (envelope, error) {
	subject := oneLine(m.Subject)
	to, err := netmail.ParseAddress(m.To)
	if err != nil || !plain(to.Address) {
		// An owner's address is whatever a tag says.
		return envelope{}, sunset.Faultf(sunset.Invalid, "sending the message %q to %q: that is not one e-mail address", subject, m.To)
	}
	sender := nobody
	if server != nil {
		sender = server.From
	}
	from, err := netmail.ParseAddress(sender)
	if err != nil || !plain(from.Address) {
		return envelope{}, sunset.Faultf(sunset.Invalid, "sending the message %q to %s: the sender %q is not one e-mail address", subject, to.Address, sender)
	}
	body := strings.ReplaceAll(strings.ToValidUTF8(m.Text, "?"), "\r", "")
	l := envelope{to: to, subject: subject, said: body, at: at}
	if m.Link != "" {
		body += "\n" + m.Link + "\n"
	}
	write := func(how mail.Encoding) *mail.Msg {
		msg := mail.NewMsg(mail.WithEncoding(how), mail.WithCharset(mail.CharsetUTF8), mail.WithNoDefaultUserAgent())
		msg.FromMailAddress(from)
		msg.ToMailAddress(&netmail.Address{Address: to.Address})
		msg.Subject(cmp.Or(subject, "IAM Sunset"))
		msg.SetDateWithValue(at)
		_, domain, _ := strings.Cut(from.Address, "@")
		msg.SetMessageIDWithValue(fmt.Sprintf("%s.%d@%s", strings.SplitN(l.id(), "-", 2)[0], at.UnixNano(), domain))
		// Answers of absent people would come back to nobody: https://datatracker.ietf.org/doc/html/rfc3834#section-5
		msg.SetGenHeader("Auto-Submitted", "auto-generated")
		msg.SetBodyString(mail.TypeTextPlain, strings.ReplaceAll(body, "\n", "\r\n"))
		return msg
	}
	l.msg = write(mail.EncodingQP) // which every mail server takes
	var text bytes.Buffer
	if _, err := write(encodingOf(body)).WriteTo(&text); err != nil {
		return envelope{}, sunset.Faultf(sunset.Internal, "writing the message %q to %s: it can't be made an e-mail", subject, to.Address)
	}
	l.text = text.Bytes()
	return l, nil
}

// encodingOf leaves a text that needs no encoding as it is, so that links in files can be copied. The library's 7bit would
// fold lines like quoted-printable and not say so.
func encodingOf(body string) mail.Encoding {
	for line := range strings.Lines(body) {
		if len(line) > longestLine || strings.ContainsFunc(line, func(c rune) bool { return c >= utf8.RuneSelf || (c < ' ' && c != '\n' && c != '\t') || c == 0x7f }) {
			return mail.EncodingQP
		}
	}
	return mail.NoEncoding
}

// oneLine is a subject without anything that would end its line.
func oneLine(subject string) string {
	return strings.Join(strings.Fields(approval.CleanReason(subject)), " ")
}

// plain reports whether an address that was parsed is one that every mail server takes for one: nothing quoted, nothing that
// parts addresses or lines.
func plain(address string) bool {
	return !strings.ContainsFunc(address, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`,;:<>()[]\"`, c)
	})
}
