package sunset

import (
	"errors"
	"fmt"
	"net/url"
)

// IdentityProvider is an OpenID Connect provider at which people sign in before they see a page. Whom it makes known must be whom
// the link was made for.
type IdentityProvider struct {
	Issuer   string `json:"issuer"` // an https URL, as in the provider's discovery document
	ClientID string `json:"client_id"`
}

func (s *IdentityProvider) validate() (field string, err error) {
	if s == nil {
		return "", nil
	}
	u, err := url.Parse(s.Issuer)
	switch {
	case err == nil && u.User != nil:
		return "issuer", errors.New("it must hold no user or password")
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return "issuer", fmt.Errorf("%q is no address such as https://login.example.com", s.Issuer)
	case u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost"):
		return "issuer", fmt.Errorf("%q must begin with https://", s.Issuer)
	case s.ClientID == "":
		return "client_id", errors.New("it must say as which client the pages are known to the issuer")
	}
	return "", nil
}
