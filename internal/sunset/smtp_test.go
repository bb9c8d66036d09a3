package sunset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func TestSMTPSettings(t *testing.T) {
	for in, port := range map[string]int{
		`{"server": "mail.example.com", "from": "sunset@example.com"}`:                                                                                587,
		`{"server": "mail.example.com", "from": "IAM Sunset <sunset@example.com>", "tls": "implicit", "user": "u", "password_file": "/run/password"}`: 465,
		`{"server": "127.0.0.1", "from": "sunset@example.com", "tls": "none"}`:                                                                        25,
		`{"server": "::1", "from": "sunset@example.com", "tls": "none", "port": 2525}`:                                                                2525,
		`{"server": "localhost", "from": "sunset@example.com", "user": "u"}`:                                                                          587,
	} {
		s, err := sunset.ParseSettings([]byte(`{"smtp": ` + in + `}`))
		require.NoError(t, err, in)
		require.Equal(t, port, s.SMTP.PortNumber(), in)
		require.NotEqual(t, sunset.DefaultSettings().Digest(), s.Digest())
	}
	for in, says := range map[string]string{
		`{}`:                         `smtp.server: ""`,
		`{"server": "smtp://x"}`:     `smtp.server: "smtp://x"`,
		`{"server": "a b"}`:          `smtp.server`,
		`{"server": "x:25"}`:         `smtp.server`,
		`{"server": "x\r\nQUIT"}`:    `smtp.server`,
		`{"server": "x", "port": 0}`: `smtp.from: "" is not an e-mail address`,
		`{"server": "x", "port": 65536, "from": "a@b.c"}`:                            `smtp.port: 65536`,
		`{"server": "x", "port": "25", "from": "a@b.c"}`:                             `smtp`,
		`{"server": "x", "from": "nobody"}`:                                          `smtp.from: "nobody"`,
		`{"server": "x", "from": "a@b.c", "tls": "opportunistic"}`:                   `smtp.tls: "opportunistic" is none of`,
		`{"server": "x", "from": "a@b.c", "tls": "none"}`:                            `smtp.tls: "none" is for a server on this machine alone`,
		`{"server": "10.0.0.1", "from": "a@b.c", "tls": "none"}`:                     `smtp.tls: "none" is for a server on this machine alone`,
		`{"server": "localhost.example.com", "from": "a@b.c", "tls": "none"}`:        `smtp.tls: "none" is for a server on this machine alone`,
		`{"server": "x", "from": "a@b.c", "password_file": "/p"}`:                    `smtp.user: password_file is set, but no user`,
		`{"server": "x", "from": "a@b.c", "user": "u", "password_file": "p"}`:        `smtp.password_file: "p" is not an absolute path`,
		`{"server": "x", "from": "a@b.c", "user": "u\n"}`:                            `smtp.user`,
		`{"server": "x", "from": "a@b.c", "user": "u", "password": "correct horse"}`: `unknown field "password"`,
	} {
		_, err := sunset.ParseSettings([]byte(`{"smtp": ` + in + `}`))
		require.ErrorContains(t, err, says, in)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
		require.NotContains(t, err.Error(), "correct horse")
	}
}
