package signature_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
)

var (
	nine = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	key  = signature.Key{ID: "SUNSETTESTKEYAAAAAAA", Secret: "not-a-secret-but-a-test"}
)

// botocore is what botocore 1.44.5, under the AWS CLI, sent with that key at nine o'clock.
const botocore = "POST / HTTP/1.1\r\n" +
	"Host: 127.0.0.1:8765\r\n" +
	"X-Amz-Target: AWSStepFunctions.ListExecutions\r\n" +
	"Content-Type: application/x-amz-json-1.0\r\n" +
	"User-Agent: Botocore/1.44.5 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11.7 cfg/retry-mode#standard\r\n" +
	"X-Amz-Date: 20260302T090000Z\r\n" +
	"Authorization: AWS4-HMAC-SHA256 Credential=SUNSETTESTKEYAAAAAAA/20260302/eu-west-1/states/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, " +
	"Signature=6599a65ac9ad4719e89313f102124179f03216cc8ff95ca321787632fe19fe12\r\n" +
	"amz-sdk-invocation-id: 406213b5-3be0-40a2-919c-670e238638fe\r\n" +
	"amz-sdk-request: attempt=1; max=3\r\n" +
	"Content-Length: 102\r\n\r\n" +
	`{"stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:iam-sunset", "maxResults": 10}`

func received(t *testing.T, wire string) (*http.Request, []byte) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r, body
}

func code(err error) string {
	var no *signature.Refusal
	if errors.As(err, &no) {
		return no.Code
	}
	return fmt.Sprint(err)
}

func TestBotocoreIsTaken(t *testing.T) {
	r, body := received(t, botocore)
	require.NoError(t, key.Verify(r, body, "states", "eu-west-1", nine))
	require.NoError(t, key.Verify(r, body, "states", "eu-west-1", nine.Add(signature.MaxSkew)))
	require.NoError(t, key.Verify(r, body, "states", "eu-west-1", nine.Add(-signature.MaxSkew)))
}

func TestTheSDKIsTaken(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = key.Verify(r, body, "states", "eu-west-1", time.Now())
		}
		asked++
		if err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(rw).Encode(map[string]string{"__type": code(err), "message": err.Error()})
			return
		}
		_, _ = io.WriteString(rw, `{"executions":[]}`)
	}))
	defer server.Close()
	client := func(k signature.Key) *sfn.Client {
		return sfn.New(sfn.Options{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: k.Provider(), RetryMaxAttempts: 1, HTTPClient: awsfault.WholeBodies(nil)})
	}
	in := &sfn.ListExecutionsInput{StateMachineArn: aws.String("arn:aws:states:eu-west-1:111122223333:stateMachine:iam-sunset")}
	_, err := client(key).ListExecutions(t.Context(), in)
	require.NoError(t, err)
	_, err = client(signature.Key{ID: key.ID, Secret: "another"}).ListExecutions(t.Context(), in)
	require.ErrorContains(t, err, "InvalidSignatureException")
	require.Equal(t, 2, asked)
}

