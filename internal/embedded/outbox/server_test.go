package outbox_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server is a mail server that takes what it is told to take.
type server struct {
	t     *testing.T
	port  int
	roots *x509.CertPool
	tls   *tls.Config

	mu       sync.Mutex
	starttls bool
	implicit bool
	password string            // empty: nobody has to sign in
	refuse   map[string]string // by command, the answer
	silent   string            // the command that is never answered
	mails    []taken
	said     []string
}

// taken is a message that the server took.
type taken struct {
	from, to, text string
	encrypted      bool
}

func newServer(t *testing.T, change func(*server)) *server {
	s := &server{t: t, refuse: map[string]string{}, starttls: true}
	if change != nil {
		change(s)
	}
	s.certify()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.port = l.Addr().(*net.TCPAddr).Port
	var open sync.WaitGroup
	conns := make(chan net.Conn, 100)
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
			open.Go(func() {
				defer c.Close()
				if s.implicit {
					c = tls.Server(c, s.tls)
				}
				s.talk(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		for len(conns) > 0 {
			(<-conns).Close()
		}
		open.Wait()
	})
	return s
}

// certify gives the server a certificate for 127.0.0.1.
func (s *server) certify() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(s.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(s.t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(s.t, err)
	s.roots = x509.NewCertPool()
	s.roots.AddCert(certificate)
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// talk is one conversation.
func (s *server) talk(c net.Conn) {
	r := bufio.NewReader(c)
	encrypted, signedIn := s.implicit, false
	var mail taken
	say := func(line string) { fmt.Fprint(c, line+"\r\n") }
	say("220 mail.example.com ESMTP")
	for {
		text, err := r.ReadString('\n')
		if err != nil {
			return
		}
		text = strings.TrimRight(text, "\r\n")
		command := strings.ToUpper(strings.SplitN(text, " ", 2)[0])
		s.mu.Lock()
		s.said = append(s.said, text)
		answer, refused := s.refuse[strings.Replace(command, "HELO", "EHLO", 1)]
		silent, starttls, password := s.silent == command, s.starttls && !encrypted, s.password
		s.mu.Unlock()
		if silent {
			continue
		}
		if refused {
			say(answer)
			continue
		}
		switch command {
		case "EHLO":
			say("250-mail.example.com")
			if starttls {
				say("250-STARTTLS")
			}
			if password != "" {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			c = tls.Server(c, s.tls)
			r, encrypted = bufio.NewReader(c), true
		case "AUTH":
			given, _ := base64.StdEncoding.DecodeString(text[strings.LastIndexByte(text, ' ')+1:])
			if string(given) != "\x00sunset\x00"+password {
				say("535 5.7.8 no: " + text)
				continue
			}
			signedIn = true
			say("235 welcome")
		case "MAIL":
			if !signedIn && password != "" {
				say("530 5.7.0 sign in first")
				continue
			}
			mail = taken{from: text, encrypted: encrypted}
			say("250 ok")
		case "RCPT":
			mail.to += text
			say("250 ok")
		case "DATA":
			say("354 go on")
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				mail.text += strings.TrimPrefix(line, ".")
			}
			s.mu.Lock()
			answer, refused := s.refuse["."]
			if !refused {
				s.mails = append(s.mails, mail)
				answer = "250 taken"
			}
			s.mu.Unlock()
			if refused {
				answer += " " + strings.ReplaceAll(mail.text, "\r\n", " ") // as some do
			}
			say(answer)
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *server) took() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]taken(nil), s.mails...)
}

// change lets a running server change its mind.
func (s *server) change(f func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// lines are what came so far.
func (s *server) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.said...)
}
