package identity_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakeaws"
	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var nine = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const engine = "SUNSETENGINEAAAAAAAA"

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// world is an account with a role and a user, and the configuration of the engine that asks its STS.
func world(t *testing.T) (role, user, engineCfg aws.Config) {
	t.Helper()
	account := fakeaws.New(fakeaws.Config{Now: at(nine), Seed: 7, Regions: []string{"eu-west-1", "us-east-1"}})
	joined, err := account.Join("ben", fakeaws.OldKey())
	require.NoError(t, err)
	account.AddRole(fakeaws.RoleSpec{Name: "approvers", CreatedAt: nine.AddDate(-1, 0, 0)})
	server, err := account.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return server.ConfigForSession(account.RoleSession("approvers", "ada"), "eu-west-1"),
		server.ConfigFor(joined.Keys[0].AccessKeyID, joined.Keys[0].SecretAccessKey, "eu-west-1"), server.Config("eu-west-1")
}

func TestSTSSaysWhoCalls(t *testing.T) {
	role, user, cfg := world(t)
	checker := identity.NewChecker(cfg, engine, at(nine))
	purpose := identity.ToSend(http.MethodPost, "/office/v1/decisions", []byte(`{"choice":"delete"}`))
	for arn, who := range map[string]aws.Config{
		"arn:aws:sts::123456789012:assumed-role/approvers/ada": role, "arn:aws:iam::123456789012:user/ben": user,
	} {
		proof, err := identity.Prove(t.Context(), who, engine, purpose, nine)
		require.NoError(t, err)
		secret, err := who.Credentials.Retrieve(t.Context())
		require.NoError(t, err)
		raw, err := base64.RawURLEncoding.DecodeString(proof)
		require.NoError(t, err)
		require.NotContains(t, string(raw), secret.SecretAccessKey)
		caller, err := checker.Check(t.Context(), proof, purpose)
		require.NoError(t, err)
		require.Equal(t, arn, caller.ARN)
		require.Equal(t, "123456789012", caller.Account)
		require.NotEmpty(t, caller.UserID)
	}
}

// A proof is for one engine, one purpose and a few minutes.
func TestAProofIsGoodForNothingElse(t *testing.T) {
	role, _, cfg := world(t)
	send := identity.ToSend(http.MethodPost, "/office/v1/decisions", []byte("a"))
	proof, err := identity.Prove(t.Context(), role, engine, send, nine)
	require.NoError(t, err)
	check := func(audience string, purpose identity.Purpose, now time.Time) error {
		_, err := identity.NewChecker(cfg, audience, at(now)).Check(t.Context(), proof, purpose)
		return err
	}
	require.NoError(t, check(engine, send, nine))
	require.NoError(t, check(engine, send, nine.Add(identity.MaxAge)))
	for what, err := range map[string]error{
		"another engine": check("SUNSETANOTHERAAAAAAA", send, nine), "a start": check(engine, identity.ToStart, nine),
		"another body":    check(engine, identity.ToSend(http.MethodPost, "/office/v1/decisions", []byte("b")), nine),
		"another address": check(engine, identity.ToSend(http.MethodPost, "/office/v1/decisions?", []byte("a")), nine),
		"another method":  check(engine, identity.ToSend(http.MethodPut, "/office/v1/decisions", []byte("a")), nine),
		"later":           check(engine, send, nine.Add(identity.MaxAge+time.Second)),
		"from the future": check(engine, send, nine.Add(-identity.MaxAge-time.Second)),
	} {
		require.Equal(t, sunset.AccessDenied, sunset.KindOf(err), "%s: %v", what, err)
	}
	// Words that would run together differently make no other engine's name.
	_, err = identity.NewChecker(cfg, engine+" send", at(nine)).Check(t.Context(), proof, identity.Purpose(strings.TrimPrefix(string(send), "send ")))
	require.Error(t, err)
	_, err = identity.NewChecker(cfg, "", at(nine)).Check(t.Context(), proof, send)
	require.Error(t, err)
	_, err = identity.Prove(t.Context(), role, engine, "", nine)
	require.Error(t, err)
}