// Whatever is changed between the signer and the check is found, and named as AWS would.
func TestEveryChangeIsFound(t *testing.T) {
	const (
		missing, incomplete    = "MissingAuthenticationTokenException", "IncompleteSignatureException"
		unrecognized, mismatch = "UnrecognizedClientException", "InvalidSignatureException"
	)
	swap := func(old, with string) func(*http.Request, *[]byte) {
		return func(r *http.Request, _ *[]byte) {
			a := strings.Replace(r.Header.Get("Authorization"), old, with, 1)
			r.Header.Set("Authorization", a)
		}
	}
	set := func(name string, values ...string) func(*http.Request, *[]byte) {
		return func(r *http.Request, _ *[]byte) { r.Header[http.CanonicalHeaderKey(name)] = values }
	}
	sum := sha256.Sum256([]byte("other"))
	for name, c := range map[string]struct {
		change func(*http.Request, *[]byte)
		want   string
	}{
		"body":                   {func(_ *http.Request, b *[]byte) { *b = bytes.Replace(*b, []byte("10"), []byte("99"), 1) }, mismatch},
		"no body":                {func(_ *http.Request, b *[]byte) { *b = nil }, mismatch},
		"method":                 {func(r *http.Request, _ *[]byte) { r.Method = http.MethodGet }, mismatch},
		"path":                   {func(r *http.Request, _ *[]byte) { r.URL.Path = "/office" }, mismatch},
		"query":                  {func(r *http.Request, _ *[]byte) { r.URL.RawQuery = "a=b" }, mismatch},
		"host":                   {func(r *http.Request, _ *[]byte) { r.Host = "localhost:8765" }, mismatch},
		"target":                 {set("X-Amz-Target", "AWSStepFunctions.StopExecution"), mismatch},
		"target gone":            {func(r *http.Request, _ *[]byte) { r.Header.Del("X-Amz-Target") }, incomplete},
		"target twice":           {set("X-Amz-Target", "AWSStepFunctions.ListExecutions", "AWSStepFunctions.StopExecution"), incomplete},
		"content type":           {set("Content-Type", "text/plain"), mismatch},
		"a header not signed":    {set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:])), mismatch},
		"who calls, not signed":  {set("X-Iam-Sunset-Identity", "proof"), mismatch},
		"target not signed":      {swap(";x-amz-target", ""), mismatch},
		"host not signed":        {swap(";host", ""), mismatch},
		"date not signed":        {swap(";x-amz-date", ""), mismatch},
		"headers not sorted":     {swap("content-type;host", "host;content-type"), incomplete},
		"headers in upper case":  {swap("content-type;host", "Content-Type;host"), incomplete},
		"header named twice":     {swap("host;", "host;host;"), incomplete},
		"signed header not sent": {swap("host;", "host;if-match;"), incomplete},
		"date":                   {set("X-Amz-Date", "20260302T090001Z"), mismatch},
		"another day":            {set("X-Amz-Date", "20260301T235959Z"), mismatch},
		"no date":                {set("X-Amz-Date", ""), incomplete},
		"a date of another form": {set("X-Amz-Date", "Mon, 02 Mar 2026 09:00:00 GMT"), incomplete},
		"unsigned":               {func(r *http.Request, _ *[]byte) { r.Header.Del("Authorization") }, missing},
		"signed twice":           {func(r *http.Request, _ *[]byte) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, incomplete},
		"another algorithm":      {swap("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), incomplete},
		"basic":                  {set("Authorization", "Basic YTpi"), incomplete},
		"no signature":           {swap("Signature=", "Sig="), incomplete},
		"empty signature":        {swap("Signature=6599a65ac9ad4719e89313f102124179f03216cc8ff95ca321787632fe19fe12", "Signature="), incomplete},
		"two credentials":        {swap("SignedHeaders", "Credential=a/b/c/d/aws4_request, SignedHeaders"), incomplete},
		"more parameters":        {swap("SignedHeaders", "X=Y, SignedHeaders"), incomplete},
		"short credential":       {swap("/aws4_request", ""), incomplete},
		"signature":              {swap("6599a6", "6599a7"), mismatch},
		"signature in capitals":  {swap("6599a65ac9ad", "6599A65AC9AD"), mismatch},
		"another key":            {swap("SUNSETTESTKEYAAAAAAA", "SUNSETTESTKEYAAAAAAB"), unrecognized},
		"session token":          {set("X-Amz-Security-Token", "token"), unrecognized},
		"another region":         {swap("eu-west-1", "us-east-1"), mismatch},
		"another service":        {swap("/states/", "/iam-sunset/"), mismatch},
		"another scope's day":    {swap("/20260302/", "/20260301/"), mismatch},
		"presigned":              {func(r *http.Request, _ *[]byte) { r.URL.RawQuery = "X-Amz-Signature=" + strings.Repeat("0", 64) }, incomplete},
		"presigned, lower case":  {func(r *http.Request, _ *[]byte) { r.URL.RawQuery = "x-amz-credential=a" }, incomplete},
	} {
		t.Run(name, func(t *testing.T) {
			r, body := received(t, botocore)
			c.change(r, &body)
			err := key.Verify(r, body, "states", "eu-west-1", nine)
			require.Equal(t, c.want, code(err), "%v", err)
			require.NotContains(t, err.Error(), key.Secret)
			require.NotContains(t, err.Error(), "6599a65ac9ad", "a right signature is told to nobody")
		})
	}
	r, body := received(t, botocore)
	for _, off := range []time.Duration{6 * time.Minute, -6 * time.Minute, 24 * time.Hour} {
		require.Equal(t, mismatch, code(key.Verify(r, body, "states", "eu-west-1", nine.Add(off))))
	}
	require.Equal(t, mismatch, code(key.Verify(r, body, "states", "us-east-1", nine)), "the checker's own region counts")
	require.Equal(t, mismatch, code(key.Verify(r, body, "iam-sunset", "eu-west-1", nine)))
	require.Equal(t, mismatch, code(signature.Key{ID: key.ID, Secret: "x"}.Verify(r, body, "states", "eu-west-1", nine)))
}

// A key that was never made lets nobody in, whatever is signed with nothing.
func TestTheZeroKeyProvesNobody(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", nil)
	sum := sha256.Sum256(nil)
	require.NoError(t, v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "", SecretAccessKey: ""}, r, hex.EncodeToString(sum[:]), "states", "eu-west-1", nine))
	for _, k := range []signature.Key{{}, {ID: "a"}, {Secret: "a"}} {
		require.Equal(t, "UnrecognizedClientException", code(k.Verify(r, nil, "states", "eu-west-1", nine)))
	}
}

// An address with a query and signs in its path is signed in one way by both sides; content-length and
// x-amz-content-sha256 are taken where a client signs them.
func TestPathsQueriesAndLengths(t *testing.T) {
	for _, address := range []string{"/office/objects/a%2Fb=c@d+e", "/office/rows?prefix=case%2F&after=a+b%20c", "/a//b/../c", "/?a=2&a=1&b"} {
		body := []byte("body")
		sum := sha256.Sum256(body)
		r := httptest.NewRequest(http.MethodPut, "http://127.0.0.1:1"+address, bytes.NewReader(body))
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, r, hex.EncodeToString(sum[:]), "iam-sunset", "eu-west-1", nine))
		require.Contains(t, r.Header.Get("Authorization"), "content-length;host;x-amz-content-sha256")
		require.NoError(t, key.Verify(r, body, "iam-sunset", "eu-west-1", nine), address)
		r.ContentLength++
		require.Equal(t, "InvalidSignatureException", code(key.Verify(r, body, "iam-sunset", "eu-west-1", nine)), address)
	}
}

func TestKeysAreDrawnAndShowTheirIDAlone(t *testing.T) {
	k, err := signature.NewKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
	require.NoError(t, err)
	require.Regexp(t, `^SUNSET[A-Z2-7]{14}$`, k.ID)
	require.Len(t, k.Secret, 40)
	other, err := signature.NewKey(bytes.NewReader(bytes.Repeat([]byte{8}, 64)))
	require.NoError(t, err)
	require.NotEqual(t, k, other)
	_, err = signature.NewKey(strings.NewReader("short"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", k, "in", map[string]any{"no": 1})
	for _, shown := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %q", k, k, k, k, k), log.String()} {
		require.Contains(t, shown, k.ID)
		require.NotContains(t, shown, k.Secret)
	}
}
