package post_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/approval"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/post"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var _ approval.Messenger = (*post.Messenger)(nil)

const ada = "ada@example.com"

func TestAMailGoesToOnePersonWithItsLink(t *testing.T) {
	w := newWire(t)
	require.NoError(t, w.messenger(from, topic).Send(t.Context(), approval.Message{
		To: ada, Subject: "Grüße: 1 user", Text: "Decide.\n", Link: "https://pages.example.com/a/s3cret",
	}))
	e := w.sent()
	require.Equal(t, `"IAM Sunset" <sunset@example.com>`, e.FromEmailAddress)
	require.Equal(t, map[string][]string{"ToAddresses": {ada}}, e.Destination)
	require.Equal(t, content{"Grüße: 1 user", "UTF-8"}, e.Content.Simple.Subject)
	require.Equal(t, map[string]content{"Text": {"Decide.\n\nhttps://pages.example.com/a/s3cret\n", "UTF-8"}}, e.Content.Simple.Body)
}

func TestAnAddressMayHaveAName(t *testing.T) {
	w := newWire(t)
	require.NoError(t, w.messenger("sunset@example.com", topic).Send(t.Context(), approval.Message{To: "Ada <" + ada + ">", Subject: "x", Text: "x"}))
	e := w.sent()
	require.Equal(t, "sunset@example.com", e.FromEmailAddress)
	require.Equal(t, []string{ada}, e.Destination["ToAddresses"])
}

func TestASubjectAddsNoHeader(t *testing.T) {
	w := newWire(t)
	require.NoError(t, w.messenger(from, topic).Send(t.Context(), approval.Message{To: ada, Subject: "x\r\nBcc: eve@example.com\u2028y\x00\n", Text: "x"}))
	require.Equal(t, "x Bcc: eve@example.comy", w.sent().Content.Simple.Subject.Data)
}

func TestWhatIsNotOneAddressGetsNothing(t *testing.T) {
	w := newWire(t)
	for _, to := range []string{
		"", "ada", "ada@example.com, eve@example.com", "ada@example.com\r\nBcc: eve@example.com", `"ada\, eve@example.com"@example.com`,
		`"a b"@example.com`, "a@example.com;b@example.com", "Friends: a@example.com, b@example.com;", "#team@", "ada@example.com\x00",
	} {
		err := w.messenger(from, topic).Send(t.Context(), approval.Message{To: to, Subject: "x", Text: "t3xt", Link: "https://x/a/s3cret"})
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%q: %v", to, err)
		require.NotContains(t, err.Error(), "s3cret")
		require.NotContains(t, err.Error(), "t3xt")
		require.NotContains(t, err.Error(), "\n")
	}
	for _, from := range []string{"", "sunset", "a@example.com, b@example.com"} {
		err := w.messenger(from, topic).Send(t.Context(), approval.Message{To: ada, Subject: "x", Text: "x"})
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%q: %v", from, err)
	}
	require.Empty(t, w.paths)
}

// published is what came for the topic.
func (w *wire) published() url.Values {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Equal(w.t, []string{"POST /"}, w.paths)
	v, err := url.ParseQuery(w.bodies[0])
	require.NoError(w.t, err)
	require.Equal(w.t, "Publish", v.Get("Action"))
	return v
}

func TestTheTeamIsToldByItsTopic(t *testing.T) {
	w := newWire(t)
	require.NoError(t, w.messenger(from, topic).Send(t.Context(), approval.Message{To: approval.Team, Subject: "IAM user ci: failed", Text: "It failed.\n"}))
	v := w.published()
	require.Equal(t, topic, v.Get("TopicArn"))
	require.Equal(t, "IAM user ci: failed", v.Get("Subject"))
	require.Equal(t, "It failed.\n", v.Get("Message"))
	require.Empty(t, v.Get("MessageStructure"), "a text that looks like JSON stays a text")
}

func TestTopicsTakeNotEverything(t *testing.T) {
	for name, tt := range map[string]struct{ subject, text, wantSubject, wantText string }{
		"line feeds": {"a\r\nb\nc\t d ", "x", "a b c d", "x"},
		"not ASCII":  {"Grüße", "Grüße", "Gr??e", "Grüße"},
		"too long":   {strings.Repeat("long ", 30), "x", strings.TrimSpace(strings.Repeat("long ", 30)[:96]) + "...", "x"},
		"just right": {strings.Repeat("x", 99), "x", strings.Repeat("x", 99), "x"},
		"empty":      {" \n", " \n", "IAM Sunset", "IAM Sunset"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			require.NoError(t, w.messenger(from, topic).Send(t.Context(), approval.Message{To: approval.Team, Subject: tt.subject, Text: tt.text}))
			v := w.published()
			require.Equal(t, tt.wantSubject, v.Get("Subject"))
			require.Equal(t, tt.wantText, v.Get("Message"))
			require.Less(t, len(v.Get("Subject")), 100)
		})
	}
	w := newWire(t)
	require.NoError(t, w.messenger(from, topic).Send(t.Context(), approval.Message{To: approval.Team, Subject: "x", Text: strings.Repeat("ü", 140_000) + "\xff"}))
	text := w.published().Get("Message")
	require.LessOrEqual(t, len(text), 200_000)
	require.True(t, utf8.ValidString(text))
	require.Contains(t, text, "left out")
}

