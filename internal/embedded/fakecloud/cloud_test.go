package fakecloud_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/fakecloud"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func serve(t *testing.T) (*fakecloud.Cloud, aws.Config) {
	t.Helper()
	c := fakecloud.New(fakecloud.Config{Now: func() time.Time { return start }})
	s, err := c.Serve("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	cfg := s.Config(c.AddPrincipal("disable"), "us-east-1")
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return c, cfg
}

// refused checks the code of an error.
func refused(t *testing.T, code string, err error) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), "%v", err)
}

func put(key, body string) *s3.PutObjectInput {
	return &s3.PutObjectInput{Bucket: aws.String("b"), Key: &key, Body: strings.NewReader(body), IfNoneMatch: aws.String("*"), ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256}
}

func TestBucketRefusesWhatALockedBucketRefuses(t *testing.T) {
	c, cfg := serve(t)
	c.CreateBucket("b", fakecloud.Bucket{WriteOnce: true, Lock: 24 * time.Hour, KMSKey: "arn:aws:kms:us-east-1:111122223333:key/k"})
	client := s3.NewFromConfig(cfg)
	_, err := client.PutObject(t.Context(), put("a/1.json", "{}"))
	require.NoError(t, err)
	_, err = client.PutObject(t.Context(), put("a/1.json", "{}"))
	refused(t, "PreconditionFailed", err)

	unconditional := put("a/2.json", "{}")
	unconditional.IfNoneMatch = nil
	_, err = client.PutObject(t.Context(), unconditional)
	refused(t, "AccessDenied", err)

	bare := s3.NewFromConfig(cfg, func(o *s3.Options) { o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired })
	without := put("a/2.json", "{}")
	without.ChecksumAlgorithm = ""
	_, err = bare.PutObject(t.Context(), without)
	refused(t, "InvalidRequest", err)
	wrong := put("a/2.json", "{}")
	wrong.ChecksumAlgorithm, wrong.ChecksumSHA256 = "", aws.String("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
	_, err = client.PutObject(t.Context(), wrong)
	refused(t, "BadDigest", err)

	_, err = client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("a/1.json")})
	refused(t, "AccessDenied", err)
	_, err = client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("a/1.json"), VersionId: aws.String("1")})
	refused(t, "AccessDenied", err)
	_, err = client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("b"), Key: aws.String("c"), CopySource: aws.String("b/a/1.json")})
	refused(t, "NotImplemented", err)
	_, err = client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("a/1.json"), Range: aws.String("bytes=0-0")})
	refused(t, "NotImplemented", err)

	head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("a/1.json")})
	require.NoError(t, err)
	require.EqualValues(t, 2, *head.ContentLength)
	require.Equal(t, s3types.ServerSideEncryptionAwsKms, head.ServerSideEncryption)
	versions := c.Versions("b")
	require.Len(t, versions, 1)
	require.Equal(t, start.Add(24*time.Hour), versions[0].RetainUntil)
	require.Equal(t, *head.VersionId, versions[0].ID)

	var seen []string
	for _, call := range c.Calls()[:2] {
		seen = append(seen, strings.Join([]string{call.Principal, call.Action, call.Resource, call.Via, call.Error}, " "))
	}
	require.Equal(t, []string{
		"disable kms:GenerateDataKey arn:aws:kms:us-east-1:111122223333:key/k s3 ",
		"disable s3:PutObject arn:aws:s3:::b/a/1.json  ",
	}, seen)
}

func TestBucketShowsVersionsAndDeleteMarkers(t *testing.T) {
	c, cfg := serve(t)
	c.CreateBucket("b", fakecloud.Bucket{})
	first := c.SetObject("b", "settings.json", []byte("1"))
	c.SetObject("b", "settings.json", []byte("2"))
	client := s3.NewFromConfig(cfg)
	read := func(version *string) (string, error) {
		out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("settings.json"), VersionId: version})
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(out.Body)
		require.NoError(t, err)
		return string(b), out.Body.Close()
	}
	now, err := read(nil)
	require.NoError(t, err)
	require.Equal(t, "2", now)
	c.MarkDeleted("b", "settings.json")
	_, err = read(nil)
	refused(t, "NoSuchKey", err)
	old, err := read(&first)
	require.NoError(t, err)
	require.Equal(t, "1", old)
	_, err = client.PutObject(t.Context(), put("settings.json", "3"))
	require.NoError(t, err, "a delete marker is no object")
}

