package fakecloud_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eb "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	ses "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
)

func TestMail(t *testing.T) {
	c, cfg := serve(t)
	c.VerifyIdentity("example.com")
	client := sesv2.NewFromConfig(cfg)
	letter := func(from string) *sesv2.SendEmailInput {
		text := func(s string) *ses.Content { return &ses.Content{Data: &s, Charset: aws.String("UTF-8")} }
		return &sesv2.SendEmailInput{
			FromEmailAddress: &from, Destination: &ses.Destination{ToAddresses: []string{"a@example.net"}},
			Content: &ses.EmailContent{Simple: &ses.Message{Subject: text("S"), Body: &ses.Body{Text: text("T"), Html: text("<p>H")}, Headers: []ses.MessageHeader{{Name: aws.String("X-A"), Value: aws.String("1")}}}},
		}
	}
	_, err := client.SendEmail(t.Context(), letter("me@example.org"))
	refused(t, "MessageRejected", err)
	require.Empty(t, c.Mails())
	out, err := client.SendEmail(t.Context(), letter("Sunset <me@example.com>"))
	require.NoError(t, err)
	require.Equal(t, []fakecloud.Mail{{
		At: start, Principal: "disable", ID: *out.MessageId, From: "Sunset <me@example.com>", To: []string{"a@example.net"},
		Subject: "S", Text: "T", HTML: "<p>H", Headers: map[string]string{"X-A": "1"}, Identity: "example.com",
	}}, c.Mails())
	defer c.Fail(fakecloud.Fault{Action: "ses:SendEmail", Throttle: true})()
	_, err = client.SendEmail(t.Context(), letter("me@example.com"))
	refused(t, "TooManyRequestsException", err)
	calls := c.Calls()
	require.Equal(t, "arn:aws:ses:us-east-1:111122223333:identity/example.com", calls[len(calls)-1].Resource)
	_, err = client.ListEmailIdentities(t.Context(), nil)
	refused(t, "NotFoundException", err)
}

func TestTopic(t *testing.T) {
	c, cfg := serve(t)
	topic := c.CreateTopic("team", "arn:key")
	client := sns.NewFromConfig(cfg)
	publish := func(topic, subject, message string) error {
		_, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: &topic, Subject: &subject, Message: &message})
		return err
	}
	require.NoError(t, publish(topic, "Sunset", "Grüße\n2"))
	refused(t, "InvalidParameter", publish(topic, "Grüße", "m"))
	refused(t, "InvalidParameter", publish(topic, "S", strings.Repeat("x", 256<<10)))
	refused(t, "NotFound", publish(topic+"x", "S", "m"))
	require.Len(t, c.Published(), 1)
	require.Equal(t, "Grüße\n2", c.Published()[0].Message)
	calls := c.Calls()
	require.Equal(t, []string{"kms:GenerateDataKey", "kms:Decrypt", "sns:Publish"}, []string{calls[0].Action, calls[1].Action, calls[2].Action})
}

func TestBus(t *testing.T) {
	c, cfg := serve(t)
	bus := c.CreateBus("sunset")
	client := eventbridge.NewFromConfig(cfg)
	entry := func(detail string) eb.PutEventsRequestEntry {
		return eb.PutEventsRequestEntry{EventBusName: &bus, Source: aws.String("iam-sunset"), DetailType: aws.String("Disabled"), Detail: &detail, Time: aws.Time(start)}
	}
	send := func(entries ...eb.PutEventsRequestEntry) (*eventbridge.PutEventsOutput, error) {
		return client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: entries})
	}
	out, err := send(entry(`{"a":1}`), entry(`[]`))
	require.NoError(t, err)
	require.EqualValues(t, 1, out.FailedEntryCount)
	require.Equal(t, "MalformedDetail", *out.Entries[1].ErrorCode)
	require.Len(t, c.Events(), 1)
	require.Equal(t, start, c.Events()[0].Time)
	require.Equal(t, "sunset", c.Events()[0].Bus)
	_, err = send(entry(`{"a":"` + strings.Repeat("x", 256<<10) + `"}`))
	refused(t, "ValidationException", err)
	defer c.Fail(fakecloud.Fault{Action: "events:PutEvents", Entries: 1, Code: "InternalFailure"})()
	out, err = send(entry(`{}`), entry(`{}`))
	require.NoError(t, err)
	require.EqualValues(t, 1, out.FailedEntryCount)
	require.Equal(t, "InternalFailure", *out.Entries[1].ErrorCode)
	require.Len(t, c.Events(), 2)
}

func TestKeysRefuse(t *testing.T) {
	c, cfg := serve(t)
	mac, curve := c.CreateKey(fakecloud.HMAC256), c.CreateKey(fakecloud.ECCNISTP)
	client := kms.NewFromConfig(cfg)
	generate := func(key string, n int) error {
		_, err := client.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &key, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256, Message: make([]byte, n)})
		return err
	}
	sign := func(key string, n int) error {
		_, err := client.Sign(t.Context(), &kms.SignInput{KeyId: &key, Message: make([]byte, n), MessageType: kmstypes.MessageTypeDigest, SigningAlgorithm: kmstypes.SigningAlgorithmSpecEcdsaSha256})
		return err
	}
	require.NoError(t, generate(mac, 4096))
	refused(t, "ValidationException", generate(mac, 4097))
	refused(t, "InvalidKeyUsageException", generate(curve, 1))
	refused(t, "NotFoundException", generate(mac+"0", 1))
	require.NoError(t, sign(curve, 32))
	refused(t, "ValidationException", sign(curve, 31))
	refused(t, "InvalidKeyUsageException", sign(mac, 32))
	_, err := client.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &mac})
	refused(t, "UnsupportedOperationException", err)
	c.SetKeyState(mac, fakecloud.Disabled)
	refused(t, "DisabledException", generate(mac, 1))
	c.SetKeyState(mac, fakecloud.PendingDeletion)
	refused(t, "KMSInvalidStateException", generate(mac, 1))
	_, err = client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &mac})
	refused(t, "UnknownOperationException", err)
	require.Equal(t, []string{"kms:DescribeKey"}, c.Unknown())
}
