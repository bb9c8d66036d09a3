package dashboard

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"
)

const (
	// signInWithin is how long an address signs in, SessionFor how long whoever did stays.
	signInWithin = 5 * time.Minute
	sessionFor   = 12 * time.Hour
	// kept bounds what is remembered. Whoever asks for more has the key; their oldest go first.
	kept = 1000
)

// doors are the ways in. Secrets have 256 random bits and are kept as hashes, so that no copy of the memory lets anybody in.
type doors struct {
	now      func() time.Time
	mu       sync.Mutex
	codes    map[[sha256.Size]byte]pass
	sessions map[[sha256.Size]byte]pass
}

// pass says whose a secret is, and until when.
type pass struct {
	arn   string
	until time.Time
}

func newDoors(now func() time.Time) *doors {
	return &doors{now: now, codes: map[[sha256.Size]byte]pass{}, sessions: map[[sha256.Size]byte]pass{}}
}

// put makes a secret in one of the two maps. The caller holds mu.
func (d *doors) put(in map[[sha256.Size]byte]pass, arn string, lasts time.Duration) (secret string, until time.Time) {
	now := d.now()
	var oldest [sha256.Size]byte
	for h, p := range in {
		if !now.Before(p.until) {
			delete(in, h)
			continue
		}
		if first, ok := in[oldest]; !ok || p.until.Before(first.until) {
			oldest = h
		}
	}
	if len(in) >= kept {
		delete(in, oldest)
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	secret, until = base64.RawURLEncoding.EncodeToString(b), now.Add(lasts)
	in[sha256.Sum256([]byte(secret))] = pass{arn, until}
	return secret, until
}

func (d *doors) get(in map[[sha256.Size]byte]pass, secret string) string {
	p, ok := in[sha256.Sum256([]byte(secret))]
	if !ok || !d.now().Before(p.until) {
		return ""
	}
	return p.arn
}

func (d *doors) session(secret string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.get(d.sessions, secret)
}

// Invite makes a way in for somebody whom AWS has named: a path on the engine's address that signs in once, until then.
func (d *Dashboard) Invite(arn string) (path string, until time.Time) {
	d.doors.mu.Lock()
	defer d.doors.mu.Unlock()
	code, until := d.doors.put(d.doors.codes, arn, signInWithin)
	return root + "sign-in/" + code, until
}

// door asks whether to sign in. It uses nothing up: browsers and whatever looks at addresses may open it before a person does.
func (d *Dashboard) door(rw http.ResponseWriter, r *http.Request) {
	d.doors.mu.Lock()
	arn := d.doors.get(d.doors.codes, r.PathValue("code"))
	d.doors.mu.Unlock()
	if arn == "" {
		d.stranger(rw, r, "This address does not sign anybody in (any more). Each does once, within five minutes.")
		return
	}
	d.page(rw, r, http.StatusOK, "door", doorPage{d.frame(r, "Sign in"), arn, r.URL.EscapedPath()})
}

// enter uses the address up.
func (d *Dashboard) enter(rw http.ResponseWriter, r *http.Request) {
	code := r.PathValue("code")
	d.doors.mu.Lock()
	arn, secret := d.doors.get(d.doors.codes, code), ""
	if arn != "" {
		delete(d.doors.codes, sha256.Sum256([]byte(code)))
		secret, _ = d.doors.put(d.doors.sessions, arn, sessionFor)
	}
	d.doors.mu.Unlock()
	if arn == "" {
		d.stranger(rw, r, "This address does not sign anybody in (any more). Each does once, within five minutes.")
		return
	}
	http.SetCookie(rw, d.cookieOf(secret, int(sessionFor.Seconds())))
	http.Redirect(rw, r, root, http.StatusSeeOther)
}

func (d *Dashboard) signOut(rw http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(d.cookie); err == nil {
		d.doors.mu.Lock()
		delete(d.doors.sessions, sha256.Sum256([]byte(c.Value)))
		d.doors.mu.Unlock()
	}
	http.SetCookie(rw, d.cookieOf("", -1))
	http.Redirect(rw, r, root, http.StatusSeeOther)
}

// cookieOf is not Secure: the engine speaks plain HTTP, on loopback alone.
func (d *Dashboard) cookieOf(secret string, seconds int) *http.Cookie {
	return &http.Cookie{Name: d.cookie, Value: secret, Path: root, MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// stranger tells how to get in.
func (d *Dashboard) stranger(rw http.ResponseWriter, r *http.Request, why string) {
	f := d.frame(r, "Sign in")
	f.Who = ""
	status := http.StatusUnauthorized
	if why != "" {
		status = http.StatusNotFound
	}
	d.page(rw, r, status, "stranger", strangerPage{f, why, "iam-sunset dashboard --engine " + engineAddress(r)})
}

type doorPage struct {
	frame
	ARN, Action string
}

type strangerPage struct {
	frame
	Why, Command string
}
