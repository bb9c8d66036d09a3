package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// answerWithin bounds each call of a provider. A sign-in takes three at most, and an HTTP API gives half a minute.
	answerWithin = 8 * time.Second
	// metadataFor is how long a provider's metadata is used. Keys are fetched anew whenever a token names one that isn't known.
	metadataFor = time.Hour
)

// metadata is what a provider says of itself.
type metadata struct {
	issuer   string
	read     time.Time
	provider *oidc.Provider
}

// provider gives the provider that calls itself issuer. Its metadata is kept for an hour, and longer while it can't be read.
func (d *door) provider(ctx context.Context, issuer string) (*oidc.Provider, error) {
	d.mu.Lock()
	have := d.last
	d.mu.Unlock()
	if have.issuer == issuer && d.Clock.Now().Sub(have.read) < metadataFor {
		return have.provider, nil
	}
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, d.http), issuer)
	if err == nil {
		err = safe(p, issuer)
	}
	switch {
	case err != nil && have.issuer == issuer:
		slog.WarnContext(ctx, "an identity provider's metadata can't be read anew", "issuer", issuer, "error", brief(err.Error()))
		return have.provider, nil
	case err != nil:
		return nil, sunset.Faultf(sunset.Unavailable, "reading the metadata of the identity provider %s: %s", issuer, brief(err.Error()))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = metadata{issuer: issuer, read: d.Clock.Now(), provider: p}
	return p, nil
}

// safe refuses endpoints by which codes and keys would travel in the clear, unless the issuer itself is on this machine.
func safe(p *oidc.Provider, issuer string) error {
	var claims struct {
		Keys string `json:"jwks_uri"`
	}
	if err := p.Claims(&claims); err != nil {
		return err
	}
	for _, u := range []string{p.Endpoint().AuthURL, p.Endpoint().TokenURL, claims.Keys} {
		if !strings.HasPrefix(u, "https://") && (strings.HasPrefix(issuer, "https://") || u == "") {
			return errors.New("an endpoint is missing, or has no https address")
		}
	}
	return nil
}

// brief keeps an answer that is quoted in an error from filling the log.
func brief(text string) string {
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return strings.ToValidUTF8(text, "")
}

// refused is why somebody isn't known: why is for the log, told for them.
type refused struct{ why, told string }

func (r *refused) Error() string { return r.why }

func refusal(err error) *refused {
	var r *refused
	errors.As(err, &r)
	return r
}

// exchange gives whom a code makes known. The error is a refusal, or the provider could not be asked.
func (d *door) exchange(ctx context.Context, at sunset.IdentityProvider, a attempt, code string) (session, error) {
	p, err := d.provider(ctx, at.Issuer)
	if err != nil {
		return session{}, err
	}
	token, err := d.client(p, at).Exchange(oidc.ClientContext(ctx, d.http), code, oauth2.VerifierOption(a.Verifier))
	var answer *oauth2.RetrieveError
	switch {
	case errors.As(err, &answer) && answer.Response != nil && answer.Response.StatusCode < http.StatusInternalServerError:
		// Its body stays out of the log; the code of an error is one of a few words.
		return session{}, &refused{why: "the provider refused the code: " + brief(answer.ErrorCode)}
	case errors.As(err, &answer):
		return session{}, sunset.Faultf(sunset.Unavailable, "asking the identity provider %s for a token: it answered with an error", at.Issuer)
	case err != nil:
		return session{}, sunset.Faultf(sunset.Unavailable, "asking the identity provider %s for a token: %s", at.Issuer, brief(err.Error()))
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: at.ClientID, Now: d.Clock.Now}).Verify(ctx, raw)
	if err != nil {
		return session{}, &refused{why: brief(err.Error())}
	}
	var claims struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
		Party    string `json:"azp"`
	}
	if err := id.Claims(&claims); err != nil {
		return session{}, &refused{why: brief(err.Error())}
	}
	switch {
	case id.Nonce != a.Nonce:
		return session{}, &refused{why: "the token is for another sign-in"}
	case len(id.Audience) > 1 && claims.Party != at.ClientID:
		return session{}, &refused{why: "the token is for several, and made for another"}
	case id.Subject == "" || len(id.Subject) > 255 || strings.ContainsFunc(id.Subject, func(c rune) bool { return c < ' ' || c > '~' }):
		return session{}, &refused{why: "the token names nobody"}
	case claims.Email == "":
		return session{}, &refused{why: "the token has no claim email", told: "Your provider does not say what your address is."}
	case !claims.Verified:
		return session{}, &refused{why: "the token's claim email_verified is not true", told: "Your provider does not say that it has verified your address."}
	}
	return session{
		Issuer: at.Issuer, ClientID: at.ClientID, Subject: id.Subject, Email: claims.Email, Expires: d.Clock.Now().Add(sessionFor).UTC(),
	}, nil
}
