package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Names of cookies. Over https browsers keep a name that begins with __Host- from being set by any other host, and by http:
// https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
const (
	attemptCookie = "iam-sunset-signing-in"
	sessionCookie = "iam-sunset-session"
	hostPrefix    = "__Host-"
)

// maxCookie is what browsers keep of a cookie at least.
const maxCookie = 4096

// attempt is a sign-in under way.
type attempt struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // of PKCE
	Return   string    `json:"return"`   // the page that was asked for
	Issuer   string    `json:"issuer"`
	ClientID string    `json:"client_id"`
	Expires  time.Time `json:"expires"`
}

// session is somebody who has signed in.
type session struct {
	Issuer   string    `json:"issuer"`
	ClientID string    `json:"client_id"`
	Subject  string    `json:"subject"`
	Email    string    `json:"email"`
	Expires  time.Time `json:"expires"`
}

// signed is what the MAC of a cookie is made over: a purpose that nothing else has, the cookie's own name, so that neither
// passes for the other, and a hash, since KMS takes 4,096 bytes.
func signed(name string, body []byte) []byte {
	sum := sha256.Sum256(body)
	return []byte("iam-sunset/sign-in/v1\n" + name + "\n" + hex.EncodeToString(sum[:]))
}

// write has the browser keep value. It can be read there by whoever sits at the browser, and changed by nobody.
func (d *door) write(ctx context.Context, rw http.ResponseWriter, name string, value any, lives time.Duration) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("writing the cookie %s: %w", name, err)
	}
	mac, err := d.Signer.MAC(ctx, signed(name, body))
	if err != nil {
		return fmt.Errorf("signing the cookie %s: %w", name, err)
	}
	text := base64.RawURLEncoding.EncodeToString(body) + "." + base64.RawURLEncoding.EncodeToString(mac)
	http.SetCookie(rw, d.cookie(name, text, int(lives/time.Second)))
	return nil
}

// read gives a cookie that this deployment wrote. ok is false for one that is missing, damaged or forged; an error says that
// it could not be found out.
func (d *door) read(r *http.Request, name string, into any) (ok bool, err error) {
	c, err := r.Cookie(d.cookieName(name))
	if err != nil || len(c.Value) > maxCookie {
		return false, nil // there is none
	}
	text, code, _ := strings.Cut(c.Value, ".")
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false, nil // not one of ours
	}
	mac, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil || len(mac) == 0 {
		return false, nil // not one of ours
	}
	holds, err := d.Signer.Verify(r.Context(), signed(name, body), mac)
	if err != nil {
		return false, fmt.Errorf("checking the cookie %s: %w", name, err)
	}
	return holds && json.Unmarshal(body, into) == nil, nil
}

func (d *door) forget(rw http.ResponseWriter, name string) {
	http.SetCookie(rw, d.cookie(name, "", -1))
}

func (d *door) cookieName(name string) string {
	if d.secure {
		return hostPrefix + name
	}
	return name
}

// cookie is for all pages of the host. Lax is the strictest that comes along when the provider, another site, sends people
// back.
func (d *door) cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: d.cookieName(name), Value: value, Path: "/", MaxAge: maxAge, Secure: d.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
