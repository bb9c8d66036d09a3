package lambdahost_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/lambdahost"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// seeded makes the same random bytes in every run.
func seeded() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{7}) }

func bytesFrom(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	_, _ = r.Read(b) // it never fails
	return b
}

// valued lets an attribute be found out only when it is logged.
type valued struct{ secret string }

func (v valued) LogValue() slog.Value {
	return slog.GroupValue(slog.String("password", v.secret), slog.String("note", "token="+v.secret))
}

func TestSecretsNeverReachTheLog(t *testing.T) {
	r := seeded()
	link := base64.RawURLEncoding.EncodeToString(bytesFrom(r, 32))
	accessKey := base64.StdEncoding.EncodeToString(bytesFrom(r, 30))
	task := base64.StdEncoding.EncodeToString(bytesFrom(r, 400))
	smtp := base64.StdEncoding.EncodeToString(append([]byte{4}, bytesFrom(r, 32)...))
	const short = "hunter2-short"
	page := "https://pages.example.com/a/" + link

	for name, leak := range map[string]struct {
		secret string
		log    func(*slog.Logger)
	}{
		"a token's name in a message": {short, func(l *slog.Logger) { l.Info("the task token=" + short + " was sent") }},
		"a token in an error":         {task, func(l *slog.Logger) { l.Info("m", "error", errors.New("TaskTimedOut: "+task)) }},
		"a token in a wrapped fault": {short, func(l *slog.Logger) {
			l.Info("m", "error", sunset.Faultf(sunset.Invalid, "outer: %w", errors.New(`token: "`+short+`"`)))
		}},
		"a token in words":                 {short, func(l *slog.Logger) { l.Info("the token is " + short) }},
		"a token in quotes":                {short, func(l *slog.Logger) { l.Info(`token "` + short + `" is none of mine`) }},
		"an attribute named like a secret": {short, func(l *slog.Logger) { l.Info("m", "task_token", short) }},
		"whatever its case":                {short, func(l *slog.Logger) { l.Info("m", "TaskTokens", []string{short}) }},
		"a link's attribute":               {short, func(l *slog.Logger) { l.Info("m", "approver-link", short) }},
		"a payload":                        {short, func(l *slog.Logger) { l.Info("m", "payload", []byte(short)) }},
		"an approval page's address":       {link, func(l *slog.Logger) { l.Info("GET " + page) }},
		"a link's secret alone":            {link, func(l *slog.Logger) { l.Info("m", "who", link) }},
		"an owner's address":               {"aaaaaaaaaaaaaaaaaaaaaaaa", func(l *slog.Logger) { l.Info("m", "path", "/prod/o/aaaaaaaaaaaaaaaaaaaaaaaa") }},
		"an address in a path":             {"aaaaaaaaaaaaaaaaaaaaaaaa", func(l *slog.Logger) { l.Info("m", "path", "/prod/a/aaaaaaaaaaaaaaaaaaaaaaaa/case") }},
		"a secret access key":              {accessKey, func(l *slog.Logger) { l.Info("m", "text", "AKIAIOSFODNN7EXAMPLE:"+accessKey) }},
		"the documentation's secret key":   {"K7MDENG", func(l *slog.Logger) { l.Info("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY") }},
		"an SMTP password":                 {smtp, func(l *slog.Logger) { l.Info("m", "smtp", "user "+smtp) }},
		"a group":                          {short, func(l *slog.Logger) { l.Info("m", slog.Group("a", slog.Group("b", slog.String("secret", short)))) }},
		"a group named like a secret":      {short, func(l *slog.Logger) { l.Info("m", slog.Group("token", slog.String("value", short))) }},
		"an open group":                    {short, func(l *slog.Logger) { l.WithGroup("token").Info("m", "value", short) }},
		"what a logger carries":            {short, func(l *slog.Logger) { l.With("password", short, "x", "secret="+short).Info("m") }},
		"a struct":                         {short, func(l *slog.Logger) { l.Info("m", "in", struct{ TaskToken string }{short}) }},
		"a nested map":                     {short, func(l *slog.Logger) { l.Info("m", "in", map[string]any{"x": []any{map[string]any{"Password": short}}}) }},
		"a name in a map":                  {link, func(l *slog.Logger) { l.Info("m", "in", map[string]any{link: 1}) }},
		"raw JSON":                         {short, func(l *slog.Logger) { l.Info("m", "in", json.RawMessage(`{"task_token":"`+short+`"}`)) }},
		"JSON in text":                     {short, func(l *slog.Logger) { l.Info("m", "in", `{"task_token":"`+short+`"}`) }},
		"JSON in JSON":                     {short, func(l *slog.Logger) { l.Info("m", "in", `{"input":"{\"task_token\": \"`+short+`\"}"}`) }},
		"bytes":                            {short, func(l *slog.Logger) { l.Info("m", "in", []byte("password="+short)) }},
		"a LogValuer":                      {short, func(l *slog.Logger) { l.Info("m", "in", valued{short}) }},
		"a query":                          {short, func(l *slog.Logger) { l.Info("m", "url", "https://x.example/?X-Amz-Security-Token="+short+"&a=1") }},
		"an escaped query":                 {short, func(l *slog.Logger) { l.Info("m", "url", "/login?next=%2F%3Ftoken%3D"+short) }},
		"a header":                         {short, func(l *slog.Logger) { l.Info("m", "h", "Authorization: Bearer "+short) }},
		"an address with a password":       {short, func(l *slog.Logger) { l.Info("m", "url", "https://me:"+short+"@x.example/") }},
		"a password with spaces":           {"battery", func(l *slog.Logger) { l.Info(`password: "correct horse battery"`) }},
		"a private key": {"MIIEpAIB", func(l *slog.Logger) {
			l.Info("m", "pem", "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIB\n-----END RSA PRIVATE KEY-----")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			leak.log(lambdahost.NewLogger(&out))
			require.Contains(t, out.String(), "[removed]")
			require.NotContains(t, out.String(), leak.secret)
			for line := range strings.Lines(out.String()) {
				require.True(t, json.Valid([]byte(line)), line)
			}
		})
	}
}