func TestStarter(t *testing.T) {
	role, _, cfg := world(t)
	checker := identity.NewChecker(cfg, engine, at(nine))
	proof, err := identity.Prove(t.Context(), role, engine, identity.ToStart, nine)
	require.NoError(t, err)
	who, err := checker.Starter(t.Context(), http.Header{identity.Header: {proof}})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/approvers/ada", who)
	who, err = checker.Starter(t.Context(), http.Header{})
	require.NoError(t, err)
	require.Empty(t, who)
	for _, bad := range [][]string{{proof, proof}, {""}, {"x"}} {
		who, err = checker.Starter(t.Context(), http.Header{identity.Header: bad})
		require.Equal(t, sunset.AccessDenied, sunset.KindOf(err))
		require.Empty(t, who)
	}
}

// sts is a server in STS's place, and what it was asked.
type sts struct {
	*httptest.Server
	asked  []*http.Request
	bodies []string
}

func newSTS(t *testing.T, status int, answer string) (*sts, aws.Config) {
	s := &sts{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.asked, s.bodies = append(s.asked, r), append(s.bodies, string(body))
		if status == http.StatusTemporaryRedirect {
			rw.Header().Set("Location", answer)
		}
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, answer)
	}))
	t.Cleanup(s.Close)
	return s, aws.Config{Region: "eu-west-1", BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", "token/+=")}
}

const right = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
	`<Arn>arn:aws:iam::123456789012:user/ben</Arn><UserId>AIDAEXAMPLE</UserId><Account>123456789012</Account></GetCallerIdentityResult>` +
	`<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`