func TestTableRefusesWhatItDoesNotKnow(t *testing.T) {
	c, cfg := serve(t)
	c.CreateTable("t", fakecloud.Table{})
	client := dynamodb.NewFromConfig(cfg)
	text := func(s string) ddb.AttributeValue { return &ddb.AttributeValueMemberS{Value: s} }
	key := map[string]ddb.AttributeValue{"kind": text("case"), "key": text("case/a")}
	for name, c := range map[string]struct {
		call func(context.Context) error
		code string
	}{
		"an unknown condition": {func(ctx context.Context) error {
			_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("t"), Item: key, ConditionExpression: aws.String("size(#k) > :n")})
			return err
		}, "ValidationException"},
		"a plain name": {func(ctx context.Context) error {
			_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("t"), Item: key, ConditionExpression: aws.String("attribute_not_exists(key)")})
			return err
		}, "ValidationException"},
		"an unused value": {func(ctx context.Context) error {
			_, err := client.PutItem(ctx, &dynamodb.PutItemInput{
				TableName: aws.String("t"), Item: key, ConditionExpression: aws.String("attribute_not_exists(#k)"),
				ExpressionAttributeNames: map[string]string{"#k": "key"}, ExpressionAttributeValues: map[string]ddb.AttributeValue{":x": text("x")},
			})
			return err
		}, "ValidationException"},
		"no key": {func(ctx context.Context) error {
			_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("t"), Item: map[string]ddb.AttributeValue{"kind": text("case")}})
			return err
		}, "ValidationException"},
		"an item that is too large": {func(ctx context.Context) error {
			_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("t"), Item: map[string]ddb.AttributeValue{"kind": text("case"), "key": text("case/a"), "body": text(strings.Repeat("x", 400<<10))}})
			return err
		}, "ValidationException"},
		"a read that may be old": {func(ctx context.Context) error {
			_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("t"), Key: key})
			return err
		}, "ValidationException"},
		"a scan": {func(ctx context.Context) error {
			_, err := client.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String("t")})
			return err
		}, "UnknownOperationException"},
		"another table": {func(ctx context.Context) error {
			_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("u"), Key: key, ConsistentRead: aws.Bool(true)})
			return err
		}, "ResourceNotFoundException"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.code, c.call(t.Context())) })
	}
	require.Equal(t, []string{"dynamodb:Scan"}, c.Unknown())
	require.Empty(t, c.Items("t"))
}

func TestWhoIsNobodyIsRefused(t *testing.T) {
	c, cfg := serve(t)
	c.CreateBucket("b", fakecloud.Bucket{})
	c.CreateTable("t", fakecloud.Table{})
	stranger := cfg.Copy()
	stranger.Credentials = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		found, err := cfg.Credentials.Retrieve(ctx)
		found.SecretAccessKey = "guessed"
		return found, err
	})
	_, err := s3.NewFromConfig(stranger).PutObject(t.Context(), put("k", ""))
	refused(t, "SignatureDoesNotMatch", err)
	_, err = dynamodb.NewFromConfig(stranger).GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("t"), Key: map[string]ddb.AttributeValue{"kind": &ddb.AttributeValueMemberS{Value: "k"}}})
	refused(t, "SignatureDoesNotMatch", err)
	stranger.Credentials = aws.AnonymousCredentials{}
	_, err = s3.NewFromConfig(stranger).PutObject(t.Context(), put("k", ""))
	refused(t, "AccessDenied", err)
	require.Empty(t, c.Versions("b"))
	for _, call := range c.Calls() {
		require.Empty(t, call.Principal)
	}

	// The body is part of what is signed.
	tampered := cfg.Copy()
	tampered.HTTPClient = changed{cfg.HTTPClient}
	_, err = s3.NewFromConfig(tampered).PutObject(t.Context(), put("k", "good"))
	refused(t, "XAmzContentSHA256Mismatch", err)
}

// changed alters what goes over the wire.
type changed struct{ inner aws.HTTPClient }

func (c changed) Do(r *http.Request) (*http.Response, error) {
	r.Body = io.NopCloser(bytes.NewReader([]byte("evil")))
	return c.inner.Do(r)
}

func TestFaultsBeforeAndAfterTheWrite(t *testing.T) {
	c, cfg := serve(t)
	c.CreateBucket("b", fakecloud.Bucket{})
	client := s3.NewFromConfig(cfg)
	attempt := func(f fakecloud.Fault) error {
		f.Action = "s3:PutObject"
		defer c.Fail(f)()
		_, err := client.PutObject(t.Context(), put("k", "v"))
		return err
	}
	refused(t, "SlowDown", attempt(fakecloud.Fault{Throttle: true}))
	refused(t, "ConditionalRequestConflict", attempt(fakecloud.Fault{Code: "ConditionalRequestConflict", Status: http.StatusConflict}))
	require.Error(t, attempt(fakecloud.Fault{Drop: true}))
	require.Empty(t, c.Versions("b"), "nothing was done")
	require.Error(t, attempt(fakecloud.Fault{Drop: true, ApplyFirst: true}))
	require.Len(t, c.Versions("b"), 1, "the answer alone was lost")
	require.NoError(t, func() error { _, err := client.PutObject(t.Context(), put("k2", "v")); return err }())
}

func TestServicesHandedOn(t *testing.T) {
	c, cfg := serve(t)
	var got string
	c.Mount("states", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = string(b)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte("{}"))
	}), func(string, []byte) string { return "arn:of:machine" })
	client := sfn.NewFromConfig(cfg)
	send := func() error {
		_, err := client.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: aws.String("t"), Output: aws.String("{}")})
		return err
	}
	require.NoError(t, send())
	require.JSONEq(t, `{"taskToken":"t","output":"{}"}`, got)
	got = ""
	remove := c.Fail(fakecloud.Fault{Action: "states:SendTaskSuccess", Throttle: true})
	refused(t, "ThrottlingException", send())
	require.Empty(t, got)
	remove()
	calls := c.Calls()
	require.Equal(t, "states:SendTaskSuccess", calls[0].Action)
	require.Equal(t, "arn:of:machine", calls[0].Resource)
	require.Equal(t, "disable", calls[0].Principal)
}

func TestServesThisMachineAlone(t *testing.T) {
	_, err := fakecloud.New(fakecloud.Config{}).Serve("0.0.0.0:0")
	require.ErrorContains(t, err, "loopback")
}
