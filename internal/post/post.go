// Package post carries a deployment's messages: to people as mail by Amazon SES, to the security team by an Amazon SNS
// topic, to which whatever the team reads can subscribe.
//
// Texts and links never get into an error. What AWS says of a refused message could repeat it, so that only AWS's error
// code goes on, with what it means here.
package post

import (
	"context"
	"net/mail"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	sestypes "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// The actions, as in a policy.
const (
	sendEmail = "ses:SendEmail"
	publish   = "sns:Publish"
)

// Messenger is the approval.Messenger of a deployment.
type Messenger struct {
	ses   *sesv2.Client
	sns   *sns.Client
	from  string
	topic string
}

// New makes a messenger that sends mail from an address that SES has verified, with or without a name before it, and
// publishes the team's messages to the topic. Without a topic they are dropped: the team has none to be reached by.
func New(ses *sesv2.Client, sns *sns.Client, from, topicARN string) *Messenger {
	return &Messenger{ses: ses, sns: sns, from: from, topic: topicARN}
}

// Send sends m to its one recipient. It may reach them twice, where AWS took the message and its answer got lost.
//
// A fault that is Passing may be gone when the same message is sent later: SES's quotas are such a one, sending that
// somebody paused another. Invalid is what stays so until a person changes the address, the settings or the identity in
// SES. A link to the team is Internal: links are one person's alone, and topics have many readers.
func (p *Messenger) Send(ctx context.Context, m approval.Message) error {
	if m.To == approval.Team {
		return p.publish(ctx, m)
	}
	return p.mail(ctx, m)
}

func (p *Messenger) mail(ctx context.Context, m approval.Message) error {
	to, err := mail.ParseAddress(m.To)
	if err != nil || !plain(to.Address) {
		// An owner's address is whatever a tag says.
		return sunset.Faultf(sunset.Invalid, "sending the message %q to %q: that is not one e-mail address", m.Subject, m.To)
	}
	from, err := mail.ParseAddress(p.from)
	if err != nil || !plain(from.Address) {
		return sunset.Faultf(sunset.Invalid, "sending the message %q to %s: the sender %q is not one e-mail address", m.Subject, to.Address, p.from)
	}
	sender := from.Address
	if from.Name != "" {
		sender = from.String()
	}
	text := m.Text
	if m.Link != "" {
		text += "\n" + m.Link + "\n"
	}
	_, err = p.ses.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: &sender,
		Destination:      &sestypes.Destination{ToAddresses: []string{to.Address}},
		Content: &sestypes.EmailContent{Simple: &sestypes.Message{
			Subject: &sestypes.Content{Data: aws.String(oneLine(m.Subject)), Charset: aws.String("UTF-8")},
			Body:    &sestypes.Body{Text: &sestypes.Content{Data: aws.String(strings.ToValidUTF8(text, "?")), Charset: aws.String("UTF-8")}},
		}},
	})
	return refused(err, sendEmail, m.Subject, to.Address)
}

func (p *Messenger) publish(ctx context.Context, m approval.Message) error {
	if m.Link != "" {
		return sunset.Faultf(sunset.Internal, "sending the message %q to the team: it has a link, which is one person's alone", m.Subject)
	}
	if p.topic == "" {
		return nil
	}
	subject := topicSubject(m.Subject)
	_, err := p.sns.Publish(ctx, &sns.PublishInput{
		TopicArn: &p.topic, Subject: &subject, Message: aws.String(topicText(m.Text, subject)),
	})
	return refused(err, publish, m.Subject, "the team")
}

// plain reports whether an address that was parsed is one that SES takes for one: nothing quoted, nothing that parts
// addresses or lines.
func plain(address string) bool {
	return !strings.ContainsFunc(address, func(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune(`,;:<>()[]\"`, c) })
}
