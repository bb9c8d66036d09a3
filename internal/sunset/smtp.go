package sunset

import (
	"fmt"
	"net/mail"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
)

// SMTP is a mail server that takes messages for others. Its password is in no setting.
type SMTP struct {
	Server string `json:"server"` // host name or IP address
	Port   int    `json:"port"`   // 0: what TLS says
	From   string `json:"from"`   // "IAM Sunset <sunset@example.com>", or an address alone
	User   string `json:"user"`   // empty: the server asks for none
	// PasswordFile is the absolute path of a file that its owner alone may read; empty: the environment has the password.
	PasswordFile string `json:"password_file"`
	TLS          TLS    `json:"tls"` // empty: STARTTLS
}

// TLS says how a connection to a mail server is encrypted.
type TLS string

// STARTTLS encrypts before anything is said, or says nothing; ImplicitTLS begins encrypted; NoTLS is for a server on the same
// machine.
const (
	STARTTLS    TLS = "starttls"
	ImplicitTLS TLS = "implicit"
	NoTLS       TLS = "none"
)

// Encryption is TLS with its default.
func (s SMTP) Encryption() TLS {
	if s.TLS == "" {
		return STARTTLS
	}
	return s.TLS
}

// PortNumber is Port with its default: 587 for STARTTLS, 465 for implicit TLS, 25 for none.
// https://datatracker.ietf.org/doc/html/rfc8314#section-3.3
func (s SMTP) PortNumber() int {
	if s.Port != 0 {
		return s.Port
	}
	return map[TLS]int{STARTTLS: 587, ImplicitTLS: 465, NoTLS: 25}[s.Encryption()]
}

// onLoopback reports whether what is sent to the server never leaves the machine.
func (s SMTP) onLoopback() bool {
	ip, err := netip.ParseAddr(s.Server)
	return strings.EqualFold(s.Server, "localhost") || (err == nil && ip.IsLoopback())
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

func (s *SMTP) validate() (field string, err error) {
	if s == nil {
		return "", nil
	}
	if _, err := netip.ParseAddr(s.Server); err != nil && !hostName.MatchString(s.Server) {
		return "server", fmt.Errorf("%q is neither a host name nor an IP address", s.Server)
	}
	if s.Port < 0 || s.Port > 65535 {
		return "port", fmt.Errorf("%d is not a port from 1 to 65535", s.Port)
	}
	if _, err := mail.ParseAddress(s.From); err != nil {
		return "from", fmt.Errorf("%q is not an e-mail address", s.From)
	}
	switch {
	case strings.ContainsFunc(s.User, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return "user", fmt.Errorf("%q holds a control character", s.User)
	case s.PasswordFile != "" && s.User == "":
		return "user", fmt.Errorf("password_file is set, but no user")
	case s.PasswordFile != "" && !filepath.IsAbs(s.PasswordFile):
		return "password_file", fmt.Errorf("%q is not an absolute path", s.PasswordFile)
	}
	switch s.Encryption() {
	case STARTTLS, ImplicitTLS:
	case NoTLS:
		if !s.onLoopback() {
			return "tls", fmt.Errorf("%q is for a server on this machine alone; messages hold links that decide", NoTLS)
		}
	default:
		return "tls", fmt.Errorf("%q is none of %q, %q and %q", s.TLS, STARTTLS, ImplicitTLS, NoTLS)
	}
	return "", nil
}
