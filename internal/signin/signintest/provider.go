// Package signintest is an OpenID Connect provider for tests: discovery, the authorization code flow with PKCE, and keys.
// Whoever is sent to it is signed in at once, as whom the test says.
package signintest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// ClientID is the one client that a Provider knows.
const ClientID = "iam-sunset-pages"

// Provider serves until its test ends. Its fields may be changed between requests, by Set.
type Provider struct {
	// Issuer is an address on localhost: another site than 127.0.0.1, as for a browser.
	Issuer string
	// Now stamps tokens.
	Now func() time.Time
	// Person are the claims of whoever signs in, beside the protocol's own.
	Person map[string]any
	// Change alters a token's claims before it is signed; nil: it says the truth.
	Change func(claims map[string]any)
	// Sign makes a token of claims; nil: with the key that the provider tells.
	Sign func(claims []byte) string
	// Secret is the client's; empty: it has none.
	Secret string
	// Refuses answers people with this error and no code.
	Refuses string
	// Down answers everything with status 503.
	Down bool

	t     testing.TB
	mu    sync.Mutex
	key   *ecdsa.PrivateKey
	codes map[string]url.Values
	asked []string
}

// New begins to serve. Its first person is ada@example.com.
func New(t testing.TB, now func() time.Time) *Provider {
	t.Helper()
	p := &Provider{t: t, Now: now, codes: map[string]url.Values{}, Person: Verified("ada@example.com"), key: NewKey(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /keys", p.keys)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		asked, _ := json.Marshal([]any{r.Method, r.URL.String(), r.Header})
		p.asked = append(p.asked, string(asked))
		if p.Down {
			http.Error(rw, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	p.Issuer = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return p
}

// Verified are the claims of somebody whose address the provider has verified.
func Verified(email string) map[string]any {
	return map[string]any{"sub": "sub-of-" + email, "email": email, "email_verified": true}
}

// Set changes the provider between requests.
func (p *Provider) Set(change func(*Provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// Asked is all that was asked of the provider, with the addresses and headers as they came.
func (p *Provider) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// NewKey makes a key to sign tokens with.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// Signed is a token that key has signed.
func Signed(t testing.TB, key *ecdsa.PrivateKey, claims []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "one"}}, nil)
	require.NoError(t, err)
	jws, err := signer.Sign(claims)
	require.NoError(t, err)
	token, err := jws.CompactSerialize()
	require.NoError(t, err)
	return token
}

func (p *Provider) discovery(rw http.ResponseWriter, _ *http.Request) {
	answer(rw, map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token", "jwks_uri": p.Issuer + "/keys",
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

func (p *Provider) authorize(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != ClientID || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" ||
		!strings.Contains(" "+q.Get("scope")+" ", " openid ") {
		http.Error(rw, "not a request of the authorization code flow with PKCE", http.StatusBadRequest)
		return
	}
	back := url.Values{"state": {q.Get("state")}, "iss": {p.Issuer}}
	if p.Refuses != "" {
		back.Set("error", p.Refuses)
	} else {
		code := rand.Text()
		p.codes[code] = q
		back.Set("code", code)
	}
	http.Redirect(rw, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) token(rw http.ResponseWriter, r *http.Request) {
	asked, ok := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code")) // good for once
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	_, secret, _ := r.BasicAuth()
	if secret == "" {
		secret = r.FormValue("client_secret")
	}
	if !ok || r.FormValue("redirect_uri") != asked.Get("redirect_uri") || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") || secret != p.Secret {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusBadRequest)
		answer(rw, map[string]any{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{
		"iss": p.Issuer, "aud": ClientID, "nonce": asked.Get("nonce"), "iat": p.Now().Unix(), "exp": p.Now().Add(5 * time.Minute).Unix(),
	}
	maps.Copy(claims, p.Person)
	if p.Change != nil {
		p.Change(claims)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	id := ""
	if p.Sign != nil {
		id = p.Sign(body)
	} else {
		id = Signed(p.t, p.key, body)
	}
	answer(rw, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "id_token": id})
}

func (p *Provider) keys(rw http.ResponseWriter, _ *http.Request) {
	answer(rw, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
}

func answer(rw http.ResponseWriter, body any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(body) // whoever asked is gone
}