// The engine asks what it always asks, where it always asks, whatever is in a proof.
func TestTheQuestionIsTheEnginesOwn(t *testing.T) {
	s, cfg := newSTS(t, http.StatusOK, right)
	proof, err := identity.Prove(t.Context(), cfg, engine, identity.ToStart, nine)
	require.NoError(t, err)
	require.Empty(t, s.asked, "proving calls nobody")
	_, err = identity.NewChecker(cfg, engine, at(nine)).Check(t.Context(), proof, identity.ToStart)
	require.NoError(t, err)
	require.Len(t, s.asked, 1)
	require.Equal(t, []string{"Action=GetCallerIdentity&Version=2011-06-15"}, s.bodies)
	require.Equal(t, "/", s.asked[0].RequestURI)
	require.Equal(t, http.MethodPost, s.asked[0].Method)
	require.Equal(t, engine+" start", s.asked[0].Header.Get("X-Iam-Sunset-Audience"))
	require.Equal(t, "token/+=", s.asked[0].Header.Get("X-Amz-Security-Token"))

	raw, err := base64.RawURLEncoding.DecodeString(proof)
	require.NoError(t, err)
	var parts map[string]string
	require.NoError(t, json.Unmarshal(raw, &parts))
	change := func(field, old, with string) string {
		changed := map[string]string{}
		for k, v := range parts {
			changed[k] = v
		}
		changed[field] = strings.Replace(changed[field], old, with, 1)
		require.NotEqual(t, parts, changed, "%s in %s", old, field)
		b, err := json.Marshal(struct {
			Authorization string `json:"authorization"`
			Date          string `json:"date"`
			Token         string `json:"token,omitempty"`
		}{changed["authorization"], changed["date"], changed["token"]})
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for what, bad := range map[string]string{
		"nothing": "", "no base64": "?", "padded": proof + "=", "spaces": proof + " ", "no JSON": text("x"), "a list": text("[]"),
		"a host":                  text(strings.Replace(string(raw), "{", `{"host":"evil.example",`, 1)),
		"a field twice":           text(strings.Replace(string(raw), "{", `{"date":"20260302T090000Z",`, 1)),
		"a field in capitals":     text(strings.Replace(string(raw), `"date"`, `"Date"`, 1)),
		"more after it":           text(string(raw) + "{}"),
		"another service":         change("authorization", "/sts/", "/iam/"),
		"another region":          change("authorization", "/eu-west-1/", "/us-east-1/"),
		"audience not signed":     change("authorization", ";x-iam-sunset-audience", ""),
		"host not signed":         change("authorization", ";host", ""),
		"another header":          change("authorization", ";host", ";host;x-amz-content-sha256"),
		"token not signed":        change("authorization", "x-amz-security-token;", ""),
		"a line break":            change("authorization", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256\r\nHost: evil.example\r\n"),
		"two signatures":          change("authorization", "Signature=", "Signature=aa, Signature="),
		"unicode for a letter":    change("authorization", "AKIAEXAMPLE", "AKIAEXAMPL\u0415"),
		"a key with a slash":      change("authorization", "AKIAEXAMPLE", "AKIA/EXAMPLE"),
		"a line break in a token": change("token", "token", "token\r\nX-Evil: 1"),
		"a letter of Ünicode":     change("token", "token", "tök\u00ebn"),
		"another day":             change("date", "20260302", "20260301"),
		"a date with a fraction":  change("date", "090000Z", "090000.5Z"),
		"too long":                text(strings.Repeat("x", 20<<10)),
	} {
		_, err := identity.NewChecker(cfg, engine, at(nine)).Check(t.Context(), bad, identity.ToStart)
		require.Equal(t, sunset.AccessDenied, sunset.KindOf(err), "%s: %v", what, err)
		require.NotContains(t, err.Error(), parts["token"], what)
		require.Len(t, s.asked, 1, "%s: nobody is asked about it", what)
	}
}

// Only STS's own answer makes somebody out of a proof.
func TestWhatIsNoAnswerProvesNobody(t *testing.T) {
	swap := func(old, with string) string { return strings.Replace(right, old, with, 1) }
	result := right[strings.Index(right, "<GetCallerIdentityResult>"):strings.Index(right, "<ResponseMetadata>")]
	for what, answer := range map[string]string{
		"nothing": "", "JSON": `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Arn":"arn:aws:iam::123456789012:user/ben"}}}`,
		"half":                right[:len(right)-10],
		"another namespace":   swap("2011-06-15", "2011-06-16"),
		"no namespace":        swap(` xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`, ""),
		"another operation":   strings.ReplaceAll(right, "GetCallerIdentity", "GetSessionToken"),
		"inside of another":   "<Outer>" + right + "</Outer>",
		"two answers":         right + right,
		"text after":          right + "x",
		"a comment after":     right + "<!-- x -->",
		"two results":         swap(result, result+result),
		"two ARNs":            swap("<UserId>", "<Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>"),
		"no ARN":              swap("<Arn>arn:aws:iam::123456789012:user/ben</Arn>", ""),
		"another account":     swap("<Account>123456789012", "<Account>210987654321"),
		"no UserId":           swap("AIDAEXAMPLE", ""),
		"a role":              swap("user/ben", "role/ben"),
		"a policy":            swap("user/ben", "policy/ben"),
		"another service":     swap(":iam:", ":s3:"),
		"ARN with a space":    swap("user/ben", "user/ben "),
		"letters not ASCII":   swap("user/ben", "user/b\u0435n"),
		"nested text in ARN":  swap("user/ben", "user/<b>ben</b>"),
		"account of letters":  strings.ReplaceAll(right, "123456789012", "12345678901x"),
		"too long an answer":  swap("<RequestId>", "<RequestId>"+strings.Repeat(" ", 70<<10)),
		"result without name": strings.ReplaceAll(right, "GetCallerIdentityResult", "Result"),
	} {
		_, cfg := newSTS(t, http.StatusOK, answer)
		caller, err := check(t, cfg)
		require.Equal(t, sunset.Unavailable, sunset.KindOf(err), "%s: %v, %v", what, err, caller)
		require.Zero(t, caller, what)
	}
	fails := func(code string) string {
		return fmt.Sprintf(`<ErrorResponse><Error><Code>%s</Code><Message>m</Message></Error></ErrorResponse>`, code)
	}
	elsewhere, _ := newSTS(t, http.StatusOK, right)
	for _, c := range []struct {
		status int
		answer string
		kind   sunset.Kind
	}{
		{403, fails("SignatureDoesNotMatch"), sunset.AccessDenied},
		{403, fails("InvalidClientTokenId"), sunset.AccessDenied},
		{403, right, sunset.AccessDenied},
		{400, fails("Throttling"), sunset.Throttled},
		{429, "", sunset.Throttled},
		{500, right, sunset.Unavailable},
		{503, "", sunset.Unavailable},
		{202, right, sunset.Unavailable},
		{307, elsewhere.URL, sunset.Unavailable},
	} {
		_, cfg := newSTS(t, c.status, c.answer)
		caller, err := check(t, cfg)
		require.Equal(t, c.kind, sunset.KindOf(err), "%d %s: %v", c.status, c.answer, err)
		require.Zero(t, caller)
	}
	gone, cfg := newSTS(t, 200, right)
	gone.Close()
	_, err := check(t, cfg)
	require.Equal(t, sunset.Unavailable, sunset.KindOf(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, cfg = newSTS(t, 200, right)
	proof, err := identity.Prove(t.Context(), cfg, engine, identity.ToStart, nine)
	require.NoError(t, err)
	_, err = identity.NewChecker(cfg, engine, at(nine)).Check(ctx, proof, identity.ToStart)
	require.Error(t, err)
}

func check(t *testing.T, cfg aws.Config) (identity.Caller, error) {
	t.Helper()
	proof, err := identity.Prove(t.Context(), cfg, engine, identity.ToStart, nine)
	require.NoError(t, err)
	return identity.NewChecker(cfg, engine, at(nine)).Check(t.Context(), proof, identity.ToStart)
}

// On AWS the regional endpoint is asked, or the one that the configuration names.
func TestRegionalEndpoint(t *testing.T) {
	for region, host := range map[string]string{"eu-west-1": "sts.eu-west-1.amazonaws.com", "cn-north-1": "sts.cn-north-1.amazonaws.com.cn", "us-east-1": "sts.us-east-1.amazonaws.com"} {
		var asked []string
		cfg := aws.Config{
			Region: region, Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""),
			HTTPClient: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.Scheme+"://"+r.URL.Host+r.URL.Path)
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(right))}, nil
			}),
		}
		_, err := check(t, cfg)
		require.NoError(t, err)
		// Whoever proves may have another region, and be told of other endpoints.
		checker := identity.NewChecker(cfg, engine, at(nine))
		address, err := checker.Endpoint(t.Context())
		require.NoError(t, err)
		proof, err := identity.Prove(t.Context(), identity.For(aws.Config{
			Region: "ap-south-1", Credentials: cfg.Credentials, BaseEndpoint: aws.String("http://127.0.0.1:1"),
		}, checker.Region(), address), engine, identity.ToStart, nine)
		require.NoError(t, err)
		_, err = checker.Check(t.Context(), proof, identity.ToStart)
		require.NoError(t, err)
		require.Equal(t, []string{"https://" + host + "/", "https://" + host + "/"}, asked)
	}
}

// Whoever is told what to sign for signs no other question.
func TestAnEngineCantHaveOtherQuestionsSigned(t *testing.T) {
	mine := aws.Config{Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", "")}
	for _, to := range [][2]string{
		{"eu-west-1", "https://sts.amazonaws.com/?Action=AssumeRole&Version=2011-06-15"},
		{"eu-west-1", "https://sts.amazonaws.com/x"},
		{"eu-west-1", "https://a:b@sts.amazonaws.com"},
		{"eu-west-1", "https://sts.amazonaws.com/#x"},
		{"eu-west-1/iam/aws4_request", "https://sts.amazonaws.com"},
		{"", "https://sts.amazonaws.com"},
		{"eu-west-1", ""},
		{"eu-west-1", "/"},
	} {
		_, err := identity.Prove(t.Context(), identity.For(mine, to[0], to[1]), engine, identity.ToStart, nine)
		require.Error(t, err, to)
	}
	_, err := identity.Prove(t.Context(), identity.For(mine, "eu-west-1", "https://sts.eu-west-1.amazonaws.com/"), engine, identity.ToStart, nine)
	require.NoError(t, err)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) { return f(r) }
