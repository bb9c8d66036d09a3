package identity

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// answer is what GetCallerIdentity answers. Lists, so that what comes twice is seen.
type answer struct {
	XMLName xml.Name
	Results []struct {
		XMLName xml.Name
		ARN     []string `xml:"Arn"`
		Account []string `xml:"Account"`
		UserID  []string `xml:"UserId"`
	} `xml:"GetCallerIdentityResult"`
}

// principal is the ARN of whoever can sign: of a user, a session of a role or of a federated user, or the root.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
var principal = regexp.MustCompile(`^arn:aws[a-z-]{0,20}:(?:iam|sts)::(\d{12}):(?:root|(?:user|assumed-role|federated-user)/[\x21-\x7e]+)$`)

// parseAnswer takes the one form of STS's answer, and nothing that only looks like it.
func parseAnswer(body []byte) (Caller, error) {
	var a answer
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&a); err != nil {
		return Caller{}, errors.New("it is no XML")
	}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if text, ok := token.(xml.CharData); err != nil || !ok || len(bytes.TrimSpace(text)) > 0 {
			return Caller{}, errors.New("there is something after its end")
		}
	}
	if a.XMLName != (xml.Name{Space: namespace, Local: "GetCallerIdentityResponse"}) || len(a.Results) != 1 || a.Results[0].XMLName.Space != namespace {
		return Caller{}, errors.New("it is no GetCallerIdentityResponse")
	}
	r := a.Results[0]
	if len(r.ARN) != 1 || len(r.Account) != 1 || len(r.UserID) != 1 || r.UserID[0] == "" {
		return Caller{}, errors.New("it does not say once who calls")
	}
	parts := principal.FindStringSubmatch(r.ARN[0])
	if parts == nil || parts[1] != r.Account[0] {
		return Caller{}, errors.New("its ARN is none of a caller in the account that it names")
	}
	return Caller{ARN: r.ARN[0], Account: r.Account[0], UserID: r.UserID[0]}, nil
}

// refused is what STS says where it doesn't know the signature.
func refused(status int, body []byte, host string) error {
	var said struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	_ = xml.Unmarshal(body, &said) // the status says enough
	why := strings.TrimSpace(http.StatusText(status) + " " + said.Code)
	switch {
	case status == http.StatusTooManyRequests || strings.HasPrefix(said.Code, "Throttl"):
		return sunset.Faultf(sunset.Throttled, "asking STS at %s whose proof of identity it is: %s", host, why)
	case status >= http.StatusInternalServerError || status < http.StatusBadRequest:
		return sunset.Faultf(sunset.Unavailable, "asking STS at %s whose proof of identity it is: %s", host, why)
	}
	return sunset.Faultf(sunset.AccessDenied, "STS at %s does not know the proof of your AWS identity as one for this engine and this request: %s", host, why)
}
