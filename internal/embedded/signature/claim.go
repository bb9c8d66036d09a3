package signature

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// claim is what an Authorization header says of itself.
type claim struct {
	keyID, date, region, service string
	headers                      []string // in lower case
	signature                    string
}

// parse reads "AWS4-HMAC-SHA256 Credential=ID/date/region/service/aws4_request, SignedHeaders=…, Signature=…".
func parse(h http.Header) (claim, error) {
	var c claim
	lines := h.Values("Authorization")
	switch {
	case len(lines) == 0:
		return c, refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	case len(lines) > 1:
		return c, refuse("IncompleteSignatureException", "The header Authorization comes %d times.", len(lines))
	}
	fields, ok := strings.CutPrefix(lines[0], algorithm+" ")
	if !ok {
		return c, refuse("IncompleteSignatureException", "Unsupported AWS 'algorithm': %s is the one that is taken.", algorithm)
	}
	said := map[string]string{}
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if _, twice := said[name]; twice {
			return c, refuse("IncompleteSignatureException", "Authorization header has more than one of a parameter.")
		}
		said[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if said[name] == "" {
			return c, refuse("IncompleteSignatureException", "Authorization header requires '%s' parameter.", name)
		}
	}
	scope := strings.Split(said["Credential"], "/")
	if len(said) != 3 || len(scope) != 5 || scope[4] != "aws4_request" {
		return c, refuse("IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
	}
	c.keyID, c.date, c.region, c.service = scope[0], scope[1], scope[2], scope[3]
	c.headers, c.signature = strings.Split(said["SignedHeaders"], ";"), said["Signature"]
	return c, nil
}

// covers refuses a signature that leaves out a header by which the request would mean something else.
func (c claim) covers(r *http.Request) error {
	need := []string{"host", "x-amz-date"}
	for name := range r.Header {
		if low := strings.ToLower(name); strings.HasPrefix(low, "x-amz-") || strings.HasPrefix(low, "x-iam-sunset-") {
			need = append(need, low)
		}
	}
	for _, name := range need {
		if !slices.Contains(c.headers, name) {
			return refuse("InvalidSignatureException", "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	for i, name := range c.headers {
		switch values := len(r.Header.Values(name)); {
		case name == "" || name != strings.ToLower(name) || i > 0 && c.headers[i-1] >= name:
			return refuse("IncompleteSignatureException", "SignedHeaders must be names in lower case, sorted, each once.")
		case values > 1:
			return refuse("IncompleteSignatureException", "The signed header %.40q comes %d times.", name, values)
		case values == 0 && name != "host" && name != "content-length":
			return refuse("IncompleteSignatureException", "The signed header %.40q is not in the request.", name)
		}
	}
	return nil
}

// dated is when the request says that it was signed.
func (c claim) dated(header string, now time.Time) (time.Time, error) {
	at, err := time.Parse(dateLayout, header)
	switch {
	case err != nil:
		return at, refuse("IncompleteSignatureException", "Date must be in ISO-8601 'basic format', as in %s.", dateLayout)
	case c.date != header[:len("20060102")]:
		return at, refuse("InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	case at.Before(now.Add(-MaxSkew)):
		return at, refuse("InvalidSignatureException", "Signature expired: %s is now earlier than %s (%s - 5 min.)", header, now.Add(-MaxSkew).UTC().Format(dateLayout), now.UTC().Format(dateLayout))
	case at.After(now.Add(MaxSkew)):
		return at, refuse("InvalidSignatureException", "Signature not yet current: %s is still later than %s (%s + 5 min.)", header, now.Add(MaxSkew).UTC().Format(dateLayout), now.UTC().Format(dateLayout))
	}
	return at, nil
}