// A secret is known by its form alone, wherever it stands.
func TestSecretsAreKnownByTheirForm(t *testing.T) {
	r := seeded()
	for range 500 {
		for _, secret := range []string{
			base64.RawURLEncoding.EncodeToString(bytesFrom(r, 32)),
			base64.StdEncoding.EncodeToString(bytesFrom(r, 30)),
			base64.StdEncoding.EncodeToString(append([]byte{4}, bytesFrom(r, 32)...)),
			base64.StdEncoding.EncodeToString(bytesFrom(r, 600)),
		} {
			var out bytes.Buffer
			lambdahost.NewLogger(&out).Info("no answer for " + secret + ", sorry")
			require.NotContains(t, out.String(), secret[:20])
		}
	}
}

func TestWhatIsNoSecretStays(t *testing.T) {
	for _, text := range []string{
		"arn:aws:states:eu-west-1:123456789012:execution:iam-sunset:spring-AIDAIOSFODNN7EXAMPLE1",
		"arn:aws:iam::123456789012:user/teams/data/nightly-export-2019-to-the-old-warehouse",
		"evidence/case/spring-AIDAIOSFODNN7EXAMPLE1/0004-requested.json",
		"plans/cleanup-2026-03-02-of-the-whole-account/discover-0001.json",
		"sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"request 8b2fd3a1-2f3b-4d0e-9a56-7c8f5e0a1b2c took too long",
		"evidence/case/spring-AIDAQ3EGUXX7J4K2W5N6T/8b2fd3a1-2f3b-4d0e-9a56-7c8f5e0a1b2c.json",
		"arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_AdministratorAccess_0a1b2c3d4e5f6a7b",
		"Root=1-5759e988-bd862e3fe1be46a994272793",
		"AccessDenied: User: arn:aws:sts::123456789012:assumed-role/iam-sunset-disable/x is not authorized to perform: iam:PutUserPolicy",
		"case x asks for approval without a task token",
		"the link is over",
	} {
		var out bytes.Buffer
		lambdahost.NewLogger(&out).Warn(text, "n", 3, "ok", true, "error", fmt.Errorf("on: %w", errors.New(text)))
		var line struct {
			Msg, Error, Level, Time string
			N                       int
			OK                      bool
		}
		require.NoError(t, json.Unmarshal(out.Bytes(), &line))
		require.Equal(t, text, line.Msg)
		require.Equal(t, "on: "+text, line.Error)
		require.Equal(t, "WARN", line.Level)
		require.NotEmpty(t, line.Time)
		require.True(t, line.OK && line.N == 3)
	}
}

func TestLinesSayWhatTheyBelongTo(t *testing.T) {
	var out bytes.Buffer
	refuse := lambdahost.Host(lambdahost.NewLogger(&out), "disable", func(context.Context, map[string]any) (any, error) {
		return nil, errors.New("odd")
	})
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "8b2fd3a1-2f3b-4d0e-9a56-7c8f5e0a1b2c"})
	payload := []byte(`{"execution":"arn:aws:states:eu-west-1:123456789012:execution:iam-sunset:spring-AIDAX","name":"spring-AIDAX","task_token":"tell-nobody"}`)
	for range 2 {
		_, err := refuse(ctx, payload)
		require.Error(t, err)
	}
	require.NotContains(t, out.String(), "tell-nobody")
	cold := []bool{}
	for text := range strings.Lines(out.String()) {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &line))
		require.Equal(t, "handler failed", line["msg"])
		require.Equal(t, "disable", line["function"])
		require.Equal(t, "arn:aws:states:eu-west-1:123456789012:execution:iam-sunset:spring-AIDAX", line["execution"])
		require.Equal(t, "spring-AIDAX", line["name"])
		require.Equal(t, "8b2fd3a1-2f3b-4d0e-9a56-7c8f5e0a1b2c", line["request"])
		require.Equal(t, "Internal", line["kind"])
		cold = append(cold, line["cold_start"].(bool))
	}
	require.Equal(t, []bool{true, false}, cold)
}

// What a panic or an error says goes to the log without its secrets, and what a history may show has none either.
func TestNothingLeaksThroughTheHost(t *testing.T) {
	const secret = "hunter2-short"
	for name, f := range map[string]func() error{
		"panic of text":   func() error { panic("the token is " + secret) },
		"panic of error":  func() error { panic(fmt.Errorf("wrapping: %w", errors.New("password="+secret))) },
		"error":           func() error { return fmt.Errorf("asking: %w", errors.New("token: "+secret)) },
		"fault":           func() error { return sunset.Faultf(sunset.Invalid, "https://pages.example.com/a/%s%s", secret, secret) },
		"panic of struct": func() error { panic(struct{ Token string }{secret}) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			host := lambdahost.Host(lambdahost.NewLogger(&out), "test", func(context.Context, input) (any, error) { return nil, f() })
			_, err := host(t.Context(), []byte(`{"n": 1}`))
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
			require.NotEmpty(t, out.String())
			require.NotContains(t, out.String(), secret)
		})
	}
	t.Run("input that can't be read", func(t *testing.T) {
		var out bytes.Buffer
		host := lambdahost.Host(lambdahost.NewLogger(&out), "test", func(context.Context, input) (any, error) { return nil, nil })
		_, err := host(t.Context(), []byte(`{"n": "`+secret+`"}`))
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
		require.NotContains(t, out.String(), secret)
	})
}