func TestALinkNeverGoesToTheTopic(t *testing.T) {
	w := newWire(t)
	for _, topic := range []string{topic, ""} {
		err := w.messenger(from, topic).Send(t.Context(), approval.Message{To: approval.Team, Subject: "x", Text: "t3xt", Link: "https://x/a/s3cret"})
		require.Equal(t, sunset.Internal, sunset.KindOf(err))
		require.NotContains(t, err.Error(), "s3cret")
		require.NotContains(t, err.Error(), "t3xt")
	}
	require.Empty(t, w.paths)
}

func TestATeamWithoutATopicGetsNothing(t *testing.T) {
	w := newWire(t)
	require.NoError(t, w.messenger(from, "").Send(t.Context(), approval.Message{To: approval.Team, Subject: "x", Text: "x"}))
	require.Empty(t, w.paths)
}

func TestARefusalHasAKindAndNothingOfTheMessage(t *testing.T) {
	for _, tt := range []struct {
		to, code string
		status   int
		want     sunset.Kind
	}{
		{ada, "TooManyRequestsException", 429, sunset.Throttled},
		{ada, "ThrottlingException", 400, sunset.Throttled},
		{ada, "LimitExceededException", 400, sunset.Throttled},
		{ada, "SendingPausedException", 400, sunset.Unavailable},
		{ada, "InternalServiceErrorException", 500, sunset.Unavailable},
		{ada, "SomethingNew", 503, sunset.Unavailable},
		{ada, "SomethingNew", 429, sunset.Throttled},
		{ada, "AccountSuspendedException", 400, sunset.AccessDenied},
		{ada, "AccessDeniedException", 403, sunset.AccessDenied},
		{ada, "MailFromDomainNotVerifiedException", 400, sunset.Invalid},
		{ada, "MessageRejected", 400, sunset.Invalid},
		{ada, "BadRequestException", 400, sunset.Invalid},
		{ada, "NotFoundException", 404, sunset.Invalid},
		{approval.Team, "Throttled", 429, sunset.Throttled},
		{approval.Team, "KMSThrottling", 400, sunset.Throttled},
		{approval.Team, "InternalError", 500, sunset.Unavailable},
		{approval.Team, "AuthorizationError", 403, sunset.AccessDenied},
		{approval.Team, "KMSAccessDenied", 400, sunset.AccessDenied},
		{approval.Team, "InvalidSecurity", 403, sunset.AccessDenied},
		{approval.Team, "NotFound", 404, sunset.Invalid},
		{approval.Team, "InvalidParameter", 400, sunset.Invalid},
		{approval.Team, "KMSDisabled", 400, sunset.Invalid},
	} {
		t.Run(tt.code, func(t *testing.T) {
			w := newWire(t)
			w.status, w.code, w.echo = tt.status, tt.code, true
			m := approval.Message{To: tt.to, Subject: "IAM user ci", Text: "t3xt"}
			if tt.to == ada {
				m.Link = "https://x/a/s3cret"
			}
			err := w.messenger(from, topic).Send(t.Context(), m)
			require.Equal(t, tt.want, sunset.KindOf(err), "%v", err)
			require.Equal(t, tt.code, awsfault.Code(err))
			require.Contains(t, err.Error(), tt.code)
			require.Contains(t, err.Error(), `"IAM user ci"`)
			for inner := err; inner != nil; inner = unwrap(inner) {
				require.NotContains(t, inner.Error(), "s3cret")
				require.NotContains(t, inner.Error(), "t3xt")
			}
			action := "ses:SendEmail"
			if tt.to == approval.Team {
				action = "sns:Publish"
			}
			require.Equal(t, action, sunset.ActionOf(err))
		})
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return nil
}

func TestNoAnswerIsUnavailable(t *testing.T) {
	w := newWire(t)
	m := w.messenger(from, topic)
	w.server.Close()
	for _, to := range []string{ada, approval.Team} {
		err := m.Send(t.Context(), approval.Message{To: to, Subject: "x", Text: "t3xt"})
		require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%v", err)
		require.NotContains(t, err.Error(), "t3xt")
	}
	w = newWire(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, w.messenger(from, topic).Send(over, approval.Message{To: ada, Subject: "x", Text: "x"}), context.Canceled)
}
