package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// A decision that needs others says so, and whoever started it decides nothing.
func TestApproveNeedsOthers(t *testing.T) {
	s := siteFor(t, "old-a")
	s.settings.ApprovalsNeeded = 2
	s.settings.Approvers = append(s.settings.Approvers,
		sunset.Approver{Email: "ben@example.com", Principals: []string{"arn:aws:iam::123456789012:user/ben"}},
		sunset.Approver{Email: "olga@example.com", Principals: []string{"arn:aws:iam::123456789012:role/security"}})
	s.does(t, 0, "start", "--open-cases", "--name", "spring", "--yes")
	require.NoError(t, s.pass(t.Context(), 18*day))
	status, _ := s.does(t, 0, "status")
	require.Contains(t, status, "approvers: 0 of 2 have decided: ada@example.com, ben@example.com")
	out, _ := s.does(t, 0, "approve", "old-a", "--decision", "delete", "--reason", "nobody uses it", "--yes")
	require.Contains(t, out, "old-a: your decision (delete) is stored; others are still needed.")
	status, _ = s.does(t, 0, "status")
	require.Contains(t, status, "approvers: 1 of 2 have decided: ben@example.com")
	s.decider = operatorARN
	out, errs := s.does(t, 2, "approve", "old-a", "--decision", "delete", "--reason", "I want it gone", "--yes")
	require.Contains(t, out, "not decided: old-a: olga@example.com started this cleanup")
	require.Contains(t, errs, "1 of 1 case could not be decided")
	s.decider = "arn:aws:iam::123456789012:user/ben"
	out, _ = s.does(t, 0, "approve", "old-a", "--decision", "delete", "--reason", "it is over", "--yes")
	require.Contains(t, out, "old-a: decided, delete.")
	c, err := s.machine.Cases.Get(t.Context(), s.users["old-a"].ID)
	require.NoError(t, err)
	valid, _, err := s.machine.Desk.Decisions(t.Context(), c.RequestID)
	require.NoError(t, err)
	require.Len(t, valid, 2)
	for _, d := range valid {
		require.Equal(t, sunset.WayAWS, d.Way)
		require.NotEmpty(t, d.Principal)
	}
}

// A request that was not signed, or changed on its way, proves nobody.
func TestCounterChecksSignatures(t *testing.T) {
	s := siteFor(t, "old-a")
	for _, cfg := range []aws.Config{
		{Credentials: credentials.NewStaticCredentialsProvider(s.key.AccessKeyID, "wrong", s.key.SessionToken)},
		{Credentials: credentials.NewStaticCredentialsProvider("AKIASTRANGER", s.key.SecretAccessKey, "")},
	} {
		c := counter{url: s.api.URL, send: signed(cfg, "eu-west-1", s.clock)}
		require.ErrorContains(t, c.get(t.Context(), "/v1/requests", &struct{}{}), "not signed by an AWS identity")
	}
	cfg := aws.Config{Credentials: credentials.NewStaticCredentialsProvider(s.key.AccessKeyID, s.key.SecretAccessKey, s.key.SessionToken)}
	c := counter{url: s.api.URL, send: signed(cfg, "eu-west-1", s.clock)}
	var list struct{ Approver string }
	require.NoError(t, c.get(t.Context(), "/v1/requests?case=a&case=b", &list))
	require.Equal(t, "ada@example.com", list.Approver)
}

// What API Gateway, or somebody else, answers instead of the API is one sentence with a hint, and no signature follows a
// redirection.
func TestCounterMeetsStrangers(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for name, answer := range map[string]struct {
		status int
		body   string
		kind   sunset.Kind
		says   string
	}{
		"forbidden":   {403, `{"message":"Forbidden"}`, sunset.AccessDenied, "did not let you in: 403 Forbidden Forbidden"},
		"throttled":   {429, `{"message":"Too Many Requests"}`, sunset.Throttled, "429"},
		"no route":    {404, `{"message":"Not Found"}`, sunset.Invalid, "check pages_url"},
		"broken":      {500, `{"message":"Internal Server Error"}`, sunset.Unavailable, "500"},
		"a web page":  {200, `<html>hello</html>`, sunset.Unavailable, "is not the approval API's"},
		"a redirect":  {302, ``, sunset.Unavailable, "302"},
		"its refusal": {409, `{"kind":"Conflict","error":"the facts have changed"}`, sunset.Conflict, "the facts have changed"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", other.URL)
			rw.WriteHeader(answer.status)
			_, _ = rw.Write([]byte(answer.body))
		}))
		c := counter{url: server.URL, send: signed(aws.Config{Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")}, "eu-west-1", clock.Wall{})}
		err := c.post(t.Context(), "/v1/decisions", map[string]string{}, &struct{}{})
		require.ErrorContains(t, err, answer.says, name)
		require.Equal(t, answer.kind, sunset.KindOf(err), name)
		require.NotContains(t, err.Error(), "secret", name)
		server.Close()
	}
	require.Zero(t, elsewhere)
}

// Credentials that can't even be got are one sentence.
func TestSignedNeedsCredentials(t *testing.T) {
	send := signed(aws.Config{Credentials: credentials.NewStaticCredentialsProvider("", "", "")}, "eu-west-1", clock.Wall{})
	c := counter{url: "http://127.0.0.1:1", send: send}
	require.ErrorContains(t, c.get(t.Context(), "/v1/requests", nil), "getting AWS credentials")
}
