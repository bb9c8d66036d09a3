package fakecloud

import (
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// Mail is one that SES took.
type Mail struct {
	At                  time.Time
	Principal, ID       string
	From                string
	To, ReplyTo         []string
	Subject, Text, HTML string
	Raw                 []byte            // instead of subject, text and HTML
	Headers             map[string]string // beside those of every mail
	Identity            string            // the verified identity that it was sent by
}

// VerifyIdentity lets SES send from an address ("a@example.com") or a whole domain ("example.com").
func (c *Cloud) VerifyIdentity(identity string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identities = append(c.identities, identity)
}

// Mails are all mails that were taken, oldest first.
func (c *Cloud) Mails() []Mail {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.mails)
}

type mailText struct{ Data, Charset string }

type mailRequest struct {
	FromEmailAddress string
	Destination      struct{ ToAddresses, CcAddresses, BccAddresses []string }
	ReplyToAddresses []string
	Content          struct {
		Simple *struct {
			Subject *mailText
			Body    struct {
				Text *mailText
				HTML *mailText `json:"Html"`
			}
			Headers []struct{ Name, Value string }
		}
		Raw *struct{ Data []byte }
	}
	EmailTags []struct{ Name, Value string }
}

func badMail(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "BadRequestException", format, args...)
}

// ses is SES v2. See https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html.
func (c *Cloud) ses(r *request) (operation, *refusal) {
	if r.http.Method != http.MethodPost || r.http.URL.Path != "/v2/email/outbound-emails" {
		return operation{}, refuse(http.StatusNotFound, "NotFoundException", "the fake cloud's ses has no %s", operationName(r.http))
	}
	on := operation{action: "ses:SendEmail"}
	var in mailRequest
	if refused := decode(r.body, &in); refused != nil {
		return on, refused
	}
	if in.Content.Raw != nil {
		on.action = "ses:SendRawEmail"
	}
	from, err := mail.ParseAddress(in.FromEmailAddress)
	if err != nil {
		return on, badMail("Missing or invalid From address")
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	identity := ""
	for _, name := range []string{domain, from.Address} {
		if slices.Contains(c.identities, name) {
			identity = name
		}
	}
	on.resource = c.arn("ses", "identity/"+identity)
	if identity == "" || r.region != c.config.Region {
		on.resource = c.arn("ses", "identity/"+from.Address)
		return on, refuse(http.StatusBadRequest, "MessageRejected",
			"Email address is not verified. The following identities failed the check in region %s: %s", strings.ToUpper(r.region), from.Address)
	}
	m := Mail{From: in.FromEmailAddress, To: in.Destination.ToAddresses, ReplyTo: in.ReplyToAddresses, Identity: identity, Headers: map[string]string{}}
	if refused := m.fill(&in); refused != nil {
		return on, refused
	}
	on.do = func(r *request) (answer, *refusal) {
		m.At, m.Principal, m.ID = c.now(), r.principal, randomHex(16)
		c.mails = append(c.mails, m)
		return asJSON(map[string]string{"MessageId": m.ID}), nil
	}
	return on, nil
}

func (m *Mail) fill(in *mailRequest) *refusal {
	all := slices.Concat(in.Destination.ToAddresses, in.Destination.CcAddresses, in.Destination.BccAddresses)
	if len(all) == 0 || len(all) > 50 {
		return badMail("Recipient count must be between 1 and 50")
	}
	for _, a := range all {
		if _, err := mail.ParseAddress(a); err != nil {
			return badMail("Illegal address")
		}
	}
	simple, raw := in.Content.Simple, in.Content.Raw
	switch {
	case (simple == nil) == (raw == nil):
		return badMail("Exactly one of Simple and Raw must be given")
	case raw != nil:
		m.Raw = raw.Data
		return nil
	case simple.Subject == nil || simple.Body.Text == nil && simple.Body.HTML == nil:
		return badMail("A simple message needs a subject and a body")
	case strings.ContainsAny(simple.Subject.Data, "\r\n"):
		return badMail("A subject is one line")
	}
	m.Subject = simple.Subject.Data
	if simple.Body.Text != nil {
		m.Text = simple.Body.Text.Data
	}
	if simple.Body.HTML != nil {
		m.HTML = simple.Body.HTML.Data
	}
	for _, h := range simple.Headers {
		if h.Name == "" || strings.ContainsAny(h.Name+h.Value, "\r\n") || len(h.Name)+len(h.Value) > 870 {
			return badMail("Invalid header")
		}
		m.Headers[h.Name] = h.Value
	}
	return nil
}
